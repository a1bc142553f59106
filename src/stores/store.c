/*
 * store.c
 *		Finds and verifies the store that a function or trigger works on.
 *
 * A store is whatever its schema's owner made of it, so nothing of it is used
 * before its tables were seen to be ordinary ones, of the layout's columns,
 * all owned by the schema's owner: a view in the place of a table would run
 * its owner's functions as the caller.  What was verified is kept until an
 * invalidation arrives.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "guc.h"
#include "miscadmin.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define SEARCH_INDEX "customer_search_idx"

static HTAB *store_cache = NULL;

/* counts invalidations, to notice one that arrives while verifying */
static uint64 invalidations = 0;

/* ------------------------------------------------------------------------
 * The cache of verified stores
 * ------------------------------------------------------------------------
 */

static bool
has_table(const Store *store, Oid relid)
{
	for (int i = 0; i < STORE_NTABLES; i++)
	{
		if (store->tables[i] == relid || store->sequences[i] == relid)
			return true;
	}
	return false;
}

static void
invalidate_table(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Store *store;

	invalidations++;
	hash_seq_init(&status, store_cache);
	while ((store = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || has_table(store, relid))
			store->valid = false;
	}
}

static void
invalidate_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_table((Datum) 0, InvalidOid);
}

static Store *
find_entry(Oid schema)
{
	Store *store;
	bool found;

	if (store_cache == NULL)
	{
		HASHCTL ctl = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(Store),
			.hcxt = CacheMemoryContext,
		};

		store_cache = hash_create("customers stores", 8, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		CacheRegisterRelcacheCallback(invalidate_table, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_schema,
									  (Datum) 0);
	}
	store = hash_search(store_cache, &schema, HASH_ENTER, &found);
	if (!found)
	{
		memset(store, 0, sizeof(Store));
		store->schema = schema;
	}
	return store;
}

/* Drops the entries, and their plans, of schemas that no longer exist. */
static void
forget_dropped_stores(void)
{
	HASH_SEQ_STATUS status;
	Store *store;

	hash_seq_init(&status, store_cache);
	while ((store = hash_seq_search(&status)) != NULL)
	{
		Oid schema = store->schema;

		if (store->valid ||
			SearchSysCacheExists1(NAMESPACEOID, ObjectIdGetDatum(schema)))
			continue;
		cust_plan_forget(schema);
		hash_search(store_cache, &schema, HASH_REMOVE, NULL);
	}
}

/* ------------------------------------------------------------------------
 * Verifying
 * ------------------------------------------------------------------------
 */

/* Raises 22023 unless the name can be that of a store. */
void
cust_store_check_name(const char *name)
{
	size_t length = strlen(name);

	if (length < 1 || length > CUST_STORE_NAME_MAX)
		cust_report_argument(NULL,
							 "the name of a store has 1 to %d bytes, not %zu",
							 CUST_STORE_NAME_MAX, length);
	if (strcmp(name, "customers") == 0 || strcmp(name, "public") == 0 ||
		strcmp(name, "information_schema") == 0 ||
		strncmp(name, "pg_", 3) == 0)
		cust_report_argument("Choose a schema of its own for the store.",
							 "schema \"%s\" cannot be a store", name);
}

/* Raises 3F000. */
void
cust_store_report_missing(const char *name)
{
	char *hint = psprintf(
		"Create it with SELECT customers.create_store(%s); or choose another with SET customers.store.",
		quote_literal_cstr(name));

	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
			.schema = name,
			.hint = hint,
		},
		"store \"%s\" does not exist", name);
}

/* Raises that the store cannot be used, and why. */
pg_noreturn static void
report_broken(const PlanTarget *target, int sqlstate, const char *table,
			  const char *why)
{
	cust_report(
		&(CustError){
			.sqlstate = sqlstate,
			.schema = target->name,
			.table = table,
			.hint =
				"SELECT * FROM customers.check_store(); shows what is wrong and how to mend it.",
		},
		"store \"%s\" cannot be used: table \"%s\" %s", target->name, table,
		why);
}

