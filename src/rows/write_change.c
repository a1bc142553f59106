/*
 * write_change.c
 *		Changes one row of a table the way that the executor would, without
 *		starting it.
 *
 * Called by write_row.c, which does what comes before and after.  Finding the
 * row by its id, its lock, what concurrent changes and triggers of this very
 * command mean, and the new version with its index entries are the server's
 * functions.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "compat.h"
#include "executor/executor.h"
#include "rows/fetch.h"
#include "rows/writing.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"

/* Is there one row at most of an id, and is there an index of them? */
bool
cust_writing_find_index(Writing *writing)
{
	writing->indexid = cust_primary_key_index(writing->rel);
	return OidIsValid(writing->indexid) &&
		cust_fetch_serves_key(writing->indexid, writing->map.attnums[0]);
}

static int64
bigint_of(const Writing *writing, TupleTableSlot *slot, int column)
{
	bool isnull;
	Datum value = slot_getattr(slot, writing->map.attnums[column], &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* Is it, in this version, the row that is to be changed? */
static bool
is_wanted(const Writing *writing, TupleTableSlot *slot)
{
	const WriteWhere *where = writing->where;

	return bigint_of(writing, slot, 0) == where->id &&
		(where->column == 0 ||
		 bigint_of(writing, slot, where->column) == where->value);
}

/* Raises what the executor does if a trigger changed the row meanwhile. */
static void
expect_own_change(const Writing *writing, const TM_FailureData *failure)
{
	if (failure->cmax == writing->estate->es_output_cid)
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
		 errmsg(
			 "tuple to be updated was already modified by an operation triggered by the current command"),
		 errhint(
			 "Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.")));
}

/* Locks the newest version of a row, which goes into slot; false: it is gone. */
static bool
lock_row(const Writing *writing, HeapTuple tuple, TupleTableSlot *slot)
{
	EState *estate = writing->estate;
	TM_FailureData failure;
	TM_Result result = cust_fetch_lock(writing->rel, tuple,
									   estate->es_snapshot,
									   estate->es_output_cid,
									   ExecUpdateLockMode(estate,
														  writing->info),
									   slot, &failure);

	if (result == TM_SelfModified)
		expect_own_change(writing, &failure);
	return result == TM_Ok;
}

/* Finds the row, and locks its newest version, which goes into slot. */
static bool
find_row(const Writing *writing, TupleTableSlot *slot)
{
	Relation rel = writing->rel;
	Snapshot snapshot = writing->estate->es_snapshot;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&key, writing->map.attnums[0], BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(writing->where->id));
	scan = systable_beginscan(rel, writing->indexid, true, snapshot, 1, &key);
	while (!found && (tuple = systable_getnext(scan)) != NULL)
	{
		ExecForceStoreHeapTuple(tuple, slot, false);
		found = is_wanted(writing, slot) && lock_row(writing, tuple, slot) &&
			is_wanted(writing, slot);
	}
	systable_endscan(scan);
	return found;
}

static Datum
merge(Datum present, const WriteColumn *given)
{
	return DirectFunctionCall2(jsonb_delete_array,
							   DirectFunctionCall2(jsonb_concat, present,
												   given->value.value),
							   given->removed);
}

/* Sets what is given in a slot that has values of all columns. */
static void
set_given(const Writing *writing, TupleTableSlot *slot)
{
	for (int i = 0; i < writing->row->n; i++)
	{
		const WriteColumn *given = &writing->row->columns[i];
		int place = writing->map.attnums[given->column] - 1;

		if (!given->merges)
		{
			slot->tts_values[place] = given->value.value;
			slot->tts_isnull[place] = given->value.isnull;
		}
		else if (!slot->tts_isnull[place])
			slot->tts_values[place] = merge(slot->tts_values[place], given);
	}
	ExecStoreVirtualTuple(slot);
}

static TupleTableSlot *
make_changed_row(const Writing *writing, TupleTableSlot *old)
{
	TupleTableSlot *slot =
		ExecInitExtraTupleSlot(writing->estate, RelationGetDescr(writing->rel),
							   table_slot_callbacks(writing->rel));
	int natts = slot->tts_tupleDescriptor->natts;

	Assert(natts == old->tts_tupleDescriptor->natts);
	slot_getallattrs(old);
	memcpy(slot->tts_values, old->tts_values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, old->tts_isnull, natts * sizeof(bool));
	set_given(writing, slot);
	return slot;
}

/* Raises or returns false as the executor does for a row that it has locked. */
static bool
was_updated(TM_Result result, const TM_FailureData *failure,
			const Writing *writing)
{
	if (result == TM_Ok)
		return true;
	if (result != TM_SelfModified)
		elog(ERROR, "a locked row of table \"%s\" was changed",
			 RelationGetRelationName(writing->rel));
	expect_own_change(writing, failure);
	return false;
}

/* Puts the row in the place of the old one; false if there is none any more. */
static bool
store_changed(const Writing *writing, ItemPointer tid, TupleTableSlot *slot)
{
	EState *estate = writing->estate;
	ResultRelInfo *info = writing->info;
	TM_FailureData failure;
	LockTupleMode mode;
	CustUpdateIndexes indexes;
	TM_Result result;
	List *recheck = NIL;

	cust_writing_expect_constraints(writing, slot);
	result = cust_tuple_update(writing->rel, tid, slot, estate, &failure,
							   &mode, &indexes);
	if (!was_updated(result, &failure, writing))
		return false;
	if (indexes)
	{
		ExecOpenIndices(info, false);
		recheck = cust_update_index_tuples(info, slot, estate, indexes);
	}
	ExecARUpdateTriggers(estate, info, NULL, NULL, tid, NULL, slot, recheck,
						 writing->capture, false);
	return true;
}

/* The triggers BEFORE UPDATE of the row; false: leave it as it is. */
static bool
run_before_update(const Writing *writing, ItemPointer tid,
				  TupleTableSlot *slot)
{
	EPQState recheck = {0};
	TM_FailureData failure;
	TM_Result result;
	bool wanted;

	cust_init_recheck(&recheck, writing->estate);
	wanted = cust_update_triggers(writing->estate, &recheck, writing->info,
								  tid, slot, &result, &failure);
	EvalPlanQualEnd(&recheck);
	return wanted;
}

/*
 * What the executor does for the one row of an UPDATE, if there is such a row:
 * returns that.
 */
bool
cust_writing_change(Writing *writing)
{
	EState *estate = writing->estate;
	ResultRelInfo *info = writing->info;
	TriggerDesc *triggers = info->ri_TrigDesc;
	TupleTableSlot *old = table_slot_create(writing->rel,
											&estate->es_tupleTable);
	bool updated = false;

	ExecBSUpdateTriggers(estate, info);
	if (find_row(writing, old))
	{
		TupleTableSlot *slot = make_changed_row(writing, old);

		updated = (triggers == NULL || !triggers->trig_update_before_row ||
				   run_before_update(writing, &old->tts_tid, slot)) &&
			store_changed(writing, &old->tts_tid, slot);
		if (updated && writing->where->returning != 0)
			writing->returned = bigint_of(writing, slot,
										  writing->where->returning);
	}
	ExecASUpdateTriggers(estate, info, writing->capture);
	return updated;
}
