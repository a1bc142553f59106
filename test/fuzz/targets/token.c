/* token.c: tokens as they are given, beside any hash. */
#include "server.h"

#include "values/token.h"

void
fuzz_one(Input *input)
{
	text *clear = server_next_text(input);
	bytea *hash = palloc(VARHDRSZ + input->left);
	bytea *right = cust_token_hash(VARDATA_ANY(clear),
								   VARSIZE_ANY_EXHDR(clear));

	SET_VARSIZE(hash, VARHDRSZ + input->left);
	memcpy(VARDATA(hash), input->data, input->left);
	(void) cust_token_matches(clear, hash);
	PROMISE(cust_token_matches(clear, right));
	VARDATA(right)[input->left % CUST_TOKEN_HASH_LENGTH] ^= 1;
	PROMISE(!cust_token_matches(clear, right));
}
