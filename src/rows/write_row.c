/*
 * write_row.c
 *		Inserts or changes one row of a table the way that the executor would,
 *		without starting it.
 *
 * Called by write.c, as whom the row is written.  What the executor does for a
 * row is done here by the same functions of the server: privileges, all
 * triggers and their transition tables, defaults, constraints, indexes, foreign
 * keys, row locks and what concurrent changes mean.  What it does for a
 * statement is left out: starting a plan.  Where a table is not as it was made,
 * or the user has not the privileges, nothing is done.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rows/asmade.h"
#include "rows/fetch.h"
#include "rows/write_row.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A row that is being written; its table is open. */
typedef struct Writing
{
	const WriteTo *to;
	const WriteRow *row;
	const WriteWhere *where; /* NULL: the row is new */
	Relation rel;
	ShapeMap map;
	Oid indexid; /* by which a row is found */
	EState *estate;
	ResultRelInfo *info;
	TransitionCaptureState *capture;
	int64 returned;
} Writing;

/* ------------------------------------------------------------------------
 * May the row be written directly?
 * ------------------------------------------------------------------------
 */

static bool
is_given(const Writing *writing, AttrNumber attnum)
{
	for (int i = 0; i < writing->row->n; i++)
	{
		if (writing->map.attnums[writing->row->columns[i].column] == attnum)
			return true;
	}
	return false;
}

/* Is every column given whose default is the next id? */
static bool
has_own_ids(const Writing *writing)
{
	const TableShape *shape = writing->to->shape;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		const char *given = shape->columns[i].default_text;

		if (given != NULL && strcmp(given, SHAPE_OWN_SEQUENCE) == 0 &&
			!is_given(writing, writing->map.attnums[i]))
			return false;
	}
	return true;
}

/* Is there one row at most of an id, and is there an index of them? */
static bool
find_index(Writing *writing)
{
	writing->indexid = cust_primary_key_index(writing->rel);
	return OidIsValid(writing->indexid) &&
		cust_fetch_serves_key(writing->indexid, writing->map.attnums[0]);
}

static bool
table_permits(Writing *writing)
{
	Relation rel = writing->rel;

	if (XactReadOnly || IsInParallelMode() ||
		!cust_asmade(rel, writing->to->shape) ||
		object_aclcheck(NamespaceRelationId, RelationGetNamespace(rel),
						GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		return false;
	writing->map = cust_shape_map(rel, writing->to->shape);
	return writing->where == NULL ? has_own_ids(writing) : find_index(writing);
}

static Bitmapset *
add_column(const Writing *writing, Bitmapset *columns, int column)
{
	return bms_add_member(columns,
						  writing->map.attnums[column] -
							  FirstLowInvalidHeapAttributeNumber);
}

/* The privileges that the statement would need. */
static void
set_permission(const Writing *writing, CustPermission *permission)
{
	const WriteWhere *where = writing->where;
	Bitmapset *selected = NULL;
	Bitmapset *written = NULL;

	for (int i = 0; i < writing->row->n; i++)
	{
		const WriteColumn *given = &writing->row->columns[i];

		written = add_column(writing, written, given->column);
		if (given->merges)
			selected = add_column(writing, selected, given->column);
	}
	if (where == NULL)
	{
		permission->requiredPerms = ACL_INSERT;
		permission->insertedCols = written;
		return;
	}
	selected = add_column(writing, selected, 0);
	selected = add_column(writing, selected, where->column);
	selected = add_column(writing, selected, where->returning);
	permission->requiredPerms = ACL_UPDATE | ACL_SELECT;
	permission->selectedCols = selected;
	permission->updatedCols = written;
}

/* Sets up what the statement would be about; false without the privileges. */
static bool
open_range(const Writing *writing)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	List *range = list_make1(rte);
	List *permissions = NIL;

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(writing->rel);
	rte->relkind = writing->rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	set_permission(writing, cust_permission_of(&permissions, rte));
	cust_init_range(writing->estate, range, permissions);
	return cust_check_range(range, permissions);
}

/* ------------------------------------------------------------------------
 * A new row
 * ------------------------------------------------------------------------
 */

static TupleTableSlot *
make_slot(const Writing *writing)
{
	return ExecInitExtraTupleSlot(writing->estate,
								  RelationGetDescr(writing->rel),
								  table_slot_callbacks(writing->rel));
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
make_new_row(const Writing *writing)
{
	TupleTableSlot *slot = make_slot(writing);
	const TableShape *shape = writing->to->shape;

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		int place = writing->map.attnums[i] - 1;
		NullableDatum value;

		if (is_given(writing, place + 1))
			continue;
		value = cust_asmade_default(&shape->columns[i]);
		slot->tts_values[place] = value.value;
		slot->tts_isnull[place] = value.isnull;
	}
	set_given(writing, slot);
	return slot;
}

/* Raises what the executor does if the row breaks a constraint. */
static void
check_constraints(const Writing *writing, TupleTableSlot *slot)
{
	if (RelationGetDescr(writing->rel)->constr != NULL)
		ExecConstraints(writing->info, slot, writing->estate);
}

static void
insert_row(Writing *writing)
{
	EState *estate = writing->estate;
	ResultRelInfo *info = writing->info;
	TriggerDesc *triggers = info->ri_TrigDesc;
	TupleTableSlot *slot = make_new_row(writing);
	List *recheck;

	ExecBSInsertTriggers(estate, info);
	if (triggers && triggers->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, info, slot))
		slot = NULL;
	if (slot != NULL)
	{
		check_constraints(writing, slot);
		ExecOpenIndices(info, false);
		table_tuple_insert(writing->rel, slot, estate->es_output_cid, 0, NULL);
		recheck = cust_insert_index_tuples(info, slot, estate);
		ExecARInsertTriggers(estate, info, slot, recheck, writing->capture);
	}
	ExecASInsertTriggers(estate, info, writing->capture);
}

