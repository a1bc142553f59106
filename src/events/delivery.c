/*
 * delivery.c
 *		Deliveries: what daemons claim, acknowledge and fail.
 *
 * Deliveries are written by record.c, one for each event and subscription
 * that wants it.  What is in them is secret, so these functions run as the
 * owner, once the caller was seen to have UPDATE of delivery.attempts.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "events/subscribed.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define MAX_BATCH 1000

/* due deliveries looked through for expired ones when some were met */
#define SWEEP "10000"

/* failures after which a delivery is given up */
#define MAX_ATTEMPTS 12

/* whoever may claim may also set attempts: no value of it stops the queue */
#define MOST_COUNTED "1000000"

#define FIRST_BACKOFF (30 * USECS_PER_SEC)
#define LONGEST_BACKOFF USECS_PER_HOUR

/* characters of an error that are kept */
#define MAX_ERROR 1000

/* The store, if the caller may work on its deliveries; raises 42501. */
static const Store *
delivery_store(void)
{
	const Store *store = cust_store_write();

	cust_store_require(store, STORE_DELIVERY, ACL_UPDATE, "attempts");
	return store;
}

/* The time after an interval; raises 22023 unless that is least or later. */
static TimestampTz
time_after(TimestampTz clock, Datum span, TimestampTz least,
		   const char *complaint)
{
	Datum sum = DirectFunctionCall2(timestamptz_pl_interval,
									TimestampTzGetDatum(clock), span);
	TimestampTz result = DatumGetTimestampTz(sum);

	if (result < least || TIMESTAMP_NOT_FINITE(result))
		cust_report_argument(NULL, "%s", complaint);
	return result;
}

/* ------------------------------------------------------------------------
 * Claiming
 * ------------------------------------------------------------------------
 */

/* what claim_deliveries returns, and what else is known of a claimed row */
#define CLAIM_COLUMNS 9
#define CLAIM_DUE_AT 10
#define CLAIM_LIVE 11

/*
 * Finds what is due by the index, the longest due first, skips what another
 * claims meanwhile, and leases it where it lies.  An error is of the last
 * attempt, so a leased delivery has none.  Behind what is returned: since when
 * it was due, and whether it is still to be delivered.
 */
static const PlanQuery lease_due = {
	.text =
		"WITH due AS MATERIALIZED ("
		" SELECT d.ctid AS place, d.available_at AS due_at, e.type,"
		" e.customer_id, e.order_id, e.payload, e.created_at,"
		" d.expires_at" GT "$2 AND e.id IS NOT NULL AS live"
		" FROM @store@.delivery d"
		" LEFT JOIN @store@.event e ON e.id" EQ "d.event_id"
		" WHERE d.subscription" EQ "$1 AND d.failed_at IS NULL"
		" AND d.available_at" LE "$2"
		" ORDER BY d.available_at LIMIT $3 FOR UPDATE OF d SKIP LOCKED)"
		" UPDATE @store@.delivery d SET attempts ="
		" LEAST(GREATEST(d.attempts, 0), " MOST_COUNTED ")" PLUS "1,"
		" available_at = $4, last_error = NULL"
		" FROM due WHERE d.ctid" EQ "due.place"
		" RETURNING d.id, d.event_id, due.type, d.attempts, due.customer_id,"
		" due.order_id, due.payload, d.confidential, due.created_at,"
		" due.due_at, due.live",
	.as_owner = true,
	.nargs = 4,
	.argtypes = {TEXTOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID},
};

static const PlanQuery delete_deliveries = {
	.text = "DELETE FROM @store@.delivery WHERE ctid" EQ "ANY (ARRAY("
			" SELECT ctid FROM @store@.delivery WHERE id" EQ "ANY ($1)"
			" ORDER BY id FOR UPDATE))",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID},
};

/*
 * Without it a long queue of expired deliveries would be met batch by batch,
 * each time behind all the dead entries of the index.
 */
static const PlanQuery sweep_expired = {
	.text = "DELETE FROM @store@.delivery WHERE id" EQ "ANY (ARRAY("
			" SELECT id FROM @store@.delivery WHERE id" EQ "ANY (ARRAY("
			" SELECT d.id FROM (SELECT id, expires_at FROM @store@.delivery"
			" WHERE subscription" EQ "$1 AND failed_at IS NULL"
			" AND available_at" LE "$2 ORDER BY available_at LIMIT " SWEEP
			") AS d"
			" WHERE d.expires_at" LE "$2)) FOR UPDATE SKIP LOCKED))",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {TEXTOID, TIMESTAMPTZOID},
};

