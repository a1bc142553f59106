/*
 * fetch.c
 *		Finds one row of a table by a key, and locks it, as the owner of the
 *		store.
 *
 * Called through store by what reads and locks a few known rows, such as a
 * transfer with its order and customers: going to the index directly costs a
 * fifth of a SELECT .. FOR SHARE, and cannot be planned badly.  It does what
 * that statement would, to the letter: a new snapshot, the row locks of the
 * executor, its errors of serialization.  A table that is not plain enough for
 * that is asked by that statement.  Knows no table of ours.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "rows/asmade.h"
#include "rows/fetch.h"
#include "rows/planlocks.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ------------------------------------------------------------------------
 * By a statement
 * ------------------------------------------------------------------------
 */

static const LockTupleMode lock_modes[] = {
	[FETCH_KEPT] = LockTupleKeyShare,
	[FETCH_SHARED] = LockTupleShare,
	[FETCH_FOR_CHANGE] = LockTupleNoKeyExclusive,
};

static const char *const lock_clauses[] = {
	[FETCH_UNLOCKED] = "",
	[FETCH_KEPT] = " FOR KEY SHARE",
	[FETCH_SHARED] = " FOR SHARE",
	[FETCH_FOR_CHANGE] = " FOR NO KEY UPDATE",
};

static PlanQuery
build_query(const TableShape *shape, const FetchKey *key, FetchLock lock)
{
	PlanQuery query = {
		.made = true,
		.as_owner = true,
		.nargs = 2,
		.argtypes = {INT8OID, TEXTOID},
	};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < shape->ncolumns; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? "SELECT " : ", ",
						 shape->columns[i].name);
	appendStringInfo(&text, " FROM @store@.%s WHERE %s" EQ "$1", shape->name,
					 shape->columns[key->column].name);
	if (key->text != NULL)
		appendStringInfo(&text, " AND %s" EQ "$2",
						 shape->columns[key->text_column].name);
	appendStringInfoString(&text, lock_clauses[lock]);
	query.text = text.data;
	return query;
}

static bool
fetch_by_query(const PlanTarget *target, const TableShape *shape,
			   const FetchKey *key, FetchLock lock, FetchedRow *row)
{
	NullableDatum values[] = {
		{Int64GetDatum(key->value), false},
		{CStringGetTextDatum(key->text ? key->text : ""), false},
	};
	PlanQuery query = build_query(shape, key, lock);
	PlanRows rows = cust_plan_run(&query, target, values, 1);

	if (rows.count == 0)
		return false;
	for (int i = 0; i < shape->ncolumns; i++)
		row->columns[i].value = cust_plan_value(&rows, 0, i + 1,
												&row->columns[i].isnull);
	return true;
}

/* ------------------------------------------------------------------------
 * Directly
 * ------------------------------------------------------------------------
 */

/* Would a SELECT of one row see just the rows of this heap, and lock them? */
static bool
may_be_read(Relation rel, const PlanTarget *target, FetchLock lock)
{
	AclMode needed = lock == FETCH_UNLOCKED ? ACL_SELECT :
											  ACL_SELECT | ACL_UPDATE;

	return cust_asmade_holds_rows(rel) &&
		(lock == FETCH_UNLOCKED || !XactReadOnly) &&
		pg_class_aclmask(RelationGetRelid(rel), target->owner, needed,
						 ACLMASK_ALL) == needed;
}

/*
 * Is it a whole index that begins with the bigint column?  A predicate is not
 * read, which would run functions of the owner's in it.
 */
bool
cust_fetch_serves_key(Oid indexid, AttrNumber attnum)
{
	Relation index = index_open(indexid, AccessShareLock);
	Form_pg_index form = index->rd_index;
	bool result = form->indisvalid && !form->indcheckxmin &&
		index->rd_rel->relam == BTREE_AM_OID &&
		form->indkey.values[0] == attnum &&
		index->rd_opcintype[0] == INT8OID &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);

	index_close(index, AccessShareLock);
	return result;
}

/* A whole index that begins with the bigint column; invalid if none does. */
static Oid
find_index(Relation rel, AttrNumber attnum)
{
	Oid primary = cust_primary_key_index(rel);
	Oid result = InvalidOid;
	List *indexes;
	ListCell *cell;

	if (OidIsValid(primary) && cust_fetch_serves_key(primary, attnum))
		return primary;
	indexes = RelationGetIndexList(rel);
	foreach(cell, indexes)
	{
		if (lfirst_oid(cell) == primary ||
			!cust_fetch_serves_key(lfirst_oid(cell), attnum))
			continue;
		result = lfirst_oid(cell);
		break;
	}
	list_free(indexes);
	return result;
}

/*
 * Locks the row's newest version, which goes into slot, the way that the
 * executor does for a statement of that command and snapshot.  TM_Ok; or the
 * row is gone; or, TM_SelfModified, this command's own work changed it.
 */
