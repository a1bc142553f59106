/*
 * event_customer.c
 *		The events of customers, groups and memberships.
 *
 * The guard of a table runs first: an UPDATE that left the version of a row as
 * it was makes no event.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "events/event.h"
#include "guc.h"
#include "miscadmin.h"
#include "rows/idlist.h"
#include "utils/tuplestore.h"

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
 * customer_group
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

/* ------------------------------------------------------------------------
 * customer_group_member
 *
 * A membership that goes because its group or its customer goes is no event of
 * its own.
 * ------------------------------------------------------------------------
 */

/* so many removed memberships are looked at together */
#define BATCH 1000

typedef struct RemovedMembers
{
	int n;
	int64 groups[BATCH];
	int64 customers[BATCH];
	bool alone[BATCH]; /* do both still exist? */
} RemovedMembers;

static const PlanQuery select_groups = {
	.text = "SELECT g.id FROM pg_catalog.unnest($1) AS u(id)"
			" JOIN @store@.customer_group g ON g.id" EQ "u.id",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID},
};

static const PlanQuery select_customers = {
	.text = "SELECT c.id FROM pg_catalog.unnest($1) AS u(id)"
			" JOIN @store@.customer c ON c.id" EQ "u.id",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID},
};

static void
add_member_event(Recorder *recorder, const char *type, int64 group_id,
				 int64 customer_id)
{
	EventDraft draft = {
		.type = type,
		.customer_id = customer_id,
	};
	JsonObject payload;

	cust_event_begin_payload(&payload, customer_id, 0);
	cust_json_int64(&payload, "group_id", group_id);
	draft.payload = cust_json_end(&payload);
	cust_event_add(recorder, &draft);
}

static void
describe_added(Recorder *recorder, const ChangedRow *row)
{
	add_member_event(recorder, "group.customer_added",
					 cust_event_id(row, row->new, MEMBER_GROUP_ID),
					 cust_event_id(row, row->new, MEMBER_CUSTOMER_ID));
}

/* Those of the ids that the query finds. */
static IdList
find_ids(const Recorder *recorder, const PlanQuery *query, const int64 *ids,
		 int n)
{
	int64 *copy = palloc(n * sizeof(int64));
	IdList list;
	PlanRows rows;

	memcpy(copy, ids, n * sizeof(int64));
	list = cust_idlist_make(copy, n);
	rows = cust_plan_run(query, &recorder->store->target, &list.array, 0);
	return cust_idlist_column(&rows, 1);
}

/* Finds out which memberships went alone. */
static void
tell_from_cascades(const Recorder *recorder, RemovedMembers *removed)
{
	IdList groups;
	IdList customers = {
		.n = 0,
	};

	cust_plan_begin();
	groups = find_ids(recorder, &select_groups, removed->groups, removed->n);
	if (groups.n > 0)
		customers = find_ids(recorder, &select_customers, removed->customers,
							 removed->n);
	for (int i = 0; i < removed->n; i++)
		removed->alone[i] = cust_idlist_contains(&groups,
												 removed->groups[i]) &&
			cust_idlist_contains(&customers, removed->customers[i]);
	cust_plan_end();
}

/* Adds the events of a batch and empties it. */
static void
add_removed(Recorder *recorder, RemovedMembers *removed)
{
	MemoryContext before;

	if (removed->n == 0)
		return;
	tell_from_cascades(recorder, removed);
	before = MemoryContextSwitchTo(recorder->context);
	for (int i = 0; i < removed->n; i++)
	{
		if (removed->alone[i])
			add_member_event(recorder, "group.customer_removed",
							 removed->groups[i], removed->customers[i]);
	}
	MemoryContextSwitchTo(before);
	removed->n = 0;
	cust_record_tidy(recorder);
}

/* Records the rows of the transition table, a batch at a time. */
static void
record_removed(FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	RemovedMembers *removed = palloc(sizeof(RemovedMembers));
	Tuplestorestate *rows;
	TriggerRow trigger;
	Recorder recorder;
	ChangedRow row = {
		.trigger = &trigger,
	};

	cust_trigger_open(fcinfo, &cust_layout[STORE_MEMBER],
					  TRIGGER_AFTER_STATEMENT, TRIGGER_DELETE, &trigger);
	rows = trigger.data->tg_oldtable;
	if (tuplestore_tuple_count(rows) == 0 || !cust_guc_record_events)
		return;
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	row.old = MakeSingleTupleTableSlot(trigger.desc, &TTSOpsMinimalTuple);
	removed->n = 0;
	cust_record_begin(&recorder, cust_store_of(trigger.data->tg_relation));
	MemoryContextSwitchTo(context);
	while (tuplestore_gettupleslot(rows, true, false, row.old))
	{
		CHECK_FOR_INTERRUPTS();
		removed->groups[removed->n] = cust_event_id(&row, row.old,
													MEMBER_GROUP_ID);
		removed->customers[removed->n++] = cust_event_id(&row, row.old,
														 MEMBER_CUSTOMER_ID);
		if (removed->n == BATCH)
			add_removed(&recorder, removed);
		MemoryContextSwitchTo(context);
	}
	add_removed(&recorder, removed);
	cust_record_end(&recorder);
	ExecDropSingleTupleTableSlot(row.old);
}

PG_FUNCTION_INFO_V1(customers_customer_group_member_record);

/* trigger: AFTER INSERT or DELETE ON customer_group_member .. STATEMENT */
Datum
customers_customer_group_member_record(PG_FUNCTION_ARGS)
{
	if (CALLED_AS_TRIGGER(fcinfo) &&
		TRIGGER_FIRED_BY_DELETE(((TriggerData *) fcinfo->context)->tg_event))
		record_removed(fcinfo);
	else
		cust_event_record(fcinfo, STORE_MEMBER, TRIGGER_INSERT,
						  describe_added);
	return PointerGetDatum(NULL);
}
