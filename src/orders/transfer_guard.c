/*
 * transfer_guard.c
 *		The guard of table order_transfer; new rows are judged in
 *		transfer_request.c.
 *
 * Decides everything from what a statement brings (a new row, a status, a
 * token) and what the tables hold.  What it reads is locked first, then open
 * transfers, and read as the owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "guc.h"
#include "orders/transfer_request.h"
#include "stores/expect.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/secret.h"
#include "values/token.h"

#define REQUEST_HINT \
	"Request a new transfer with customers.request_order_transfer."
#define CANCEL_HINT "End a request with customers.cancel_order_transfer."

/* ------------------------------------------------------------------------
 * UPDATE: the one end of a request, or the deletion of a customer
 * ------------------------------------------------------------------------
 */

static void
set_resolved(TriggerRow *row, const char *status)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	cust_trigger_set(row, TRANSFER_STATUS, CStringGetTextDatum(status));
	cust_trigger_set(row, TRANSFER_RESOLVED_AT, TimestampTzGetDatum(now));
	cust_trigger_set(row, TRANSFER_RESOLVED_BY,
					 CStringGetTextDatum(cust_guc_current_actor()));
	cust_trigger_set_null(row, TRANSFER_TOKEN_HASH);
	cust_trigger_set_null(row, TRANSFER_APPROVAL_TOKEN);
	if (strcmp(status, "declined") != 0)
		cust_trigger_set_null(row, TRANSFER_DECLINE_REASON);
}

/* A request without an end is over. */
static bool
is_overdue(const TriggerRow *row)
{
	bool isnull;
	Datum expires_at = cust_trigger_old(row, TRANSFER_EXPIRES_AT, &isnull);

	return isnull || DatumGetTimestampTz(expires_at) <= GetCurrentTimestamp();
}

static bool
was_requested(const TriggerRow *row)
{
	const char *status = cust_transfer_old_status(row);

	return status != NULL && strcmp(status, "requested") == 0;
}

/* Is the column set to NULL because its customer was deleted? */
static bool
lost_customer(const TriggerRow *row, const Store *store, int column)
{
	return cust_trigger_is_null(row, column) &&
		!cust_trigger_was_null(row, column) &&
		!cust_expect_exists(store, cust_trigger_old_id(row, column));
}

pg_noreturn static void
report_column(const TriggerRow *row, int column)
{
	cust_transfer_report_state(
		row, column, "Cancel a request and make another; history is kept.",
		psprintf("%s of order transfer " INT64_FORMAT " cannot be changed",
				 row->shape->columns[column].name,
				 cust_trigger_old_id(row, TRANSFER_ID)));
}

/*
 * A deleted customer ends an open transfer, and the approver takes his
 * address along; nothing else may change in the same UPDATE.
 */
static void
forget_customers(TriggerRow *row, bool lost_from, bool lost_to)
{
	for (int column = 0; column < row->shape->ncolumns; column++)
	{
		if (!(lost_from && column == TRANSFER_FROM_CUSTOMER_ID) &&
			!(lost_to && column == TRANSFER_TO_CUSTOMER_ID) &&
			cust_trigger_changed(row, column))
			report_column(row, column);
	}
	if (lost_from)
		cust_trigger_set_null(row, TRANSFER_APPROVER_EMAIL);
	if (was_requested(row))
		set_resolved(row, is_overdue(row) ? "expired" : "canceled");
}

/* Raises unless only what may change of a request does. */
static void
check_columns(const TriggerRow *row)
{
	static const int changeable[] = {
		TRANSFER_STATUS,
		TRANSFER_APPROVAL_TOKEN,
		TRANSFER_DECLINE_REASON,
	};

	for (int column = 0; column < row->shape->ncolumns; column++)
	{
		bool excepted = false;

		for (size_t i = 0; i < lengthof(changeable); i++)
			excepted |= changeable[i] == column;
		if (!excepted && cust_trigger_changed(row, column))
			report_column(row, column);
	}
}

/* Raises unless the request may end with that status now. */
static void
check_state(const TriggerRow *row, const char *old_status,
			const char *new_status)
{
	int64 id = cust_trigger_old_id(row, TRANSFER_ID);
	bool expiring = strcmp(new_status, "expired") == 0;

	if (old_status == NULL || strcmp(old_status, "requested") != 0)
		cust_transfer_report_state(
			row, TRANSFER_STATUS, REQUEST_HINT,
			psprintf("order transfer " INT64_FORMAT
					 " is %s and cannot change any more",
					 id, old_status ? old_status : "without a status"));
	if (strcmp(new_status, "requested") == 0)
		cust_transfer_report_state(
			row, TRANSFER_STATUS,
			"Set status to accepted or declined with it.",
			psprintf("order transfer " INT64_FORMAT
					 " was given evidence but no new status",
					 id));
	if (!cust_transfer_is_final(new_status))
		cust_transfer_report_state(
			row, TRANSFER_STATUS,
			"It becomes accepted, declined, canceled or expired.",
			psprintf("order transfer " INT64_FORMAT " has no such status",
					 id));
	if (expiring && !is_overdue(row))
		cust_transfer_report_state(row, TRANSFER_STATUS, CANCEL_HINT,
								   psprintf("order transfer " INT64_FORMAT
											" has not expired yet",
											id));
	if (!expiring && is_overdue(row))
		cust_trigger_refuse(row, "order_transfer_not_expired",
							TRANSFER_EXPIRES_AT, REQUEST_HINT,
							psprintf("order transfer " INT64_FORMAT
									 " has expired",
									 id));
}

