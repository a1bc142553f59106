/*
 * transfer_request.c
 *		The guard of new rows of table order_transfer: a request, or history of
 *		another system; and what it shares with the guard of changes.
 *
 * What it reads is locked first, then open transfers, and read as the owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "guc.h"
#include "orders/transfer_request.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/handover.h"

/* ------------------------------------------------------------------------
 * What changes are judged by as well
 * ------------------------------------------------------------------------
 */

/* Raises order_transfer_state. */
pg_noreturn void
cust_transfer_report_state(const TriggerRow *row, int column, const char *hint,
						   const char *message)
{
	cust_trigger_refuse(row, "order_transfer_state", column, hint, message);
}

/* Raises order_transfer_order_active. */
void
cust_transfer_check_order(const TriggerRow *row, const OrderState *order)
{
	if (order->status == NULL || strcmp(order->status, "canceled") == 0 ||
		strcmp(order->status, "draft") == 0)
		cust_trigger_refuse(row, "order_transfer_order_active",
							TRANSFER_ORDER_ID, NULL,
							psprintf("order " INT64_FORMAT
									 " is %s and cannot be transferred",
									 order->id,
									 order->status ? order->status :
													 "without a status"));
}

/* Raises order_transfer_target_registered. */
void
cust_transfer_check_target(const TriggerRow *row, const CustomerState *target,
						   int64 target_id)
{
	if (!target->has_account)
		cust_trigger_refuse(
			row, "order_transfer_target_registered", TRANSFER_TO_CUSTOMER_ID,
			"Only a registered customer can be given an order.",
			psprintf("customer " INT64_FORMAT " is a guest", target_id));
}

/* ------------------------------------------------------------------------
 * INSERT: a request, or history of another system
 * ------------------------------------------------------------------------
 */

/* Sets the approver; raises unless there is one whose address is settled. */
static void
set_approver(TriggerRow *row, const Subjects *subjects)
{
	const OrderState *order = &subjects->order;
	const char *approver = order->email;
	TimestampTz changed_at = order->email_changed_at;

	if (subjects->owner.found)
	{
		approver = subjects->owner.email;
		changed_at = subjects->owner.email_changed_at;
	}
	if (approver == NULL)
		cust_trigger_refuse(
			row, "order_transfer_approver_known", TRANSFER_ORDER_ID,
			"Without a customer and an e-mail there is nobody to ask.",
			psprintf("order " INT64_FORMAT
					 " has neither a customer nor an e-mail",
					 order->id));
	if (!cust_guc_email_settled(changed_at))
		cust_trigger_refuse(
			row, "order_transfer_email_settled", TRANSFER_ORDER_ID,
			psprintf(
				"Repeat the request %d hours after the change (customers.email_change_hold).",
				(cust_guc_email_change_hold + 3599) / 3600),
			psprintf(
				"the e-mail that would approve the transfer of order " INT64_FORMAT
				" was changed recently",
				order->id));
	cust_trigger_set(row, TRANSFER_APPROVER_EMAIL,
					 CStringGetTextDatum(approver));
}

/* Raises if the order was asked about too often within a day. */
static void
check_requested_rarely(const TriggerRow *row, const Store *store,
					   int64 order_id)
{
	int most = cust_guc_transfer_requests_per_day;

	if (cust_subjects_requests_reach(store, order_id, most))
		cust_trigger_refuse(
			row, "order_transfer_requested_rarely", TRANSFER_ORDER_ID,
			"Repeat the request when the first of these is a day old (customers.transfer_requests_per_day).",
			psprintf("the transfer of order " INT64_FORMAT
					 " was asked for %d times in the last 24 hours",
					 order_id, most));
}

static void
set_kept_of_request(TriggerRow *row, const Subjects *subjects)
{
	/*
	 * not the transaction's start, which could be a day ago: the request would
	 * not count as one of this day
	 */
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz expires_at = now +
		(int64) cust_guc_transfer_ttl * USECS_PER_SEC;

	if (subjects->order.customer_id != 0)
		cust_trigger_set(row, TRANSFER_FROM_CUSTOMER_ID,
						 Int64GetDatum(subjects->order.customer_id));
	else
		cust_trigger_set_null(row, TRANSFER_FROM_CUSTOMER_ID);
	cust_trigger_set(row, TRANSFER_REQUESTED_BY,
					 CStringGetTextDatum(cust_guc_current_actor()));
	cust_trigger_set(row, TRANSFER_REQUESTED_AT, TimestampTzGetDatum(now));
	cust_trigger_set(row, TRANSFER_EXPIRES_AT,
					 TimestampTzGetDatum(expires_at));
	cust_trigger_set_null(row, TRANSFER_APPROVER_EMAIL);
	cust_trigger_set_null(row, TRANSFER_RESOLVED_AT);
	cust_trigger_set_null(row, TRANSFER_RESOLVED_BY);
	cust_trigger_set_null(row, TRANSFER_DECLINE_REASON);
}

