/*
 * record.c
 *		Writes events and their deliveries as the store's owner, and rings the
 *		doorbell.
 *
 * Called by event, once a statement: begin, add the events of each row, end.
 * A delivery is made for each subscription with a pattern that matches.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "commands/sequence.h"
#include "doorbell.h"
#include "guc.h"
#include "record.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* events written at a time */
#define BATCH 1000

typedef struct Subscription
{
	char *name;
	bool doorbell;
	int npatterns;
	char **patterns;
} Subscription;

static const PlanQuery select_subscriptions = {
	.text = "SELECT name, doorbell, event_types FROM @store@.subscription",
	.as_owner = true,
};

static const PlanQuery insert_events = {
	.text = "INSERT INTO @store@.event"
			" (id, type, customer_id, order_id, payload)"
			" SELECT u.id, u.type, u.customer_id, u.order_id, u.payload"
			" FROM unnest($1, $2, $3, $4, $5)"
			" AS u(id, type, customer_id, order_id, payload)",
	.as_owner = true,
	.nargs = 5,
	.argtypes = {INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
				 JSONBARRAYOID},
};

static const PlanQuery insert_deliveries = {
	.text =
		"INSERT INTO @store@.delivery"
		" (subscription, event_id, person_ids, confidential, expires_at)"
		" SELECT u.subscription, u.event_id,"
		" pg_catalog.array_remove(ARRAY[u.person, u.other], NULL::pg_catalog.int8),"
		" u.confidential, u.expires_at"
		" FROM unnest($1, $2, $3, $4, $5, $6)"
		" AS u(subscription, event_id, person, other, confidential, expires_at)",
	.as_owner = true,
	.nargs = 6,
	.argtypes = {TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
				 JSONBARRAYOID, TIMESTAMPTZARRAYOID},
};

/* the same for one row, without an executor's way through a set of rows */
static const PlanQuery insert_event = {
	.text = "INSERT INTO @store@.event"
			" (id, type, customer_id, order_id, payload)"
			" VALUES ($1, $2, $3, $4, $5)",
	.as_owner = true,
	.nargs = 5,
	.argtypes = {INT8OID, TEXTOID, INT8OID, INT8OID, JSONBOID},
};

static const PlanQuery insert_delivery = {
	.text = "INSERT INTO @store@.delivery"
			" (subscription, event_id, person_ids, confidential, expires_at)"
			" VALUES ($1, $2,"
			" pg_catalog.array_remove(ARRAY[$3, $4], NULL::pg_catalog.int8),"
			" $5, $6)",
	.as_owner = true,
	.nargs = 6,
	.argtypes = {TEXTOID, INT8OID, INT8OID, INT8OID, JSONBOID, TIMESTAMPTZOID},
};

/* An array being filled, one element a row. */
typedef struct Column
{
	Oid type;
	int n;
	Datum *values;
	bool *nulls;
} Column;

static Column
make_column(Oid type, int capacity)
{
	return (Column){type, 0, palloc(capacity * sizeof(Datum)),
					palloc(capacity * sizeof(bool))};
}

static void
append(Column *column, Datum value, bool isnull)
{
	column->values[column->n] = value;
	column->nulls[column->n++] = isnull;
}

static void
append_id(Column *column, int64 id)
{
	append(column, Int64GetDatum(id), id == 0);
}

static void
append_text(Column *column, const char *value)
{
	append(column, CStringGetTextDatum(value), false);
}

static NullableDatum
column_array(const Column *column)
{
	int16 length;
	bool byval;
	char align;
	int lower = 1;
	int n = column->n;
	NullableDatum result = {
		.isnull = false,
	};

	get_typlenbyvalalign(column->type, &length, &byval, &align);
	result.value = PointerGetDatum(
		construct_md_array(column->values, column->nulls, 1, &n, &lower,
						   column->type, length, byval, align));
	return result;
}

static NullableDatum
only_value(const Column *column)
{
	return (NullableDatum){column->values[0], column->nulls[0]};
}

/* Runs the one for a single row, or the one for many. */
static void
insert_columns(const PlanTarget *target, const PlanQuery *one,
			   const PlanQuery *many, const Column *const *columns)
{
	NullableDatum values[8];
	bool single = columns[0]->n == 1;

	for (int i = 0; i < many->nargs; i++)
		values[i] = single ? only_value(columns[i]) : column_array(columns[i]);
	cust_plan_run(single ? one : many, target, values, 0);
}

