/*
 * subscription.c
 *		Subscriptions: who wants which events, and how their deliveries fare.
 *
 * A subscription takes effect with the next event: record.c makes a delivery
 * for each that wants it.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "events/subscribed.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/space.h"

/* ------------------------------------------------------------------------
 * Subscribing
 * ------------------------------------------------------------------------
 */

static const PlanQuery upsert_subscription = {
	.text =
		"INSERT INTO @store@.subscription AS s"
		" (name, event_types, doorbell) VALUES ($1, $2, $3)"
		" ON CONFLICT (name) DO UPDATE"
		" SET event_types = EXCLUDED.event_types, doorbell = EXCLUDED.doorbell",
	.nargs = 3,
	.argtypes = {TEXTOID, TEXTARRAYOID, BOOLOID},
};

static void
check_name(text *name)
{
	if (cust_is_blank(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
		cust_report_argument(NULL, "name must not be blank");
	if (VARSIZE_ANY_EXHDR(name) > SUBSCRIPTION_NAME_MAX)
		cust_report_argument(NULL, "name must not be longer than %d bytes",
							 SUBSCRIPTION_NAME_MAX);
}

static void
check_patterns(ArrayType *patterns)
{
	static const char *const hint =
		"Patterns look like order.transfer_requested, order.transfer_* or *.";
	Datum *values;
	bool *nulls;
	int n;

	if (VARSIZE_ANY_EXHDR(patterns) > SUBSCRIPTION_PATTERNS_MAX)
		cust_report_argument(hint,
							 "event_types must not be larger than %d bytes",
							 (int) SUBSCRIPTION_PATTERNS_MAX);
	deconstruct_array(patterns, TEXTOID, -1, false, TYPALIGN_INT, &values,
					  &nulls, &n);
	if (n == 0)
		cust_report_argument(hint, "event_types must not be empty");
	for (int i = 0; i < n; i++)
	{
		text *pattern = nulls[i] ? NULL : DatumGetTextPP(values[i]);

		CHECK_FOR_INTERRUPTS();
		if (pattern == NULL)
			cust_report_argument(hint, "event_types must not contain null");
		if (cust_is_blank(VARDATA_ANY(pattern), VARSIZE_ANY_EXHDR(pattern)))
			cust_report_argument(
				hint, "event_types must not contain a blank pattern");
	}
}

PG_FUNCTION_INFO_V1(customers_subscribe);

/* subscribe(name, event_types, doorbell) returns void; again: replaces */
Datum
customers_subscribe(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();

	if (PG_ARGISNULL(0))
		cust_report_null("name");
	if (PG_ARGISNULL(1))
		cust_report_null("event_types");
	if (PG_ARGISNULL(2))
		cust_report_null("doorbell");
	check_name(PG_GETARG_TEXT_PP(0));
	check_patterns(PG_GETARG_ARRAYTYPE_P(1));
	cust_plan_begin();
	cust_plan_run(&upsert_subscription, &store->target, fcinfo->args, 0);
	cust_plan_end();
	PG_RETURN_VOID();
}

static const PlanQuery delete_subscription = {
	.text = "DELETE FROM @store@.subscription WHERE name" EQ "$1",
	.nargs = 1,
	.argtypes = {TEXTOID},
};

/* by ascending id, like those who acknowledge */
static const PlanQuery delete_deliveries = {
	.text = "DELETE FROM @store@.delivery WHERE id" EQ "ANY (ARRAY("
			" SELECT id FROM @store@.delivery WHERE subscription" EQ "$1"
			" ORDER BY id FOR UPDATE))",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

PG_FUNCTION_INFO_V1(customers_unsubscribe);

/* unsubscribe(name) returns bigint: how many deliveries were dropped */
Datum
customers_unsubscribe(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("name");
	cust_plan_begin();
	rows = cust_plan_run(&delete_subscription, &store->target, fcinfo->args,
						 0);
	if (rows.count == 0)
		cust_subscribed_unknown(store, fcinfo->args[0]);
	rows = cust_plan_run(&delete_deliveries, &store->target, fcinfo->args, 0);
	cust_plan_end();
	PG_RETURN_INT64((int64) rows.count);
}

/* ------------------------------------------------------------------------
 * How the deliveries fare
 * ------------------------------------------------------------------------
 */

/* their back-off starts anew; what has expired stays for the next purge */
static const PlanQuery revive_deliveries = {
	.text = "UPDATE @store@.delivery SET failed_at = NULL, attempts = 0,"
			" available_at = $2 WHERE id" EQ "ANY (ARRAY("
			" SELECT id FROM @store@.delivery WHERE subscription" EQ "$1"
			" AND failed_at IS NOT NULL AND expires_at" GT "$2"
			" ORDER BY id FOR UPDATE))",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {TEXTOID, TIMESTAMPTZOID},
};

PG_FUNCTION_INFO_V1(customers_retry_failed);

/* retry_failed(subscription) returns int: how many can be claimed again */
Datum
customers_retry_failed(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("subscription");
	cust_store_require(store, STORE_DELIVERY, ACL_UPDATE, "attempts");
	cust_plan_begin();
	cust_subscribed_expect(store, fcinfo->args[0]);
	rows = cust_plan_run(&revive_deliveries, &store->target,
						 (NullableDatum[]){fcinfo->args[0],
										   {TimestampTzGetDatum(
												GetCurrentTimestamp()),
											false}},
						 0);
	cust_plan_end();
	PG_RETURN_INT32((int32) rows.count);
}

/*
 * Waiting: may be claimed now.  Leased: claimed, neither acknowledged nor
 * failed so far, and a claim takes the last error away.  Scheduled: the others
 * of later.  What has expired is none of these, unless it failed before.
 */
#define IS_LIVE "d.failed_at IS NULL AND d.expires_at" GT "$1"
#define IS_WAITING IS_LIVE " AND d.available_at" LE "$1"
#define IS_LATER IS_LIVE " AND d.available_at" GT "$1"
#define IS_LEASED "(d.attempts" GT "0 AND d.last_error IS NULL)"

static const PlanQuery select_status = {
	.text = "SELECT s.name,"
			" pg_catalog.count(*) FILTER (WHERE " IS_WAITING "),"
			" pg_catalog.count(*) FILTER (WHERE " IS_LATER
			" AND NOT " IS_LEASED "),"
			" pg_catalog.count(*) FILTER (WHERE " IS_LATER " AND " IS_LEASED
			"),"
			" pg_catalog.count(d.failed_at),"
			" $1" MINUS
			"pg_catalog.min(d.available_at) FILTER (WHERE " IS_WAITING
			" AND pg_catalog.isfinite(d.available_at)),"
			" pg_catalog.min(e.last_error)"
			" FROM @store@.subscription s"
			" LEFT JOIN @store@.delivery d ON d.subscription" EQ "s.name"
			" LEFT JOIN (SELECT DISTINCT ON (f.subscription)"
			" f.subscription, f.last_error FROM @store@.delivery f"
			" WHERE f.last_error IS NOT NULL ORDER BY f.subscription,"
			" COALESCE(f.failed_at, f.available_at) DESC) AS e"
			" ON e.subscription" EQ "s.name"
			" GROUP BY s.name ORDER BY s.name COLLATE pg_catalog.\"C\"",
	.read_only = true,
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID},
};

PG_FUNCTION_INFO_V1(customers_delivery_status);

/*
 * delivery_status() returns (subscription, waiting, scheduled, leased,
 * failed, oldest_waiting, last_error), by name
 */
Datum
customers_delivery_status(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PlanRows rows;

	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	rows = cust_plan_run(&select_status, &store->target,
						 (NullableDatum[]){
							 {TimestampTzGetDatum(GetCurrentTimestamp()),
							  false}},
						 0);
	cust_plan_emit(&rows, fcinfo);
	cust_plan_end();
	return (Datum) 0;
}
