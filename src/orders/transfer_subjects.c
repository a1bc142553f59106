/*
 * transfer_subjects.c
 *		Locks the order and the customers that a transfer is about, as the
 *		owner, in the order of all functions: customers ascending, the order.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "orders/transfer_subjects.h"
#include "utils/timestamp.h"

static TimestampTz
time_of(const FetchedRow *row, int column)
{
	return row->columns[column].isnull ?
		0 :
		DatumGetTimestampTz(row->columns[column].value);
}

static void
read_order(const Store *store, int64 id, FetchLock lock, OrderState *order)
{
	FetchedRow row;

	if (!cust_store_fetch(store, STORE_ORDERS, id, lock, &row))
		cust_store_unknown(store, STORE_ORDERS, id);
	order->id = id;
	order->customer_id = cust_fetch_int64(&row, ORDERS_CUSTOMER_ID);
	order->email = cust_fetch_text(&row, ORDERS_EMAIL);
	order->email_changed_at = time_of(&row, ORDERS_EMAIL_CHANGED_AT);
	order->status = cust_fetch_text(&row, ORDERS_STATUS);
}

static void
lock_customer(const Store *store, int64 id, CustomerState *customer)
{
	FetchedRow row;

	customer->found = id != 0 &&
		cust_store_fetch(store, STORE_CUSTOMER, id, FETCH_SHARED, &row);
	if (!customer->found)
		return;
	customer->email = cust_fetch_text(&row, CUSTOMER_EMAIL);
	customer->email_changed_at = time_of(&row, CUSTOMER_EMAIL_CHANGED_AT);
	customer->has_account = !row.columns[CUSTOMER_HAS_ACCOUNT].isnull &&
		DatumGetBool(row.columns[CUSTOMER_HAS_ACCOUNT].value);
}

static void
lock_customers(const Store *store, int64 owner_id, int64 target_id,
			   Subjects *subjects)
{
	if (owner_id < target_id)
		lock_customer(store, owner_id, &subjects->owner);
	lock_customer(store, target_id, &subjects->target);
	if (owner_id > target_id)
		lock_customer(store, owner_id, &subjects->owner);
	if (owner_id == target_id)
		subjects->owner = subjects->target;
}

/*
 * Locks the order's owner and the target, then the order.  If the order got
 * another owner meanwhile, that one is locked as well.
 */
void
cust_subjects_lock(const Store *store, int64 order_id, int64 target_id,
				   Subjects *subjects)
{
	int64 owner_id;

	read_order(store, order_id, FETCH_UNLOCKED, &subjects->order);
	do
	{
		CHECK_FOR_INTERRUPTS();
		owner_id = subjects->order.customer_id;
		lock_customers(store, owner_id, target_id, subjects);
		read_order(store, order_id, FETCH_FOR_CHANGE, &subjects->order);
	} while (subjects->order.customer_id != owner_id);
}

/* Is there an order of that id, whether the caller may see it or not? */
bool
cust_subjects_order_exists(const Store *store, int64 order_id)
{
	FetchedRow row;

	return cust_store_fetch(store, STORE_ORDERS, order_id, FETCH_UNLOCKED,
							&row);
}

static const PlanQuery expire_transfer = {
	.text = "UPDATE @store@.order_transfer SET status = 'expired'"
			" WHERE id" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/*
 * Is there an open transfer of the order?  An overdue one is ended first.  The
 * row is locked, so that it stays open until the unique index has said so.
 */
bool
cust_subjects_open_transfer(const Store *store, int64 order_id)
{
	FetchKey key = {
		.column = TRANSFER_ORDER_ID,
		.value = order_id,
		.text_column = TRANSFER_STATUS,
		.text = "requested",
	};
	FetchedRow row;

	if (!cust_store_fetch_by(store, STORE_TRANSFER, &key, FETCH_FOR_CHANGE,
							 &row))
		return false;
	if (time_of(&row, TRANSFER_EXPIRES_AT) > GetCurrentTimestamp())
		return true;
	cust_plan_run(&expire_transfer, &store->target, &row.columns[TRANSFER_ID],
				  0);
	return false;
}

/*
 * A request has an end behind its beginning, which history that does not say
 * when it was requested has not.  As the newest commits left the table: under
 * repeatable read, one old snapshot would hide any number of requests.
 */
static const PlanQuery select_requests = {
	.text = "SELECT id FROM @store@.order_transfer WHERE order_id" EQ "$1"
			" AND requested_at" GT "$2 AND requested_at" LE "$3"
			" AND expires_at" GT "requested_at",
	.as_owner = true,
	.newest = true,
	.nargs = 3,
	.argtypes = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID},
};

/*
 * Was the order asked about n times within the last day?  To be asked while
 * the order is locked, which all requests do.
 */
bool
cust_subjects_requests_reach(const Store *store, int64 order_id, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	NullableDatum values[] = {
		{Int64GetDatum(order_id), false},
		{TimestampTzGetDatum(now - USECS_PER_DAY), false},
		{TimestampTzGetDatum(now), false},
	};

	return cust_plan_run(&select_requests, &store->target, values, n).count >=
		(uint64) n;
}
