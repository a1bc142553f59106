/*
 * fetch.h
 *		Finds one row by a key, and locks it, as the owner of the store.
 */
#ifndef CUSTOMERS_FETCH_H
#define CUSTOMERS_FETCH_H

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "rows/plan.h"
#include "rows/shape.h"
#include "utils/snapshot.h"

typedef enum FetchLock
{
	FETCH_UNLOCKED,
	FETCH_KEPT,		 /* FOR KEY SHARE: nobody deletes it */
	FETCH_SHARED,	 /* FOR SHARE: nobody changes it */
	FETCH_FOR_CHANGE /* FOR NO KEY UPDATE: nobody else locks it, either */
} FetchLock;

/* Which row of a table; columns are places in its shape. */
typedef struct FetchKey
{
	int column; /* a bigint, which an index should begin with */
	int64 value;
	int text_column;  /* and this one */
	const char *text; /* has that value; NULL: is not looked at */
} FetchKey;

/* A row, its columns in the order of the shape. */
typedef struct FetchedRow
{
	NullableDatum columns[SHAPE_MAX_COLUMNS];
} FetchedRow;

extern bool cust_fetch_row(const PlanTarget *target, Oid relid,
						   const TableShape *shape, const FetchKey *key,
						   FetchLock lock, FetchedRow *row);

extern bool cust_fetch_serves_key(Oid indexid, AttrNumber attnum);
extern TM_Result cust_fetch_lock(Relation rel, HeapTuple found,
								 Snapshot snapshot, CommandId command,
								 LockTupleMode mode, TupleTableSlot *slot,
								 TM_FailureData *failure);

extern int64 cust_fetch_int64(const FetchedRow *row, int column);
extern char *cust_fetch_text(const FetchedRow *row, int column);

#endif /* CUSTOMERS_FETCH_H */
