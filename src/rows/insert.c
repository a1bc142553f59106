/*
 * insert.c
 *		Puts rows into a table of a store as its owner.
 *
 * Called by record for events and deliveries, of which every statement makes
 * some.  A table that is as the layout made it takes its rows the way that
 * COPY hands them over: to the heap many at a time, then to the indexes.  What
 * its owner added, such as a trigger, a CHECK or a default, asks for the
 * executor: then each row is an INSERT.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rows/asmade.h"
#include "rows/insert.h"
#include "rows/planlocks.h"
#include "utils/lsyscache.h"

/* rows handed over at a time */
#define BATCH 1000

/* Rows on their way into a table, which is open. */
typedef struct Insertion
{
	Relation rel;
	EState *estate;
	ResultRelInfo *info;
	const InsertInto *into;
	ShapeMap map;
} Insertion;

/* ------------------------------------------------------------------------
 * Does the table take rows directly?
 * ------------------------------------------------------------------------
 */

static bool
is_guard(const Trigger *trigger, const char *guard)
{
	char *function;

	if (guard == NULL || trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN ||
		!TRIGGER_FOR_ROW(trigger->tgtype) || trigger->tgqual != NULL)
		return false;
	function = get_func_name(trigger->tgfoid);
	return function != NULL && strcmp(function, guard) == 0 &&
		strcmp(get_namespace_name(get_func_namespace(trigger->tgfoid)),
			   "customers") == 0;
}

/* Does no trigger but the guard care about new rows? */
static bool
triggers_permit(const TriggerDesc *triggers, const char *guard)
{
	if (triggers == NULL)
		return true;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) && !is_guard(trigger, guard))
			return false;
	}
	return true;
}

/*
 * Is there no index that could refuse a row, the primary key aside?  The error
 * would show values.
 */
static bool
indexes_permit(const ResultRelInfo *info)
{
	for (int i = 0; i < info->ri_NumIndices; i++)
	{
		Form_pg_index index = info->ri_IndexRelationDescs[i]->rd_index;

		if (!index->indimmediate || index->indisexclusion ||
			(index->indisunique && !index->indisprimary))
			return false;
	}
	return true;
}

/* To be asked as the owner, whose own privileges count. */
static bool
takes_rows_directly(const Insertion *insertion)
{
	Relation rel = insertion->rel;

	return !XactReadOnly && cust_asmade(rel, insertion->into->shape) &&
		pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_INSERT) ==
		ACLCHECK_OK &&
		triggers_permit(rel->trigdesc, insertion->into->guard) &&
		indexes_permit(insertion->info);
}

/* ------------------------------------------------------------------------
 * Inserting
 * ------------------------------------------------------------------------
 */

static TupleTableSlot *
fill_slot(Insertion *insertion, TupleDesc desc, const InsertRow *row)
{
	TupleTableSlot *slot = cust_alloc_slot(&insertion->estate->es_tupleTable,
										   desc,
										   table_slot_callbacks(
											   insertion->rel));

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < insertion->into->shape->ncolumns; i++)
	{
		int place = insertion->map.attnums[i] - 1;

		Assert(!insertion->into->shape->columns[i].required || !row->nulls[i]);
		slot->tts_values[place] = row->values[i];
		slot->tts_isnull[place] = row->nulls[i];
	}
	return ExecStoreVirtualTuple(slot);
}

static void
insert_batch(Insertion *insertion, const InsertRow *rows, int n)
{
	EState *estate = insertion->estate;
	TupleTableSlot **slots = palloc(n * sizeof(TupleTableSlot *));
	TupleDesc desc = RelationGetDescr(insertion->rel);

	/* a copy is nobody's, each slot would register its use of the original */
	if (n > 1)
		desc = CreateTupleDescCopy(desc);
	for (int i = 0; i < n; i++)
		slots[i] = fill_slot(insertion, desc, &rows[i]);
	table_multi_insert(insertion->rel, slots, n, estate->es_output_cid, 0,
					   NULL);
	for (int i = 0; i < n; i++)
	{
		cust_insert_index_tuples(insertion->info, slots[i], estate);
		ResetPerTupleExprContext(estate);
	}
	ExecResetTupleTable(estate->es_tupleTable, true);
	estate->es_tupleTable = NIL;
	pfree(slots);
}

/* Returns whether the rows are in; otherwise nothing was done. */
static bool
insert_directly(const InsertInto *into, const PlanTarget *target, Oid relid,
				const InsertRow *rows, int n)
{
	Insertion insertion = {
		.rel = cust_planlocks_open(target, relid, RowExclusiveLock),
		.estate = CreateExecutorState(),
		.into = into,
	};
	MemoryContext before = MemoryContextSwitchTo(
		insertion.estate->es_query_cxt);
	bool possible;

	insertion.map = cust_shape_map(insertion.rel, into->shape);
	/* for indexes only: triggers have nothing to do here */
	insertion.info = makeNode(ResultRelInfo);
	insertion.info->ri_RelationDesc = insertion.rel;
	ExecOpenIndices(insertion.info, false);
	possible = takes_rows_directly(&insertion);
	if (possible)
	{
		insertion.estate->es_output_cid = GetCurrentCommandId(true);
		for (int i = 0; i < n; i += BATCH)
			insert_batch(&insertion, &rows[i], Min(BATCH, n - i));
	}
	ExecCloseIndices(insertion.info);
	MemoryContextSwitchTo(before);
	FreeExecutorState(insertion.estate);
	table_close(insertion.rel, NoLock);
	return possible;
}

static void
insert_by_query(const InsertInto *into, const PlanTarget *target,
				const InsertRow *row)
{
	NullableDatum values[PLAN_MAX_ARGS];

	for (int i = 0; i < into->query.nargs; i++)
		values[i] = (NullableDatum){row->values[i], row->nulls[i]};
	cust_plan_run(&into->query, target, values, 0);
}

/*
 * Inserts n rows as the owner of the store; every column that must not be NULL
 * has its value.  A guard that is named has nothing left to do.  Needs an open
 * SPI connection.
 */
void
cust_insert_rows(const InsertInto *into, const PlanTarget *target, Oid relid,
				 const InsertRow *rows, int n)
{
	Rights caller;
	bool inserted;

	Assert(into->query.nargs == into->shape->ncolumns);
	caller = cust_rights_take(target, RIGHTS_OF_OWNER, true);
	inserted = insert_directly(into, target, relid, rows, n);
	cust_rights_restore(target, &caller);
	if (inserted)
		return;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		insert_by_query(into, target, &rows[i]);
	}
}
