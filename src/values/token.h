/*
 * token.h
 *		Secret tokens that approve something once.
 */
#ifndef CUSTOMERS_TOKEN_H
#define CUSTOMERS_TOKEN_H

#define CUST_TOKEN_LENGTH 43	  /* base64url of 256 bits */
#define CUST_TOKEN_HASH_LENGTH 32 /* SHA-256 of that text */

extern void cust_token_make(char clear[CUST_TOKEN_LENGTH + 1]);
extern bytea *cust_token_hash(const char *clear, size_t length);
extern bool cust_token_matches(text *clear, bytea *hash);

#endif /* CUSTOMERS_TOKEN_H */
