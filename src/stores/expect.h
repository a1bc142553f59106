/*
 * expect.h
 *		Whether a customer exists, and why a change found none.
 */
#ifndef CUSTOMERS_EXPECT_H
#define CUSTOMERS_EXPECT_H

#include "stores/store.h"

extern bool cust_expect_exists(const Store *store, int64 id);
extern void cust_expect_customer(const Store *store, NullableDatum id);
pg_noreturn extern void cust_expect_failed(const Store *store,
										   NullableDatum id,
										   NullableDatum expected_version);

#endif /* CUSTOMERS_EXPECT_H */
