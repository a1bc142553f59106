/*
 * record.c
 *		Writes events and their deliveries as the store's owner, and rings the
 *		doorbell.
 *
 * Called by event, once a statement: begin, add the events of each row and
 * tidy, end.  A delivery is made for each subscription with a pattern that
 * matches.  Rows, and what they hold, are as many as a user makes them, and
 * subscriptions as the store's owner does: so both are written in batches.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "events/doorbell.h"
#include "events/record.h"
#include "events/subscribed.h"
#include "guc.h"
#include "miscadmin.h"
#include "rows/insert.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* rows written at a time, and how many drafts there is room for at first */
#define BATCH 1000
#define FIRST_DRAFTS 8

/* drafts that hold more are written before there are so many */
#define MAX_DRAFT_BYTES ((Size) 8 * 1024 * 1024)

/* in the order of the columns, as all that inserts by cust_insert_rows */
static const InsertInto into_event = {
	.shape = &cust_layout[STORE_EVENT],
	.guard = "event_guard",
	.query =
		{
			.text = "INSERT INTO @store@.event"
					" (id, type, customer_id, order_id, role, actor, payload,"
					" created_at)"
					" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			.as_owner = true,
			.nargs = 8,
			.argtypes = {INT8OID, TEXTOID, INT8OID, INT8OID, TEXTOID, TEXTOID,
						 JSONBOID, TIMESTAMPTZOID},
		},
};

static const InsertInto into_delivery = {
	.shape = &cust_layout[STORE_DELIVERY],
	.query =
		{
			.text = "INSERT INTO @store@.delivery"
					" (id, subscription, event_id, person_ids, confidential,"
					" attempts, available_at, expires_at, last_error,"
					" failed_at, created_at)"
					" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
			.as_owner = true,
			.nargs = 11,
			.argtypes = {INT8OID, TEXTOID, INT8OID, INT8ARRAYOID, JSONBOID,
						 INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID,
						 TIMESTAMPTZOID, TIMESTAMPTZOID},
		},
};

/*
 * Opens an SPI connection.  What a draft needs is allocated in
 * recorder->context, which is reset whenever drafts were written.
 */
void
cust_record_begin(Recorder *recorder, const Store *store)
{
	recorder->store = store;
	recorder->subscriptions = NIL;
	recorder->subscriptions_read = false;
	recorder->ndrafts = 0;
	recorder->capacity = 0;
	recorder->drafts = NULL;
	recorder->base = CurrentMemoryContext;
	recorder->context = AllocSetContextCreate(CurrentMemoryContext,
											  "customers events",
											  ALLOCSET_DEFAULT_SIZES);
	cust_plan_begin();
}

/* Read once a statement, by the first that asks. */
static List *
subscriptions(Recorder *recorder)
{
	MemoryContext before;

	if (recorder->subscriptions_read)
		return recorder->subscriptions;
	before = MemoryContextSwitchTo(recorder->base);
	recorder->subscriptions = cust_subscribed_read(recorder->store);
	recorder->subscriptions_read = true;
	MemoryContextSwitchTo(before);
	return recorder->subscriptions;
}

