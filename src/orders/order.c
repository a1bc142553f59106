/*
 * order.c
 *		Orders: who owns them, and reading them.
 *
 * Orders are inserted and edited by the application in plain SQL; the guard
 * sees to it that an order gets another owner only by an accepted transfer.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "rows/normalize.h"
#include "rows/page.h"
#include "stores/details.h"
#include "stores/expect.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "values/email.h"

/* ------------------------------------------------------------------------
 * The guard of table orders
 * ------------------------------------------------------------------------
 */

/*
 * The accepted transfers of the order that could be of this transaction, the
 * last one first.  Their rows must also have been written by it: two
 * transactions may start in the same microsecond.
 */
static const PlanQuery select_accepted = {
	.text = "SELECT t.xmin, t.from_customer_id, t.to_customer_id"
			" FROM @store@.order_transfer t WHERE t.order_id" EQ "$1"
			" AND t.status" EQ "'accepted' AND t.resolved_at" EQ "$2"
			" ORDER BY t.id DESC",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID},
};

static const PlanQuery lock_guest = {
	.text = "SELECT email, email_changed_at FROM @store@.customer"
			" WHERE id" EQ "$1 AND NOT has_account FOR SHARE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static void
normalize_row(TriggerRow *row)
{
	cust_normalize_email(row, ORDERS_EMAIL);
	(void) cust_normalize_metadata(row, ORDERS_METADATA);
}

static NullableDatum
id_argument(int64 id)
{
	return (NullableDatum){Int64GetDatum(id), false};
}

/*
 * Is this change of owner what the last transfer of the order says that was
 * accepted in this transaction?
 */
static bool
is_transferred(const Store *store, int64 order_id, int64 from, int64 to)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	NullableDatum values[] = {
		id_argument(order_id),
		{TimestampTzGetDatum(now), false},
	};
	PlanRows rows = cust_plan_run(&select_accepted, &store->target, values, 0);

	for (uint64 i = 0; i < rows.count; i++)
	{
		bool isnull;
		Datum xmin = cust_plan_value(&rows, i, 1, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (!isnull &&
			TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin)))
			return cust_plan_int64(&rows, i, 2) == from &&
				cust_plan_int64(&rows, i, 3) == to;
	}
	return false;
}

static bool
is_settled(NullableDatum changed_at)
{
	return cust_guc_email_settled(
		changed_at.isnull ? 0 : DatumGetTimestampTz(changed_at.value));
}

/*
 * May an order that has no customer be given to this one: a guest with the
 * same e-mail, neither changed within the hold?
 */
static bool
is_guest_of_email(const Store *store, const TriggerRow *row, int64 customer_id)
{
	NullableDatum id = id_argument(customer_id);
	PlanRows rows = cust_plan_run(&lock_guest, &store->target, &id, 1);
	NullableDatum guest;
	NullableDatum email;
	NullableDatum changed_at;

	if (rows.count == 0)
		return false;
	guest.value = cust_plan_value(&rows, 0, 1, &guest.isnull);
	email.value = cust_trigger_new(row, ORDERS_EMAIL, &email.isnull);
	if (guest.isnull || email.isnull ||
		!cust_email_equal(DatumGetTextPP(email.value),
						  DatumGetTextPP(guest.value)))
		return false;
	changed_at.value = cust_trigger_new(row, ORDERS_EMAIL_CHANGED_AT,
										&changed_at.isnull);
	if (!is_settled(changed_at))
		return false;
	changed_at.value = cust_plan_value(&rows, 0, 2, &changed_at.isnull);
	return is_settled(changed_at);
}

/* Raises order_owner_by_transfer unless the order may change its owner so. */
static void
guard_owner(const TriggerRow *row)
{
	const Store *store = cust_store_of(row->data->tg_relation);
	int64 order_id = cust_trigger_old_id(row, ORDERS_ID);
	int64 from = cust_trigger_old_id(row, ORDERS_CUSTOMER_ID);
	int64 to = cust_trigger_new_id(row, ORDERS_CUSTOMER_ID);
	bool allowed;

	cust_plan_begin();
	if (to == 0)
		/* as its deletion does */
		allowed = !cust_expect_exists(store, from);
	else
		allowed = is_transferred(store, order_id, from, to) ||
			(from == 0 && is_guest_of_email(store, row, to));
	cust_plan_end();
	if (!allowed)
		cust_report(
			&(CustError){
				.rule = "order_owner_by_transfer",
				.schema = row->schema,
				.table = row->shape->name,
				.column = "customer_id",
				.hint =
					"Ask for a transfer with customers.request_order_transfer; the owner approves it.",
			},
			"the customer of order " INT64_FORMAT
			" changes only by an accepted transfer",
			order_id);
}

