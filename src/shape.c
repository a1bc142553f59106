/*
 * shape.c
 *		Compares a table with what it must look like.
 *
 * Called by store (before a store is used) and by trigger (before a row is
 * read), so that a table of anybody's making is never read by wrong types.
 */
#include "postgres.h"

#include "shape.h"

static AttrNumber
find_column(TupleDesc desc, const ColumnShape *column)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->atttypid == column->type &&
			strcmp(NameStr(att->attname), column->name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * Fills attnums with the places of the shape's columns in desc, which may
 * have others besides.  Returns -1, or the first column of the shape that is
 * missing or of another type.
 */
int
cust_shape_match(const TableShape *shape, TupleDesc desc, AttrNumber *attnums)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		attnums[i] = find_column(desc, &shape->columns[i]);
		if (attnums[i] == InvalidAttrNumber)
			return i;
	}
	return -1;
}
