/*
 * check_table.c
 *		Whether the tables of a store are ordinary ones of its owner, with the
 *		layout's columns.
 *
 * Called by check_store and create_store.  Reads catalogs, store_info, and, of
 * a table that lost a NOT NULL, rows.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "stores/check.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const char *
qualified(const Check *check, const char *table)
{
	return quote_qualified_identifier(check->target.name, table);
}

/* Says what is wrong with a table that is no ordinary one of its owner. */
static void
add_table_fault(Check *check, const char *object, Relation rel,
				const char *fault)
{
	const char *name = qualified(check, RelationGetRelationName(rel));

	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relispartition ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		cust_check_add(
			check, false, object, fault,
			"Put back the table as customers.create_store made it, from a backup or by ALTER TABLE.");
	else
		cust_check_add(check, false, object, fault,
					   psprintf("ALTER TABLE %s OWNER TO %s;", name,
								quote_identifier(
									GetUserNameFromId(check->target.owner,
													  false))));
}

/* The triggers of foreign keys, which belong to no statement of the layout. */
static void
check_internal_triggers(Check *check, const char *object, Relation rel)
{
	bool disabled = false;

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
		disabled |= rel->trigdesc->triggers[i].tgisinternal &&
			rel->trigdesc->triggers[i].tgenabled != TRIGGER_FIRES_ON_ORIGIN;
	if (disabled)
		cust_check_add(
			check, false, object,
			"has foreign keys that are not enforced (needs a superuser to mend)",
			psprintf("ALTER TABLE %s ENABLE TRIGGER ALL;",
					 qualified(check, RelationGetRelationName(rel))));
}

static void
check_info(Check *check, Relation info)
{
	const char *name = qualified(check, cust_layout[STORE_INFO].name);
	StoreInfo found;

	if (!cust_store_read_info(info, &found))
	{
		bool search = OidIsValid(
			get_relname_relid("customer_search_idx", check->target.schema));

		cust_check_add(
			check, true, "table store_info", "is empty",
			psprintf("INSERT INTO %s (layout_version, search) VALUES (%d, %s);",
					 name, CUST_LAYOUT_VERSION, search ? "true" : "false"));
		check->search = search;
		return;
	}
	check->search = found.search;
	if (found.version < CUST_LAYOUT_VERSION)
		cust_check_add(
			check, false, "table store_info",
			psprintf(
				"has layout version %d, which no version of the extension makes",
				found.version),
			psprintf("UPDATE %s SET layout_version = %d;", name,
					 CUST_LAYOUT_VERSION));
	else if (found.version > CUST_LAYOUT_VERSION)
		cust_check_add(
			check, false, "table store_info",
			psprintf("has layout version %d, this library serves %d",
					 found.version, CUST_LAYOUT_VERSION),
			"Install the version of the extension that made the store, or a newer one.");
}

static void
check_open_table(Check *check, const DdlStatement *statement, Relation rel)
{
	StoreTable table = cust_layout_table(statement->table);
	char *object = psprintf("table %s", statement->table);
	const char *fault = cust_store_ordinary_fault(rel, check->target.owner);

	if (fault != NULL)
	{
		add_table_fault(check, object, rel, fault);
		return;
	}
	if (cust_store_is_distributed(RelationGetRelid(rel)))
	{
		cust_check_add(check, false, object,
					   "is distributed by Citus, where stores do not run yet",
					   psprintf("SELECT undistribute_table(%s);",
								quote_literal_cstr(
									qualified(check, statement->table))));
		return;
	}
	check->target.relations[check->target.nrelations].name =
		cust_layout[table].name;
	check->target.relations[check->target.nrelations++].relid =
		RelationGetRelid(rel);
	check->fits[table] = cust_check_columns(check, statement, rel);
	cust_check_additions(check, statement, rel);
	check_internal_triggers(check, object, rel);
	if (table == STORE_INFO &&
		cust_store_table_fault(rel, check->target.owner,
							   &cust_layout[table]) == NULL)
		check_info(check, rel);
}

static void
check_table(Check *check, const DdlStatement *statement)
{
	Oid relid = get_relname_relid(statement->table, check->target.schema);
	Relation rel = OidIsValid(relid) ?
		try_relation_open(relid, AccessShareLock) :
		NULL;

	if (rel == NULL)
	{
		cust_check_add(check, false, psprintf("table %s", statement->table),
					   "is missing", statement->text);
		return;
	}
	check_open_table(check, statement, rel);
	relation_close(rel, AccessShareLock);
}

/* Looks at all tables; says in the check which of them can be read. */
void
cust_check_tables(Check *check)
{
	ListCell *cell;

	foreach(cell, check->statements)
	{
		const DdlStatement *statement = lfirst(cell);

		if (statement->kind == DDL_TABLE)
			check_table(check, statement);
	}
}
