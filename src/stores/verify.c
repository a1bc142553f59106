/*
 * verify.c
 *		Whether a schema is a store.
 *
 * A store is whatever its schema's owner made of it, so nothing of it is used
 * before its tables were seen to be ordinary ones, of the layout's columns,
 * all owned by the schema's owner: a view in the place of a table would run
 * its owner's functions as the caller.  Functions, which promise the rules of
 * a store, look also at the triggers and unique keys that hold them; triggers
 * must not, since a restore makes them one by one, and a bulk load switches
 * some off.  Reads catalogs and the table store_info.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "stores/definition.h"
#include "stores/verify.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* the catalog in which Citus says which tables it took away */
#define CITUS_CATALOG "pg_dist_partition"
#define CITUS_RELATION "logicalrelid"

/* Raises that the store cannot be used, and why; create: what mends it. */
pg_noreturn static void
report_broken(const PlanTarget *target, StoreState state, const char *table,
			  bool create, const char *why)
{
	const char *hint = create ?
		"Its owner mends it with SELECT customers.create_store(%s);" :
		"SELECT * FROM customers.check_store(%s); shows what is wrong and how to mend it.";

	cust_report(
		&(CustError){
			.sqlstate = state == STORE_WHOLE ? ERRCODE_INVALID_SCHEMA_NAME :
											   ERRCODE_INSUFFICIENT_PRIVILEGE,
			.schema = target->name,
			.table = table,
			.hint = psprintf(hint, quote_literal_cstr(target->name)),
		},
		"store \"%s\" cannot be used: table \"%s\" %s", target->name, table,
		why);
}

/* ------------------------------------------------------------------------
 * Tables
 * ------------------------------------------------------------------------
 */

/*
 * Does Citus keep the rows of the table elsewhere?  It says so in a catalog
 * of its own, which only a superuser can make; where there is none, the table
 * is what it seems.
 */
bool
cust_store_is_distributed(Oid relid)
{
	Oid catalog = get_relname_relid(CITUS_CATALOG, PG_CATALOG_NAMESPACE);
	AttrNumber column;
	Relation rel;
	ScanKeyData key;
	SysScanDesc scan;
	bool found;

	if (!OidIsValid(catalog))
		return false;
	column = get_attnum(catalog, CITUS_RELATION);
	if (column == InvalidAttrNumber)
		return false;
	rel = table_open(catalog, AccessShareLock);
	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Why the table is not an ordinary one of the schema's owner, or NULL. */
const char *
cust_store_ordinary_fault(Relation rel, Oid owner)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relispartition ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "is not an ordinary table";
	if (rel->rd_rel->relowner != owner)
		return "does not belong to the owner of the schema";
	return NULL;
}

/* The same, or what its columns lack. */
const char *
cust_store_table_fault(Relation rel, Oid owner, const TableShape *shape)
{
	const char *fault = cust_store_ordinary_fault(rel, owner);
	ShapeMap map;
	int missing;

	if (fault != NULL)
		return fault;
	missing = cust_shape_match(shape, RelationGetDescr(rel), &map);
	return missing < 0 ?
		NULL :
		psprintf("has no %s", cust_shape_column(shape, missing));
}

static void
refuse_distributed(const PlanTarget *target, const char *table)
{
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
			.schema = target->name,
			.table = table,
			.hint =
				"Stores do not run on Citus yet; SELECT undistribute_table(..) brings the rows back.",
		},
		"store \"%s\" cannot be used: table \"%s\" is distributed by Citus",
		target->name, table);
}

/* A parallel worker may only use the snapshot it was given. */
static Snapshot
newest_snapshot(void)
{
	return IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot();
}

/*
 * What stands in the table store_info, which the caller has opened and
 * verified; false without a row.  Reads the table directly, so that no code of
 * its owner runs.
 */
bool
cust_store_read_info(Relation info, StoreInfo *result)
{
	Snapshot snapshot = RegisterSnapshot(newest_snapshot());
	TableScanDesc scan = cust_beginscan(info, snapshot);
	TupleTableSlot *slot = table_slot_create(info, NULL);
	ShapeMap map = cust_shape_map(info, &cust_layout[STORE_INFO]);
	bool found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	result->version = 0;
	result->search = true;
	if (found)
	{
		bool isnull;
		Datum value;

		value = slot_getattr(slot, map.attnums[INFO_LAYOUT_VERSION], &isnull);
		result->version = isnull ? 0 : DatumGetInt32(value);
		value = slot_getattr(slot, map.attnums[INFO_SEARCH], &isnull);
		result->search = isnull || DatumGetBool(value);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* What to do about a store whose layout this library does not serve. */
static const char *
layout_hint(const PlanTarget *target, int version)
{
	if (version > CUST_LAYOUT_VERSION)
		return "Install the version of the extension that made the store, or a newer one.";
	return psprintf(
		"No version of the extension makes such stores; UPDATE %s.store_info SET layout_version = %d; puts the number back.",
		quote_identifier(target->name), CUST_LAYOUT_VERSION);
}

/* Raises 3F000 unless this library serves that version of the layout. */
void
cust_store_check_layout(const PlanTarget *target, int version)
{
	if (version == CUST_LAYOUT_VERSION)
		return;
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
			.schema = target->name,
			.table = cust_layout[STORE_INFO].name,
			.hint = layout_hint(target, version),
		},
		"store \"%s\" has layout version %d, this library serves %d",
		target->name, version, CUST_LAYOUT_VERSION);
}

