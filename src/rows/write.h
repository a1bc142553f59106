/*
 * write.h
 *		Inserts or changes one row of a table of a store.
 */
#ifndef CUSTOMERS_WRITE_H
#define CUSTOMERS_WRITE_H

#include "rows/plan.h"
#include "rows/shape.h"

/* A table, and how it is written to. */
typedef struct WriteTo
{
	const PlanTarget *target;
	Oid relid;
	const TableShape *shape; /* its first column is the id */
	bool as_owner;			 /* errors lose details */
	const char *unique; /* if this constraint says that a value is taken, */
	const char *hint;	/* then this is the hint */
} WriteTo;

/* What becomes of a column, which is given by its place in the shape. */
typedef struct WriteColumn
{
	int column;
	NullableDatum value;
	bool merges;   /* a jsonb: its keys are added to those that are there */
	Datum removed; /* but these, a text[], are not kept */
} WriteColumn;

typedef struct WriteRow
{
	int n;
	WriteColumn columns[PLAN_MAX_ARGS];
} WriteRow;

/* Which row is changed; columns are bigints, 0 stands for none. */
typedef struct WriteWhere
{
	int64 id;
	int column;	   /* this one, too, */
	int64 value;   /* has this value */
	int returning; /* and this one is told as the row has it then */
} WriteWhere;

extern void cust_write_set(WriteRow *row, int column, NullableDatum value);
extern void cust_write_merge(WriteRow *row, int column, Datum added,
							 Datum removed);
extern void cust_write_insert(const WriteTo *to, const WriteRow *row);
extern bool cust_write_update(const WriteTo *to, const WriteWhere *where,
							  const WriteRow *changes, int64 *returned);

#endif /* CUSTOMERS_WRITE_H */
