/*
 * expect.c
 *		Whether a customer exists, and why a change found none: unknown, or of
 *		another version than the caller expected.
 *
 * Called by the nouns that read or change customers, with an SPI
 * connection open.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "stores/expect.h"

static const PlanQuery select_version = {
	.text = "SELECT version FROM @store@.customer WHERE id" EQ "$1",
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery select_visible = {
	.text = "SELECT id FROM @store@.customer WHERE id" EQ "$1",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery select_exists = {
	.text = "SELECT id FROM @store@.customer WHERE id" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* Is there a customer of that id, whether the caller may see it or not? */
bool
cust_expect_exists(const Store *store, int64 id)
{
	NullableDatum value = {Int64GetDatum(id), false};

	return cust_plan_run(&select_exists, &store->target, &value, 1).count > 0;
}

/* Raises 23503 unless the caller sees a customer of that id. */
void
cust_expect_customer(const Store *store, NullableDatum id)
{
	PlanRows rows = cust_plan_run(&select_visible, &store->target, &id, 1);

	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, DatumGetInt64(id.value));
}

/* Raises why an UPDATE found no row; expected_version NULL: not given. */
void
cust_expect_failed(const Store *store, NullableDatum id,
				   NullableDatum expected_version)
{
	PlanRows rows = cust_plan_run(&select_version, &store->target, &id, 1);

	if (rows.count == 0 || expected_version.isnull)
		cust_store_unknown(store, STORE_CUSTOMER, DatumGetInt64(id.value));
	cust_report(
		&(CustError){
			.rule = "customer_version_current",
			.schema = store->target.name,
			.table = "customer",
			.column = "version",
			.hint =
				"Somebody else changed it; read the customer again and repeat the change.",
		},
		"customer " INT64_FORMAT " has version " INT64_FORMAT
		", not " INT64_FORMAT,
		DatumGetInt64(id.value), cust_plan_int64(&rows, 0, 1),
		DatumGetInt64(expected_version.value));
}
