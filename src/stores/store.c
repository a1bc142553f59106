/*
 * store.c
 *		Finds the store that a function or trigger works on.
 *
 * What verify.c found is kept for the session until an invalidation arrives.
 * Callers get a copy of it, never a pointer into the cache: code of the
 * store's owner runs while they use it, and may come here again.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "guc.h"
#include "miscadmin.h"
#include "rows/kept.h"
#include "stores/store.h"
#include "stores/verify.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* how often a store is looked at that changes meanwhile */
#define MAX_TRIES 20

/* ------------------------------------------------------------------------
 * The cache of verified stores
 * ------------------------------------------------------------------------
 */

typedef struct StoreEntry
{
	Oid schema; /* key */
	StoreState state;
	uint32 hash; /* of the schema, in the catalog cache */
	VerifiedStore verified;
} StoreEntry;

static HTAB *store_cache = NULL;

/*
 * The store that is being verified.  Static, so that an invalidation finds it
 * even after an error: it is then marked for nothing.
 */
static StoreEntry candidate;
static bool candidate_changed = false;

/* Does what is known of the store follow from this relation? */
static bool
rests_on(const VerifiedStore *verified, Oid relid)
{
	for (int i = 0; i < STORE_NTABLES; i++)
	{
		if (verified->store.tables[i] == relid ||
			verified->store.sequences[i] == relid)
			return true;
	}
	for (int i = 0; i < verified->nkeys; i++)
	{
		if (verified->keys[i] == relid)
			return true;
	}
	return false;
}

static void
invalidate_table(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	StoreEntry *entry;

	if (OidIsValid(relid) ? rests_on(&candidate.verified, relid) :
							!cust_discards_caches())
		candidate_changed = true;
	hash_seq_init(&status, store_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || rests_on(&entry->verified, relid))
			entry->state = STORE_UNKNOWN;
	}
}

static void
invalidate_schema(Datum arg, int cacheid, uint32 hash)
{
	HASH_SEQ_STATUS status;
	StoreEntry *entry;

	if (hash != 0 ? candidate.hash == hash : !cust_discards_caches())
		candidate_changed = true;
	hash_seq_init(&status, store_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (hash == 0 || entry->hash == hash)
			entry->state = STORE_UNKNOWN;
	}
}

static void
create_cache(void)
{
	HASHCTL ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(StoreEntry),
		.hcxt = CacheMemoryContext,
	};

	store_cache = hash_create("customers stores", 8, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(invalidate_table, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_schema, (Datum) 0);
}

/* Drops the entries, and their plans, of schemas that no longer exist. */
static void
forget_dropped_stores(void)
{
	HASH_SEQ_STATUS status;
	StoreEntry *entry;

	hash_seq_init(&status, store_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		Oid schema = entry->schema;

		if (entry->state != STORE_UNKNOWN ||
			SearchSysCacheExists1(NAMESPACEOID, ObjectIdGetDatum(schema)))
			continue;
		cust_kept_forget(schema);
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

/*
 * Looks at the store in the schema.  False when it changed meanwhile, so that
 * what was seen may never have been true at one time.
 */
static bool
verify_candidate(Oid schema, StoreState needed)
{
	PlanTarget *target = &candidate.verified.store.target;
	char *name;

	memset(&candidate, 0, sizeof(candidate));
	candidate.schema = schema;
	candidate.state = needed;
	candidate.hash = GetSysCacheHashValue1(NAMESPACEOID,
										   ObjectIdGetDatum(schema));
	candidate_changed = false;
	name = get_namespace_name(schema);
	if (name == NULL)
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
			},
			"the store was dropped by another session");
	target->schema = schema;
	target->owner = cust_store_schema_owner(schema);
	target->deferred = "customer_account_registered";
	target->expect_unchanged = expect_unchanged;
	strlcpy(target->name, name, NAMEDATALEN);
	cust_verify_store(&candidate.verified, needed);
	return !candidate_changed;
}

/*
 * The store in a schema, seen to be as a caller needs it; valid until the next
 * invalidation.  Raises 3F000, or 42501 for triggers, when it is not, and
 * 40001 when it keeps changing.
 */
static const Store *
verified_store(Oid schema, StoreState needed)
{
	StoreEntry *entry;

	if (store_cache == NULL)
		create_cache();
	entry = hash_search(store_cache, &schema, HASH_FIND, NULL);
	if (entry != NULL && entry->state >= needed)
		return &entry->verified.store;
	forget_dropped_stores();
	for (int i = 0; i < MAX_TRIES; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!verify_candidate(schema, needed))
			continue;
		entry = hash_search(store_cache, &schema, HASH_ENTER, NULL);
		*entry = candidate;
		return &entry->verified.store;
	}
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_T_R_SERIALIZATION_FAILURE,
			.schema = candidate.verified.store.target.name,
			.hint = "Repeat the call.",
		},
		"store \"%s\" is being changed all the time",
		candidate.verified.store.target.name);
}

/* Raises unless the store is still what it was when it was verified. */
static void
expect_unchanged(const PlanTarget *target)
{
	Oid schema = get_namespace_oid(target->name, true);
	const Store *store = NULL;
	bool same;

	if (schema == target->schema)
		store = verified_store(schema,
							   target->called ? STORE_WHOLE : STORE_TABLES);
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
	const Store *store;

	if (!cust_store_exists(schema))
		cust_store_report_missing(name);
	store = verified_store(schema, STORE_WHOLE);
	if (strcmp(store->target.name, name) != 0)
		cust_store_report_missing(name);
	return copy_of(store, true);
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
			.hint = psprintf("Connect as its owner, %s.",
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
 * owner come from the table; a table that is none of a store gets 42501, and
 * so does one beside which the other tables are not what they must be.
 */
const Store *
cust_store_of(Relation rel)
{
	const Store *store = verified_store(RelationGetNamespace(rel),
										STORE_TABLES);

	for (int table = 0; table < STORE_NTABLES; table++)
	{
		if (store->tables[table] == RelationGetRelid(rel))
			return copy_of(store, false);
	}
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
			.schema = store->target.name,
			.table = RelationGetRelationName(rel),
		},
		"table \"%s\" is none of store \"%s\"", RelationGetRelationName(rel),
		store->target.name);
}
