/*
 * memo.h
 *		What is remembered of a table under a shape, until the table changes.
 */
#ifndef CUSTOMERS_MEMO_H
#define CUSTOMERS_MEMO_H

#include "rows/shape.h"

typedef struct MemoKey
{
	Oid relid;
	const TableShape *shape;
} MemoKey;

typedef struct Memo
{
	MemoKey key;
	bool has_map;
	bool has_as_made;
	bool as_made; /* see asmade.h */
	ShapeMap map;
} Memo;

extern Memo *cust_memo_of(Relation rel, const TableShape *shape);
extern uint64 cust_memo_invalidations(void);

#endif /* CUSTOMERS_MEMO_H */
