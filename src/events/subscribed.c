/*
 * subscribed.c
 *		The subscriptions of a store: who wants which events.
 *
 * Called by record, which reads them for every statement that makes events,
 * and by the nouns that work on subscriptions and their deliveries.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "events/subscribed.h"
#include "miscadmin.h"
#include "rows/planlocks.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "values/space.h"

/* ------------------------------------------------------------------------
 * Which there are
 * ------------------------------------------------------------------------
 */

/*
 * The value of a column that holds no more than max bytes; NULL if it is NULL
 * or larger.  A copy: rows may go while it is used.
 */
static struct varlena *
bounded_value(TupleTableSlot *slot, AttrNumber attnum, Size max)
{
	bool isnull;
	Datum value = slot_getattr(slot, attnum, &isnull);

	if (isnull || toast_raw_datum_size(value) - VARHDRSZ > max)
		return NULL;
	return PG_DETOAST_DATUM_COPY(value);
}

static void
set_patterns(Subscription *subscription, ArrayType *types)
{
	Datum *values;
	bool *nulls;
	int n;

	subscription->npatterns = 0;
	if (types == NULL || ARR_ELEMTYPE(types) != TEXTOID)
		return;
	deconstruct_array(types, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &n);
	subscription->patterns = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nulls[i])
			subscription->patterns[subscription->npatterns++] =
				TextDatumGetCString(values[i]);
	}
}

/*
 * Adds the subscription of a row.  One without a name or patterns, or with
 * more of them than there can be, wants nothing: the table's constraints are
 * its owner's to drop.
 */
static List *
add_subscription(List *subscriptions, TupleTableSlot *slot,
				 const ShapeMap *map)
{
	Subscription *subscription;
	struct varlena *name = bounded_value(slot, map->attnums[SUBSCRIPTION_NAME],
										 SUBSCRIPTION_NAME_MAX);
	bool isnull;
	Datum doorbell;

	if (name == NULL ||
		cust_is_blank(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
		return subscriptions;
	subscription = palloc(sizeof(Subscription));
	subscription->name = PointerGetDatum(name);
	doorbell = slot_getattr(slot, map->attnums[SUBSCRIPTION_DOORBELL],
							&isnull);
	subscription->doorbell = !isnull && DatumGetBool(doorbell);
	set_patterns(subscription,
				 (ArrayType *)
					 bounded_value(slot,
								   map->attnums[SUBSCRIPTION_EVENT_TYPES],
								   SUBSCRIPTION_PATTERNS_MAX));
	return subscription->npatterns > 0 ? lappend(subscriptions, subscription) :
										 subscriptions;
}

/*
 * The subscriptions of a store, in the current context.  There are a few, and
 * they are read all the time: straight from the table, as the newest commits
 * left it.
 */
List *
cust_subscribed_read(const Store *store)
{
	Relation rel = cust_planlocks_open(&store->target,
									   store->tables[STORE_SUBSCRIPTION],
									   AccessShareLock);
	ShapeMap map = cust_shape_map(rel, &cust_layout[STORE_SUBSCRIPTION]);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = cust_beginscan(rel, snapshot);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	List *subscriptions = NIL;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		subscriptions = add_subscription(subscriptions, slot, &map);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return subscriptions;
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
			/* the square of two lengths that users choose */
			CHECK_FOR_INTERRUPTS();
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

/* Does the subscription want events of that type? */
bool
cust_subscribed_wants(const Subscription *subscription, const char *type)
{
	for (int i = 0; i < subscription->npatterns; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (matches(subscription->patterns[i], type))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Is there one of that name?
 * ------------------------------------------------------------------------
 */

static const PlanQuery select_subscription = {
	.text = "SELECT name FROM @store@.subscription WHERE name" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

/* Raises 23503: there is no subscription of that name. */
void
cust_subscribed_unknown(const Store *store, NullableDatum name)
{
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_FOREIGN_KEY_VIOLATION,
			.schema = store->target.name,
			.table = "subscription",
			.column = "name",
			.hint =
				"SELECT * FROM customers.delivery_status(); lists those there are.",
		},
		"subscription \"%s\" does not exist", TextDatumGetCString(name.value));
}

/* Raises 23503 unless there is a subscription of that name. */
void
cust_subscribed_expect(const Store *store, NullableDatum name)
{
	PlanRows rows = cust_plan_run(&select_subscription, &store->target, &name,
								  1);

	if (rows.count == 0)
		cust_subscribed_unknown(store, name);
}
