/*
 * check_column.c
 *		Whether a table of a store has the layout's columns, and its ids their
 *		sequence.
 *
 * Called by check_table.  Reads catalogs and, of a column that lost its NOT
 * NULL, how many rows have no value.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "miscadmin.h"
#include "stores/check.h"
#include "stores/definition.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* A column that is looked at. */
typedef struct Column
{
	Relation rel;
	const ColumnShape *shape;
	const char *table;	/* qualified */
	const char *name;	/* quoted */
	const char *object; /* what it is called in a finding */
} Column;

/* The default of a column as a statement writes it, or NULL. */
static const char *
default_text(const Check *check, const Column *column)
{
	const char *text = column->shape->default_text;

	if (text == NULL || strcmp(text, SHAPE_OWN_SEQUENCE) != 0)
		return text;
	return psprintf("nextval(%s)",
					quote_literal_cstr(quote_qualified_identifier(
						check->target.name,
						psprintf("%s_id_seq",
								 RelationGetRelationName(column->rel)))));
}

static void
add_column(Check *check, const Column *column, bool mends, const char *finding,
		   const char *action)
{
	cust_check_add(check, mends, column->object, finding,
				   psprintf("ALTER TABLE %s %s;", column->table, action));
}

static void
add_missing(Check *check, const Column *column)
{
	const char *value = default_text(check, column);

	add_column(check, column, false, "is missing",
			   psprintf("ADD COLUMN %s %s%s%s%s", column->name,
						format_type_be(column->shape->type),
						value ? " DEFAULT " : "", value ? value : "",
						column->shape->required ? " NOT NULL" : ""));
}

/* ------------------------------------------------------------------------
 * NULL and defaults
 * ------------------------------------------------------------------------
 */

/*
 * Rows without a value, which the constraint would refuse.  The triggers
 * refuse the table without the constraint, so that they are off meanwhile.
 */
static void
check_nulls(Check *check, const Column *column)
{
	PlanQuery query = CHECK_QUERY(NULL);
	const char *table = quote_identifier(RelationGetRelationName(column->rel));
	const char *value = column->shape->default_text;

	if (value == NULL)
		value = psprintf("'<%s>'", column->shape->name);
	else if (strcmp(value, SHAPE_OWN_SEQUENCE) == 0)
		value = "nextval(%2$L)";
	query.text = psprintf(
		"SELECT '%s'::pg_catalog.text,"
		" pg_catalog.format('has no value in %%s rows', n.count),"
		" pg_catalog.format(%s, $1,"
		" pg_catalog.format('%%I.%%I', $1, '%s_id_seq'))"
		" FROM (SELECT pg_catalog.count(*) FROM @store@.%s t"
		" WHERE t.%s IS NULL) n WHERE n.count" GT "0",
		column->object,
		quote_literal_cstr(psprintf(
			"ALTER TABLE %%1$I.%s DISABLE TRIGGER USER; UPDATE %%1$I.%s SET %s = %s WHERE %s IS NULL; ALTER TABLE %%1$I.%s ENABLE TRIGGER USER;",
			table, table, column->name, value, column->name, table)),
		RelationGetRelationName(column->rel), table, column->name);
	query.made = true;
	cust_check_query(check, &query);
}

/* The default in the statement that makes the table, or NULL. */
static Node *
layout_default(const DdlStatement *statement, const char *name)
{
	ListCell *cell;
	ListCell *inner;

	foreach(cell, castNode(CreateStmt, statement->node)->tableElts)
	{
		ColumnDef *definition = lfirst_node(ColumnDef, cell);

		if (strcmp(definition->colname, name) != 0)
			continue;
		foreach(inner, definition->constraints)
		{
			Constraint *constraint = lfirst_node(Constraint, inner);

			if (constraint->contype == CONSTR_DEFAULT)
				return constraint->raw_expr;
		}
	}
	return NULL;
}

