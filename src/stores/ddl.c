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
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "values/space.h"

#define SEARCH_INDEX "customer_search_idx"

static Oid
layout_function(void)
{
	List *name = list_make2(makeString(pstrdup("customers")),
							makeString(pstrdup("_layout")));

	return LookupFuncName(name, 0, NULL, false);
}

static char *
layout_text(const char *schema)
{
	return cust_plan_substitute(TextDatumGetCString(
									OidFunctionCall0(layout_function())),
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

/* ------------------------------------------------------------------------
 * What every session looks at before it uses a store
 * ------------------------------------------------------------------------
 */

/*
 * The triggers, unique keys and the search index, as DdlStatement without
 * text, in a context of their own.  They follow from the function
 * customers._layout alone, so that all stores of a session share them.
 */
static List *guards = NIL;
static MemoryContext guards_context = NULL;
static bool guards_stale = false;
static uint32 layout_hash = 0; /* of that function, in the catalog cache */

static void
invalidate_guards(Datum arg, int cacheid, uint32 hashvalue)
{
	if (hashvalue == 0 || hashvalue == layout_hash)
		guards_stale = true;
}

static bool
is_guard(const DdlStatement *statement)
{
	return statement->kind == DDL_TRIGGER || cust_ddl_is_key(statement) ||
		cust_ddl_is_search_index(statement);
}

/* A copy in the current context, whose names are those of its tree. */
static DdlStatement *
copy_statement(const DdlStatement *statement)
{
	DdlStatement *copy = palloc0(sizeof(DdlStatement));

	describe_node(copy, copyObject(statement->node));
	return copy;
}

static void
read_guards(void)
{
	List *statements;
	List *kept = NIL;
	ListCell *cell;
	MemoryContext before;

	if (guards_context == NULL)
	{
		guards_context = AllocSetContextCreate(CacheMemoryContext,
											   "customers layout",
											   ALLOCSET_DEFAULT_SIZES);
		CacheRegisterSyscacheCallback(PROCOID, invalidate_guards, (Datum) 0);
	}
	guards = NIL;
	MemoryContextReset(guards_context);
	layout_hash = GetSysCacheHashValue1(PROCOID,
										ObjectIdGetDatum(layout_function()));
	guards_stale = false;
	statements = cust_ddl_statements("store");
	before = MemoryContextSwitchTo(guards_context);
	foreach(cell, statements)
	{
		if (is_guard(lfirst(cell)))
			kept = lappend(kept, copy_statement(lfirst(cell)));
	}
	MemoryContextSwitchTo(before);
	guards = kept;
}

/*
 * The statements whose objects a store must have, in every schema.  Valid
 * until the next call.
 */
List *
cust_ddl_guards(void)
{
	if (guards == NIL || guards_stale)
		read_guards();
	return guards;
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

/* The constraint that a statement of that kind makes. */
const Constraint *
cust_ddl_constraint(const DdlStatement *statement)
{
	AlterTableStmt *alter = castNode(AlterTableStmt, statement->node);

	return castNode(Constraint,
					linitial_node(AlterTableCmd, alter->cmds)->def);
}

/* Does it make a unique index, with a constraint or without? */
bool
cust_ddl_is_key(const DdlStatement *statement)
{
	ConstrType type;

	if (statement->kind == DDL_INDEX)
		return castNode(IndexStmt, statement->node)->unique;
	if (statement->kind != DDL_CONSTRAINT)
		return false;
	type = cust_ddl_constraint(statement)->contype;
	return type == CONSTR_PRIMARY || type == CONSTR_UNIQUE;
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