static void
guard_update(TriggerRow *row)
{
	static const int fixed[] = {ORDERS_ID, ORDERS_CREATED_AT};

	cust_trigger_fix(row, fixed, lengthof(fixed),
					 psprintf("order " INT64_FORMAT,
							  cust_trigger_old_id(row, ORDERS_ID)));
	normalize_row(row);
	cust_trigger_keep(row, ORDERS_EMAIL_CHANGED_AT);
	if (cust_normalize_email_changed(row, ORDERS_EMAIL))
		/* not the transaction's start: the hold must not begin before */
		cust_trigger_set(row, ORDERS_EMAIL_CHANGED_AT,
						 TimestampTzGetDatum(GetCurrentTimestamp()));
	if (cust_trigger_changed(row, ORDERS_CUSTOMER_ID))
		guard_owner(row);
	cust_trigger_stamp(row, ORDERS_UPDATED_AT, ORDERS_VERSION);
}

PG_FUNCTION_INFO_V1(customers_orders_guard);

/* trigger: BEFORE INSERT or UPDATE ON orders FOR EACH ROW */
Datum
customers_orders_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_ORDERS], TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE, &row);
	if (row.operation == TRIGGER_UPDATE)
		guard_update(&row);
	else
	{
		normalize_row(&row);
		cust_trigger_set_null(&row, ORDERS_EMAIL_CHANGED_AT);
		cust_trigger_stamp(&row, ORDERS_UPDATED_AT, ORDERS_VERSION);
	}
	return cust_trigger_result(&row);
}

/* ------------------------------------------------------------------------
 * Other triggers
 * ------------------------------------------------------------------------
 */

static const PlanQuery end_transfer = {
	.text = "UPDATE @store@.order_transfer SET status ="
			" CASE WHEN expires_at" GT "$2 THEN 'canceled' ELSE 'expired' END"
			" WHERE order_id" EQ "$1 AND status" EQ "'requested'",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID},
};

static bool
is_canceled(Datum status, bool isnull)
{
	return !isnull && strcmp(TextDatumGetCString(status), "canceled") == 0;
}

PG_FUNCTION_INFO_V1(customers_orders_cancel_transfer);

/*
 * trigger: AFTER UPDATE ON orders FOR EACH ROW: an order that was canceled
 * takes its open transfer along
 */
