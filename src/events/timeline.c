/*
 * timeline.c
 *		The log of events: append-only, read by customer, purged by age.
 *
 * Events are written by record.c; the guard sees them like anybody's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "rows/page.h"
#include "rows/pagerows.h"
#include "rows/trigger.h"
#include "stores/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* ------------------------------------------------------------------------
 * The guard of table event
 * ------------------------------------------------------------------------
 */

pg_noreturn static void
report_append_only(const TriggerRow *row, const char *hint,
				   const char *message)
{
	cust_report(
		&(CustError){
			.rule = "event_append_only",
			.schema = row->schema,
			.table = row->shape->name,
			.hint = hint,
		},
		"%s", message);
}

/* Notes who acts, in one copy of the row: every change comes through here. */
static void
guard_insert(TriggerRow *row)
{
	int attnums[] = {row->map.attnums[EVENT_ROLE],
					 row->map.attnums[EVENT_ACTOR]};
	Datum values[] = {CStringGetTextDatum(cust_guc_outer_role()),
					  CStringGetTextDatum(cust_guc_current_actor())};
	bool nulls[] = {false, false};

	row->new = heap_modify_tuple_by_cols(row->new, row->desc,
										 lengthof(attnums), attnums, values,
										 nulls);
}

/* Does the setting customers.purge_before give the event away? */
static bool
purge_is_allowed(const TriggerRow *row)
{
	bool isnull;
	Datum created_at = cust_trigger_old(row, EVENT_CREATED_AT, &isnull);
	Datum before;

	if (isnull || cust_guc_purge_before[0] == '\0')
		return false;
	before = DirectFunctionCall3(timestamptz_in,
								 CStringGetDatum(cust_guc_purge_before),
								 ObjectIdGetDatum(InvalidOid),
								 Int32GetDatum(-1));
	return DatumGetTimestampTz(created_at) < DatumGetTimestampTz(before);
}

static void
guard_delete(const TriggerRow *row)
{
	if (!purge_is_allowed(row))
		report_append_only(
			row,
			"Old events go with SELECT customers.purge_events('<before>');",
			psprintf("event " INT64_FORMAT " cannot be deleted",
					 cust_trigger_old_id(row, EVENT_ID)));
}

PG_FUNCTION_INFO_V1(customers_event_guard);

/* trigger: BEFORE INSERT, UPDATE or DELETE .. ROW, TRUNCATE .. STATEMENT */
Datum
customers_event_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_EVENT], TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE |
						  TRIGGER_TRUNCATE,
					  &row);
	switch (row.operation)
	{
		case TRIGGER_INSERT:
			guard_insert(&row);
			break;
		case TRIGGER_UPDATE:
			report_append_only(&row, NULL,
							   psprintf("event " INT64_FORMAT
										" cannot be changed",
										cust_trigger_old_id(&row, EVENT_ID)));
		case TRIGGER_DELETE:
			guard_delete(&row);
			break;
		case TRIGGER_TRUNCATE:
			report_append_only(
				&row,
				"Old events go with SELECT customers.purge_events('<before>');",
				"table \"event\" cannot be truncated");
	}
	return cust_trigger_result(&row);
}

/* ------------------------------------------------------------------------
 * The guard of deleted events, which looks at many at once: deliveries have no
 * index by event
 * ------------------------------------------------------------------------
 */

/* events, or deliveries, looked at together */
#define LOOK_AT 10000

static const PlanQuery select_undelivered = {
	.text = "SELECT event_id FROM @store@.delivery WHERE expires_at" GT "$2"
			" AND event_id" EQ "ANY (SELECT pg_catalog.unnest($1))",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8ARRAYOID, TIMESTAMPTZOID},
};

/* Fetches the ids of up to LOOK_AT further deleted events. */
static int
next_deleted(const TriggerRow *row, TupleTableSlot *slot, Datum *ids)
{
	int n = 0;
	bool isnull;

	while (n < LOOK_AT &&
		   tuplestore_gettupleslot(row->data->tg_oldtable, true, false, slot))
	{
		Datum id = slot_getattr(slot, row->map.attnums[EVENT_ID], &isnull);

		CHECK_FOR_INTERRUPTS();
		if (!isnull)
			ids[n++] = id;
	}
	return n;
}

/* Raises that one of these deleted events is still to be delivered, if so. */
static void
expect_delivered(const TriggerRow *row, const Store *store, Datum *ids, int n)
{
	NullableDatum values[2] = {0};
	PlanRows rows;

	/* the array is gone with the connection: there may be many of them */
	cust_plan_begin();
	values[0].value = PointerGetDatum(
		construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
						TYPALIGN_DOUBLE));
	values[1].value = TimestampTzGetDatum(GetCurrentTimestamp());
	rows = cust_plan_run(&select_undelivered, &store->target, values, 1);
	if (rows.count > 0)
		report_append_only(
			row,
			"It goes once it is delivered, or its deliveries have expired.",
			psprintf("event " INT64_FORMAT
					 " cannot be deleted: it is still to be delivered",
					 cust_plan_int64(&rows, 0, 1)));
	cust_plan_end();
}

PG_FUNCTION_INFO_V1(customers_event_guard_deleted);

