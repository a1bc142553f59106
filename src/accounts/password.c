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
#include "guc.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "report.h"
#include "utils/builtins.h"

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
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory while hashing a password")));
	CHECK_FOR_INTERRUPTS();
	return cstring_to_text(hash);
}

/* Is the hash that of the password? */
bool
cust_password_matches(text *password, text *hash)
{
	char *stored = text_to_cstring(hash);
	bool matches;

	if (strlen(stored) >= crypto_pwhash_STRBYTES)
		return false;
	CHECK_FOR_INTERRUPTS();
	errno = 0;
	matches = crypto_pwhash_str_verify(stored, VARDATA_ANY(password),
									   VARSIZE_ANY_EXHDR(password)) == 0;
	/* this is how libsodium tells a wrong password from a failure */
	if (!matches && errno != EINVAL)
		report_out_of_memory();
	CHECK_FOR_INTERRUPTS();
	return matches;
}

/* Takes as long as comparing a password, where there is none to compare. */
void
cust_password_spend_time(void)
{
	static const char nothing[CUST_PASSWORD_MIN] = "nothing";
	text *password = cstring_to_text_with_len(nothing, sizeof(nothing));

	pfree(cust_password_hash(password));
	pfree(password);
}

/* Was the hash made at another cost than the present one? */
bool
cust_password_is_outdated(text *hash)
{
	return crypto_pwhash_str_needs_rehash(text_to_cstring(hash),
										  cust_guc_password_passes,
										  memory_limit()) != 0;
}

/* Clears a password that is no longer needed; it must be a copy of ours. */
void
cust_password_wipe(text *password)
{
	explicit_bzero(VARDATA_ANY(password), VARSIZE_ANY_EXHDR(password));
}