static void
verify_info(const PlanTarget *target, StoreState state, Relation info)
{
	StoreInfo found;

	if (!cust_store_read_info(info, &found))
		report_broken(target, state, cust_layout[STORE_INFO].name, true,
					  "is empty");
	cust_store_check_layout(target, found.version);
}

static void
verify_table(Store *store, StoreState state, StoreTable table)
{
	const TableShape *shape = &cust_layout[table];
	PlanTarget *target = &store->target;
	Oid relid = get_relname_relid(shape->name, target->schema);
	Relation rel = NULL;
	const char *fault;

	store->tables[table] = relid;
	if (OidIsValid(relid))
		rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL)
		report_broken(target, state, shape->name, false, "does not exist");
	fault = cust_store_table_fault(rel, target->owner, shape);
	if (fault)
		report_broken(target, state, shape->name, false, fault);
	if (cust_store_is_distributed(relid))
		refuse_distributed(target, shape->name);
	if (table == STORE_INFO)
		verify_info(target, state, rel);
	relation_close(rel, AccessShareLock);
	target->relations[target->nrelations].name = shape->name;
	target->relations[target->nrelations++].relid = relid;
}

/* A table whose first column is its id has a sequence for it. */
static void
verify_sequence(Store *store, StoreState state, StoreTable table)
{
	const TableShape *shape = &cust_layout[table];
	PlanTarget *target = &store->target;
	char *name = psprintf("%s_id_seq", shape->name);
	Oid relid;
	Relation rel = NULL;

	if (strcmp(shape->columns[0].name, "id") != 0)
		return;
	relid = get_relname_relid(name, target->schema);
	store->sequences[table] = relid;
	if (OidIsValid(relid))
		rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL || rel->rd_rel->relkind != RELKIND_SEQUENCE ||
		rel->rd_rel->relowner != target->owner)
		report_broken(target, state, shape->name, false,
					  psprintf("has no sequence \"%s\" of its owner", name));
	relation_close(rel, AccessShareLock);
}

/* ------------------------------------------------------------------------
 * Triggers and unique keys
 * ------------------------------------------------------------------------
 */

static const char *
describe(DefinitionState state)
{
	switch (state)
	{
		case DEFINITION_MISSING:
			return "missing";
		case DEFINITION_OFF:
			return "not enabled";
		case DEFINITION_INVALID:
			return "not valid";
		default:
			return "not as it was made";
	}
}

static void
verify_guard(VerifiedStore *verified, const DdlStatement *statement)
{
	Store *store = &verified->store;
	Relation rel =
		relation_open(store->tables[cust_layout_table(statement->table)],
					  AccessShareLock);
	DefinitionState state = cust_definition_compare(statement, rel);

	relation_close(rel, AccessShareLock);
	if (cust_ddl_is_search_index(statement))
	{
		store->has_search_index = state == DEFINITION_SAME;
		return;
	}
	if (state != DEFINITION_SAME)
		report_broken(&store->target, STORE_WHOLE, statement->table, true,
					  psprintf("has a %s \"%s\" that is %s",
							   statement->kind == DDL_TRIGGER ? "trigger" :
																"unique key",
							   statement->name, describe(state)));
	if (statement->kind != DDL_TRIGGER)
	{
		if (verified->nkeys >= VERIFY_MAX_KEYS)
			elog(ERROR, "the layout has more than %d unique keys",
				 VERIFY_MAX_KEYS);
		verified->keys[verified->nkeys++] =
			get_relname_relid(statement->name, store->target.schema);
	}
}

static void
verify_guards(VerifiedStore *verified)
{
	int level = cust_definition_begin();
	ListCell *cell;

	foreach(cell, cust_ddl_guards())
	{
		verify_guard(verified, lfirst(cell));
	}
	cust_definition_end(level);
}

/*
 * Fills *verified, in which the store's target is filled already, or raises
 * why the store cannot be used: 3F000, for triggers 42501.  What is not as it
 * must be stays in *verified as far as it was seen.
 */
void
cust_verify_store(VerifiedStore *verified, StoreState state)
{
	for (int table = 0; table < STORE_NTABLES; table++)
	{
		verify_table(&verified->store, state, table);
		verify_sequence(&verified->store, state, table);
	}
	if (state == STORE_WHOLE)
		verify_guards(verified);
}
