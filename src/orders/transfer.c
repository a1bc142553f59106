/*
 * transfer.c
 *		Transfers of an order to another customer.
 *
 * The functions run as the store's owner after checking one privilege of the
 * caller, take the locks in the order of all functions, and then make one
 * statement, which the guard in transfer_guard.c judges like anybody's.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "rows/trigger.h"
#include "stores/details.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/secret.h"

static NullableDatum
now_argument(void)
{
	return (NullableDatum){TimestampTzGetDatum(GetCurrentTimestamp()), false};
}

/* ------------------------------------------------------------------------
 * Requesting
 * ------------------------------------------------------------------------
 */

static const PlanQuery insert_request = {
	.text = "INSERT INTO @store@.order_transfer"
			" (order_id, to_customer_id, description, update_order_email)"
			" VALUES ($1, $2, $3, $4)"
			" ON CONFLICT (order_id) WHERE status" EQ "'requested' DO NOTHING"
			" RETURNING id",
	.as_owner = true,
	.nargs = 4,
	.argtypes = {INT8OID, INT8OID, TEXTOID, BOOLOID},
};

PG_FUNCTION_INFO_V1(customers_request_order_transfer);

/*
 * request_order_transfer(order_id, to_customer_id, description,
 * update_order_email) returns bigint: the id of the transfer, never the token
 */
Datum
customers_request_order_transfer(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	PlanRows rows;
	int64 id;

	if (PG_ARGISNULL(0))
		cust_report_null("order_id");
	if (PG_ARGISNULL(1))
		cust_report_null("to_customer_id");
	if (PG_ARGISNULL(3))
		cust_report_null("update_order_email");
	cust_store_require(store, STORE_TRANSFER, ACL_INSERT, "order_id");
	cust_plan_begin();
	rows = cust_plan_run(&insert_request, &store->target, fcinfo->args, 0);
	if (rows.count == 0)
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_UNIQUE_VIOLATION,
				.rule = "order_transfer_open_key",
				.schema = store->target.name,
				.table = "order_transfer",
				.column = "order_id",
				.hint =
					"Wait for its approver, or cancel it with customers.cancel_order_transfer.",
			},
			"order " INT64_FORMAT " has an open transfer already",
			PG_GETARG_INT64(0));
	id = cust_plan_int64(&rows, 0, 1);
	cust_plan_end();
	PG_RETURN_INT64(id);
}

/* ------------------------------------------------------------------------
 * Resolving
 * ------------------------------------------------------------------------
 */

/* The transfer of that id; raises 23503 if there is none. */
static void
read_transfer(const Store *store, int64 id, FetchLock lock, FetchedRow *row)
{
	if (!cust_store_fetch(store, STORE_TRANSFER, id, lock, row))
		cust_store_unknown(store, STORE_TRANSFER, id);
}

/* Locks the customer, if there is one. */
static void
lock_customer(const Store *store, int64 id)
{
	FetchedRow row;

	if (id != 0)
		(void) cust_store_fetch(store, STORE_CUSTOMER, id, FETCH_SHARED, &row);
}

/* Locks customers, order and transfer; raises unless it is a request. */
static void
lock_request(const Store *store, int64 id)
{
	FetchedRow transfer;
	FetchedRow order;
	int64 from;
	int64 to;
	char *status;

	read_transfer(store, id, FETCH_UNLOCKED, &transfer);
	from = cust_fetch_int64(&transfer, TRANSFER_FROM_CUSTOMER_ID);
	to = cust_fetch_int64(&transfer, TRANSFER_TO_CUSTOMER_ID);
	lock_customer(store, Min(from, to));
	lock_customer(store, Max(from, to));
	(void) cust_store_fetch(store, STORE_ORDERS,
							cust_fetch_int64(&transfer, TRANSFER_ORDER_ID),
							FETCH_FOR_CHANGE, &order);
	read_transfer(store, id, FETCH_FOR_CHANGE, &transfer);
	status = cust_fetch_text(&transfer, TRANSFER_STATUS);
	if (status == NULL || strcmp(status, "requested") != 0)
		cust_report(
			&(CustError){
				.rule = "order_transfer_state",
				.schema = store->target.name,
				.table = "order_transfer",
				.column = "status",
				.hint =
					"Request a new transfer with customers.request_order_transfer.",
			},
			"order transfer " INT64_FORMAT " is %s and cannot change any more",
			id, status ? status : "without a status");
}

/* Ends the request; token and reason may be NULL. */
static void
resolve(FunctionCallInfo fcinfo, const char *status, NullableDatum token,
		NullableDatum reason)
{
	const Store *store = cust_store_write();
	WriteTo table = cust_store_table(store, STORE_TRANSFER);
	WriteRow changes = {0};
	WriteWhere where = {0};
	text *seal = NULL;

	if (PG_ARGISNULL(0))
		cust_report_null("transfer_id");
	where.id = PG_GETARG_INT64(0);
	cust_store_require(store, STORE_TRANSFER, ACL_UPDATE, "status");
	cust_write_set(&changes, TRANSFER_STATUS,
				   (NullableDatum){CStringGetTextDatum(status), false});
	/* the log may show what the statement carries */
	if (!token.isnull)
	{
		seal = cust_secret_seal(DatumGetTextPP(token.value));
		token.value = PointerGetDatum(seal);
	}
	cust_write_set(&changes, TRANSFER_APPROVAL_TOKEN, token);
	cust_write_set(&changes, TRANSFER_DECLINE_REASON, reason);
	table.as_owner = true;
	cust_plan_begin();
	lock_request(store, where.id);
	(void) cust_write_update(&table, &where, &changes, NULL);
	cust_plan_end();
	if (seal != NULL)
		cust_secret_break(seal);
}