/* The rules of a request, in the order in which the contract lists them. */
static void
guard_request(TriggerRow *row, const Store *store)
{
	int64 order_id = cust_trigger_new_id(row, TRANSFER_ORDER_ID);
	int64 target_id = cust_trigger_new_id(row, TRANSFER_TO_CUSTOMER_ID);
	Subjects subjects;

	cust_subjects_lock(store, order_id, target_id, &subjects);
	if (!subjects.target.found)
		cust_store_unknown(store, STORE_CUSTOMER, target_id);
	cust_transfer_check_order(row, &subjects.order);
	cust_transfer_check_target(row, &subjects.target, target_id);
	if (subjects.order.customer_id == target_id)
		cust_trigger_refuse(row, "order_transfer_not_to_owner",
							TRANSFER_TO_CUSTOMER_ID, NULL,
							psprintf("order " INT64_FORMAT
									 " belongs to customer " INT64_FORMAT
									 " already",
									 order_id, target_id));
	set_kept_of_request(row, &subjects);
	/* with an open one, order_transfer_open_key speaks or ON CONFLICT acts */
	if (!cust_subjects_open_transfer(store, order_id))
	{
		set_approver(row, &subjects);
		check_requested_rarely(row, store, order_id);
	}
	cust_trigger_set(row, TRANSFER_TOKEN_HASH,
					 PointerGetDatum(cust_handover_make()));
}

/* NULL for NULL */
char *
cust_transfer_old_status(const TriggerRow *row)
{
	bool isnull;
	Datum value = cust_trigger_old(row, TRANSFER_STATUS, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Raises 23502 for NULL. */
char *
cust_transfer_new_status(const TriggerRow *row)
{
	bool isnull;
	Datum value;

	cust_trigger_require(row, TRANSFER_STATUS);
	value = cust_trigger_new(row, TRANSFER_STATUS, &isnull);
	Assert(!isnull);
	return TextDatumGetCString(value);
}

/* Is it one of those in which a transfer ends? */
bool
cust_transfer_is_final(const char *status)
{
	static const char *const final[] = {"accepted", "declined", "canceled",
										"expired"};

	for (size_t i = 0; i < lengthof(final); i++)
	{
		if (strcmp(status, final[i]) == 0)
			return true;
	}
	return false;
}

/* History of another system moves nothing and tells nobody. */
static void
guard_history(const TriggerRow *row, const char *status)
{
	bool isnull;
	Datum time = cust_trigger_new(row, TRANSFER_RESOLVED_AT, &isnull);

	if (!cust_transfer_is_final(status))
		cust_transfer_report_state(
			row, TRANSFER_STATUS,
			"It is requested, accepted, declined, canceled or expired.",
			"a transfer has no such status");
	if (isnull ||
		DatumGetTimestampTz(time) >= GetCurrentTransactionStartTimestamp())
		cust_transfer_report_state(
			row, TRANSFER_RESOLVED_AT,
			"Insert it with status requested, or with the time when it was resolved.",
			"a transfer starts as requested; one that is imported as history was resolved in the past");
	/* it counts as a request of its day, which must not be one to come */
	time = cust_trigger_new(row, TRANSFER_REQUESTED_AT, &isnull);
	if (!isnull && DatumGetTimestampTz(time) > GetCurrentTimestamp())
		cust_transfer_report_state(
			row, TRANSFER_REQUESTED_AT,
			"Insert it with the time when it was requested.",
			"a transfer is not requested in the future");
}

void
cust_transfer_guard_insert(TriggerRow *row)
{
	const Store *store;
	char *status;

	if (!cust_trigger_is_null(row, TRANSFER_TOKEN_HASH) ||
		!cust_trigger_is_null(row, TRANSFER_APPROVAL_TOKEN))
		cust_transfer_report_state(
			row, TRANSFER_TOKEN_HASH,
			"The token is made by the request itself.",
			"a transfer cannot be inserted with a token");
	status = cust_transfer_new_status(row);
	if (strcmp(status, "requested") != 0)
	{
		guard_history(row, status);
		return;
	}
	cust_trigger_require(row, TRANSFER_ORDER_ID);
	cust_trigger_require(row, TRANSFER_TO_CUSTOMER_ID);
	store = cust_store_of(row->data->tg_relation);
	cust_plan_begin();
	guard_request(row, store);
	cust_plan_end();
}
