/* password.c: passwords as they are given, and hashes as they are stored. */
#include "server.h"

#include <sodium.h>

#include "accounts/password.h"
#include "guc.h"
#include "utils/builtins.h"
#include "values/phc.h"

/*
 * What is taken for a hash, libsodium takes for one, and of the same cost, but
 * for costs below its own least, which are never run.
 */
static void
check_hash(text *stored)
{
	char *s = text_to_cstring(stored);
	CustPhc phc;

	if (!cust_phc_parse(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored), &phc))
		return;
	PROMISE(strlen(s) < crypto_pwhash_STRBYTES);
	if (phc.memory < CUST_PASSWORD_MEMORY_MIN)
		return;
	PROMISE(crypto_pwhash_str_needs_rehash(s, phc.passes,
										   (size_t) phc.memory * 1024) == 0);
}

void
fuzz_one(Input *input)
{
	text *stored = server_next_text(input);
	text *password = server_next_text(input);

	check_hash(stored);
	(void) cust_password_is_outdated(stored);
	if (!cust_password_length_fits(password))
		cust_password_check_length("shop", password);
}
