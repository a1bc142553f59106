/*
 * subscribed.h
 *		Is there a subscription of that name?
 */
#ifndef CUSTOMERS_SUBSCRIBED_H
#define CUSTOMERS_SUBSCRIBED_H

#include "store.h"

extern void cust_subscribed_expect(const Store *store, NullableDatum name);
pg_noreturn extern void cust_subscribed_unknown(const Store *store,
												NullableDatum name);

#endif /* CUSTOMERS_SUBSCRIBED_H */
