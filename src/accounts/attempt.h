/*
 * attempt.h
 *		One try of a password on an account, known or not.
 */
#ifndef CUSTOMERS_ATTEMPT_H
#define CUSTOMERS_ATTEMPT_H

#include "accounts/failures.h"

typedef struct Attempt
{
	const Store *store;
	int64 customer_id;	 /* as it was asked for, or found */
	bool customer;		 /* was it found, */
	bool credential;	 /* and has it one? */
	text *password_hash; /* NULL: none */
	int failed_attempts; /* as its row says; NULL is 0 */
	int failures;		 /* with those that were rolled back */
	bool waits;
} Attempt;

extern void cust_attempt_by_email(Attempt *attempt, const Store *store,
								  NullableDatum email);
extern void cust_attempt_by_id(Attempt *attempt, const Store *store,
							   int64 customer_id);
extern bool cust_attempt_succeeds(Attempt *attempt, text *password);

#endif /* CUSTOMERS_ATTEMPT_H */