/* ------------------------------------------------------------------------
 * A changed row
 * ------------------------------------------------------------------------
 */

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

static TupleTableSlot *
make_changed_row(const Writing *writing, TupleTableSlot *old)
{
	TupleTableSlot *slot = make_slot(writing);
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

	check_constraints(writing, slot);
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

static bool
update_row(Writing *writing)
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

/* ------------------------------------------------------------------------
 * The statement around the row
 * ------------------------------------------------------------------------
 */

/* What comes before and after a statement's rows.  Was one written? */
static bool
write_row(Writing *writing)
{
	EState *estate = writing->estate;
	CmdType operation = writing->where == NULL ? CMD_INSERT : CMD_UPDATE;
	bool written = true;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	estate->es_snapshot = GetActiveSnapshot();
	estate->es_output_cid = GetCurrentCommandId(true);
	AfterTriggerBeginQuery();
	writing->info = makeNode(ResultRelInfo);
	ExecInitResultRelation(estate, writing->info, 1);
	CheckCmdReplicaIdentity(writing->rel, operation);
	writing->capture = MakeTransitionCaptureState(writing->info->ri_TrigDesc,
												  RelationGetRelid(
													  writing->rel),
												  operation);
	if (operation == CMD_INSERT)
		insert_row(writing);
	else
		written = update_row(writing);
	AfterTriggerEndQuery(estate);
	ExecResetTupleTable(estate->es_tupleTable, false);
	estate->es_tupleTable = NIL;
	ExecCloseResultRelations(estate);
	ExecCloseRangeTableRelations(estate);
	PopActiveSnapshot();
	CommandCounterIncrement();
	return written;
}

/*
 * Writes a row (where NULL: a new one) as the current user.  Returns false if
 * that is left to the statement, and then nothing was done; otherwise *written
 * is whether a row was written, and *returned what where asks for.
 */
bool
cust_write_row(const WriteTo *to, const WriteWhere *where, const WriteRow *row,
			   bool *written, int64 *returned)
{
	Writing writing = {
		.to = to,
		.row = row,
		.where = where,
		.rel = table_open(to->relid, RowExclusiveLock),
		.estate = CreateExecutorState(),
	};
	MemoryContext before = MemoryContextSwitchTo(writing.estate->es_query_cxt);
	bool possible = table_permits(&writing) && open_range(&writing);

	if (possible)
		*written = write_row(&writing);
	if (possible && *written && where != NULL && where->returning != 0)
		*returned = writing.returned;
	MemoryContextSwitchTo(before);
	FreeExecutorState(writing.estate);
	table_close(writing.rel, NoLock);
	return possible;
}
