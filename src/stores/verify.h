/*
 * verify.h
 *		Whether a schema is a store; for store.c.
 */
#ifndef CUSTOMERS_VERIFY_H
#define CUSTOMERS_VERIFY_H

#include "stores/store.h"

#define VERIFY_MAX_KEYS 32

/* how much of a store was seen to be as it must be */
typedef enum StoreState
{
	STORE_UNKNOWN,
	STORE_TABLES, /* tables, columns, sequences and owners: for triggers */
	STORE_WHOLE	  /* also triggers and unique keys: for functions */
} StoreState;

/* What is known of a store, and of what it follows. */
typedef struct VerifiedStore
{
	Store store;
	int nkeys;
	Oid keys[VERIFY_MAX_KEYS]; /* the indexes of its unique keys */
} VerifiedStore;

extern void cust_verify_store(VerifiedStore *verified, StoreState state);

#endif /* CUSTOMERS_VERIFY_H */