/* Does any subscription want events of that type? */
bool
cust_record_wanted(Recorder *recorder, const char *type)
{
	ListCell *cell;

	foreach(cell, subscriptions(recorder))
	{
		if (cust_subscribed_wants(lfirst(cell), type))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Events
 * ------------------------------------------------------------------------
 */

/* The id of something that an event is about, or NULL for 0. */
static void
set_subject(InsertRow *row, int column, int64 id)
{
	row->values[column] = Int64GetDatum(id);
	row->nulls[column] = id == 0;
}

/* Writes the event of each draft, and notes its id in the draft. */
static void
write_events(Recorder *recorder)
{
	InsertRow *rows = palloc(recorder->ndrafts * sizeof(InsertRow));
	Datum role = CStringGetTextDatum(cust_guc_outer_role());
	Datum actor = CStringGetTextDatum(cust_guc_current_actor());
	Datum now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	for (int i = 0; i < recorder->ndrafts; i++)
	{
		EventDraft *draft = &recorder->drafts[i];
		InsertRow *row = &rows[i];

		memset(row->nulls, false, sizeof(row->nulls));
		draft->id = cust_store_next_own_id(recorder->store, STORE_EVENT);
		row->values[EVENT_ID] = Int64GetDatum(draft->id);
		row->values[EVENT_TYPE] = CStringGetTextDatum(draft->type);
		set_subject(row, EVENT_CUSTOMER_ID, draft->customer_id);
		set_subject(row, EVENT_ORDER_ID, draft->order_id);
		row->values[EVENT_ROLE] = role;
		row->values[EVENT_ACTOR] = actor;
		row->values[EVENT_PAYLOAD] = draft->payload;
		row->values[EVENT_CREATED_AT] = now;
	}
	cust_insert_rows(&into_event, &recorder->store->target,
					 recorder->store->tables[STORE_EVENT], rows,
					 recorder->ndrafts);
}

/* ------------------------------------------------------------------------
 * Deliveries
 * ------------------------------------------------------------------------
 */

static Datum
person_ids(const EventDraft *draft)
{
	Datum ids[2];
	int n = 0;

	if (draft->customer_id != 0)
		ids[n++] = Int64GetDatum(draft->customer_id);
	if (draft->other_person_id != 0)
		ids[n++] = Int64GetDatum(draft->other_person_id);
	return PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * Does it tell somebody of what another did with his account or address?  He
 * must be able to learn of it while a redirected letter is still held back.
 */
static bool
is_warning(const char *type)
{
	static const char ending[] = ".email_changed";
	size_t length = strlen(type);

	return strncmp(type, "account.", strlen("account.")) == 0 ||
		(length >= strlen(ending) &&
		 strcmp(type + length - strlen(ending), ending) == 0);
}

/* By the clock: the transaction may have begun long ago. */
static TimestampTz
delivery_expiry(const EventDraft *draft)
{
	int64 seconds = cust_guc_delivery_ttl;

	if (draft->expires_at != 0)
		return draft->expires_at;
	if (is_warning(draft->type))
		seconds = Max(seconds, cust_guc_email_change_hold);
	return GetCurrentTimestamp() + seconds * USECS_PER_SEC;
}

static void
fill_delivery(const Recorder *recorder, const EventDraft *draft,
			  const Subscription *subscription, InsertRow *row)
{
	Datum now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	memset(row->nulls, false, sizeof(row->nulls));
	row->values[DELIVERY_ID] = Int64GetDatum(
		cust_store_next_own_id(recorder->store, STORE_DELIVERY));
	row->values[DELIVERY_SUBSCRIPTION] = subscription->name;
	row->values[DELIVERY_EVENT_ID] = Int64GetDatum(draft->id);
	row->values[DELIVERY_PERSON_IDS] = person_ids(draft);
	row->values[DELIVERY_CONFIDENTIAL] = draft->confidential;
	row->nulls[DELIVERY_CONFIDENTIAL] = draft->confidential == 0;
	row->values[DELIVERY_ATTEMPTS] = Int32GetDatum(0);
	row->values[DELIVERY_AVAILABLE_AT] = now;
	row->values[DELIVERY_EXPIRES_AT] = TimestampTzGetDatum(
		delivery_expiry(draft));
	row->nulls[DELIVERY_LAST_ERROR] = true;
	row->nulls[DELIVERY_FAILED_AT] = true;
	row->values[DELIVERY_CREATED_AT] = now;
}

/*
 * Which of the subscriptions want the event of a draft, in the order of their
 * list.  The drafts of a statement are mostly of one type: then the answer for
 * the one before still stands in wants.
 */
static void
find_wants(const Recorder *recorder, int draft, List *all, bool *wants)
{
	const char *type = recorder->drafts[draft].type;
	ListCell *cell;
	int n = 0;

	if (draft > 0 && strcmp(type, recorder->drafts[draft - 1].type) == 0)
		return;
	foreach(cell, all)
	{
		wants[n++] = cust_subscribed_wants(lfirst(cell), type);
	}
}

static void
ring(const Recorder *recorder, const Subscription *subscription,
	 const EventDraft *draft)
{
	if (subscription->doorbell)
		cust_doorbell_ring(recorder->store->target.name,
						   TextDatumGetCString(subscription->name),
						   draft->type, draft->order_id, draft->transfer_id);
}

/* Deliveries on their way into their table, in a context of their own. */
typedef struct DeliveryBatch
{
	MemoryContext context;
	int n;
	int capacity;
	InsertRow *rows;
} DeliveryBatch;

static void
write_batch(Recorder *recorder, DeliveryBatch *batch)
{
	if (batch->n > 0)
		cust_insert_rows(&into_delivery, &recorder->store->target,
						 recorder->store->tables[STORE_DELIVERY], batch->rows,
						 batch->n);
	batch->n = 0;
	MemoryContextReset(batch->context);
}

static void
add_delivery(Recorder *recorder, const EventDraft *draft,
			 const Subscription *subscription, DeliveryBatch *batch)
{
	MemoryContext before;

	CHECK_FOR_INTERRUPTS();
	before = MemoryContextSwitchTo(batch->context);
	fill_delivery(recorder, draft, subscription, &batch->rows[batch->n++]);
	ring(recorder, subscription, draft);
	if (batch->n == batch->capacity)
		write_batch(recorder, batch);
	MemoryContextSwitchTo(before);
}

/* For as many deliveries, a batch at a time. */
static DeliveryBatch *
open_batch(int64 deliveries)
{
	DeliveryBatch *batch = palloc(sizeof(DeliveryBatch));

	batch->n = 0;
	batch->capacity = (int) Min(deliveries, BATCH);
	batch->rows = palloc(batch->capacity * sizeof(InsertRow));
	batch->context = AllocSetContextCreate(CurrentMemoryContext,
										   "customers deliveries",
										   ALLOCSET_DEFAULT_SIZES);
	return batch;
}

/* Makes a delivery of each draft for each subscription that wants it. */
static void
write_deliveries(Recorder *recorder)
{
	List *all = subscriptions(recorder);
	bool *wants = palloc(list_length(all) * sizeof(bool) + 1);
	DeliveryBatch *batch = NULL;

	for (int i = 0; i < recorder->ndrafts; i++)
	{
		ListCell *cell;

		find_wants(recorder, i, all, wants);
		foreach(cell, all)
		{
			if (!wants[foreach_current_index(cell)])
				continue;
			if (batch == NULL)
				batch = open_batch((int64) recorder->ndrafts *
								   list_length(all));
			add_delivery(recorder, &recorder->drafts[i], lfirst(cell), batch);
		}
	}
	if (batch != NULL)
		write_batch(recorder, batch);
}

/* ------------------------------------------------------------------------
 * Drafts
 * ------------------------------------------------------------------------
 */

/*
 * Writes the drafts and forgets them, and with them what statements returned
 * for them.
 */
static void
flush(Recorder *recorder)
{
	MemoryContextSwitchTo(recorder->context);
	if (recorder->ndrafts > 0)
	{
		write_events(recorder);
		write_deliveries(recorder);
	}
	recorder->ndrafts = 0;
	recorder->capacity = 0;
	recorder->drafts = NULL;
	MemoryContextSwitchTo(recorder->base);
	MemoryContextReset(recorder->context);
}

static void
make_room(Recorder *recorder)
{
	int capacity = Max(FIRST_DRAFTS, 4 * recorder->capacity);
	EventDraft *drafts = MemoryContextAlloc(recorder->context,
											capacity * sizeof(EventDraft));

	if (recorder->ndrafts > 0)
		memcpy(drafts, recorder->drafts,
			   recorder->ndrafts * sizeof(EventDraft));
	recorder->drafts = drafts;
	recorder->capacity = capacity;
}

/* Adds an event, whose data is in recorder->context. */
void
cust_record_add(Recorder *recorder, const EventDraft *draft)
{
	if (recorder->ndrafts == recorder->capacity)
		make_room(recorder);
	recorder->drafts[recorder->ndrafts++] = *draft;
}

/*
 * To be called after each row, or after a few: writes the drafts when they are
 * many.  What is in recorder->context is gone then.
 */
void
cust_record_tidy(Recorder *recorder)
{
	CHECK_FOR_INTERRUPTS();
	if (recorder->ndrafts < BATCH &&
		MemoryContextMemAllocated(recorder->context, false) < MAX_DRAFT_BYTES)
		return;
	flush(recorder);
	cust_plan_end();
	cust_plan_begin();
}

/* Writes what is left and closes the SPI connection. */
void
cust_record_end(Recorder *recorder)
{
	flush(recorder);
	cust_plan_end();
	MemoryContextDelete(recorder->context);
}
