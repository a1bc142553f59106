/*
 * subscribed.c
 *		The subscriptions of a store: who wants which events.
 *
 * Called by record, which reads them for every statement that makes events,
 * and by the nouns that work on subscriptions and their deliveries.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "events/subscribed.h"
#include "rows/trigger.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

/* ------------------------------------------------------------------------
 * Which there are
 * ------------------------------------------------------------------------
 */

static void
set_patterns(Subscription *subscription, ArrayType *types)
{
	Datum *values;
	bool *nulls;
	int n;

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
}

static Subscription *
make_subscription(TupleTableSlot *slot, const ShapeMap *map)
{
	Subscription *subscription = palloc(sizeof(Subscription));
	bool isnull;

	subscription->name =
		datumCopy(slot_getattr(slot, map->attnums[SUBSCRIPTION_NAME], &isnull),
				  false, -1);
	subscription->doorbell = DatumGetBool(
		slot_getattr(slot, map->attnums[SUBSCRIPTION_DOORBELL], &isnull));
	set_patterns(subscription,
				 DatumGetArrayTypeP(
					 slot_getattr(slot, map->attnums[SUBSCRIPTION_EVENT_TYPES],
								  &isnull)));
	return subscription;
}

/*
 * The subscriptions of a store, in the current context.  There are a few, and
 * they are read all the time: straight from the table, as the newest commits
 * left it.
 */
List *
cust_subscribed_read(const Store *store)
{
	Relation rel = table_open(store->tables[STORE_SUBSCRIPTION],
							  AccessShareLock);
	ShapeMap map = cust_shape_map(rel, &cust_layout[STORE_SUBSCRIPTION]);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = cust_beginscan(rel, snapshot);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	List *subscriptions = NIL;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		subscriptions = lappend(subscriptions, make_subscription(slot, &map));
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
