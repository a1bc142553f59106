/*
 * check_addition.c
 *		What was added to the tables of a store that takes its rules away, or
 *		gives it to everybody.
 *
 * Called by check_store and create_store.  Reads catalogs only.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_rewrite.h"
#include "commands/trigger.h"
#include "rewrite/rowsecurity.h"
#include "stores/check.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* ------------------------------------------------------------------------
 * Privileges of PUBLIC
 * ------------------------------------------------------------------------
 */

/* Does an access list, in the attribute of a catalog's row, name PUBLIC? */
static bool
names_public(int cache, HeapTuple tuple, AttrNumber attribute)
{
	bool isnull;
	Datum value = SysCacheGetAttr(cache, tuple, attribute, &isnull);
	Acl *acl;

	if (isnull)
		return false;
	acl = DatumGetAclP(value);
	for (int i = 0; i < ACL_NUM(acl); i++)
	{
		if (ACL_DAT(acl)[i].ai_grantee == ACL_ID_PUBLIC)
			return true;
	}
	return false;
}

static bool
schema_is_public(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	bool found = HeapTupleIsValid(tuple) &&
		names_public(NAMESPACEOID, tuple, Anum_pg_namespace_nspacl);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return found;
}

static bool
column_is_public(Oid relid, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
									  Int16GetDatum(attnum));
	bool found = HeapTupleIsValid(tuple) &&
		names_public(ATTNUM, tuple, Anum_pg_attribute_attacl);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return found;
}

/* May everybody do anything with the table, its columns or the sequence? */
static bool
relation_is_public(Oid relid, int natts)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool found = HeapTupleIsValid(tuple) &&
		names_public(RELOID, tuple, Anum_pg_class_relacl);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	for (AttrNumber attnum = 1; !found && attnum <= natts; attnum++)
		found = column_is_public(relid, attnum);
	return found;
}

/* Looks at the schema. */
void
cust_check_public(Check *check)
{
	if (schema_is_public(check->target.schema))
		cust_check_add(check, false, psprintf("schema %s", check->target.name),
					   "gives privileges to PUBLIC",
					   psprintf("REVOKE ALL ON SCHEMA %s FROM PUBLIC;",
								quote_identifier(check->target.name)));
}

/* ------------------------------------------------------------------------
 * Tables
 * ------------------------------------------------------------------------
 */

static void
add_action(Check *check, const char *table, const char *finding,
		   const char *action)
{
	cust_check_add(check, false, psprintf("table %s", table), finding,
				   psprintf("ALTER TABLE %s %s;",
							quote_qualified_identifier(check->target.name,
													   table),
							action));
}

static void
check_rules(Check *check, const char *table, Relation rel)
{
	Relation rewrite = table_open(RewriteRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_rewrite_ev_class, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(rewrite, RewriteRelRulenameIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		char *name = pstrdup(
			NameStr(((Form_pg_rewrite) GETSTRUCT(tuple))->rulename));

		cust_check_add(check, false, psprintf("table %s", table),
					   psprintf("has a rule \"%s\"", name),
					   psprintf("DROP RULE %s ON %s;", quote_identifier(name),
								quote_qualified_identifier(check->target.name,
														   table)));
	}
	systable_endscan(scan);
	table_close(rewrite, AccessShareLock);
}

static void
check_parents(Check *check, const char *table, Relation rel)
{
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;
		const char *name = quote_qualified_identifier(get_namespace_name(
														  get_rel_namespace(
															  parent)),
													  get_rel_name(parent));

		add_action(check, table, psprintf("inherits from table %s", name),
				   psprintf("NO INHERIT %s", name));
	}
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
}

static void
check_children(Check *check, const char *table, Relation rel)
{
	ListCell *cell;

	foreach(cell, find_inheritance_children(RelationGetRelid(rel), NoLock))
	{
		Oid child = lfirst_oid(cell);
		const char *name = get_rel_name(child);
		const char *schema = get_namespace_name(get_rel_namespace(child));

		if (name == NULL || schema == NULL)
			continue;
		cust_check_add(check, false, psprintf("table %s", table),
					   psprintf("table %s inherits from it",
								quote_qualified_identifier(schema, name)),
					   psprintf("ALTER TABLE %s NO INHERIT %s;",
								quote_qualified_identifier(schema, name),
								quote_qualified_identifier(check->target.name,
														   table)));
	}
}

static bool
is_of_layout(const Check *check, const char *table, const char *trigger)
{
	ListCell *cell;

	foreach(cell, check->statements)
	{
		const DdlStatement *statement = lfirst(cell);

		if (statement->kind == DDL_TRIGGER &&
			strcmp(statement->table, table) == 0 &&
			strcmp(statement->name, trigger) == 0)
			return true;
	}
	return false;
}

/* A function of ours that is attached once more acts twice. */
static void
check_foreign_triggers(Check *check, const char *table, Relation rel)
{
	Oid ours = get_namespace_oid("customers", true);

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgisinternal ||
			get_func_namespace(trigger->tgfoid) != ours ||
			is_of_layout(check, table, trigger->tgname))
			continue;
		cust_check_add(
			check, false, psprintf("trigger %s", trigger->tgname),
			"calls a function of customers, but is not of the store",
			psprintf("DROP TRIGGER %s ON %s;",
					 quote_identifier(trigger->tgname),
					 quote_qualified_identifier(check->target.name, table)));
	}
}

static void
check_sequence_privileges(Check *check, const char *table)
{
	char *name = psprintf("%s_id_seq", table);
	Oid relid = get_relname_relid(name, check->target.schema);

	if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_SEQUENCE &&
		relation_is_public(relid, 0))
		cust_check_add(check, false, psprintf("sequence %s", name),
					   "gives privileges to PUBLIC",
					   psprintf("REVOKE ALL ON SEQUENCE %s FROM PUBLIC;",
								quote_qualified_identifier(check->target.name,
														   name)));
}

/* Looks at an ordinary table. */
void
cust_check_additions(Check *check, const DdlStatement *statement, Relation rel)
{
	const char *table = statement->table;

	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		add_action(check, table, "is unlogged: a crash empties it",
				   "SET LOGGED");
	check_rules(check, table, rel);
	check_parents(check, table, rel);
	check_children(check, table, rel);
	check_foreign_triggers(check, table, rel);
	if (rel->rd_rel->relrowsecurity &&
		(rel->rd_rsdesc == NULL || rel->rd_rsdesc->policies == NIL))
		add_action(
			check, table,
			"has row security without a policy: only its owner sees rows",
			"DISABLE ROW LEVEL SECURITY");
	if (relation_is_public(RelationGetRelid(rel), rel->rd_att->natts))
		cust_check_add(check, false, psprintf("table %s", table),
					   "gives privileges to PUBLIC",
					   psprintf("REVOKE ALL ON TABLE %s FROM PUBLIC;",
								quote_qualified_identifier(check->target.name,
														   table)));
	check_sequence_privileges(check, table);
}
