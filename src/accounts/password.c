/*
 * password.c
 *		Hashes of passwords: argon2id by libsodium, as PHC strings.
 *
 * One run costs what the settings customers.password_memory and
 * customers.password_passes say, and cannot be interrupted; interrupts are
 * looked at before and after.  Its memory goes back to the system with it.
 */
#include "postgres.h"

#include <sodium.h>

#include "accounts/password.h"
#include "compat.h"
#include "fmgr.h"
#include "guc.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "report.h"
#include "utils/builtins.h"
#include "values/phc.h"

#define BYTES_PER_KB 1024

static size_t
memory_limit(void)
{
	return (size_t) cust_guc_password_memory * BYTES_PER_KB;
}

pg_noreturn static void
report_out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory while hashing a password")));
	pg_unreachable();
}

/* Is the password neither too short nor too long? */
bool
cust_password_length_fits(text *password)
{
	int length = VARSIZE_ANY_EXHDR(password);

	return length <= CUST_PASSWORD_MAX &&
		pg_mbstrlen_with_len(VARDATA_ANY(password), length) >=
		CUST_PASSWORD_MIN;
}

/* Raises credential_password_length for a password that does not fit. */
void
cust_password_check_length(const char *schema, text *password)
{
	if (password == NULL || !cust_password_length_fits(password))
		cust_report(
			&(CustError){
				.rule = "credential_password_length",
				.schema = schema,
				.table = "credential",
				.column = "new_password",
				.hint = "Any characters will do; longer is better.",
			},
			"a password has at least 8 characters and at most 1,024 bytes");
}

/* The hash of a password at the present cost. */
text *
cust_password_hash(text *password)
{
	char hash[crypto_pwhash_STRBYTES];
	int failed;

	CHECK_FOR_INTERRUPTS();
	failed = crypto_pwhash_str_alg(hash, VARDATA_ANY(password),
								   VARSIZE_ANY_EXHDR(password),
								   cust_guc_password_passes, memory_limit(),
								   crypto_pwhash_ALG_ARGON2ID13);
	if (failed)
		report_out_of_memory();
	CHECK_FOR_INTERRUPTS();
	return cstring_to_text(hash);
}

/*
 * Reads a hash that a table has.  False for what is none, and for one whose
 * cost is above what the settings can ask for: whoever writes to the table
 * could have it run for hours.
 */
static bool
read_hash(text *stored, CustPhc *phc)
{
	return stored != NULL &&
		cust_phc_parse(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored), phc) &&
		phc->memory >= CUST_PASSWORD_MEMORY_MIN &&
		phc->memory <= CUST_PASSWORD_MEMORY_MAX &&
		phc->passes <= CUST_PASSWORD_PASSES_MAX;
}

/* One run at the cost and with the salt of phc. */
static void
run_hash(const char *password, int length, const CustPhc *phc,
		 unsigned char hash[CUST_PHC_HASH_LENGTH])
{
	int failed;

	StaticAssertStmt(crypto_pwhash_SALTBYTES == CUST_PHC_SALT_LENGTH,
					 "length of a salt");
	CHECK_FOR_INTERRUPTS();
	failed = crypto_pwhash(hash, CUST_PHC_HASH_LENGTH, password, length,
						   phc->salt, phc->passes,
						   (size_t) phc->memory * BYTES_PER_KB,
						   crypto_pwhash_ALG_ARGON2ID13);
	if (failed)
		report_out_of_memory();
	CHECK_FOR_INTERRUPTS();
}

/*
 * Is the stored hash that of the password?  What is no hash, or must not be
 * run, is that of none, and takes as long as a hash of the present cost; so
 * does NULL, where there is nothing to compare, and a password that is too
 * long.
 */
bool
cust_password_matches(text *password, text *stored)
{
	unsigned char hash[CUST_PHC_HASH_LENGTH];
	int length = VARSIZE_ANY_EXHDR(password);
	CustPhc phc;
	bool possible = length <= CUST_PASSWORD_MAX && read_hash(stored, &phc);
	bool matches;

	if (!possible)
	{
		memset(&phc, 0, sizeof(phc));
		phc.memory = cust_guc_password_memory;
		phc.passes = cust_guc_password_passes;
		length = Min(length, CUST_PASSWORD_MAX);
	}
	run_hash(VARDATA_ANY(password), length, &phc, hash);
	matches = sodium_memcmp(hash, phc.hash, CUST_PHC_HASH_LENGTH) == 0;
	explicit_bzero(hash, sizeof(hash));
	return possible && matches;
}

/* Was the hash made at another cost than the present one? */
bool
cust_password_is_outdated(text *stored)
{
	CustPhc phc;

	return !read_hash(stored, &phc) ||
		phc.memory != (uint32_t) cust_guc_password_memory ||
		phc.passes != (uint32_t) cust_guc_password_passes;
}

PG_FUNCTION_INFO_V1(customers_password_hash_fault);

/*
 * password_hash_fault(password_hash) returns text: why it is never run, NULL
 * if it is
 */
Datum
customers_password_hash_fault(PG_FUNCTION_ARGS)
{
	CustPhc phc;
	text *stored;

	if (PG_ARGISNULL(0))
		PG_RETURN_TEXT_P(cstring_to_text("it is missing"));
	stored = PG_GETARG_TEXT_PP(0);
	if (read_hash(stored, &phc))
		PG_RETURN_NULL();
	if (cust_phc_parse(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored), &phc))
		PG_RETURN_TEXT_P(cstring_to_text("its cost is out of bounds"));
	PG_RETURN_TEXT_P(cstring_to_text("it is no hash of argon2id"));
}
