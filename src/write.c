/*
 * write.c
 *		Inserts or changes one row of a table of a store, the way that an INSERT
 *		or UPDATE of that row would.
 *
 * Called by nouns, whose functions write one row most of the time.  What the
 * executor does for a row is done here by the same functions of the server:
 * privileges, all triggers and their transition tables, defaults, constraints,
 * indexes, foreign keys, row locks and what concurrent changes mean.  What it
 * does for a statement is left out: starting a plan, and compiling what
 * rowrules keeps compiled.  Wherever there is more to a table or to a row than
 * that, such as row security, rules, partitions or a privilege that the caller
 * has not, the statement itself is run instead.  Knows no table of ours.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "executor/executor.h"
#include "fetch.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rowrules.h"
#include "trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "write.h"

/* A row that is being written; its table is open. */
typedef struct Writing
{
	const WriteTo *to;
	const WriteRow *row;
	const WriteWhere *where; /* NULL: the row is new */
	Relation rel;
	const AttrNumber *attnums;
	RowRules rules;
	Oid indexid; /* by which a row is found */
	EState *estate;
	ResultRelInfo *info;
	TransitionCaptureState *capture;
	int64 returned;
} Writing;

/* Adds a column with its value. */
void
cust_write_set(WriteRow *row, int column, NullableDatum value)
{
	row->columns[row->n++] = (WriteColumn){
		.column = column,
		.value = value,
	};
}

/* Adds a jsonb column of a row that is changed, see WriteColumn. */
void
cust_write_merge(WriteRow *row, int column, Datum added, Datum removed)
{
	row->columns[row->n++] = (WriteColumn){
		.column = column,
		.value = {added, false},
		.merges = true,
		.removed = removed,
	};
}

/* ------------------------------------------------------------------------
 * May the row be written directly?
 * ------------------------------------------------------------------------
 */

static bool
is_given(const Writing *writing, AttrNumber attnum)
{
	for (int i = 0; i < writing->row->n; i++)
	{
		if (writing->attnums[writing->row->columns[i].column] == attnum)
			return true;
	}
	return false;
}

/* Has every column that is not given a default that is understood? */
static bool
defaults_permit(const Writing *writing)
{
	int natts = RelationGetNumberOfAttributes(writing->rel);

	for (int i = 0; i < natts; i++)
	{
		if (writing->rules.defaults[i].kind == DEFAULT_OTHER &&
			!is_given(writing, i + 1))
			return false;
	}
	return true;
}

/* Is there one row at most of an id, and is there an index of them? */
static bool
find_index(Writing *writing)
{
	writing->indexid = cust_primary_key_index(writing->rel);
	return !writing->rel->rd_rel->relhassubclass &&
		OidIsValid(writing->indexid) &&
		cust_fetch_serves_key(writing->indexid, writing->attnums[0]);
}

