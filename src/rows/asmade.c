/*
 * asmade.c
 *		Is a table as it was made, so that its rows may be read and written
 *		without a statement?
 *
 * Called by fetch, insert and write_row.  What the owner added to a table (a
 * CHECK, a default, a domain, a generated column, a rule, row security, a
 * child, a NOT NULL) is neither kept nor interpreted here: it is seen, and
 * then the executor has the row.  Triggers and indexes do not count, since
 * those who write run the server's own functions for them or look at them
 * themselves.  Knows no table of ours.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "guc.h"
#include "rows/asmade.h"
#include "rows/memo.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/timestamp.h"

/* ------------------------------------------------------------------------
 * Looking at the table
 * ------------------------------------------------------------------------
 */

/* Are the rows of the table just those that are stored in its heap? */
bool
cust_asmade_holds_rows(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relam == HEAP_TABLE_AM_OID && rel->rd_rules == NULL &&
		!rel->rd_rel->relhassubclass;
}

/* An expression of the table as the shape writes it. */
static bool
says(Relation rel, const char *stored, const char *expected)
{
	List *context = deparse_context_for(RelationGetRelationName(rel),
										RelationGetRelid(rel));
	char *text = deparse_expression(stringToNode(stored), context, false,
									false);

	return strcmp(text, expected) == 0;
}

/* The column's default; NULL without. */
static const char *
stored_default(TupleDesc desc, AttrNumber attnum)
{
	const TupleConstr *constr = desc->constr;

	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
	{
		if (constr->defval[i].adnum == attnum)
			return constr->defval[i].adbin;
	}
	return NULL;
}

/*
 * Has a column of the shape what the shape says, and no more?  The ids of the
 * own sequence are given with every row.
 */
static bool
is_column_as_made(Relation rel, const ColumnShape *column, AttrNumber attnum)
{
	TupleDesc desc = RelationGetDescr(rel);
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	const char *stored = stored_default(desc, attnum);

	if (att->attnotnull != column->required || att->attidentity != '\0')
		return false;
	if (column->default_text == NULL || stored == NULL)
		return att->atthasdef == (column->default_text != NULL);
	return strcmp(column->default_text, SHAPE_OWN_SEQUENCE) == 0 ||
		says(rel, stored, column->default_text);
}

/* May a column that the shape does not know stay NULL, unasked? */
static bool
may_stay_null(Form_pg_attribute att)
{
	return att->attisdropped ||
		!(att->atthasdef || att->attnotnull || att->attidentity != '\0' ||
		  get_typtype(att->atttypid) == TYPTYPE_DOMAIN);
}

static bool
are_columns_as_made(Relation rel, const TableShape *shape)
{
	TupleDesc desc = RelationGetDescr(rel);
	ShapeMap map = cust_shape_map(rel, shape);
	Bitmapset *known = NULL;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (!is_column_as_made(rel, &shape->columns[i], map.attnums[i]))
			return false;
		known = bms_add_member(known, map.attnums[i]);
	}
	for (int i = 0; i < desc->natts; i++)
	{
		if (!bms_is_member(i + 1, known) &&
			!may_stay_null(TupleDescAttr(desc, i)))
			return false;
	}
	return true;
}

static bool
is_check_as_made(Relation rel, const ConstrCheck *check,
				 const TableShape *shape)
{
	for (int i = 0; i < SHAPE_MAX_CHECKS && shape->checks[i].name; i++)
	{
		if (strcmp(shape->checks[i].name, check->ccname) == 0)
			return says(rel, check->ccbin, shape->checks[i].expression);
	}
	return false;
}

static bool
are_checks_as_made(Relation rel, const TableShape *shape)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
	{
		if (!is_check_as_made(rel, &constr->check[i], shape))
			return false;
	}
	return true;
}

/* Expressions are written without schema where they are the server's. */
static bool
look_at(Relation rel, const TableShape *shape)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;
	int level;
	bool result;

	if (!cust_asmade_holds_rows(rel) || rel->rd_rel->relispartition ||
		rel->rd_rel->relrowsecurity ||
		(constr != NULL && cust_has_generated(constr)))
		return false;
	level = cust_guc_set_for_statement("search_path", "pg_catalog");
	result = are_columns_as_made(rel, shape) && are_checks_as_made(rel, shape);
	cust_guc_unset(level);
	return result;
}

/*
 * Is the table, which the caller has open and locked, as it was made?  Raises
 * 22023 if it has not even the shape's columns.
 */
bool
cust_asmade(Relation rel, const TableShape *shape)
{
	Memo *memo = cust_memo_of(rel, shape);
	uint64 before = cust_memo_invalidations();
	bool as_made;

	if (memo->has_as_made)
		return memo->as_made;
	as_made = look_at(rel, shape);
	if (before == cust_memo_invalidations())
	{
		memo = cust_memo_of(rel, shape);
		memo->as_made = as_made;
		memo->has_as_made = true;
	}
	return as_made;
}

/* ------------------------------------------------------------------------
 * Constraints
 *
 * Those of a table as it was made are the layout's, which knows them in C, too:
 * the executor reads and compiles each of them anew for each statement.
 * ------------------------------------------------------------------------
 */

/*
 * Does a row of a table as it was made keep NOT NULLs and CHECKs?  If not, or
 * if that is not known, the executor says so.
 */
bool
cust_asmade_holds(const TableShape *shape, const ShapeMap *map,
				  TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (shape->columns[i].required &&
			slot->tts_isnull[map->attnums[i] - 1])
			return false;
	}
	for (int i = 0; i < SHAPE_MAX_CHECKS && shape->checks[i].name; i++)
	{
		CheckHolds holds = shape->checks[i].holds;

		if (holds == NULL || !holds(map, slot))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Defaults
 * ------------------------------------------------------------------------
 */

/* The value of one of the layout's constant defaults: '..'::type or a number. */
static Datum
constant_default(const ColumnShape *column)
{
	char *text = pstrdup(column->default_text);
	Oid input;
	Oid io_param;

	if (text[0] == '\'')
	{
		text++;
		*strrchr(text, '\'') = '\0';
	}
	getTypeInputInfo(column->type, &input, &io_param);
	return OidInputFunctionCall(input, text, io_param, -1);
}

/*
 * The value of a column that a row of a table as it was made does not give, but
 * for ids of an own sequence; in the current context.
 */
NullableDatum
cust_asmade_default(const ColumnShape *column)
{
	NullableDatum none = {(Datum) 0, true};

	if (column->default_text == NULL ||
		strcmp(column->default_text, SHAPE_OWN_SEQUENCE) == 0)
		return none;
	if (strcmp(column->default_text, "now()") == 0)
		return (NullableDatum){
			TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
			false,
		};
	return (NullableDatum){constant_default(column), false};
}