/* Does s match the pattern, in which * stands for any characters? */
static bool
matches(const char *pattern, const char *s)
{
	const char *star = NULL;
	const char *resume = NULL;

	while (*s != '\0')
	{
		if (*pattern == '*')
		{
			star = ++pattern;
			resume = s;
		}
		else if (*pattern == *s)
		{
			pattern++;
			s++;
		}
		else if (star != NULL)
		{
			pattern = star;
			s = ++resume;
		}
		else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool
subscription_matches(const Subscription *subscription, const char *type)
{
	for (int i = 0; i < subscription->npatterns; i++)
	{
		if (matches(subscription->patterns[i], type))
			return true;
	}
	return false;
}

static Subscription *
make_subscription(const PlanRows *rows, uint64 row)
{
	Subscription *subscription = palloc(sizeof(Subscription));
	bool isnull;
	ArrayType *types = DatumGetArrayTypeP(
		cust_plan_value(rows, row, 3, &isnull));
	Datum *values;
	bool *nulls;
	int n;

	subscription->name = cust_plan_text(rows, row, 1);
	subscription->doorbell = cust_plan_bool(rows, row, 2);
	deconstruct_array(types, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &n);
	subscription->patterns = palloc(n * sizeof(char *));
	subscription->npatterns = 0;
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			subscription->patterns[subscription->npatterns++] =
				TextDatumGetCString(values[i]);
	}
	return subscription;
}

static void
read_subscriptions(Recorder *recorder)
{
	MemoryContext before = MemoryContextSwitchTo(
		MemoryContextGetParent(recorder->context));
	PlanRows rows = cust_plan_run(&select_subscriptions,
								  &recorder->store->target, NULL, 0);

	for (uint64 i = 0; i < rows.count; i++)
		recorder->subscriptions = lappend(recorder->subscriptions,
										  make_subscription(&rows, i));
	recorder->subscriptions_read = true;
	MemoryContextSwitchTo(before);
}

/*
 * Opens a room of plan.c.  What a draft needs is allocated in
 * recorder->context, which is reset whenever drafts were written.
 */
void
cust_record_begin(Recorder *recorder, const Store *store)
{
	cust_plan_begin();
	recorder->store = store;
	recorder->subscriptions = NIL;
	recorder->subscriptions_read = false;
	recorder->ndrafts = 0;
	recorder->drafts = NULL;
	recorder->context = AllocSetContextCreate(CurrentMemoryContext,
											  "customers events",
											  ALLOCSET_DEFAULT_SIZES);
}

/* Does any subscription want events of that type? */
bool
cust_record_wanted(Recorder *recorder, const char *type)
{
	ListCell *cell;

	if (!recorder->subscriptions_read)
		read_subscriptions(recorder);
	foreach(cell, recorder->subscriptions)
	{
		if (subscription_matches(lfirst(cell), type))
			return true;
	}
	return false;
}

static TimestampTz
delivery_expiry(const EventDraft *draft)
{
	if (draft->expires_at != 0)
		return draft->expires_at;
	return GetCurrentTransactionStartTimestamp() +
		(int64) cust_guc_delivery_ttl * USECS_PER_SEC;
}

static void
write_deliveries(Recorder *recorder, const int64 *event_ids)
{
	const PlanTarget *target = &recorder->store->target;
	int capacity = recorder->ndrafts * list_length(recorder->subscriptions);
	Column subscriptions = make_column(TEXTOID, capacity);
	Column events = make_column(INT8OID, capacity);
	Column persons = make_column(INT8OID, capacity);
	Column others = make_column(INT8OID, capacity);
	Column confidentials = make_column(JSONBOID, capacity);
	Column expiries = make_column(TIMESTAMPTZOID, capacity);

	for (int i = 0; i < recorder->ndrafts; i++)
	{
		EventDraft *draft = &recorder->drafts[i];
		ListCell *cell;

		foreach(cell, recorder->subscriptions)
		{
			Subscription *subscription = lfirst(cell);

			if (!subscription_matches(subscription, draft->type))
				continue;
			append_text(&subscriptions, subscription->name);
			append_id(&events, event_ids[i]);
			append_id(&persons, draft->customer_id);
			append_id(&others, draft->other_person_id);
			append(&confidentials, draft->confidential,
				   draft->confidential == 0);
			append(&expiries, TimestampTzGetDatum(delivery_expiry(draft)),
				   false);
			if (subscription->doorbell)
				cust_doorbell_ring(target->name, subscription->name,
								   draft->type, draft->order_id,
								   draft->transfer_id);
		}
	}
	if (subscriptions.n > 0)
		insert_columns(target, &insert_delivery, &insert_deliveries,
					   (const Column *[]){&subscriptions, &events, &persons,
										  &others, &confidentials, &expiries});
}

/* Writes the drafts and forgets them. */
static void
flush(Recorder *recorder)
{
	int n = recorder->ndrafts;
	Oid sequence = recorder->store->sequences[STORE_EVENT];
	int64 *event_ids;
	Column ids, types, customers, orders, payloads;
	MemoryContext before;

	if (n == 0)
		return;
	if (!recorder->subscriptions_read)
		read_subscriptions(recorder);
	before = MemoryContextSwitchTo(recorder->context);
	event_ids = palloc(n * sizeof(int64));
	ids = make_column(INT8OID, n);
	types = make_column(TEXTOID, n);
	customers = make_column(INT8OID, n);
	orders = make_column(INT8OID, n);
	payloads = make_column(JSONBOID, n);
	for (int i = 0; i < n; i++)
	{
		EventDraft *draft = &recorder->drafts[i];

		event_ids[i] = nextval_internal(sequence, false);
		append_id(&ids, event_ids[i]);
		append_text(&types, draft->type);
		append_id(&customers, draft->customer_id);
		append_id(&orders, draft->order_id);
		append(&payloads, draft->payload, false);
	}
	insert_columns(&recorder->store->target, &insert_event, &insert_events,
				   (const Column *[]){&ids, &types, &customers, &orders,
									  &payloads});
	write_deliveries(recorder, event_ids);
	recorder->ndrafts = 0;
	recorder->drafts = NULL;
	MemoryContextSwitchTo(before);
	MemoryContextReset(recorder->context);
}

/* Adds an event, whose data is in recorder->context. */
void
cust_record_add(Recorder *recorder, const EventDraft *draft)
{
	if (recorder->drafts == NULL)
		recorder->drafts = MemoryContextAlloc(recorder->context,
											  BATCH * sizeof(EventDraft));
	recorder->drafts[recorder->ndrafts++] = *draft;
	if (recorder->ndrafts == BATCH)
		flush(recorder);
}

/* Writes what is left and closes the room. */
void
cust_record_end(Recorder *recorder)
{
	flush(recorder);
	cust_plan_end();
}