/* Is there a default, whatever it is? */
static bool
has_default(const Column *column, AttrNumber attnum)
{
	return TupleDescAttr(column->rel->rd_att, attnum - 1)->atthasdef;
}

static void
check_default(Check *check, const Column *column, AttrNumber attnum,
			  Node *wanted)
{
	int level = cust_definition_begin();
	bool same = cust_definition_default(column->rel, attnum, wanted);

	cust_definition_end(level);
	if (!same)
		add_column(check, column, !has_default(column, attnum),
				   has_default(column, attnum) ? "has another default" :
												 "has no default",
				   psprintf("ALTER COLUMN %s SET DEFAULT %s", column->name,
							default_text(check, column)));
}

/* ------------------------------------------------------------------------
 * Sequences
 * ------------------------------------------------------------------------
 */

static void
add_sequence(Check *check, const char *name, bool mends, const char *finding,
			 const char *repair)
{
	cust_check_add(check, mends, psprintf("sequence %s", name), finding,
				   repair);
}

/*
 * What is to be done when there is no sequence of the name.  Was it renamed,
 * so that it is still the column's default?
 */
static bool
add_missing_sequence(Check *check, const Column *column, const char *name,
					 AttrNumber attnum)
{
	Oid used = cust_definition_sequence(column->rel, attnum);
	const char *sequence = quote_qualified_identifier(check->target.name,
													  name);

	if (OidIsValid(used) && get_rel_namespace(used) == check->target.schema &&
		get_rel_relkind(used) == RELKIND_SEQUENCE)
	{
		add_sequence(check, name, true, "is missing: it was renamed",
					 psprintf("ALTER SEQUENCE %s RENAME TO %s;",
							  quote_qualified_identifier(check->target.name,
														 get_rel_name(used)),
							  quote_identifier(name)));
		return true;
	}
	add_sequence(
		check, name, true, "is missing",
		psprintf(
			"CREATE SEQUENCE %s OWNED BY %s.%s; SELECT pg_catalog.setval(%s, COALESCE(pg_catalog.max(%s), 0) + 1, false) FROM %s;",
			sequence, column->table, column->name,
			quote_literal_cstr(sequence), column->name, column->table));
	return false;
}

static void
check_sequence_options(Check *check, const char *name, Oid relid)
{
	HeapTuple tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(relid));
	Form_pg_sequence form;
	const char *sequence = quote_qualified_identifier(check->target.name,
													  name);

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	if (form->seqtypid != INT8OID)
		add_sequence(check, name, true, "is not of type bigint",
					 psprintf("ALTER SEQUENCE %s AS bigint;", sequence));
	if (form->seqcycle)
		add_sequence(check, name, true, "begins again after its last number",
					 psprintf("ALTER SEQUENCE %s NO CYCLE;", sequence));
	if (form->seqincrement < 1)
		add_sequence(
			check, name, true, "counts down",
			psprintf(
				"ALTER SEQUENCE %s INCREMENT BY 1 NO MINVALUE NO MAXVALUE START WITH 1;",
				sequence));
	ReleaseSysCache(tuple);
}

/* Does the sequence go when the column goes? */
static void
check_sequence_column(Check *check, const Column *column, const char *name,
					  Oid relid, AttrNumber attnum)
{
	Oid table = InvalidOid;
	int32 number = 0;

	if (sequenceIsOwned(relid, DEPENDENCY_AUTO, &table, &number) &&
		table == RelationGetRelid(column->rel) && number == attnum)
		return;
	add_sequence(check, name, true, "does not belong to the column of the ids",
				 psprintf("ALTER SEQUENCE %s OWNED BY %s.%s;",
						  quote_qualified_identifier(check->target.name, name),
						  column->table, column->name));
}

