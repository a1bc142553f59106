/*
 * subscribed.h
 *		The subscriptions of a store: who wants which events.
 */
#ifndef CUSTOMERS_SUBSCRIBED_H
#define CUSTOMERS_SUBSCRIBED_H

#include "stores/store.h"

/* longest name, in bytes, as the table's CHECK has it */
#define SUBSCRIPTION_NAME_MAX 200

/* most bytes of all patterns of a subscription */
#define SUBSCRIPTION_PATTERNS_MAX ((Size) 1024 * 1024)

typedef struct Subscription
{
	Datum name; /* text */
	bool doorbell;
	int npatterns;
	char **patterns; /* of the types of events; * stands for anything */
} Subscription;

extern List *cust_subscribed_read(const Store *store);
extern bool cust_subscribed_wants(const Subscription *subscription,
								  const char *type);
extern void cust_subscribed_expect(const Store *store, NullableDatum name);
pg_noreturn extern void cust_subscribed_unknown(const Store *store,
												NullableDatum name);

#endif /* CUSTOMERS_SUBSCRIBED_H */