/* A claimed row, to be put into order. */
typedef struct Claimed
{
	TimestampTz due_at;
	int64 id;
	uint64 row;
} Claimed;

static int
compare_claimed(const void *a, const void *b)
{
	const Claimed *one = a;
	const Claimed *other = b;

	if (one->due_at != other->due_at)
		return one->due_at < other->due_at ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

/*
 * Parts the rows into those to be delivered, the longest due first, and the
 * ids of the others; returns how many there are of the first.
 */
static int
part_claimed(const PlanRows *rows, Claimed *live, Datum *gone)
{
	int n = 0;
	int ngone = 0;

	for (uint64 i = 0; i < rows->count; i++)
	{
		int64 id = cust_plan_int64(rows, i, 1);

		if (cust_plan_bool(rows, i, CLAIM_LIVE))
			live[n++] = (Claimed){cust_plan_time(rows, i, CLAIM_DUE_AT), id,
								  i};
		else
			gone[ngone++] = Int64GetDatum(id);
	}
	qsort(live, n, sizeof(Claimed), compare_claimed);
	return n;
}

static void
emit_claimed(const PlanRows *rows, const Claimed *live, int n,
			 FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	for (int i = 0; i < n; i++)
	{
		Datum values[CLAIM_COLUMNS];
		bool nulls[CLAIM_COLUMNS];

		for (int k = 0; k < CLAIM_COLUMNS; k++)
			values[k] = cust_plan_value(rows, live[i].row, k + 1, &nulls[k]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

/*
 * Drops deliveries that were met beyond their time, and others like them.
 * Returns whether any went: the table's owner may see to it that none does.
 */
static bool
drop_gone(const Store *store, Datum *ids, int n, const NullableDatum *due)
{
	ArrayType *gone = construct_array(ids, n, INT8OID, sizeof(int64),
									  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	NullableDatum value = {PointerGetDatum(gone), false};
	PlanRows rows = cust_plan_run(&delete_deliveries, &store->target, &value,
								  0);

	cust_plan_run(&sweep_expired, &store->target, due, 0);
	return rows.count > 0;
}

/*
 * Leases up to n due deliveries and returns them to the caller, and drops
 * those that it meets beyond their time.  Returns how many it handed out; sets
 * *more if there may be others.  Runs in an SPI connection of its own, for it
 * is called as often as there are expired deliveries.
 */
static int
claim_some(FunctionCallInfo fcinfo, const Store *store, int n,
		   TimestampTz clock, TimestampTz lease_end, bool *more)
{
	NullableDatum values[] = {fcinfo->args[0],
							  {TimestampTzGetDatum(clock), false},
							  {Int64GetDatum(n), false},
							  {TimestampTzGetDatum(lease_end), false}};
	PlanRows rows;
	Claimed *live;
	Datum *gone;
	int nlive;
	int ngone;

	cust_plan_begin();
	rows = cust_plan_run(&lease_due, &store->target, values, 0);
	live = palloc(Max(rows.count, 1) * sizeof(Claimed));
	gone = palloc(Max(rows.count, 1) * sizeof(Datum));
	nlive = part_claimed(&rows, live, gone);
	ngone = (int) rows.count - nlive;
	*more = ngone > 0 && drop_gone(store, gone, ngone, values);
	emit_claimed(&rows, live, nlive, fcinfo);
	cust_plan_end();
	return nlive;
}

PG_FUNCTION_INFO_V1(customers_claim_deliveries);

/*
 * claim_deliveries(subscription, batch, lease) returns (delivery_id,
 * event_id, type, attempt, customer_id, order_id, payload, confidential,
 * created_at)
 */
Datum
customers_claim_deliveries(PG_FUNCTION_ARGS)
{
	const Store *store = delivery_store();
	TimestampTz clock = GetCurrentTimestamp();
	TimestampTz lease_end;
	bool more = true;
	int wanted;

	if (PG_ARGISNULL(0))
		cust_report_null("subscription");
	if (PG_ARGISNULL(1))
		cust_report_null("batch");
	if (PG_ARGISNULL(2))
		cust_report_null("lease");
	wanted = PG_GETARG_INT32(1);
	if (wanted < 1 || wanted > MAX_BATCH)
		cust_report_argument(NULL, "batch must be from 1 to %d, not %d",
							 MAX_BATCH, wanted);
	lease_end = time_after(clock, PG_GETARG_DATUM(2), clock + 1,
						   "lease must be positive and finite");
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	cust_subscribed_expect(store, fcinfo->args[0]);
	cust_plan_end();
	while (wanted > 0 && more)
	{
		CHECK_FOR_INTERRUPTS();
		wanted -= claim_some(fcinfo, store, wanted, clock, lease_end, &more);
	}
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * What became of them
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(customers_acknowledge_deliveries);

/* acknowledge_deliveries(ids) returns int: how many there were */
Datum
customers_acknowledge_deliveries(PG_FUNCTION_ARGS)
{
	const Store *store = delivery_store();
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("ids");
	if (array_contains_nulls(PG_GETARG_ARRAYTYPE_P(0)))
		cust_report_argument(NULL, "ids must not contain null");
	cust_plan_begin();
	rows = cust_plan_run(&delete_deliveries, &store->target, fcinfo->args, 0);
	cust_plan_end();
	PG_RETURN_INT32((int32) rows.count);
}

static const PlanQuery lock_delivery = {
	.text = "SELECT attempts::pg_catalog.int8 FROM @store@.delivery"
			" WHERE id" EQ "$1 FOR UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery schedule_delivery = {
	.text = "UPDATE @store@.delivery SET last_error = $2, available_at = $3"
			" WHERE id" EQ "$1",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, TIMESTAMPTZOID},
};

/*
 * A dead letter is read by people, who must not find the token: what is no
 * object goes whole.
 */
static const PlanQuery give_up_delivery = {
	.text = "UPDATE @store@.delivery SET last_error = $2, failed_at = $3,"
			" confidential ="
			" CASE WHEN pg_catalog.jsonb_typeof(confidential)" EQ "'object'"
			" THEN confidential" MINUS "'token'::pg_catalog.text END"
			" WHERE id" EQ "$1",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, TIMESTAMPTZOID},
};

/* The error as it is kept. */
static Datum
shortened(text *error)
{
	const char *start = VARDATA_ANY(error);
	int length = pg_mbcharcliplen(start, VARSIZE_ANY_EXHDR(error), MAX_ERROR);

	return PointerGetDatum(cstring_to_text_with_len(start, length));
}

/* How long a delivery waits after so many attempts. */
static int64
backoff(int64 attempts)
{
	int64 wait = FIRST_BACKOFF;

	for (int64 i = 1; i < attempts && wait < LONGEST_BACKOFF; i++)
		wait *= 2;
	return Min(wait, LONGEST_BACKOFF);
}

PG_FUNCTION_INFO_V1(customers_fail_delivery);

/* fail_delivery(delivery_id, error, retry_in) returns void */
Datum
customers_fail_delivery(PG_FUNCTION_ARGS)
{
	const Store *store = delivery_store();
	TimestampTz clock = GetCurrentTimestamp();
	TimestampTz retry_at = 0;
	bool given_up;
	int64 attempts;
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("delivery_id");
	if (PG_ARGISNULL(1))
		cust_report_null("error");
	if (!PG_ARGISNULL(2))
		retry_at = time_after(clock, PG_GETARG_DATUM(2), clock,
							  "retry_in must be finite and not negative");
	cust_plan_begin();
	rows = cust_plan_run(&lock_delivery, &store->target, fcinfo->args, 1);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_DELIVERY, PG_GETARG_INT64(0));
	attempts = cust_plan_int64(&rows, 0, 1);
	given_up = attempts >= MAX_ATTEMPTS;
	if (given_up)
		retry_at = clock;
	else if (PG_ARGISNULL(2))
		retry_at = clock + backoff(attempts);
	cust_plan_run(given_up ? &give_up_delivery : &schedule_delivery,
				  &store->target,
				  (NullableDatum[]){fcinfo->args[0],
									{shortened(PG_GETARG_TEXT_PP(1)), false},
									{TimestampTzGetDatum(retry_at), false}},
				  0);
	cust_plan_end();
	PG_RETURN_VOID();
}
