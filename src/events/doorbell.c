/*
 * doorbell.c
 *		NOTIFY: a hint that deliveries wait.
 *
 * Called by record for each delivery of a subscription with doorbell.  A ring
 * holds no personal data and no secret, since anyone may LISTEN; it may be
 * left out, since daemons poll as well; and it must never make a writer fail.
 */
#include "postgres.h"

#include "commands/async.h"
#include "events/doorbell.h"
#include "guc.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

/* different rings of a transaction before they lose their ids */
#define MAX_DETAILED_RINGS 20

/* a queue fuller than this is left alone */
#define MAX_QUEUE_USAGE 0.5

/* the longest payload that NOTIFY takes, in bytes; async.c keeps it to itself */
#define MAX_PAYLOAD (BLCKSZ - NAMEDATALEN - 128 - 1)

/*
 * What this transaction rang; lives in TopTransactionContext.  What was rung
 * in a savepoint that was rolled back still counts: a ring too few costs a
 * hint, and equal ones are rung again.
 */
typedef struct Rings
{
	bool queue_full;
	List *payloads; /* the detailed ones */
	MemoryContextCallback at_end;
} Rings;

static Rings *rings = NULL;

static void
forget_rings(void *arg)
{
	rings = NULL;
}

/* What was rung so far in this transaction. */
static Rings *
current_rings(void)
{
	if (rings == NULL)
	{
		Rings *fresh = MemoryContextAllocZero(TopTransactionContext,
											  sizeof(Rings));

		fresh->queue_full =
			DatumGetFloat8(DirectFunctionCall1(pg_notification_queue_usage,
											   (Datum) 0)) > MAX_QUEUE_USAGE;
		fresh->at_end.func = forget_rings;
		MemoryContextRegisterResetCallback(TopTransactionContext,
										   &fresh->at_end);
		rings = fresh;
	}
	return rings;
}

static char *
make_payload(const char *subscription, const char *type, int64 order_id,
			 int64 transfer_id)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"subscription\": ");
	escape_json(&buf, subscription);
	appendStringInfoString(&buf, ", \"type\": ");
	escape_json(&buf, type);
	if (transfer_id != 0)
		appendStringInfo(&buf,
						 ", \"order_id\": " INT64_FORMAT
						 ", \"transfer_id\": " INT64_FORMAT,
						 order_id, transfer_id);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/* May this transaction ring with details? */
static bool
may_ring_detailed(Rings *now, const char *payload)
{
	ListCell *cell;
	MemoryContext context;

	foreach(cell, now->payloads)
	{
		if (strcmp(lfirst(cell), payload) == 0)
			return true;
	}
	if (list_length(now->payloads) >= MAX_DETAILED_RINGS)
		return false;
	context = MemoryContextSwitchTo(TopTransactionContext);
	now->payloads = lappend(now->payloads, pstrdup(payload));
	MemoryContextSwitchTo(context);
	return true;
}

/*
 * Rings for a delivery when the transaction commits; ids of 0 are left out.
 * Equal rings merge.  After 20 different ones the others come without ids, so
 * that a bulk change does not fill the queue.
 */
void
cust_doorbell_ring(const char *store, const char *subscription,
				   const char *type, int64 order_id, int64 transfer_id)
{
	Rings *now;
	char *channel;
	char *payload;

	if (!cust_guc_notify)
		return;
	/* a schema may be renamed to what is too long for a store */
	channel = psprintf("customers_%s", store);
	if (strlen(channel) >= NAMEDATALEN)
		return;
	now = current_rings();
	if (now->queue_full)
		return;
	payload = make_payload(subscription, type, order_id, transfer_id);
	if (!may_ring_detailed(now, payload))
		payload = make_payload(subscription, type, 0, 0);
	if (strlen(payload) <= MAX_PAYLOAD)
		Async_Notify(channel, payload);
}
