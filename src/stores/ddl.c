/*
 * ddl.c
 *		The statements that make a store, and the objects they make.
 *
 * The statements come from customers._layout(), the SQL parts 41 to 58.  What
 * kind of object each makes, and its name, is read off its parse tree, so
 * that the SQL is the only list of what a store consists of.
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "rows/plan.h"
#include "stores/ddl.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "values/space.h"

#define SEARCH_INDEX "customer_search_idx"

static char *
layout_text(const char *schema)
{
	List *name = list_make2(makeString(pstrdup("customers")),
							makeString(pstrdup("_layout")));
	Oid function = LookupFuncName(name, 0, NULL, false);

	return cust_plan_substitute(TextDatumGetCString(
									OidFunctionCall0(function)),
								schema);
}

static void
describe_node(DdlStatement *statement, Node *node)
{
	statement->node = node;
	switch (nodeTag(node))
	{
		case T_CreateStmt:
			statement->kind = DDL_TABLE;
			statement->table = castNode(CreateStmt, node)->relation->relname;
			statement->name = statement->table;
			break;
		case T_AlterTableStmt:
		{
			AlterTableStmt *alter = castNode(AlterTableStmt, node);
			AlterTableCmd *command = linitial_node(AlterTableCmd, alter->cmds);

			statement->kind = DDL_CONSTRAINT;
			statement->table = alter->relation->relname;
			statement->name = castNode(Constraint, command->def)->conname;
			break;
		}
		case T_IndexStmt:
			statement->kind = DDL_INDEX;
			statement->table = castNode(IndexStmt, node)->relation->relname;
			statement->name = castNode(IndexStmt, node)->idxname;
			break;
		case T_CreateTrigStmt:
			statement->kind = DDL_TRIGGER;
			statement->table =
				castNode(CreateTrigStmt, node)->relation->relname;
			statement->name = castNode(CreateTrigStmt, node)->trigname;
			break;
		case T_InsertStmt:
			statement->kind = DDL_ROWS;
			statement->table = castNode(InsertStmt, node)->relation->relname;
			statement->name = NULL;
			break;
		default:
			elog(ERROR, "the layout has a statement of unknown kind %d",
				 (int) nodeTag(node));
	}
}

/* The text of a statement without what surrounds it. */
static char *
statement_text(const char *script, const RawStmt *raw)
{
	const char *start = script + raw->stmt_location;
	int length = raw->stmt_len > 0 ? raw->stmt_len : (int) strlen(start);

	while (length > 0 && cust_is_space(*start))
	{
		start++;
		length--;
	}
	return psprintf("%.*s;", length, start);
}

/* All statements for a store in that schema, in order, as DdlStatement. */
List *
cust_ddl_statements(const char *schema)
{
	char *script = layout_text(schema);
	List *statements = NIL;
	ListCell *cell;

	foreach(cell, pg_parse_query(script))
	{
		RawStmt *raw = lfirst_node(RawStmt, cell);
		DdlStatement *statement = palloc(sizeof(DdlStatement));

		describe_node(statement, raw->stmt);
		statement->text = statement_text(script, raw);
		statements = lappend(statements, statement);
	}
	return statements;
}

const char *
cust_ddl_kind_name(DdlKind kind)
{
	switch (kind)
	{
		case DDL_TABLE:
			return "table";
		case DDL_CONSTRAINT:
			return "constraint";
		case DDL_INDEX:
			return "index";
		case DDL_TRIGGER:
			return "trigger";
		case DDL_ROWS:
			break;
	}
	return "rows";
}

/* Stores that only write can do without it. */
bool
cust_ddl_is_search_index(const DdlStatement *statement)
{
	return statement->kind == DDL_INDEX &&
		strcmp(statement->name, SEARCH_INDEX) == 0;
}

/* The object that the statement makes, invalid if it is missing. */
Oid
cust_ddl_find(const DdlStatement *statement, Oid schema)
{
	Oid relid = get_relname_relid(statement->table, schema);

	if (!OidIsValid(relid))
		return InvalidOid;
	switch (statement->kind)
	{
		case DDL_TABLE:
		case DDL_ROWS:
			return relid;
		case DDL_CONSTRAINT:
			return get_relation_constraint_oid(relid, statement->name, true);
		case DDL_INDEX:
			return get_relname_relid(statement->name, schema);
		case DDL_TRIGGER:
			return get_trigger_oid(relid, statement->name, true);
	}
	return InvalidOid;
}
