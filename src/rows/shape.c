/*
 * shape.c
 *		Compares a table with what it must look like.
 *
 * Called by store (before a store is used) and by trigger (before a row is
 * read), so that a table of anybody's making is never read by wrong types.
 */
#include "postgres.h"

#include "compat.h"
#include "report.h"
#include "rows/memo.h"
#include "utils/builtins.h"

static AttrNumber
find_column(TupleDesc desc, const ColumnShape *column)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0' &&
			att->atttypid == column->type &&
			(!column->required || cust_is_not_null(desc, i)) &&
			strcmp(NameStr(att->attname), column->name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * Fills *map with the places of the shape's columns in desc, which may
 * have others besides.  Returns -1, or the first column of the shape that is
 * missing, of another type, or lets NULL in where it must not.
 */
int
cust_shape_match(const TableShape *shape, TupleDesc desc, ShapeMap *map)
{
	Assert(shape->ncolumns <= SHAPE_MAX_COLUMNS);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		map->attnums[i] = find_column(desc, &shape->columns[i]);
		if (map->attnums[i] == InvalidAttrNumber)
			return i;
	}
	return -1;
}

/* The column as a table must have it, for a message; palloc'd. */
char *
cust_shape_column(const TableShape *shape, int column)
{
	const ColumnShape *wanted = &shape->columns[column];

	return psprintf("column \"%s\" of type %s%s", wanted->name,
					format_type_be(wanted->type),
					wanted->required ? " that is NOT NULL" : "");
}

/*
 * Where the shape's columns are in the table, which the caller has open.
 * Raises 22023 when the table has not got them.
 */
ShapeMap
cust_shape_map(Relation rel, const TableShape *shape)
{
	Memo *memo = cust_memo_of(rel, shape);
	int missing;

	if (memo->has_map)
		return memo->map;
	missing = cust_shape_match(shape, RelationGetDescr(rel), &memo->map);
	if (missing >= 0)
		cust_report_argument(
			"The triggers of customers belong on the tables of a store, see customers.create_store.",
			"table \"%s\" has no %s", RelationGetRelationName(rel),
			cust_shape_column(shape, missing));
	memo->has_map = true;
	return memo->map;
}
