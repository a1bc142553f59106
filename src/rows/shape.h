/*
 * shape.h
 *		What a table must look like: its columns and constraints.
 *
 * Defaults and CHECK expressions are written as pg_get_expr shows them to a
 * session whose search_path is pg_catalog.
 */
#ifndef CUSTOMERS_SHAPE_H
#define CUSTOMERS_SHAPE_H

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#define SHAPE_MAX_COLUMNS 24
#define SHAPE_MAX_CHECKS 4

/* the default of an id: the next one of the sequence <table>_id_seq */
#define SHAPE_OWN_SEQUENCE "nextval"

typedef struct ColumnShape
{
	const char *name;
	Oid type;
	bool required;			  /* NOT NULL */
	const char *default_text; /* NULL: none */
} ColumnShape;

/* Where the shape's columns are in a table, in the order of the shape. */
typedef struct ShapeMap
{
	AttrNumber attnums[SHAPE_MAX_COLUMNS];
} ShapeMap;

/* Does a row, all of whose values are in the slot, keep the constraint? */
typedef bool (*CheckHolds)(const ShapeMap *map, const TupleTableSlot *slot);

typedef struct CheckShape
{
	const char *name; /* NULL: no further one */
	const char *expression;
	CheckHolds holds; /* the same in C; NULL: only the executor can tell */
} CheckShape;

/* columns are addressed by their place in this list, from 0 */
typedef struct TableShape
{
	const char *name;
	const char *row; /* what people call a row, such as "a customer" */
	int ncolumns;
	ColumnShape columns[SHAPE_MAX_COLUMNS];
	CheckShape checks[SHAPE_MAX_CHECKS];
} TableShape;

extern int cust_shape_match(const TableShape *shape, TupleDesc desc,
							ShapeMap *map);
extern ShapeMap cust_shape_map(Relation rel, const TableShape *shape);
extern char *cust_shape_column(const TableShape *shape, int column);

#endif /* CUSTOMERS_SHAPE_H */