/* Raises unless the token is the one that the approver was sent. */
static void
check_token(const TriggerRow *row)
{
	bool token_null;
	bool hash_null;
	Datum token = cust_trigger_new(row, TRANSFER_APPROVAL_TOKEN, &token_null);
	Datum hash = cust_trigger_old(row, TRANSFER_TOKEN_HASH, &hash_null);
	int64 id = cust_trigger_old_id(row, TRANSFER_ID);

	if (token_null)
		cust_trigger_refuse(
			row, "order_transfer_approved", TRANSFER_APPROVAL_TOKEN,
			"The token is in the notification that the approver was sent.",
			psprintf("order transfer " INT64_FORMAT
					 " needs the approver's token",
					 id));
	if (hash_null ||
		!cust_token_matches(cust_secret_open(DatumGetTextPP(token)),
							DatumGetByteaPP(hash)))
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INVALID_PASSWORD,
				.rule = "order_transfer_approved",
				.schema = row->schema,
				.column = "approval_token",
				.table = row->shape->name,
			},
			"wrong token, e-mail or password");
}

/* Raises unless the order can still be given to the target. */
static void
check_acceptance(const TriggerRow *row, const Store *store)
{
	int64 target_id = cust_trigger_old_id(row, TRANSFER_TO_CUSTOMER_ID);
	Subjects subjects;

	cust_subjects_lock(store, cust_trigger_old_id(row, TRANSFER_ORDER_ID),
					   target_id, &subjects);
	if (!subjects.target.found)
		cust_store_unknown(store, STORE_CUSTOMER, target_id);
	cust_transfer_check_target(row, &subjects.target, target_id);
	cust_transfer_check_order(row, &subjects.order);
	if (subjects.order.customer_id !=
		cust_trigger_old_id(row, TRANSFER_FROM_CUSTOMER_ID))
		cust_trigger_refuse(
			row, "order_transfer_owner_unchanged", TRANSFER_ORDER_ID,
			"Cancel this transfer and ask the present owner.",
			psprintf("order " INT64_FORMAT
					 " no longer belongs to the customer who was asked",
					 subjects.order.id));
}

/* A plain UPDATE that is not the deletion of a customer. */
static void
guard_change(TriggerRow *row, const Store *store)
{
	char *new_status = cust_transfer_new_status(row);

	check_columns(row);
	if (!cust_trigger_changed(row, TRANSFER_STATUS) &&
		!cust_trigger_changed(row, TRANSFER_DECLINE_REASON) &&
		cust_trigger_is_null(row, TRANSFER_APPROVAL_TOKEN))
		return;
	check_state(row, cust_transfer_old_status(row), new_status);
	if (strcmp(new_status, "accepted") == 0 ||
		strcmp(new_status, "declined") == 0)
		check_token(row);
	if (strcmp(new_status, "accepted") == 0)
		check_acceptance(row, store);
	set_resolved(row, new_status);
}

static void
guard_update(TriggerRow *row)
{
	static const int fixed[] = {TRANSFER_ID, TRANSFER_ORDER_ID,
								TRANSFER_REQUESTED_AT};
	const Store *store = cust_store_of(row->data->tg_relation);
	bool lost_from;
	bool lost_to;

	cust_trigger_fix(row, fixed, lengthof(fixed),
					 psprintf("order transfer " INT64_FORMAT,
							  cust_trigger_old_id(row, TRANSFER_ID)));
	cust_plan_begin();
	lost_from = lost_customer(row, store, TRANSFER_FROM_CUSTOMER_ID);
	lost_to = lost_customer(row, store, TRANSFER_TO_CUSTOMER_ID);
	if (lost_from || lost_to)
		forget_customers(row, lost_from, lost_to);
	else
		guard_change(row, store);
	cust_plan_end();
}

/* ------------------------------------------------------------------------
 * The triggers
 * ------------------------------------------------------------------------
 */

/* Transfers go only with their order. */
static void
guard_delete(const TriggerRow *row)
{
	const Store *store = cust_store_of(row->data->tg_relation);
	bool order_exists;

	cust_plan_begin();
	order_exists =
		cust_subjects_order_exists(store,
								   cust_trigger_old_id(row,
													   TRANSFER_ORDER_ID));
	cust_plan_end();
	if (order_exists)
		cust_trigger_refuse(
			row, "order_transfer_state", -1,
			"End a request with customers.cancel_order_transfer; history is kept.",
			psprintf("order transfer " INT64_FORMAT
					 " cannot be deleted while its order exists",
					 cust_trigger_old_id(row, TRANSFER_ID)));
}

PG_FUNCTION_INFO_V1(customers_order_transfer_guard);

/* trigger: BEFORE INSERT, UPDATE or DELETE .. ROW, TRUNCATE .. STATEMENT */
Datum
customers_order_transfer_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_TRANSFER], TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE |
						  TRIGGER_TRUNCATE,
					  &row);
	switch (row.operation)
	{
		case TRIGGER_INSERT:
			cust_transfer_guard_insert(&row);
			break;
		case TRIGGER_UPDATE:
			guard_update(&row);
			break;
		case TRIGGER_DELETE:
			guard_delete(&row);
			break;
		case TRIGGER_TRUNCATE:
			cust_trigger_refuse(
				&row, "order_transfer_state", -1, NULL,
				"table \"order_transfer\" cannot be truncated: its history is kept");
	}
	return cust_trigger_result(&row);
}
