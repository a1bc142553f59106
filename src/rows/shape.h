/*
 * shape.h
 *		What a table must look like: its columns and their types.
 */
#ifndef CUSTOMERS_SHAPE_H
#define CUSTOMERS_SHAPE_H

#include "access/tupdesc.h"
#include "utils/rel.h"

#define SHAPE_MAX_COLUMNS 24

typedef struct ColumnShape
{
	const char *name;
	Oid type;
} ColumnShape;

/* columns are addressed by their place in this list, from 0 */
typedef struct TableShape
{
	const char *name;
	const char *row; /* what people call a row, such as "a customer" */
	int ncolumns;
	ColumnShape columns[SHAPE_MAX_COLUMNS];
} TableShape;

/* Where the shape's columns are in a table, in the order of the shape. */
typedef struct ShapeMap
{
	AttrNumber attnums[SHAPE_MAX_COLUMNS];
} ShapeMap;

extern int cust_shape_match(const TableShape *shape, TupleDesc desc,
							ShapeMap *map);
extern ShapeMap cust_shape_map(Relation rel, const TableShape *shape);

extern bool cust_shape_is_plain(Relation rel);

#endif /* CUSTOMERS_SHAPE_H */
