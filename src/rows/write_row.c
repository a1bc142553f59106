/*
 * write_row.c
 *		Inserts or changes one row of a table the way that the executor would,
 *		without starting it.
 *
 * Called by write.c, as whom the row is written.  What the executor does for a
 * row is done here by the same functions of the server: privileges, all
 * triggers and their transition tables, constraints, indexes, foreign keys.
 * What it does for a statement is left out: starting a plan.  Where a table is
 * not as it was made, or the user has not the privileges, nothing is done.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "compat.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rows/asmade.h"
#include "rows/planlocks.h"
#include "rows/write_row.h"
#include "rows/writing.h"
#include "utils/snapmgr.h"

/* ------------------------------------------------------------------------
 * May the row be written directly?
 * ------------------------------------------------------------------------
 */

/* What is given for a column of the shape; NULL: nothing. */
static const WriteColumn *
find_given(const Writing *writing, int column)
{
	for (int i = 0; i < writing->row->n; i++)
	{
		if (writing->row->columns[i].column == column)
			return &writing->row->columns[i];
	}
	return NULL;
}

/* Is every column given whose default is the next id? */
static bool
has_own_ids(const Writing *writing)
{
	const TableShape *shape = writing->to->shape;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		const char *text = shape->columns[i].default_text;

		if (text != NULL && strcmp(text, SHAPE_OWN_SEQUENCE) == 0 &&
			find_given(writing, i) == NULL)
			return false;
	}
	return true;
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
	return writing->where == NULL ? has_own_ids(writing) :
									cust_writing_find_index(writing);
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
 * The row
 * ------------------------------------------------------------------------
 */

static TupleTableSlot *
make_row(const Writing *writing)
{
	TupleTableSlot *slot =
		ExecInitExtraTupleSlot(writing->estate, RelationGetDescr(writing->rel),
							   table_slot_callbacks(writing->rel));
	const TableShape *shape = writing->to->shape;

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		int place = writing->map.attnums[i] - 1;
		const WriteColumn *given = find_given(writing, i);
		NullableDatum value = given != NULL ?
			given->value :
			cust_asmade_default(&shape->columns[i]);

		slot->tts_values[place] = value.value;
		slot->tts_isnull[place] = value.isnull;
	}
	return ExecStoreVirtualTuple(slot);
}

/* Raises what the executor does if the row breaks a constraint. */
void
cust_writing_expect_constraints(const Writing *writing, TupleTableSlot *slot)
{
	if (!cust_asmade_holds(writing->to->shape, &writing->map, slot))
		ExecConstraints(writing->info, slot, writing->estate);
}

static void
insert_row(Writing *writing)
{
	EState *estate = writing->estate;
	ResultRelInfo *info = writing->info;
	TriggerDesc *triggers = info->ri_TrigDesc;
	TupleTableSlot *slot = make_row(writing);
	List *recheck;

	ExecBSInsertTriggers(estate, info);
	if (triggers && triggers->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, info, slot))
		slot = NULL;
	if (slot != NULL)
	{
		cust_writing_expect_constraints(writing, slot);
		ExecOpenIndices(info, false);
		table_tuple_insert(writing->rel, slot, estate->es_output_cid, 0, NULL);
		recheck = cust_insert_index_tuples(info, slot, estate);
		ExecARInsertTriggers(estate, info, slot, recheck, writing->capture);
	}
	ExecASInsertTriggers(estate, info, writing->capture);
}

/* ------------------------------------------------------------------------
 * The statement around the row
 * ------------------------------------------------------------------------
 */

/* What comes before and after a statement's rows.  Was one written? */
static bool
run_statement(Writing *writing)
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
		written = cust_writing_change(writing);
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
		.rel = cust_planlocks_open(to->target, to->relid, RowExclusiveLock),
		.estate = CreateExecutorState(),
	};
	MemoryContext before = MemoryContextSwitchTo(writing.estate->es_query_cxt);
	bool possible = table_permits(&writing) && open_range(&writing);

	if (possible)
		*written = run_statement(&writing);
	if (possible && *written && where != NULL && where->returning != 0)
		*returned = writing.returned;
	MemoryContextSwitchTo(before);
	FreeExecutorState(writing.estate);
	table_close(writing.rel, NoLock);
	return possible;
}
