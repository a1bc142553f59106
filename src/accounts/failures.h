/*
 * failures.h
 *		Wrong passwords that outlive the transaction that counted them.
 */
#ifndef CUSTOMERS_FAILURES_H
#define CUSTOMERS_FAILURES_H

#include "datatype/timestamp.h"
#include "stores/store.h"

/* Whose they are. */
typedef struct FailureKey
{
	Oid table; /* credential */
	Oid owner; /* of the store */
	int64 customer_id;
} FailureKey;

extern int cust_failures_of(const FailureKey *key, TimestampTz *last);
extern void cust_failures_note(const FailureKey *key, int failures,
							   TimestampTz now);
extern void cust_failures_forget(const FailureKey *key);

#endif /* CUSTOMERS_FAILURES_H */
