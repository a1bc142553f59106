/*
 * event_order.c
 *		The events of orders and of their transfers.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "events/event.h"
#include "utils/timestamp.h"

/* ------------------------------------------------------------------------
 * orders
 * ------------------------------------------------------------------------
 */

static void
describe_order(Recorder *recorder, const ChangedRow *row)
{
	/* who was told of the order until now */
	int64 customer_id = cust_event_id(row, row->old, ORDERS_CUSTOMER_ID);

	if (customer_id == 0)
		customer_id = cust_event_id(row, row->new, ORDERS_CUSTOMER_ID);
	cust_event_add_email_changed(recorder, "order.email_changed", customer_id,
								 cust_event_id(row, row->new, ORDERS_ID),
								 cust_event_text(row, row->old, ORDERS_EMAIL),
								 cust_event_text(row, row->new, ORDERS_EMAIL));
}

PG_FUNCTION_INFO_V1(customers_orders_record);

/* trigger: AFTER UPDATE ON orders FOR EACH STATEMENT */
Datum
customers_orders_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_ORDERS, TRIGGER_UPDATE, describe_order);
	return PointerGetDatum(NULL);
}

/* ------------------------------------------------------------------------
 * order_transfer
 * ------------------------------------------------------------------------
 */

/* A name of both parts, those there are; NULL without any. */
static char *
full_name(const char *first, const char *last)
{
	if (first == NULL || last == NULL)
		return unconstify(char *, first ? first : last);
	return psprintf("%s %s", first, last);
}

/* E-mail and name of the new owner; NULL where there is none. */
static void
find_new_owner(Recorder *recorder, int64 id, char **email, char **name)
{
	FetchedRow row;

	*email = NULL;
	*name = NULL;
	if (id == 0 ||
		!cust_store_fetch(recorder->store, STORE_CUSTOMER, id, FETCH_UNLOCKED,
						  &row))
		return;
	*email = cust_fetch_text(&row, CUSTOMER_EMAIL);
	*name = full_name(cust_fetch_text(&row, CUSTOMER_FIRST_NAME),
					  cust_fetch_text(&row, CUSTOMER_LAST_NAME));
}

static TimestampTz
transfer_expiry(const ChangedRow *row)
{
	bool isnull;
	Datum value = cust_event_value(row, row->new, TRANSFER_EXPIRES_AT,
								   &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* What the approver must be sent: the only place where a token is stored. */
static Datum
approval_request(Recorder *recorder, const ChangedRow *row,
				 const EventDraft *draft)
{
	JsonObject confidential;
	char *token = cust_event_take_token(row, TRANSFER_TOKEN_HASH);
	char *approver = cust_event_text(row, row->new, TRANSFER_APPROVER_EMAIL);
	char *email;
	char *name;
	Datum result;

	find_new_owner(recorder, draft->other_person_id, &email, &name);
	cust_json_begin(&confidential);
	cust_json_texts(&confidential, "to",
					cust_event_addressees(approver, NULL));
	cust_json_text(&confidential, "approver_email", approver);
	cust_json_text(&confidential, "token", token);
	cust_json_text(&confidential, "new_owner_name", name);
	cust_json_text(&confidential, "description",
				   cust_event_text(row, row->new, TRANSFER_DESCRIPTION));
	cust_json_text(&confidential, "expires_at",
				   draft->expires_at != 0 ?
					   cust_event_time_text(draft->expires_at) :
					   NULL);
	result = cust_json_end(&confidential);
	if (token)
		explicit_bzero(token, strlen(token));
	return result;
}

/* What both sides are told about the end of a transfer. */
static Datum
transfer_outcome(Recorder *recorder, const ChangedRow *row,
				 const EventDraft *draft)
{
	JsonObject confidential;
	/* a deleted approver is gone from the new row already */
	char *approver = cust_event_text(row, row->old, TRANSFER_APPROVER_EMAIL);
	char *email;
	char *name;

	find_new_owner(recorder, draft->other_person_id, &email, &name);
	cust_json_begin(&confidential);
	cust_json_texts(&confidential, "to",
					cust_event_addressees(approver, email));
	cust_json_text(&confidential, "approver_email", approver);
	cust_json_text(&confidential, "new_owner_email", email);
	return cust_json_end(&confidential);
}

/* The type of the event that ends a request; NULL if it is none. */
static const char *
ending_event(const char *before, const char *after)
{
	static const char *const types[][2] = {
		{"accepted", "order.transfer_accepted"},
		{"declined", "order.transfer_declined"},
		{"canceled", "order.transfer_canceled"},
		{"expired", "order.transfer_expired"},
	};

	if (before == NULL || after == NULL || strcmp(before, "requested") != 0)
		return NULL;
	for (size_t i = 0; i < lengthof(types); i++)
	{
		if (strcmp(after, types[i][0]) == 0)
			return types[i][1];
	}
	return NULL;
}

/* Only a request and its one end are events; NULL for the rest. */
static const char *
type_of_change(const ChangedRow *row)
{
	const char *after = cust_event_text(row, row->new, TRANSFER_STATUS);

	if (row->old != NULL)
		return ending_event(cust_event_text(row, row->old, TRANSFER_STATUS),
							after);
	return after != NULL && strcmp(after, "requested") == 0 ?
		"order.transfer_requested" :
		NULL;
}

static void
describe_transfer(Recorder *recorder, const ChangedRow *row)
{
	/* a deleted customer is gone from the new row already */
	TupleTableSlot *known = row->old ? row->old : row->new;
	bool requested = row->old == NULL;
	EventDraft draft = {
		.type = type_of_change(row),
	};
	JsonObject payload;

	if (draft.type == NULL)
		return;
	draft.customer_id = cust_event_id(row, known, TRANSFER_FROM_CUSTOMER_ID);
	draft.order_id = cust_event_id(row, known, TRANSFER_ORDER_ID);
	draft.transfer_id = cust_event_id(row, known, TRANSFER_ID);
	draft.other_person_id = cust_event_id(row, known, TRANSFER_TO_CUSTOMER_ID);
	cust_event_begin_payload(&payload, draft.customer_id, draft.order_id);
	cust_json_int64(&payload, "transfer_id", draft.transfer_id);
	if (draft.other_person_id != 0)
		cust_json_int64(&payload, "to_customer_id", draft.other_person_id);
	draft.payload = cust_json_end(&payload);
	if (requested)
		draft.expires_at = transfer_expiry(row);
	if (cust_record_wanted(recorder, draft.type))
		draft.confidential = requested ?
			approval_request(recorder, row, &draft) :
			transfer_outcome(recorder, row, &draft);
	if (requested)
		cust_record_add(recorder, &draft);
	else
		cust_event_add(recorder, &draft);
}

PG_FUNCTION_INFO_V1(customers_order_transfer_record);

/* trigger: AFTER INSERT or UPDATE ON order_transfer FOR EACH STATEMENT */
Datum
customers_order_transfer_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_TRANSFER, TRIGGER_INSERT | TRIGGER_UPDATE,
					  describe_transfer);
	return PointerGetDatum(NULL);
}