Datum
customers_orders_cancel_transfer(PG_FUNCTION_ARGS)
{
	TriggerRow row;
	const Store *store;
	NullableDatum values[2];
	bool isnull;
	Datum status;

	cust_trigger_open(fcinfo, &cust_layout[STORE_ORDERS], TRIGGER_AFTER_ROW,
					  TRIGGER_UPDATE, &row);
	status = cust_trigger_new(&row, ORDERS_STATUS, &isnull);
	if (!is_canceled(status, isnull))
		return PointerGetDatum(NULL);
	store = cust_store_of(row.data->tg_relation);
	values[0] = id_argument(cust_trigger_new_id(&row, ORDERS_ID));
	values[1].value = TimestampTzGetDatum(GetCurrentTimestamp());
	values[1].isnull = false;
	cust_plan_begin();
	cust_plan_run(&end_transfer, &store->target, values, 0);
	cust_plan_end();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(customers_order_item_guard);

/* trigger: BEFORE UPDATE ON order_item FOR EACH ROW */
Datum
customers_order_item_guard(PG_FUNCTION_ARGS)
{
	static const int fixed[] = {ITEM_ORDER_ID, ITEM_LINE_NO, ITEM_CREATED_AT};
	TriggerRow row;
	bool isnull;
	Datum line_no;

	cust_trigger_open(fcinfo, &cust_layout[STORE_ITEM], TRIGGER_BEFORE_ROW,
					  TRIGGER_UPDATE, &row);
	line_no = cust_trigger_old(&row, ITEM_LINE_NO, &isnull);
	cust_trigger_fix(&row, fixed, lengthof(fixed),
					 psprintf("line %d of order " INT64_FORMAT,
							  isnull ? 0 : DatumGetInt32(line_no),
							  cust_trigger_old_id(&row, ITEM_ORDER_ID)));
	return cust_trigger_result(&row);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

#define CURSOR_KIND "orders"

static const PlanQuery select_orders = {
	.text = "SELECT o.id, o.status, o.currency_code, o.total, o.placed_at,"
			" (SELECT pg_catalog.count(*) FROM @store@.order_item i"
			" WHERE i.order_id" EQ "o.id),"
			" (SELECT t.id FROM @store@.order_transfer t WHERE t.order_id" EQ
			"o.id"
			" AND t.status" EQ "'requested' AND t.expires_at" GT "$2)"
			" FROM @store@.orders o"
			" WHERE o.customer_id" EQ "$1 AND o.status" NE "'draft'"
			" AND ($3 IS NULL OR ROW(o.placed_at, o.id)" LT "ROW($3, $4))"
			" ORDER BY o.placed_at DESC, o.id DESC LIMIT $5",
	.read_only = true,
	.nargs = 5,
	.argtypes = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID},
};

#define ORDERS_SHOWN 7
#define ORDERS_SHOWN_PLACED_AT 4 /* from 0 */

/* Adds the orders, each with its cursor, to the result. */
static void
emit_orders(FunctionCallInfo fcinfo, const PlanRows *rows, const char *kind)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	for (uint64 i = 0; i < rows->count; i++)
	{
		Datum values[ORDERS_SHOWN + 1];
		bool nulls[ORDERS_SHOWN + 1];
		char *key;

		for (int k = 0; k < ORDERS_SHOWN; k++)
			values[k] = cust_plan_value(rows, i, k + 1, &nulls[k]);
		key = nulls[ORDERS_SHOWN_PLACED_AT] ?
			NULL :
			psprintf(INT64_FORMAT,
					 DatumGetTimestampTz(values[ORDERS_SHOWN_PLACED_AT]));
		values[ORDERS_SHOWN] = cust_page_cursor(kind, key,
												cust_plan_int64(rows, i, 1));
		nulls[ORDERS_SHOWN] = false;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

PG_FUNCTION_INFO_V1(customers_customer_orders);

/*
 * customer_orders(customer_id, page_size, after) returns (id, status,
 * currency_code, total, placed_at, items_count, open_transfer_id, cursor)
 */
Datum
customers_customer_orders(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	NullableDatum values[5];
	PageStart start;
	PlanRows rows;
	char *kind;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	kind = psprintf(CURSOR_KIND ":" INT64_FORMAT, PG_GETARG_INT64(0));
	start = cust_page_start(fcinfo, 2, kind);
	values[0] = fcinfo->args[0];
	values[1] = (NullableDatum){TimestampTzGetDatum(GetCurrentTimestamp()),
								false};
	values[2].isnull = !start.given;
	values[2].value = start.given ?
		Int64GetDatum(strtoi64(start.key ? start.key : "", NULL, 10)) :
		0;
	values[3] = id_argument(start.id);
	values[4] = id_argument(cust_page_size(fcinfo, 1));
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	cust_expect_customer(store, fcinfo->args[0]);
	rows = cust_plan_run(&select_orders, &store->target, values, 0);
	emit_orders(fcinfo, &rows, kind);
	cust_plan_end();
	return (Datum) 0;
}

static const PlanQuery select_order_details = {
	.text =
		"SELECT pg_catalog.jsonb_build_object("
		"'id', o.id, 'customer_id', o.customer_id, 'email', o.email,"
		" 'status', o.status, 'currency_code', o.currency_code,"
		" 'total', o.total, 'placed_at', o.placed_at,"
		" 'shipping_address', o.shipping_address,"
		" 'billing_address', o.billing_address, 'metadata', o.metadata,"
		" 'items', COALESCE((SELECT pg_catalog.jsonb_agg("
		"pg_catalog.jsonb_build_object('line_no', i.line_no, 'title', i.title,"
		" 'sku', i.sku, 'quantity', i.quantity, 'unit_price', i.unit_price)"
		" ORDER BY i.line_no)"
		" FROM @store@.order_item i WHERE i.order_id" EQ "o.id), '[]'),"
		" 'customer', (SELECT pg_catalog.jsonb_build_object('id', c.id,"
		" 'email', c.email, 'full_name', " CUSTOMER_FULL_NAME ","
		" 'type', " CUSTOMER_TYPE ")"
		" FROM @store@.customer c WHERE c.id" EQ "o.customer_id),"
		" 'transfers', COALESCE((SELECT pg_catalog.jsonb_agg("
		"pg_catalog.jsonb_build_object('id', t.id,"
		" 'status', " TRANSFER_STATUS_AT_2 ","
		" 'from_customer_id', t.from_customer_id,"
		" 'to_customer_id', t.to_customer_id,"
		" 'approver_email', t.approver_email,"
		" 'update_order_email', t.update_order_email,"
		" 'description', t.description, 'requested_by', t.requested_by,"
		" 'requested_at', t.requested_at, 'expires_at', t.expires_at,"
		" 'resolved_at', t.resolved_at, 'resolved_by', t.resolved_by,"
		" 'decline_reason', t.decline_reason)"
		" ORDER BY t.requested_at DESC, t.id DESC)"
		" FROM @store@.order_transfer t WHERE t.order_id" EQ "o.id), '[]'))"
		" FROM @store@.orders o WHERE o.id" EQ "$1",
	.read_only = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID},
};

PG_FUNCTION_INFO_V1(customers_order_details);

/* order_details(order_id) returns jsonb */
Datum
customers_order_details(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	NullableDatum values[2];
	PlanRows rows;
	bool isnull;
	Datum result;

	if (PG_ARGISNULL(0))
		cust_report_null("order_id");
	values[0] = fcinfo->args[0];
	values[1] = (NullableDatum){TimestampTzGetDatum(GetCurrentTimestamp()),
								false};
	cust_plan_begin();
	rows = cust_plan_run(&select_order_details, &store->target, values, 1);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_ORDERS, PG_GETARG_INT64(0));
	result = cust_plan_copy(&rows, 0, 1, &isnull);
	cust_plan_end();
	return result;
}
