/*
 * customer_delete.c
 *		Deleting a customer, confirmed with the e-mail.
 *
 * Locks what the deletion touches in the order of all functions, then makes
 * one DELETE, which the guard in customer_guard.c judges like anybody's: so the
 * typed e-mail is compared only with rows that the caller may delete.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "guc.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "values/email.h"

static const PlanQuery select_visible = {
	.text = "SELECT id FROM @store@.customer WHERE id" EQ "$1",
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery lock_customer = {
	.text = "SELECT id FROM @store@.customer WHERE id" EQ "$1 FOR UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery lock_orders = {
	.text = "SELECT id FROM @store@.orders WHERE id" EQ "ANY (ARRAY("
			" SELECT id FROM @store@.orders WHERE customer_id" EQ "$1"
			" UNION ALL"
			" SELECT order_id FROM @store@.order_transfer"
			" WHERE status" EQ "'requested'"
			" AND (from_customer_id" EQ "$1 OR to_customer_id" EQ "$1)))"
			" ORDER BY id FOR NO KEY UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery lock_transfers = {
	.text = "SELECT id FROM @store@.order_transfer"
			" WHERE from_customer_id" EQ "$1 OR to_customer_id" EQ "$1"
			" ORDER BY id FOR NO KEY UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* in the order in which account functions do; the cascades have their own */
static const PlanQuery lock_account_rows[] = {
	{
		.text = "SELECT customer_id FROM @store@.credential"
				" WHERE customer_id" EQ "$1 FOR UPDATE",
		.as_owner = true,
		.nargs = 1,
		.argtypes = {INT8OID},
	},
	{
		.text = "SELECT id FROM @store@.account_token"
				" WHERE customer_id" EQ "$1 FOR UPDATE",
		.as_owner = true,
		.nargs = 1,
		.argtypes = {INT8OID},
	},
};

static const PlanQuery anonymize_orders = {
	.text = "UPDATE @store@.orders SET email = NULL,"
			" shipping_address = NULL, billing_address = NULL"
			" WHERE customer_id" EQ "$1",
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery delete_customer = {
	.text = "DELETE FROM @store@.customer WHERE id" EQ "$1",
	.nargs = 1,
	.argtypes = {INT8OID},
};

/*
 * Locks what the deletion touches, in the order of all functions.  A customer
 * whom row security hides from the caller is an unknown one.
 */
static void
lock_for_deletion(const Store *store, const NullableDatum *id)
{
	if (cust_plan_run(&select_visible, &store->target, id, 1).count == 0 ||
		cust_plan_run(&lock_customer, &store->target, id, 1).count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, DatumGetInt64(id->value));
	cust_plan_run(&lock_account_rows[0], &store->target, id, 0);
	cust_plan_run(&lock_account_rows[1], &store->target, id, 0);
	cust_plan_run(&lock_orders, &store->target, id, 0);
	cust_plan_run(&lock_transfers, &store->target, id, 0);
}

/*
 * What the setting customers.confirm_delete says for the typed e-mail.  What
 * is no e-mail confirms nothing.
 */
static const char *
confirmation(FunctionCallInfo fcinfo)
{
	text *typed = PG_ARGISNULL(1) ? NULL :
									cust_email_sought(PG_GETARG_TEXT_PP(1));

	return typed == NULL ? "" :
						   psprintf(INT64_FORMAT ":%s", PG_GETARG_INT64(0),
									text_to_cstring(typed));
}

PG_FUNCTION_INFO_V1(customers_delete_customer);

/* delete_customer(customer_id, confirm_email, anonymize_orders) returns void */
Datum
customers_delete_customer(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	PlanRows rows;
	int level;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	if (PG_ARGISNULL(2))
		cust_report_null("anonymize_orders");
	cust_store_require(store, STORE_CUSTOMER, ACL_DELETE, NULL);
	cust_plan_begin();
	lock_for_deletion(store, fcinfo->args);
	if (PG_GETARG_BOOL(2))
		cust_plan_run(&anonymize_orders, &store->target, fcinfo->args, 0);
	level = cust_guc_set_for_statement("customers.confirm_delete",
									   confirmation(fcinfo));
	rows = cust_plan_run(&delete_customer, &store->target, fcinfo->args, 0);
	cust_guc_unset(level);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, PG_GETARG_INT64(0));
	cust_plan_end();
	PG_RETURN_VOID();
}
