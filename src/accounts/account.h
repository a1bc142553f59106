/*
 * account.h
 *		What the functions of accounts share.
 */
#ifndef CUSTOMERS_ACCOUNT_H
#define CUSTOMERS_ACCOUNT_H

#include "fmgr.h"
#include "stores/store.h"

extern const PlanQuery cust_account_lock_customer; /* (id) */

extern const Store *cust_account_store(void);
extern text *cust_account_secret(FunctionCallInfo fcinfo, int argument,
								 const char *name);
extern void cust_account_set_password(const Store *store, int64 customer_id,
									  text *password, text *proof, bool first);
pg_noreturn extern void cust_account_report_no_proof(const Store *store,
													 const char *hint);

#endif /* CUSTOMERS_ACCOUNT_H */
