/*
 * subscribed.c
 *		Is there a subscription of that name?
 *
 * Called by the nouns that work on subscriptions and their deliveries, in a
 * room of plan.c.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "subscribed.h"
#include "utils/builtins.h"

static const PlanQuery select_subscription = {
	.text = "SELECT name FROM @store@.subscription WHERE name" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

/* Raises 23503: there is no subscription of that name. */
void
cust_subscribed_unknown(const Store *store, NullableDatum name)
{
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_FOREIGN_KEY_VIOLATION,
			.schema = store->target.name,
			.table = "subscription",
			.column = "name",
			.hint =
				"SELECT * FROM customers.delivery_status(); lists those there are.",
		},
		"subscription \"%s\" does not exist", TextDatumGetCString(name.value));
}

/* Raises 23503 unless there is a subscription of that name. */
void
cust_subscribed_expect(const Store *store, NullableDatum name)
{
	PlanRows rows = cust_plan_run(&select_subscription, &store->target, &name,
								  1);

	if (rows.count == 0)
		cust_subscribed_unknown(store, name);
}