/* What is wrong with a table of a store, or NULL. */
const char *
cust_store_table_fault(Relation rel, Oid owner, const TableShape *shape)
{
	ShapeMap map;
	int missing;

	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relispartition ||
		rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "is not an ordinary table";
	if (rel->rd_rel->relowner != owner)
		return "does not belong to the owner of the schema";
	missing = cust_shape_match(shape, RelationGetDescr(rel), &map);
	if (missing >= 0)
		return psprintf("has no %s", cust_shape_column(shape, missing));
	return NULL;
}

/* A parallel worker may only use the snapshot it was given. */
static Snapshot
newest_snapshot(void)
{
	return IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot();
}

/*
 * The layout version in the table store_info, which the caller has opened and
 * verified; 0 without a row.  Reads the table directly, so that no code of its
 * owner runs.
 */
int
cust_store_layout_version(Relation info, bool *search)
{
	ShapeMap map;
	Snapshot snapshot = RegisterSnapshot(newest_snapshot());
	TableScanDesc scan = cust_beginscan(info, snapshot);
	TupleTableSlot *slot = table_slot_create(info, NULL);
	int version = 0;

	(void) cust_shape_match(&cust_layout[STORE_INFO], RelationGetDescr(info),
							&map);
	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool isnull;
		Datum value;

		value = slot_getattr(slot, map.attnums[INFO_LAYOUT_VERSION], &isnull);
		version = isnull ? 0 : DatumGetInt32(value);
		value = slot_getattr(slot, map.attnums[INFO_SEARCH], &isnull);
		*search = !isnull && DatumGetBool(value);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	return version;
}

/* Raises sqlstate unless this library serves that version of the layout. */
void
cust_store_check_layout(const PlanTarget *target, int version, int sqlstate)
{
	const char *hint =
		"Install the version of the extension that made the store, or a newer one.";

	if (version == CUST_LAYOUT_VERSION)
		return;
	if (version < CUST_LAYOUT_VERSION)
		hint = psprintf(
			"Bring it up to date with SELECT customers.upgrade_store(%s);",
			quote_literal_cstr(target->name));
	cust_report(
		&(CustError){
			.sqlstate = sqlstate,
			.schema = target->name,
			.table = cust_layout[STORE_INFO].name,
			.hint = hint,
		},
		"store \"%s\" has layout version %d, this library serves %d",
		target->name, version, CUST_LAYOUT_VERSION);
}

static void
verify_table(Store *store, StoreTable table, int sqlstate)
{
	const TableShape *shape = &cust_layout[table];
	Oid relid = get_relname_relid(shape->name, store->schema);
	Relation rel = NULL;
	const char *fault;
	int version = CUST_LAYOUT_VERSION;
	bool search;

	if (OidIsValid(relid))
		rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL)
		report_broken(&store->target, sqlstate, shape->name, "does not exist");
	fault = cust_store_table_fault(rel, store->target.owner, shape);
	if (fault)
		report_broken(&store->target, sqlstate, shape->name, fault);
	if (table == STORE_INFO)
		version = cust_store_layout_version(rel, &search);
	relation_close(rel, AccessShareLock);
	cust_store_check_layout(&store->target, version, sqlstate);
	store->tables[table] = relid;
}

/* A table whose first column is its id has a sequence for it. */
static void
verify_sequence(Store *store, StoreTable table, int sqlstate)
{
	const TableShape *shape = &cust_layout[table];
	char *name = psprintf("%s_id_seq", shape->name);
	Oid relid;
	Relation rel = NULL;

	if (strcmp(shape->columns[0].name, "id") != 0)
		return;
	relid = get_relname_relid(name, store->schema);
	if (OidIsValid(relid))
		rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL || rel->rd_rel->relkind != RELKIND_SEQUENCE ||
		rel->rd_rel->relowner != store->target.owner)
		report_broken(&store->target, sqlstate, shape->name,
					  psprintf("has no sequence \"%s\" of its owner", name));
	relation_close(rel, AccessShareLock);
	store->sequences[table] = relid;
}

/* The owner of a schema, which exists. */
Oid
cust_store_schema_owner(Oid schema)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void expect_unchanged(const PlanTarget *target);