static bool
table_permits(Writing *writing)
{
	Relation rel = writing->rel;

	if (XactReadOnly || IsInParallelMode() || !cust_shape_is_plain(rel) ||
		rel->rd_rel->relam != HEAP_TABLE_AM_OID ||
		rel->rd_rel->relrowsecurity ||
		object_aclcheck(NamespaceRelationId, RelationGetNamespace(rel),
						GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		return false;
	writing->attnums = cust_trigger_attnums(rel, writing->to->shape);
	writing->rules = cust_rowrules_of(rel);
	return writing->rules.understood &&
		(writing->where == NULL ? defaults_permit(writing) :
								  find_index(writing));
}

static Bitmapset *
add_column(const Writing *writing, Bitmapset *columns, int column)
{
	return bms_add_member(columns,
						  writing->attnums[column] -
							  FirstLowInvalidHeapAttributeNumber);
}

/* Sets up what the statement would be about; false without the privileges. */
static bool
open_range(const Writing *writing)
{
	const WriteWhere *where = writing->where;
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	Bitmapset *selected = NULL;
	Bitmapset *written = NULL;

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(writing->rel);
	rte->relkind = writing->rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
	for (int i = 0; i < writing->row->n; i++)
	{
		const WriteColumn *given = &writing->row->columns[i];

		written = add_column(writing, written, given->column);
		if (given->merges)
			selected = add_column(writing, selected, given->column);
	}
	if (where == NULL)
		return cust_init_range(writing->estate, rte, ACL_INSERT, NULL, written,
							   NULL);
	selected = add_column(writing, selected, 0);
	selected = add_column(writing, selected, where->column);
	selected = add_column(writing, selected, where->returning);
	return cust_init_range(writing->estate, rte, ACL_UPDATE | ACL_SELECT,
						   selected, NULL, written);
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
		int place = writing->attnums[given->column] - 1;

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
	Datum now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		const RowDefault *given = &writing->rules.defaults[i];

		slot->tts_values[i] = given->kind == DEFAULT_NOW ? now :
														   given->value.value;
		slot->tts_isnull[i] = given->kind != DEFAULT_NOW &&
			given->value.isnull;
	}
	set_given(writing, slot);
	return slot;
}

/* Raises what the executor does if the row breaks a constraint. */
static void
check_constraints(const Writing *writing, TupleTableSlot *slot)
{
	if (cust_rowrules_hold(&writing->rules, slot, writing->estate))
		return;
	ExecConstraints(writing->info, slot, writing->estate);
	elog(ERROR, "a row of table \"%s\" breaks a constraint",
		 RelationGetRelationName(writing->rel));
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
	Datum value = slot_getattr(slot, writing->attnums[column], &isnull);

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

/* Finds the row, and locks its newest version, which goes into slot. */
static bool
find_row(const Writing *writing, TupleTableSlot *slot)
{
	Relation rel = writing->rel;
	Snapshot snapshot = writing->estate->es_snapshot;
	LockTupleMode mode = ExecUpdateLockMode(writing->estate, writing->info);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&key, writing->attnums[0], BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(writing->where->id));
	scan = systable_beginscan(rel, writing->indexid, true, snapshot, 1, &key);
	while (!found && (tuple = systable_getnext(scan)) != NULL)
	{
		ExecForceStoreHeapTuple(tuple, slot, false);
		found = is_wanted(writing, slot) &&
			cust_fetch_lock(rel, tuple, snapshot, mode, slot) &&
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
	if (failure->cmax != writing->estate->es_output_cid)
		ereport(
			ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg(
				 "tuple to be updated was already modified by an operation triggered by the current command"),
			 errhint(
				 "Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.")));
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
				   cust_before_row_update(estate, info, &old->tts_tid,
										  slot)) &&
			store_changed(writing, &old->tts_tid, slot);
		if (updated && writing->where->returning != 0)
			writing->returned = bigint_of(writing, slot,
										  writing->where->returning);
	}
	ExecASUpdateTriggers(estate, info, writing->capture);
	return updated;
}

/* ------------------------------------------------------------------------
 * Around a row
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

/* Returns whether it could be done; then *written is whether a row was. */
static bool
write_directly(Writing *writing, bool *written)
{
	MemoryContext before;
	bool possible;

	writing->rel = table_open(writing->to->relid, RowExclusiveLock);
	writing->estate = CreateExecutorState();
	before = MemoryContextSwitchTo(writing->estate->es_query_cxt);
	possible = table_permits(writing) && open_range(writing);
	if (possible)
		*written = write_row(writing);
	MemoryContextSwitchTo(before);
	FreeExecutorState(writing->estate);
	table_close(writing->rel, NoLock);
	return possible;
}

/* The same with the errors that the statement would have. */
static bool
write_guarded(Writing *writing, const PlanQuery *query, bool *written)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool possible = false;

	PG_TRY();
	{
		possible = write_directly(writing, written);
	}
	PG_CATCH();
	{
		cust_plan_rethrow(query, context);
	}
	PG_END_TRY();
	return possible;
}

/* The same as whoever writes. */
static bool
write_as_asked(Writing *writing, const PlanQuery *query, bool *written)
{
	PlanUser caller;
	bool possible;

	if (!query->as_owner)
		return write_guarded(writing, query, written);
	caller = cust_plan_become_owner(writing->to->target, 0);
	possible = write_guarded(writing, query, written);
	cust_plan_become(caller);
	return possible;
}

static PlanQuery
make_query(const WriteTo *to)
{
	return (PlanQuery){
		.as_owner = to->as_owner,
		.unique = to->unique,
		.hint = to->hint,
	};
}

/* ------------------------------------------------------------------------
 * The statements
 * ------------------------------------------------------------------------
 */

/* A statement under construction. */
typedef struct Statement
{
	const WriteTo *to;
	PlanQuery query;
	NullableDatum args[PLAN_MAX_ARGS];
	StringInfoData text;
} Statement;

