/*
 * phc.h
 *		Stored hashes of passwords: argon2id as PHC strings.
 */
#ifndef CUSTOMERS_PHC_H
#define CUSTOMERS_PHC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUST_PHC_SALT_LENGTH 16
#define CUST_PHC_HASH_LENGTH 32

/* What a hash was made with, and the hash. */
typedef struct CustPhc
{
	uint32_t memory; /* kB */
	uint32_t passes;
	unsigned char salt[CUST_PHC_SALT_LENGTH];
	unsigned char hash[CUST_PHC_HASH_LENGTH];
} CustPhc;

extern bool cust_phc_parse(const char *s, size_t length, CustPhc *phc);

#endif /* CUSTOMERS_PHC_H */