/* The verified store in a schema; raises sqlstate when it is none. */
static const Store *
verified_store(Oid schema, const char *name, int sqlstate)
{
	Store *store = find_entry(schema);
	uint64 before;

	if (store->valid)
		return store;
	forget_dropped_stores();
	store = find_entry(schema);
	before = invalidations;
	store->target.schema = schema;
	store->target.owner = cust_store_schema_owner(schema);
	store->target.deferred = "customer_account_registered";
	store->target.nrelations = STORE_NTABLES;
	store->target.expect_unchanged = expect_unchanged;
	strlcpy(store->target.name, name, NAMEDATALEN);
	for (int table = 0; table < STORE_NTABLES; table++)
	{
		verify_table(store, table, sqlstate);
		verify_sequence(store, table, sqlstate);
		store->target.relations[table].name = cust_layout[table].name;
		store->target.relations[table].relid = store->tables[table];
	}
	store->has_search_index = OidIsValid(
		get_relname_relid(SEARCH_INDEX, schema));
	store->valid = (before == invalidations);
	return store;
}

/* Raises unless the store is still what it was when it was verified. */
static void
expect_unchanged(const PlanTarget *target)
{
	Oid schema = get_namespace_oid(target->name, true);
	const Store *store = NULL;
	bool same;

	if (schema == target->schema)
		store = verified_store(schema, target->name,
							   ERRCODE_INVALID_SCHEMA_NAME);
	same = store != NULL && store->target.owner == target->owner;
	for (int i = 0; same && i < target->nrelations; i++)
		same = store->target.relations[i].relid == target->relations[i].relid;
	if (!same)
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
				.schema = target->name,
				.hint = "Repeat the statement.",
			},
			"store \"%s\" was changed while it was used", target->name);
}

/*
 * A copy of what the cache holds, in the current context: code of the store's
 * owner that runs while it is used may change the cache.
 */
static const Store *
copy_of(const Store *entry, bool called)
{
	Store *store = palloc(sizeof(Store));

	*store = *entry;
	store->target.called = called;
	return store;
}

/* Is there a store, whole or not, in the schema? */
bool
cust_store_exists(Oid schema)
{
	return OidIsValid(schema) &&
		OidIsValid(get_relname_relid(cust_layout[STORE_INFO].name, schema));
}

/* ------------------------------------------------------------------------
 * For functions and triggers
 * ------------------------------------------------------------------------
 */

/* The store of that name, to read from; raises 3F000. */
const Store *
cust_store_named(const char *name)
{
	Oid schema = get_namespace_oid(name, true);

	if (!cust_store_exists(schema))
		cust_store_report_missing(name);
	return copy_of(verified_store(schema, name, ERRCODE_INVALID_SCHEMA_NAME),
				   true);
}

/* The store of the setting customers.store, to read from; raises 3F000. */
const Store *
cust_store_read(void)
{
	return cust_store_named(cust_guc_store);
}

/*
 * The owner's own triggers run as whoever writes, so a superuser must not
 * write to the store of somebody who is none.
 */
void
cust_store_refuse_superuser(const PlanTarget *target)
{
	const char *owner;

	if (!superuser() || superuser_arg(target->owner))
		return;
	owner = GetUserNameFromId(target->owner, false);
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
			.schema = target->name,
			.hint = psprintf("Write as its owner: SET ROLE %s;",
							 quote_identifier(owner)),
		},
		"a superuser does not write to store \"%s\" of role \"%s\", whose triggers would run as superuser",
		target->name, owner);
}

/* The store of the setting customers.store, to write to. */
const Store *
cust_store_write(void)
{
	const Store *store = cust_store_read();

	cust_store_refuse_superuser(&store->target);
	return store;
}

/*
 * The store that a table of ours belongs to, for its triggers.  Schema and
 * owner come from the table; a table of another owner gets 42501, and so does
 * one beside which the other tables are not what they must be.
 */
const Store *
cust_store_of(Relation rel)
{
	Oid schema = RelationGetNamespace(rel);
	const Store *store = verified_store(schema, get_namespace_name(schema),
										ERRCODE_INSUFFICIENT_PRIVILEGE);

	if (store->target.owner != rel->rd_rel->relowner)
		report_broken(&store->target, ERRCODE_INSUFFICIENT_PRIVILEGE,
					  RelationGetRelationName(rel),
					  "does not belong to the owner of the schema");
	return copy_of(store, false);
}