static void
begin_statement(Statement *statement, const WriteTo *to, const char *verb)
{
	statement->to = to;
	statement->query = make_query(to);
	initStringInfo(&statement->text);
	appendStringInfo(&statement->text, "%s @store@.%s", verb, to->shape->name);
}

static const char *
column_name(const Statement *statement, int column)
{
	return statement->to->shape->columns[column].name;
}

/* Makes the value a parameter and returns its number. */
static int
add_argument(Statement *statement, Oid type, NullableDatum value)
{
	int place = statement->query.nargs++;

	statement->query.argtypes[place] = type;
	statement->args[place] = value;
	return place + 1;
}

static int
add_given(Statement *statement, const WriteColumn *given)
{
	return add_argument(statement,
						statement->to->shape->columns[given->column].type,
						given->value);
}

static PlanRows
run_statement(Statement *statement)
{
	statement->query.text = statement->text.data;
	return cust_plan_run(cust_plan_dynamic(&statement->query),
						 statement->to->target, statement->args, 0);
}

static void
run_insert(const WriteTo *to, const WriteRow *row)
{
	Statement statement;

	begin_statement(&statement, to, "INSERT INTO");
	for (int i = 0; i < row->n; i++)
		appendStringInfo(&statement.text, "%s%s", i == 0 ? " (" : ", ",
						 column_name(&statement, row->columns[i].column));
	for (int i = 0; i < row->n; i++)
		appendStringInfo(&statement.text, "%s$%d",
						 i == 0 ? ") VALUES (" : ", ",
						 add_given(&statement, &row->columns[i]));
	appendStringInfoChar(&statement.text, ')');
	run_statement(&statement);
}

/* Adds "column = what it becomes". */
static void
append_change(Statement *statement, const WriteColumn *given)
{
	const char *name = column_name(statement, given->column);
	int value = add_given(statement, given);

	if (!given->merges)
		appendStringInfo(&statement->text, "%s = $%d", name, value);
	else
		appendStringInfo(&statement->text, "%s = (%s" CAT "$%d)" MINUS "$%d",
						 name, name, value,
						 add_argument(statement, TEXTARRAYOID,
									  (NullableDatum){given->removed, false}));
}

/* Adds "column is that bigint". */
static void
append_condition(Statement *statement, const char *before, int column,
				 int64 value)
{
	appendStringInfo(&statement->text, "%s%s" EQ "$%d", before,
					 column_name(statement, column),
					 add_argument(statement, INT8OID,
								  (NullableDatum){Int64GetDatum(value),
												  false}));
}

static bool
run_update(const WriteTo *to, const WriteWhere *where, const WriteRow *changes,
		   int64 *returned)
{
	Statement statement;
	PlanRows rows;

	begin_statement(&statement, to, "UPDATE");
	for (int i = 0; i < changes->n; i++)
	{
		appendStringInfoString(&statement.text, i == 0 ? " SET " : ", ");
		append_change(&statement, &changes->columns[i]);
	}
	append_condition(&statement, " WHERE ", 0, where->id);
	if (where->column != 0)
		append_condition(&statement, " AND ", where->column, where->value);
	if (where->returning != 0)
		appendStringInfo(&statement.text, " RETURNING %s",
						 column_name(&statement, where->returning));
	rows = run_statement(&statement);
	if (rows.count > 0 && where->returning != 0)
		*returned = cust_plan_int64(&rows, 0, 1);
	return rows.count > 0;
}

/* ------------------------------------------------------------------------
 * What nouns call
 * ------------------------------------------------------------------------
 */

/*
 * Inserts a row, its id included, whose other columns get their defaults.
 * Needs an open room of plan.c.
 */
void
cust_write_insert(const WriteTo *to, const WriteRow *row)
{
	PlanQuery query = make_query(to);
	Writing writing = {
		.to = to,
		.row = row,
	};
	bool written;

	if (!write_as_asked(&writing, &query, &written))
		run_insert(to, row);
}

/*
 * Changes columns of a row, at least one.  Returns whether there was such a
 * row, and sets *returned if that was asked for.  Needs an open room of plan.c.
 */
bool
cust_write_update(const WriteTo *to, const WriteWhere *where,
				  const WriteRow *changes, int64 *returned)
{
	PlanQuery query = make_query(to);
	Writing writing = {
		.to = to,
		.row = changes,
		.where = where,
	};
	bool written = false;

	if (!write_as_asked(&writing, &query, &written))
		return run_update(to, where, changes, returned);
	if (written && where->returning != 0)
		*returned = writing.returned;
	return written;
}