/* trigger: AFTER DELETE ON event FOR EACH STATEMENT */
Datum
customers_event_guard_deleted(PG_FUNCTION_ARGS)
{
	const Store *store;
	TriggerRow row;
	TupleTableSlot *slot;
	Datum *ids;
	int n;

	cust_trigger_open(fcinfo, &cust_layout[STORE_EVENT],
					  TRIGGER_AFTER_STATEMENT, TRIGGER_DELETE, &row);
	store = cust_store_of(row.data->tg_relation);
	ids = palloc(LOOK_AT * sizeof(Datum));
	slot = MakeSingleTupleTableSlot(row.desc, &TTSOpsMinimalTuple);
	tuplestore_select_read_pointer(row.data->tg_oldtable, 0);
	tuplestore_rescan(row.data->tg_oldtable);
	while ((n = next_deleted(&row, slot, ids)) > 0)
		expect_delivered(&row, store, ids, n);
	ExecDropSingleTupleTableSlot(slot);
	return PointerGetDatum(NULL);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

#define CURSOR_KIND "timeline"

static const PlanQuery select_events = {
	.text = "SELECT e.id, e.type, e.actor, e.payload, e.created_at,"
			" NULL::pg_catalog.text FROM @store@.event e"
			" WHERE e.customer_id" EQ "$1 AND e.id" LT "$2"
			" ORDER BY e.id DESC LIMIT $3",
	.read_only = true,
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID},
};

PG_FUNCTION_INFO_V1(customers_customer_timeline);

/*
 * customer_timeline(customer_id, page_size, after) returns (event_id, type,
 * actor, payload, created_at, cursor), newest first; events outlive customers
 */
Datum
customers_customer_timeline(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PageStart start;
	int page_size;
	PlanRows rows;
	char *kind;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	page_size = cust_page_size(fcinfo, 1);
	kind = psprintf(CURSOR_KIND ":" INT64_FORMAT, PG_GETARG_INT64(0));
	start = cust_page_start(fcinfo, 2, kind);
	if (!start.given)
		start.id = PG_INT64_MAX;
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	rows = cust_plan_run(&select_events, &store->target,
						 (NullableDatum[]){fcinfo->args[0],
										   {Int64GetDatum(start.id), false},
										   {Int64GetDatum(page_size), false}},
						 0);
	cust_pagerows_emit(&rows, fcinfo, kind);
	cust_plan_end();
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Purging
 * ------------------------------------------------------------------------
 */

/* the next of them in the order of their ids, whichever way they go */
static const PlanQuery delete_expired = {
	.text = "WITH expired AS MATERIALIZED ("
			" SELECT id FROM @store@.delivery"
			" WHERE id" GT "$2 AND expires_at" LE "$1"
			" ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED),"
			" gone AS (DELETE FROM @store@.delivery WHERE id" EQ
			"ANY (ARRAY(SELECT id FROM expired)))"
			" SELECT pg_catalog.max(id) FROM expired",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {TIMESTAMPTZOID, INT8OID, INT8OID},
};

/* Drops the deliveries that have expired, a batch at a time. */
static void
drop_expired(const Store *store, NullableDatum now)
{
	int64 last = PG_INT64_MIN;
	bool more;

	do
	{
		PlanRows rows;

		CHECK_FOR_INTERRUPTS();
		cust_plan_begin();
		rows = cust_plan_run(&delete_expired, &store->target,
							 (NullableDatum[]){now,
											   {Int64GetDatum(last), false},
											   {Int64GetDatum(LOOK_AT),
												false}},
							 0);
		more = !cust_plan_is_null(&rows, 0, 1);
		last = cust_plan_int64(&rows, 0, 1);
		cust_plan_end();
	} while (more);
}

static const PlanQuery delete_events = {
	.text = "DELETE FROM @store@.event e WHERE e.created_at" LT "$1"
			" AND NOT EXISTS (SELECT FROM @store@.delivery d"
			" WHERE d.event_id" EQ "e.id AND d.expires_at" GT "$2)",
	.nargs = 2,
	.argtypes = {TIMESTAMPTZOID, TIMESTAMPTZOID},
};

PG_FUNCTION_INFO_V1(customers_purge_events);

/* purge_events(before timestamptz) returns bigint: how many events went */
Datum
customers_purge_events(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum values[2];
	char before[MAXDATELEN + 1];
	PlanRows rows;
	int level;

	if (PG_ARGISNULL(0))
		cust_report_null("before");
	cust_store_require(store, STORE_EVENT, ACL_DELETE, NULL);
	values[0] = fcinfo->args[0];
	values[1].value = TimestampTzGetDatum(GetCurrentTimestamp());
	values[1].isnull = false;
	/* ISO 8601 with the offset, which reads the same in any DateStyle */
	JsonEncodeDateTime(before, values[0].value, TIMESTAMPTZOID, NULL);
	drop_expired(store, values[1]);
	cust_plan_begin();
	level = cust_guc_set_for_statement("customers.purge_before", before);
	rows = cust_plan_run(&delete_events, &store->target, values, 0);
	cust_guc_unset(level);
	cust_plan_end();
	PG_RETURN_INT64((int64) rows.count);
}