static const NullableDatum nothing = {(Datum) 0, true};

PG_FUNCTION_INFO_V1(customers_accept_order_transfer);

/* accept_order_transfer(transfer_id, token) returns void */
Datum
customers_accept_order_transfer(PG_FUNCTION_ARGS)
{
	resolve(fcinfo, "accepted", fcinfo->args[1], nothing);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(customers_decline_order_transfer);

/* decline_order_transfer(transfer_id, token, reason) returns void */
Datum
customers_decline_order_transfer(PG_FUNCTION_ARGS)
{
	resolve(fcinfo, "declined", fcinfo->args[1], fcinfo->args[2]);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(customers_cancel_order_transfer);

/* cancel_order_transfer(transfer_id) returns void */
Datum
customers_cancel_order_transfer(PG_FUNCTION_ARGS)
{
	resolve(fcinfo, "canceled", nothing, nothing);
	PG_RETURN_VOID();
}

/*
 * Never waits, so it needs no locks of customers and orders: a transfer that
 * somebody else has locked is left to him.
 */
static const PlanQuery expire_transfers = {
	.text = "UPDATE @store@.order_transfer SET status = 'expired'"
			" WHERE id" EQ "ANY (ARRAY("
			"SELECT t.id FROM @store@.order_transfer t"
			" WHERE t.status" EQ "'requested' AND t.expires_at" LE "$1"
			" FOR NO KEY UPDATE SKIP LOCKED))",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID},
};

PG_FUNCTION_INFO_V1(customers_expire_order_transfers);

/* expire_order_transfers() returns int: how many it changed */
Datum
customers_expire_order_transfers(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum now = now_argument();
	PlanRows rows;

	/* recording what is so anyway is for notification daemons, too */
	if (!cust_store_permits(store, STORE_DELIVERY, ACL_UPDATE, "attempts"))
		cust_store_require(store, STORE_TRANSFER, ACL_UPDATE, "status");
	cust_plan_begin();
	rows = cust_plan_run(&expire_transfers, &store->target, &now, 0);
	cust_plan_end();
	PG_RETURN_INT32(rows.count);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static const PlanQuery select_transfers = {
	.text = "SELECT t.id, " TRANSFER_STATUS_AT_2 ", t.from_customer_id,"
			" t.to_customer_id, t.approver_email, t.update_order_email,"
			" t.description, t.requested_by, t.requested_at, t.expires_at,"
			" t.resolved_at, t.resolved_by, t.decline_reason"
			" FROM @store@.order_transfer t WHERE t.order_id" EQ "$1"
			" ORDER BY t.requested_at DESC, t.id DESC",
	.read_only = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID},
};

static const PlanQuery select_order = {
	.text = "SELECT id FROM @store@.orders WHERE id" EQ "$1",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

PG_FUNCTION_INFO_V1(customers_order_transfers);

/* order_transfers(order_id) returns setof record, newest first */
Datum
customers_order_transfers(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	NullableDatum values[2] = {fcinfo->args[0], now_argument()};
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("order_id");
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	rows = cust_plan_run(&select_order, &store->target, values, 1);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_ORDERS, PG_GETARG_INT64(0));
	rows = cust_plan_run(&select_transfers, &store->target, values, 0);
	cust_plan_emit(&rows, fcinfo);
	cust_plan_end();
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * The trigger that moves the order of an accepted transfer
 * ------------------------------------------------------------------------
 */

static bool
status_is(Datum status, bool isnull, const char *expected)
{
	return !isnull && strcmp(TextDatumGetCString(status), expected) == 0;
}

/* Did the UPDATE accept a request? */
static bool
was_accepted(const TriggerRow *row)
{
	bool before_null;
	bool after_null;
	Datum before = cust_trigger_old(row, TRANSFER_STATUS, &before_null);
	Datum after = cust_trigger_new(row, TRANSFER_STATUS, &after_null);

	return status_is(before, before_null, "requested") &&
		status_is(after, after_null, "accepted");
}

static bool
is_true(const TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_new(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

/* Gives the order to the new owner, and his e-mail if that was asked for. */
static void
move_order(const Store *store, const TriggerRow *row)
{
	WriteTo table = cust_store_table(store, STORE_ORDERS);
	WriteWhere where = {
		.id = cust_trigger_new_id(row, TRANSFER_ORDER_ID),
	};
	int64 owner = cust_trigger_new_id(row, TRANSFER_TO_CUSTOMER_ID);
	WriteRow changes = {0};
	FetchedRow customer;

	cust_write_set(&changes, ORDERS_CUSTOMER_ID,
				   (NullableDatum){Int64GetDatum(owner), false});
	if (is_true(row, TRANSFER_UPDATE_ORDER_EMAIL) &&
		cust_store_fetch(store, STORE_CUSTOMER, owner, FETCH_UNLOCKED,
						 &customer))
		cust_write_set(&changes, ORDERS_EMAIL,
					   customer.columns[CUSTOMER_EMAIL]);
	table.as_owner = true;
	(void) cust_write_update(&table, &where, &changes, NULL);
}

PG_FUNCTION_INFO_V1(customers_order_transfer_apply);

/*
 * trigger: AFTER UPDATE ON order_transfer FOR EACH ROW: moves the order of a
 * transfer that was accepted, which is what the guard of orders looks for
 */
Datum
customers_order_transfer_apply(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_TRANSFER], TRIGGER_AFTER_ROW,
					  TRIGGER_UPDATE, &row);
	if (!was_accepted(&row))
		return PointerGetDatum(NULL);
	cust_plan_begin();
	move_order(cust_store_of(row.data->tg_relation), &row);
	cust_plan_end();
	return PointerGetDatum(NULL);
}