TM_Result
cust_fetch_lock(Relation rel, HeapTuple found, Snapshot snapshot,
				CommandId command, LockTupleMode mode, TupleTableSlot *slot,
				TM_FailureData *failure)
{
	uint8 flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	ItemPointerData tid = found->t_self;
	TM_Result result;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	result = table_tuple_lock(rel, &tid, snapshot, slot, command, mode,
							  LockWaitBlock, flags, failure);
	switch (result)
	{
		case TM_Ok:
		case TM_SelfModified:
			break;
		case TM_Updated:
		case TM_Deleted:
			if (!IsolationUsesXactSnapshot())
				break;
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent %s",
							result == TM_Deleted ? "delete" : "update")));
		default:
			elog(ERROR, "could not lock a row of table \"%s\"",
				 RelationGetRelationName(rel));
	}
	return result;
}

/* Copies the columns out of a tuple that is about to go. */
static void
copy_columns(HeapTuple tuple, TupleDesc desc, const TableShape *shape,
			 const ShapeMap *map, FetchedRow *row)
{
	Datum *values = palloc(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));

	heap_deform_tuple(tuple, desc, values, nulls);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		int place = map->attnums[i] - 1;
		Form_pg_attribute att = TupleDescAttr(desc, place);

		row->columns[i].isnull = nulls[place];
		row->columns[i].value = nulls[place] ?
			(Datum) 0 :
			datumCopy(values[place], att->attbyval, att->attlen);
	}
	pfree(values);
	pfree(nulls);
}

/* Is it, in the version that was read, the row that is looked for? */
static bool
is_wanted(const FetchedRow *row, const FetchKey *key)
{
	const NullableDatum *column = &row->columns[key->text_column];
	text *given;

	if (cust_fetch_int64(row, key->column) != key->value)
		return false;
	if (key->text == NULL)
		return true;
	if (column->isnull)
		return false;
	given = DatumGetTextPP(column->value);
	return VARSIZE_ANY_EXHDR(given) == strlen(key->text) &&
		memcmp(VARDATA_ANY(given), key->text, strlen(key->text)) == 0;
}

/*
 * Looks through the rows of a scan for the one to lock.  No code of the
 * owner's runs in between: rows are found by an index of bigints.
 */
static bool
lock_next(Relation rel, const TableShape *shape, SysScanDesc scan,
		  const FetchKey *key, FetchLock lock, FetchedRow *row)
{
	ShapeMap map = cust_shape_map(rel, shape);
	CommandId command = GetCurrentCommandId(lock != FETCH_UNLOCKED);
	TM_FailureData failure;
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool found = false;
	HeapTuple tuple;

	while (!found && (tuple = systable_getnext(scan)) != NULL)
	{
		/* one that is to be locked is read again then */
		if (lock == FETCH_UNLOCKED || key->text != NULL)
		{
			copy_columns(tuple, RelationGetDescr(rel), shape, &map, row);
			found = is_wanted(row, key);
			if (!found || lock == FETCH_UNLOCKED)
				continue;
		}
		found = cust_fetch_lock(rel, tuple, GetActiveSnapshot(), command,
								lock_modes[lock], slot, &failure) == TM_Ok;
		if (!found)
			continue;
		tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
		copy_columns(tuple, RelationGetDescr(rel), shape, &map, row);
		found = is_wanted(row, key);
	}
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

static bool
fetch_directly(Relation rel, const TableShape *shape, Oid indexid,
			   const FetchKey *key, FetchLock lock, FetchedRow *row)
{
	SysScanDesc scan;
	ScanKeyData scankey;
	bool found;

	ScanKeyInit(&scankey, cust_shape_map(rel, shape).attnums[key->column],
				BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(key->value));
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	scan = systable_beginscan(rel, indexid, true, GetActiveSnapshot(), 1,
							  &scankey);
	found = lock_next(rel, shape, scan, key, lock, row);
	systable_endscan(scan);
	PopActiveSnapshot();
	return found;
}

/*
 * Finds a row of that key, and locks it until the transaction ends.  Returns
 * whether there is one; its values live in the current memory context.  Waits
 * for others who have it locked.  Needs an open SPI connection.
 */
bool
cust_fetch_row(const PlanTarget *target, Oid relid, const TableShape *shape,
			   const FetchKey *key, FetchLock lock, FetchedRow *row)
{
	Relation rel = cust_planlocks_open(target, relid,
									   lock == FETCH_UNLOCKED ?
										   AccessShareLock :
										   RowShareLock);
	Oid indexid = InvalidOid;
	bool found;

	Assert(shape->columns[key->column].type == INT8OID);
	Assert(key->text == NULL ||
		   shape->columns[key->text_column].type == TEXTOID);
	if (may_be_read(rel, target, lock))
		indexid = find_index(rel,
							 cust_shape_map(rel, shape).attnums[key->column]);
	found = OidIsValid(indexid) ?
		fetch_directly(rel, shape, indexid, key, lock, row) :
		fetch_by_query(target, shape, key, lock, row);
	table_close(rel, NoLock);
	return found;
}

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

/* 0 for NULL */
int64
cust_fetch_int64(const FetchedRow *row, int column)
{
	return row->columns[column].isnull ?
		0 :
		DatumGetInt64(row->columns[column].value);
}

/* a text as a string, NULL for NULL */
char *
cust_fetch_text(const FetchedRow *row, int column)
{
	return row->columns[column].isnull ?
		NULL :
		TextDatumGetCString(row->columns[column].value);
}
