/*
 * account_registered.c
 *		The rule that a registered customer can log in somehow.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "rows/trigger.h"
#include "stores/store.h"

static const PlanQuery select_unfounded = {
	.text = "SELECT id FROM @store@.customer c"
			" WHERE c.id" EQ "$1 AND c.has_account AND c.external_id IS NULL"
			" AND NOT EXISTS (SELECT FROM @store@.credential k"
			" WHERE k.customer_id" EQ "c.id)",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* Is it registered without anything that it could log in by? */
static bool
is_unfounded(const TriggerRow *row, int64 id)
{
	const Store *store = cust_store_of(row->data->tg_relation);
	NullableDatum value = {Int64GetDatum(id), false};
	bool found;

	cust_plan_begin();
	found = cust_plan_run(&select_unfounded, &store->target, &value, 1).count >
		0;
	cust_plan_end();
	return found;
}

/*
 * Can this statement have left the row without foundation?  A row that has
 * none got there by its INSERT or by losing its external_id; statements that
 * do neither leave the check to the one that did, which is to come as well.
 */
static bool
may_lose_foundation(const TriggerRow *row)
{
	if (!cust_trigger_is_null(row, CUSTOMER_EXTERNAL_ID))
		return false;
	return row->operation == TRIGGER_INSERT ||
		!cust_trigger_was_null(row, CUSTOMER_EXTERNAL_ID) ||
		cust_trigger_changed(row, CUSTOMER_HAS_ACCOUNT);
}

PG_FUNCTION_INFO_V1(customers_customer_account_registered);

/*
 * constraint trigger: AFTER INSERT or UPDATE ON customer FOR EACH ROW,
 * deferred, so it looks at the customer as it is at commit
 */
Datum
customers_customer_account_registered(PG_FUNCTION_ARGS)
{
	TriggerRow row;
	int64 id;

	cust_trigger_open(fcinfo, &cust_layout[STORE_CUSTOMER], TRIGGER_AFTER_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE, &row);
	if (!may_lose_foundation(&row))
		return PointerGetDatum(NULL);
	id = cust_trigger_new_id(&row, CUSTOMER_ID);
	if (is_unfounded(&row, id))
		cust_trigger_refuse(
			&row, "customer_account_registered", CUSTOMER_HAS_ACCOUNT,
			"Register with customers.register_customer, or import with the external_id of the other system.",
			psprintf(
				"customer " INT64_FORMAT
				" has an account but neither a password nor an external_id",
				id));
	return PointerGetDatum(NULL);
}
