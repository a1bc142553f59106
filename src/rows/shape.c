/*
 * shape.c
 *		Compares a table with what it must look like.
 *
 * Called by store (before a store is used) and by trigger (before a row is
 * read), so that a table of anybody's making is never read by wrong types.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "rows/shape.h"
#include "utils/guc.h"

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

/*
 * Citus keeps the rows of its tables elsewhere.  It is loaded with the server
 * or not at all.
 */
static bool
citus_is_loaded(void)
{
	static int loaded = -1;

	if (loaded < 0)
		loaded = GetConfigOption("citus.shard_count", true, false) != NULL;
	return loaded;
}

/* Are the rows of the table just those that are stored in it? */
bool
cust_shape_is_plain(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rules == NULL &&
		!citus_is_loaded();
}
