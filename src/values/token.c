/*
 * token.c
 *		Secret tokens: 256 random bits as base64url, and their hash.
 *
 * Only the hash is ever stored; the clear text goes to the delivery.  Whoever
 * holds a clear text clears it after use.
 */
#include "postgres.h"

#include <sodium.h>

#include "compat.h"
#include "values/token.h"

#define TOKEN_BYTES 32

/* Makes a new token, NUL-terminated. */
void
cust_token_make(char clear[CUST_TOKEN_LENGTH + 1])
{
	unsigned char bits[TOKEN_BYTES];

	StaticAssertStmt(
		sodium_base64_ENCODED_LEN(TOKEN_BYTES,
								  sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
			CUST_TOKEN_LENGTH + 1,
		"length of a token");
	if (!pg_strong_random(bits, TOKEN_BYTES))
		elog(ERROR, "could not generate random bits");
	sodium_bin2base64(clear, CUST_TOKEN_LENGTH + 1, bits, TOKEN_BYTES,
					  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(bits, TOKEN_BYTES);
}

/* The hash that is stored of a token. */
bytea *
cust_token_hash(const char *clear, size_t length)
{
	bytea *hash = palloc(VARHDRSZ + CUST_TOKEN_HASH_LENGTH);

	StaticAssertStmt(crypto_hash_sha256_BYTES == CUST_TOKEN_HASH_LENGTH,
					 "length of a hash");
	SET_VARSIZE(hash, VARHDRSZ + CUST_TOKEN_HASH_LENGTH);
	crypto_hash_sha256((unsigned char *) VARDATA(hash),
					   (const unsigned char *) clear, length);
	return hash;
}

/* Is hash that of the token?  Takes the same time for every wrong token. */
bool
cust_token_matches(text *clear, bytea *hash)
{
	bytea *given = cust_token_hash(VARDATA_ANY(clear),
								   VARSIZE_ANY_EXHDR(clear));

	return VARSIZE_ANY_EXHDR(hash) == CUST_TOKEN_HASH_LENGTH &&
		sodium_memcmp(VARDATA_ANY(hash), VARDATA(given),
					  CUST_TOKEN_HASH_LENGTH) == 0;
}
