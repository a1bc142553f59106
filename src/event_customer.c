/*
 * event_customer.c
 *		The events of customers, groups and memberships.
 *
 * The guard of a table runs first: an UPDATE that left the version of a row as
 * it was makes no event.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "event.h"

/* ------------------------------------------------------------------------
 * customer
 * ------------------------------------------------------------------------
 */

static const int customer_kept[] = {CUSTOMER_ID,
									CUSTOMER_EMAIL_CHANGED_AT,
									CUSTOMER_HAS_ACCOUNT,
									CUSTOMER_REGISTERED_AT,
									CUSTOMER_METADATA_ORDER,
									CUSTOMER_CREATED_BY,
									CUSTOMER_CREATED_AT,
									CUSTOMER_UPDATED_AT,
									CUSTOMER_VERSION};

static void
add_customer_event(Recorder *recorder, const ChangedRow *row, const char *type,
				   Datum confidential)
{
	JsonObject payload;
	EventDraft draft = {
		.type = type,
		.confidential = confidential,
	};
	List *changed = cust_event_changed_columns(row, customer_kept,
											   lengthof(customer_kept));

	/* a new order of the same metadata */
	if (changed == NIL)
		changed = list_make1("metadata");
	draft.customer_id = cust_event_id(row, row->new ? row->new : row->old,
									  CUSTOMER_ID);
	cust_event_begin_payload(&payload, draft.customer_id, 0);
	cust_json_texts(&payload, "changed", changed);
	draft.payload = cust_json_end(&payload);
	cust_event_add(recorder, &draft);
}

/* Where the farewell goes: the row will not tell any more. */
static Datum
deleted_email(const ChangedRow *row)
{
	JsonObject confidential;
	char *email = cust_event_text(row, row->old, CUSTOMER_EMAIL);

	cust_json_begin(&confidential);
	cust_json_texts(&confidential, "to", cust_event_addressees(email, NULL));
	cust_json_text(&confidential, "email", email);
	return cust_json_end(&confidential);
}

static void
describe_customer(Recorder *recorder, const ChangedRow *row)
{
	if (row->old == NULL)
		add_customer_event(recorder, row, "customer.created", 0);
	else if (row->new == NULL)
		add_customer_event(recorder, row, "customer.deleted",
						   cust_record_wanted(recorder, "customer.deleted") ?
							   deleted_email(row) :
							   (Datum) 0);
	else if (cust_event_id(row, row->old, CUSTOMER_VERSION) !=
			 cust_event_id(row, row->new, CUSTOMER_VERSION))
	{
		add_customer_event(recorder, row, "customer.updated", 0);
		cust_event_add_email_changed(recorder, "customer.email_changed",
									 cust_event_id(row, row->new, CUSTOMER_ID),
									 0,
									 cust_event_text(row, row->old,
													 CUSTOMER_EMAIL),
									 cust_event_text(row, row->new,
													 CUSTOMER_EMAIL));
	}
}

PG_FUNCTION_INFO_V1(customers_customer_record);

/* trigger: AFTER INSERT, UPDATE or DELETE ON customer FOR EACH STATEMENT */
Datum
customers_customer_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_CUSTOMER,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE,
					  describe_customer);
	return PointerGetDatum(NULL);
}

/* ------------------------------------------------------------------------
 * customer_group and its members
 * ------------------------------------------------------------------------
 */

static const int group_kept[] = {GROUP_ID, GROUP_CREATED_BY, GROUP_CREATED_AT,
								 GROUP_UPDATED_AT, GROUP_VERSION};

static void
describe_group(Recorder *recorder, const ChangedRow *row)
{
	EventDraft draft = {
		.type = "group.updated",
	};
	JsonObject payload;

	if (row->old == NULL)
		draft.type = "group.created";
	else if (row->new == NULL)
		draft.type = "group.deleted";
	else if (cust_event_id(row, row->old, GROUP_VERSION) ==
			 cust_event_id(row, row->new, GROUP_VERSION))
		return;
	cust_json_begin(&payload);
	cust_json_int64(&payload, "group_id",
					cust_event_id(row, row->new ? row->new : row->old,
								  GROUP_ID));
	cust_json_texts(&payload, "changed",
					cust_event_changed_columns(row, group_kept,
											   lengthof(group_kept)));
	draft.payload = cust_json_end(&payload);
	cust_event_add(recorder, &draft);
}

PG_FUNCTION_INFO_V1(customers_customer_group_record);

/* trigger: AFTER INSERT, UPDATE or DELETE ON customer_group .. STATEMENT */
Datum
customers_customer_group_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_GROUP,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE,
					  describe_group);
	return PointerGetDatum(NULL);
}

static const PlanQuery select_subjects = {
	.text = "SELECT EXISTS (SELECT FROM @store@.customer_group WHERE id" EQ
			"$1)"
			" AND EXISTS (SELECT FROM @store@.customer WHERE id" EQ "$2)",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8OID, INT8OID},
};

/* Does the membership go because its group or its customer goes? */
static bool
is_cascade(Recorder *recorder, int64 group_id, int64 customer_id)
{
	PlanRows rows =
		cust_plan_run(&select_subjects, &recorder->store->target,
					  (NullableDatum[]){{Int64GetDatum(group_id), false},
										{Int64GetDatum(customer_id), false}},
					  1);

	return !cust_plan_bool(&rows, 0, 1);
}

static void
describe_member(Recorder *recorder, const ChangedRow *row)
{
	TupleTableSlot *slot = row->new ? row->new : row->old;
	EventDraft draft = {
		.type = row->new ? "group.customer_added" : "group.customer_removed",
		.customer_id = cust_event_id(row, slot, MEMBER_CUSTOMER_ID),
	};
	int64 group_id = cust_event_id(row, slot, MEMBER_GROUP_ID);
	JsonObject payload;

	if (row->new == NULL && is_cascade(recorder, group_id, draft.customer_id))
		return;
	cust_event_begin_payload(&payload, draft.customer_id, 0);
	cust_json_int64(&payload, "group_id", group_id);
	draft.payload = cust_json_end(&payload);
	cust_event_add(recorder, &draft);
}

PG_FUNCTION_INFO_V1(customers_customer_group_member_record);

/* trigger: AFTER INSERT or DELETE ON customer_group_member .. STATEMENT */
Datum
customers_customer_group_member_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_MEMBER, TRIGGER_INSERT | TRIGGER_DELETE,
					  describe_member);
	return PointerGetDatum(NULL);
}
