/*
 * writing.h
 *		A row that is being written without a statement.
 */
#ifndef CUSTOMERS_WRITING_H
#define CUSTOMERS_WRITING_H

#include "nodes/execnodes.h"
#include "rows/write.h"

/* The row; its table is open. */
typedef struct Writing
{
	const WriteTo *to;
	const WriteRow *row;
	const WriteWhere *where; /* NULL: the row is new */
	Relation rel;
	ShapeMap map;
	Oid indexid; /* by which a row that is there is found */
	EState *estate;
	ResultRelInfo *info;
	TransitionCaptureState *capture;
	int64 returned; /* what where asks for */
} Writing;

extern void cust_writing_expect_constraints(const Writing *writing,
											TupleTableSlot *slot);

/* write_change.c */
extern bool cust_writing_find_index(Writing *writing);
extern bool cust_writing_change(Writing *writing);

#endif /* CUSTOMERS_WRITING_H */
