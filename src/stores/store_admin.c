/*
 * store_admin.c
 *		Creating, repairing, listing and dropping stores.
 *
 * Works as the caller throughout, who owns the store that is made, mended or
 * dropped.  DDL runs with a fixed search_path, since its defaults and checks
 * are written unqualified; no trigger of a store fires meanwhile.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "stores/check.h"
#include "stores/ddl.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

static char *
name_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		cust_report_null(name);
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Lets calls for the same store wait for each other until they commit. */
static void
lock_store_name(const char *name)
{
	uint32 hash = hash_bytes((const unsigned char *) name, strlen(name));

	DirectFunctionCall2(pg_advisory_xact_lock_int4, Int32GetDatum(0x637573),
						Int32GetDatum((int32) hash));
}

/* ------------------------------------------------------------------------
 * Creating and repairing
 * ------------------------------------------------------------------------
 */

static void
run_statement(const char *statement)
{
	int level = cust_guc_set_for_statement("search_path",
										   "pg_catalog, pg_temp");

	cust_plan_utility(statement);
	cust_guc_unset(level);
}

/* The schema for the store, made if it is missing. */
static Oid
obtain_schema(const char *name)
{
	Oid schema = get_namespace_oid(name, true);
	Oid owner;

	if (!OidIsValid(schema))
	{
		run_statement(psprintf("CREATE SCHEMA %s", quote_identifier(name)));
		return get_namespace_oid(name, false);
	}
	owner = cust_store_schema_owner(schema);
	if (owner != GetUserId())
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
				.schema = name,
				.hint = psprintf(
					"Use a schema of your own, or connect as its owner, %s.",
					quote_identifier(GetUserNameFromId(owner, false))),
			},
			"schema \"%s\" belongs to another role", name);
	return schema;
}

/* Raises 42P07 if a table of ours would meet one of somebody else's. */
static void
check_names_free(Oid schema, const char *name)
{
	for (int table = 0; table < STORE_NTABLES; table++)
	{
		if (OidIsValid(get_relname_relid(cust_layout[table].name, schema)))
			cust_report(
				&(CustError){
					.sqlstate = ERRCODE_DUPLICATE_TABLE,
					.schema = name,
					.table = cust_layout[table].name,
					.hint = "Give the store a schema of its own.",
				},
				"schema \"%s\" has a table \"%s\" already, which is no store's",
				name, cust_layout[table].name);
	}
}

static void
create_tables(const char *name, bool search)
{
	ListCell *cell;

	foreach(cell, cust_ddl_statements(name))
	{
		DdlStatement *statement = lfirst(cell);

		if (search || !cust_ddl_is_search_index(statement))
			run_statement(statement->text);
	}
	run_statement(psprintf("INSERT INTO %s.store_info (layout_version, search)"
						   " VALUES (%d, %s)",
						   quote_identifier(name), CUST_LAYOUT_VERSION,
						   search ? "true" : "false"));
}

/* Raises 3F000 unless this library serves the layout of the store. */
static void
check_layout(const PlanTarget *target)
{
	const TableShape *shape = &cust_layout[STORE_INFO];
	Relation info = relation_open(get_relname_relid(shape->name,
													target->schema),
								  AccessShareLock);
	StoreInfo found;

	if (cust_store_table_fault(info, target->owner, shape) == NULL &&
		cust_store_read_info(info, &found))
		cust_store_check_layout(target, found.version);
	relation_close(info, AccessShareLock);
}

/*
 * Mends what the extension can bring back without asking; says what in done.
 * What a person must decide on is left to check_store.  Scans and the INSERT
 * into store_info run the owner's code, who must not become the session's login
 * role.
 */
static void
repair_tables(Oid schema, const char *name, StringInfo done)
{
	Check check;
	ListCell *cell;
	Rights caller;

	cust_check_begin(&check, schema, name);
	check_layout(&check.target);
	cust_check_tables(&check);
	cust_check_objects(&check, true);
	cust_check_objects(&check, false);
	caller = cust_rights_take(&check.target, RIGHTS_OF_CALLER, false);
	foreach(cell, check.findings)
	{
		const Finding *item = lfirst(cell);

		if (!item->mends)
			continue;
		run_statement(item->repair);
		appendStringInfo(done, "%s%s",
						 done->len > 0 ? ", " : "repaired: ", item->object);
	}
	cust_rights_restore(&check.target, &caller);
}

PG_FUNCTION_INFO_V1(customers_create_store);

