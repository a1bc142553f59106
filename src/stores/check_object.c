/*
 * check_object.c
 *		Whether the triggers, indexes and constraints of a store are those of
 *		the layout.
 *
 * Called by check_store and create_store.  Reads catalogs only.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "stores/check.h"
#include "stores/definition.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* "ALTER TABLE <table> <action> <object>;" */
static char *
alter_table(const Check *check, const char *table, const char *action,
			const char *object)
{
	return psprintf("ALTER TABLE %s.%s %s %s;",
					quote_identifier(check->target.name),
					quote_identifier(table), action, quote_identifier(object));
}

/* What takes away the relation that stands where an index shall be. */
static char *
drop_index(const Check *check, const DdlStatement *statement, Oid found)
{
	char relkind = get_rel_relkind(found);
	const char *schema = quote_identifier(check->target.name);
	const char *name = quote_identifier(statement->name);
	Oid constraint;

	if (relkind != RELKIND_INDEX)
		return psprintf("ALTER TABLE %s.%s RENAME TO %s;", schema, name,
						quote_identifier("<another name>"));
	constraint = get_index_constraint(found);
	if (OidIsValid(constraint))
		return alter_table(check, get_rel_name(IndexGetRelation(found, false)),
						   "DROP CONSTRAINT", get_constraint_name(constraint));
	return psprintf("DROP INDEX %s.%s;", schema, name);
}

/* The statement that takes away what stands where the layout's shall be. */
static char *
drop_statement(const Check *check, const DdlStatement *statement)
{
	if (statement->kind == DDL_TRIGGER)
		return psprintf("DROP TRIGGER %s ON %s.%s;",
						quote_identifier(statement->name),
						quote_identifier(check->target.name),
						quote_identifier(statement->table));
	if (statement->kind == DDL_CONSTRAINT)
		return alter_table(check, statement->table, "DROP CONSTRAINT",
						   statement->name);
	return drop_index(check, statement,
					  get_relname_relid(statement->name,
										check->target.schema));
}

/* The repair of something that is there and of the right definition. */
static char *
finish_statement(const Check *check, const DdlStatement *statement)
{
	if (statement->kind == DDL_TRIGGER)
		return alter_table(check, statement->table, "ENABLE TRIGGER",
						   statement->name);
	if (!cust_ddl_is_key(statement) && statement->kind == DDL_CONSTRAINT)
		return alter_table(check, statement->table, "VALIDATE CONSTRAINT",
						   statement->name);
	return psprintf("REINDEX INDEX %s.%s;",
					quote_identifier(check->target.name),
					quote_identifier(statement->name));
}

/* Must a person say what becomes of the relation that is in the way? */
static bool
is_in_the_way(const Check *check, const DdlStatement *statement)
{
	Oid found = get_relname_relid(statement->name, check->target.schema);

	return statement->kind == DDL_INDEX && OidIsValid(found) &&
		get_rel_relkind(found) != RELKIND_INDEX;
}

static void
add_object(Check *check, const DdlStatement *statement, bool mends,
		   const char *finding, const char *repair)
{
	cust_check_add(check, mends,
				   psprintf("%s %s", cust_ddl_kind_name(statement->kind),
							statement->name),
				   finding, repair);
}

static void
check_object(Check *check, const DdlStatement *statement, Relation rel)
{
	switch (cust_definition_compare(statement, rel))
	{
		case DEFINITION_SAME:
			break;
		case DEFINITION_MISSING:
			add_object(check, statement, true, "is missing", statement->text);
			break;
		case DEFINITION_OFF:
			add_object(check, statement, true, "is not enabled",
					   finish_statement(check, statement));
			break;
		case DEFINITION_INVALID:
			add_object(check, statement, true, "is not valid",
					   finish_statement(check, statement));
			break;
		case DEFINITION_OTHER:
			add_object(check, statement, !is_in_the_way(check, statement),
					   "is not the one that customers.create_store makes",
					   psprintf("%s %s", drop_statement(check, statement),
								statement->text));
			break;
	}
}

static bool
is_looked_at(const Check *check, const DdlStatement *statement, bool triggers)
{
	switch (statement->kind)
	{
		case DDL_TRIGGER:
			return triggers;
		case DDL_INDEX:
			return !triggers &&
				(check->search || !cust_ddl_is_search_index(statement));
		case DDL_CONSTRAINT:
			return !triggers;
		default:
			return false;
	}
}

/*
 * An object of a table that cannot be compared: its columns may be other ones
 * than its expressions name.
 */
static void
check_presence(Check *check, const DdlStatement *statement)
{
	if (!OidIsValid(cust_ddl_find(statement, check->target.schema)))
		add_object(check, statement, false, "is missing", statement->text);
}

/* Looks at the triggers, or at the indexes and constraints. */
void
cust_check_objects(Check *check, bool triggers)
{
	int level = cust_definition_begin();
	ListCell *cell;

	foreach(cell, check->statements)
	{
		const DdlStatement *statement = lfirst(cell);
		Relation rel = NULL;

		if (!is_looked_at(check, statement, triggers))
			continue;
		if (check->fits[cust_layout_table(statement->table)])
			rel = try_relation_open(get_relname_relid(statement->table,
													  check->target.schema),
									AccessShareLock);
		if (rel == NULL)
		{
			check_presence(check, statement);
			continue;
		}
		check_object(check, statement, rel);
		relation_close(rel, AccessShareLock);
	}
	cust_definition_end(level);
}
