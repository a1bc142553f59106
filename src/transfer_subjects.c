/*
 * transfer_subjects.c
 *		Locks the order and the customers that a transfer is about, as the
 *		owner, in the order of all functions: customers ascending, the order.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "transfer_subjects.h"
#include "utils/timestamp.h"

#define ORDER_COLUMNS                                     \
	"SELECT customer_id, email, email_changed_at, status" \
	" FROM @store@.orders WHERE id" EQ "$1"

static const PlanQuery select_order = {
	.text = ORDER_COLUMNS,
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery lock_order = {
	.text = ORDER_COLUMNS " FOR NO KEY UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery lock_customers = {
	.text = "SELECT id, email, email_changed_at, has_account"
			" FROM @store@.customer WHERE id" EQ "$1 OR id" EQ "$2"
			" ORDER BY id FOR SHARE",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8OID, INT8OID},
};

TimestampTz
cust_subjects_time(const PlanRows *rows, uint64 row, int column)
{
	bool isnull;
	Datum value = cust_plan_value(rows, row, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

static void
read_order(const Store *store, const PlanQuery *query, int64 id,
		   OrderState *order)
{
	NullableDatum value = {Int64GetDatum(id), false};
	PlanRows rows = cust_plan_run(query, &store->target, &value, 1);

	if (rows.count == 0)
		cust_store_unknown(store, STORE_ORDERS, id);
	order->id = id;
	order->customer_id = cust_plan_int64(&rows, 0, 1);
	order->email = cust_plan_text(&rows, 0, 2);
	order->email_changed_at = cust_subjects_time(&rows, 0, 3);
	order->status = cust_plan_text(&rows, 0, 4);
}

static void
read_customers(const Store *store, int64 owner_id, int64 target_id,
			   Subjects *subjects)
{
	PlanRows rows = cust_plan_run(&lock_customers, &store->target,
								  (NullableDatum[]){{Int64GetDatum(owner_id),
													 owner_id == 0},
													{Int64GetDatum(target_id),
													 target_id == 0}},
								  0);

	subjects->owner.found = false;
	subjects->target.found = false;
	for (uint64 i = 0; i < rows.count; i++)
	{
		CustomerState customer = {
			.found = true,
			.email = cust_plan_text(&rows, i, 2),
			.email_changed_at = cust_subjects_time(&rows, i, 3),
			.has_account = cust_plan_bool(&rows, i, 4),
		};

		if (cust_plan_int64(&rows, i, 1) == owner_id)
			subjects->owner = customer;
		if (cust_plan_int64(&rows, i, 1) == target_id)
			subjects->target = customer;
	}
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

	read_order(store, &select_order, order_id, &subjects->order);
	do
	{
		CHECK_FOR_INTERRUPTS();
		owner_id = subjects->order.customer_id;
		read_customers(store, owner_id, target_id, subjects);
		read_order(store, &lock_order, order_id, &subjects->order);
	} while (subjects->order.customer_id != owner_id);
}

/* Is there an order of that id, whether the caller may see it or not? */
bool
cust_subjects_order_exists(const Store *store, int64 order_id)
{
	NullableDatum value = {Int64GetDatum(order_id), false};

	return cust_plan_run(&select_order, &store->target, &value, 1).count > 0;
}

static const PlanQuery lock_open_transfer = {
	.text = "SELECT id, expires_at FROM @store@.order_transfer"
			" WHERE order_id" EQ "$1 AND status" EQ
			"'requested' FOR NO KEY UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

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
	NullableDatum value = {Int64GetDatum(order_id), false};
	PlanRows rows = cust_plan_run(&lock_open_transfer, &store->target, &value,
								  1);

	if (rows.count == 0)
		return false;
	if (cust_subjects_time(&rows, 0, 2) > GetCurrentTimestamp())
		return true;
	value.value = Int64GetDatum(cust_plan_int64(&rows, 0, 1));
	cust_plan_run(&expire_transfer, &store->target, &value, 0);
	return false;
}
