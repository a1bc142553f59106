/*
 * customer.h
 *		What the functions and the guard of customers share.
 */
#ifndef CUSTOMERS_CUSTOMER_H
#define CUSTOMERS_CUSTOMER_H

#include "stores/store.h"

pg_noreturn extern void cust_customer_report_unconfirmed(const char *schema,
														 int64 id);

#endif /* CUSTOMERS_CUSTOMER_H */