/* create_store(name, search) returns text: what was done */
Datum
customers_create_store(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo, 0, "name");
	MemoryContext caller = CurrentMemoryContext;
	StringInfoData done;
	Oid schema;

	if (PG_ARGISNULL(1))
		cust_report_null("search");
	cust_store_check_name(name);
	lock_store_name(name);
	initStringInfo(&done);
	cust_plan_begin();
	schema = obtain_schema(name);
	if (cust_store_exists(schema))
	{
		repair_tables(schema, name, &done);
		(void) cust_store_named(name);
		if (done.len == 0)
			appendStringInfoString(&done, "complete");
	}
	else
	{
		check_names_free(schema, name);
		create_tables(name, PG_GETARG_BOOL(1));
		(void) cust_store_named(name);
		appendStringInfoString(&done, "created");
	}
	cust_plan_end();
	MemoryContextSwitchTo(caller);
	PG_RETURN_TEXT_P(cstring_to_text(done.data));
}

/* ------------------------------------------------------------------------
 * Dropping
 * ------------------------------------------------------------------------
 */

/* Does anything depend on the schema, so that it cannot be dropped? */
static bool
schema_is_empty(Oid schema)
{
	Relation depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool empty;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(NamespaceRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(schema));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2,
							  keys);
	empty = !HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return empty;
}

/* DROP TABLE for those tables of ours that are there. */
static char *
drop_statement(Oid schema, const char *name)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int table = 0; table < STORE_NTABLES; table++)
	{
		Oid relid = get_relname_relid(cust_layout[table].name, schema);

		if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_RELATION)
			appendStringInfo(&text, "%s %s.%s",
							 text.len == 0 ? "DROP TABLE" : ",",
							 quote_identifier(name),
							 quote_identifier(cust_layout[table].name));
	}
	return text.data;
}

PG_FUNCTION_INFO_V1(customers_drop_store);

/* drop_store(name, confirm_name) returns void */
Datum
customers_drop_store(PG_FUNCTION_ARGS)
{
	char *name = name_argument(fcinfo, 0, "name");
	char *confirmed = name_argument(fcinfo, 1, "confirm_name");
	Oid schema = get_namespace_oid(name, true);
	PlanTarget target = {.schema = schema};

	if (!cust_store_exists(schema))
		cust_store_report_missing(name);
	if (strcmp(name, confirmed) != 0)
		cust_report_argument(
			"Type the name of the store twice.",
			"dropping store \"%s\" is irreversible and was not confirmed with its name",
			name);
	target.owner = cust_store_schema_owner(schema);
	strlcpy(target.name, name, NAMEDATALEN);
	cust_store_refuse_superuser(&target);
	cust_plan_begin();
	run_statement(drop_statement(schema, name));
	if (schema_is_empty(schema))
		run_statement(psprintf("DROP SCHEMA %s", quote_identifier(name)));
	cust_plan_end();
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Listing
 * ------------------------------------------------------------------------
 */

static int64
estimated_rows(Oid schema)
{
	Oid relid = get_relname_relid(cust_layout[STORE_CUSTOMER].name, schema);
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	int64 rows;

	if (!HeapTupleIsValid(tuple))
		return 0;
	rows = (int64) ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return Max(rows, 0);
}

/* Adds the store of this table store_info to the result, if it is one. */
static void
emit_store(ReturnSetInfo *rsinfo, Oid relid)
{
	Relation info = try_relation_open(relid, AccessShareLock);
	Oid schema;
	Oid owner;
	StoreInfo found;
	Datum values[5];
	bool nulls[5] = {false};

	if (info == NULL)
		return;
	schema = RelationGetNamespace(info);
	owner = cust_store_schema_owner(schema);
	if (cust_store_table_fault(info, owner, &cust_layout[STORE_INFO]) == NULL)
	{
		(void) cust_store_read_info(info, &found);
		values[0] = CStringGetTextDatum(get_namespace_name(schema));
		values[1] = CStringGetTextDatum(GetUserNameFromId(owner, false));
		values[2] = Int32GetDatum(found.version);
		values[3] = BoolGetDatum(found.version == CUST_LAYOUT_VERSION);
		values[4] = Int64GetDatum(estimated_rows(schema));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	relation_close(info, AccessShareLock);
}

PG_FUNCTION_INFO_V1(customers_stores);

/* stores() returns (name, owner, layout_version, layout_current, customers) */
Datum
customers_stores(PG_FUNCTION_ARGS)
{
	Relation class;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	InitMaterializedSRF(fcinfo, 0);
	class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(cust_layout[STORE_INFO].name));
	scan = systable_beginscan(class, ClassNameNspIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		emit_store((ReturnSetInfo *) fcinfo->resultinfo,
				   ((Form_pg_class) GETSTRUCT(tuple))->oid);
	systable_endscan(scan);
	table_close(class, AccessShareLock);
	return (Datum) 0;
}
