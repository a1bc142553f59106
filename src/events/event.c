/*
 * event.c
 *		What the statement triggers that turn changed rows into events have in
 *		common: reading the rows, and what events say.
 *
 * One trigger function a table, attached once an operation with transition
 * tables, so that events are the same for every client; they are in
 * event_customer.c and event_order.c.  How events are written is record's
 * business.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "events/event.h"
#include "guc.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "values/email.h"
#include "values/handover.h"
#include "values/token.h"

/* ------------------------------------------------------------------------
 * Reading changed rows
 * ------------------------------------------------------------------------
 */

Datum
cust_event_value(const ChangedRow *row, TupleTableSlot *slot, int column,
				 bool *isnull)
{
	return slot_getattr(slot, row->trigger->map.attnums[column], isnull);
}

/* 0 for NULL */
int64
cust_event_id(const ChangedRow *row, TupleTableSlot *slot, int column)
{
	bool isnull;
	Datum value = cust_event_value(row, slot, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* NULL for NULL */
char *
cust_event_text(const ChangedRow *row, TupleTableSlot *slot, int column)
{
	bool isnull;
	Datum value = cust_event_value(row, slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Are two addresses, either of which may be NULL, the same? */
static bool
same_email(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return cust_email_equal(cstring_to_text(a), cstring_to_text(b));
}

/* A slot for the rows of a transition table, which is read from its start. */
static TupleTableSlot *
open_rows(Tuplestorestate *rows, TupleDesc desc)
{
	if (rows == NULL)
		return NULL;
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	return MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

/*
 * Fetches the next row of each transition table that there is.  To be called
 * in a memory context that lives as long as the slots.
 */
static bool
next_row(ChangedRow *row)
{
	const TriggerData *data = row->trigger->data;

	if (row->old &&
		!tuplestore_gettupleslot(data->tg_oldtable, true, false, row->old))
		return false;
	return row->new == NULL ||
		tuplestore_gettupleslot(data->tg_newtable, true, false, row->new);
}

/* Gives each row that the statement changed to describe. */
void
cust_event_record(FunctionCallInfo fcinfo, StoreTable table, int operations,
				  DescribeRow describe)
{
	MemoryContext context = CurrentMemoryContext;
	TriggerRow trigger;
	Recorder recorder;
	ChangedRow row = {
		.trigger = &trigger,
	};

	cust_trigger_open(fcinfo, &cust_layout[table], TRIGGER_AFTER_STATEMENT,
					  operations, &trigger);
	row.old = open_rows(trigger.data->tg_oldtable, trigger.desc);
	row.new = open_rows(trigger.data->tg_newtable, trigger.desc);
	if (next_row(&row))
	{
		cust_record_begin(&recorder, cust_store_of(trigger.data->tg_relation));
		do
		{
			MemoryContextSwitchTo(recorder.context);
			describe(&recorder, &row);
			MemoryContextSwitchTo(context);
			cust_record_tidy(&recorder);
			MemoryContextSwitchTo(context);
		} while (next_row(&row));
		cust_record_end(&recorder);
	}
	if (row.old)
		ExecDropSingleTupleTableSlot(row.old);
	if (row.new)
		ExecDropSingleTupleTableSlot(row.new);
}

/* Adds an event unless recording is silenced. */
void
cust_event_add(Recorder *recorder, const EventDraft *draft)
{
	if (cust_guc_record_events)
		cust_record_add(recorder, draft);
}

/* Starts the payload of an event with the ids that it has. */
void
cust_event_begin_payload(JsonObject *payload, int64 customer_id,
						 int64 order_id)
{
	cust_json_begin(payload);
	if (customer_id != 0)
		cust_json_int64(payload, "customer_id", customer_id);
	if (order_id != 0)
		cust_json_int64(payload, "order_id", order_id);
}

/* The list of addresses to tell, each once, those there are. */
List *
cust_event_addressees(const char *first, const char *second)
{
	List *to = NIL;

	if (first != NULL)
		to = lappend(to, unconstify(char *, first));
	if (second != NULL && !same_email(first, second))
		to = lappend(to, unconstify(char *, second));
	return to;
}

/*
 * The clear text of the token whose hash is in a column of the new row, to be
 * cleared by the caller; NULL if the row was not inserted with it, or the
 * table's owner put something else in its place.
 */
char *
cust_event_take_token(const ChangedRow *row, int column)
{
	bool isnull;
	Datum value = cust_event_value(row, row->new, column, &isnull);
	bytea *hash;

	if (isnull)
		return NULL;
	hash = DatumGetByteaPP(value);
	if (VARSIZE_ANY_EXHDR(hash) != CUST_TOKEN_HASH_LENGTH)
		return NULL;
	return cust_handover_take(hash);
}

/* A time as JSON has it. */
char *
cust_event_time_text(TimestampTz time)
{
	char *text = palloc(MAXDATELEN + 1);

	return JsonEncodeDateTime(text, TimestampTzGetDatum(time), TIMESTAMPTZOID,
							  NULL);
}

/* ------------------------------------------------------------------------
 * Which columns changed
 * ------------------------------------------------------------------------
 */

/* Is it metadata without any key? */
static bool
is_empty_object(Form_pg_attribute att, Datum value)
{
	Jsonb *object;

	if (att->atttypid != JSONBOID)
		return false;
	object = DatumGetJsonbP(value);
	return JB_ROOT_IS_OBJECT(object) && JB_ROOT_COUNT(object) == 0;
}

/*
 * The names of the columns that an UPDATE changed, or that an INSERT or a
 * DELETE had a value in, without those that the engine keeps.
 */
List *
cust_event_changed_columns(const ChangedRow *row, const int *kept, int nkept)
{
	TupleDesc desc = row->trigger->desc;
	TupleTableSlot *present = row->new ? row->new : row->old;
	bool is_kept[MaxHeapAttributeNumber];
	List *names = NIL;

	memset(is_kept, false, desc->natts);
	for (int i = 0; i < nkept; i++)
		is_kept[row->trigger->map.attnums[kept[i]] - 1] = true;
	slot_getallattrs(present);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool old_null = true;
		bool new_null = true;
		Datum old = 0;
		Datum new = 0;

		if (is_kept[i] || att->attisdropped || att->attgenerated != '\0')
			continue;
		new = present->tts_values[i];
		new_null = present->tts_isnull[i];
		if (row->old && row->new)
			old = slot_getattr(row->old, att->attnum, &old_null);
		else if (!new_null)
			new_null = is_empty_object(att, new);
		if (cust_attribute_differs(desc, att->attnum, old, old_null, new,
								   new_null))
			names = lappend(names, NameStr(att->attname));
	}
	return names;
}

/* ------------------------------------------------------------------------
 * Changed addresses, of customers and of orders
 * ------------------------------------------------------------------------
 */

/* What a notification of a changed address must know. */
static Datum
changed_email(const char *old_email, const char *new_email)
{
	JsonObject confidential;

	cust_json_begin(&confidential);
	cust_json_texts(&confidential, "to",
					cust_event_addressees(old_email, new_email));
	cust_json_text(&confidential, "old_email", old_email);
	cust_json_text(&confidential, "new_email", new_email);
	return cust_json_end(&confidential);
}

/* Adds *.email_changed; never silenced, the old address must learn of it. */
void
cust_event_add_email_changed(Recorder *recorder, const char *type,
							 int64 customer_id, int64 order_id,
							 const char *old_email, const char *new_email)
{
	JsonObject payload;
	EventDraft draft = {
		.type = type,
		.customer_id = customer_id,
		.order_id = order_id,
	};

	if (same_email(old_email, new_email))
		return;
	cust_event_begin_payload(&payload, customer_id, order_id);
	draft.payload = cust_json_end(&payload);
	if (cust_record_wanted(recorder, type))
		draft.confidential = changed_email(old_email, new_email);
	cust_record_add(recorder, &draft);
}