static void
check_present_sequence(Check *check, const Column *column, const char *name,
					   Relation sequence, AttrNumber attnum)
{
	Oid relid = RelationGetRelid(sequence);

	if (sequence->rd_rel->relkind != RELKIND_SEQUENCE)
	{
		add_sequence(check, name, false,
					 "is missing, and something else has its name",
					 psprintf("ALTER TABLE %s RENAME TO %s;",
							  quote_qualified_identifier(check->target.name,
														 name),
							  quote_identifier("<another name>")));
		return;
	}
	if (sequence->rd_rel->relowner != check->target.owner)
		add_sequence(check, name, false,
					 "does not belong to the owner of the schema",
					 psprintf("ALTER SEQUENCE %s OWNER TO %s;",
							  quote_qualified_identifier(check->target.name,
														 name),
							  quote_identifier(
								  GetUserNameFromId(check->target.owner,
													false))));
	check_sequence_column(check, column, name, relid, attnum);
	check_sequence_options(check, name, relid);
}

static void
check_sequence(Check *check, const Column *column, AttrNumber attnum)
{
	char *name = psprintf("%s_id_seq", RelationGetRelationName(column->rel));
	Oid relid = get_relname_relid(name, check->target.schema);
	Relation sequence = OidIsValid(relid) ?
		try_relation_open(relid, AccessShareLock) :
		NULL;
	bool counted = cust_definition_sequence(column->rel, attnum) == relid;

	if (sequence == NULL)
		counted = add_missing_sequence(check, column, name, attnum);
	else
	{
		check_present_sequence(check, column, name, sequence, attnum);
		relation_close(sequence, AccessShareLock);
	}
	if (!counted)
		add_column(check, column, true, "is not counted by its sequence",
				   psprintf("ALTER COLUMN %s SET DEFAULT %s", column->name,
							default_text(check, column)));
}

/* ------------------------------------------------------------------------
 * Columns
 * ------------------------------------------------------------------------
 */

/* Looks at a column; false if it cannot be read. */
static bool
check_column(Check *check, const Column *column, const DdlStatement *statement)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(column->rel),
								   column->shape->name);
	Form_pg_attribute att;
	Node *wanted;

	if (attnum == InvalidAttrNumber)
	{
		add_missing(check, column);
		return false;
	}
	att = TupleDescAttr(column->rel->rd_att, attnum - 1);
	if (att->atttypid != column->shape->type)
	{
		add_column(check, column, false,
				   psprintf("is not of type %s",
							format_type_be(column->shape->type)),
				   psprintf("ALTER COLUMN %s TYPE %s", column->name,
							format_type_be(column->shape->type)));
		return false;
	}
	if (att->attgenerated != '\0')
	{
		add_column(check, column, false, "is computed from other columns",
				   psprintf("ALTER COLUMN %s DROP EXPRESSION", column->name));
		return false;
	}
	wanted = layout_default(statement, column->shape->name);
	if (wanted != NULL)
		check_default(check, column, attnum, wanted);
	else if (column->shape->default_text != NULL)
		check_sequence(check, column, attnum);
	if (column->shape->required &&
		!cust_is_not_null(column->rel->rd_att, attnum - 1))
	{
		check_nulls(check, column);
		add_column(check, column, true, "takes NULL",
				   psprintf("ALTER COLUMN %s SET NOT NULL", column->name));
	}
	return true;
}

/*
 * Looks at the columns of an ordinary table.  Can they all be read and
 * compared?
 */
bool
cust_check_columns(Check *check, const DdlStatement *statement, Relation rel)
{
	const TableShape *shape =
		&cust_layout[cust_layout_table(statement->table)];
	bool fits = true;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		Column column = {
			.rel = rel,
			.shape = &shape->columns[i],
			.table = quote_qualified_identifier(check->target.name,
												statement->table),
			.name = quote_identifier(shape->columns[i].name),
			.object = psprintf("column %s.%s", statement->table,
							   shape->columns[i].name),
		};

		fits &= check_column(check, &column, statement);
	}
	return fits;
}
