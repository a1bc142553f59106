/*
 * insert.h
 *		Puts rows into a table of a store as its owner.
 */
#ifndef CUSTOMERS_INSERT_H
#define CUSTOMERS_INSERT_H

#include "rows/plan.h"
#include "rows/shape.h"

/* A table that is written to. */
typedef struct InsertInto
{
	const TableShape *shape;
	const char *guard; /* function of a row trigger whose work is done, or
						* NULL */
	PlanQuery query;   /* the INSERT by SQL; its parameters are the columns */
} InsertInto;

/* A row, in the order of the shape's columns. */
typedef struct InsertRow
{
	Datum values[PLAN_MAX_ARGS];
	bool nulls[PLAN_MAX_ARGS];
} InsertRow;

extern void cust_insert_rows(const InsertInto *into, const PlanTarget *target,
							 Oid relid, const InsertRow *rows, int n);

#endif /* CUSTOMERS_INSERT_H */
