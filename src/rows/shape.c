/*
 * shape.c
 *		Compares a table with what it must look like.
 *
 * Called by store (before a store is used) and by trigger (before a row is
 * read), so that a table of anybody's making is never read by wrong types.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "compat.h"
#include "report.h"
#include "rows/shape.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

static AttrNumber
find_column(TupleDesc desc, const ColumnShape *column)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->atttypid == column->type &&
			(!column->required || cust_is_not_null(desc, i)) &&
			strcmp(NameStr(att->attname), column->name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * Fills *map with the places of the shape's columns in desc, which may
 * have others besides.  Returns -1, or the first column of the shape that is
 * missing, of another type, or lets NULL in where it must not.
 */
int
cust_shape_match(const TableShape *shape, TupleDesc desc, ShapeMap *map)
{
	Assert(shape->ncolumns <= SHAPE_MAX_COLUMNS);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		map->attnums[i] = find_column(desc, &shape->columns[i]);
		if (map->attnums[i] == InvalidAttrNumber)
			return i;
	}
	return -1;
}

/* The column as a table must have it, for a message; palloc'd. */
char *
cust_shape_column(const TableShape *shape, int column)
{
	const ColumnShape *wanted = &shape->columns[column];

	return psprintf("column \"%s\" of type %s%s", wanted->name,
					format_type_be(wanted->type),
					wanted->required ? " that is NOT NULL" : "");
}

/* ------------------------------------------------------------------------
 * The cache of maps
 * ------------------------------------------------------------------------
 */

typedef struct MapKey
{
	Oid relid;
	const TableShape *shape;
} MapKey;

/*
 * What an entry holds follows from its key and from the relation's definition
 * alone.  Callers get a copy: code of the table's owner that runs while they
 * use it may come here again.
 */
typedef struct MapEntry
{
	MapKey key;
	bool valid;
	ShapeMap map;
} MapEntry;

/* in CacheMemoryContext, for the session */
static HTAB *maps = NULL;

static void
invalidate_maps(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	MapEntry *entry;

	hash_seq_init(&status, maps);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || entry->key.relid == relid)
			entry->valid = false;
	}
}

static void
create_maps(void)
{
	HASHCTL ctl = {
		.keysize = sizeof(MapKey),
		.entrysize = sizeof(MapEntry),
		.hcxt = CacheMemoryContext,
	};

	maps = hash_create("customers columns", 32, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(invalidate_maps, (Datum) 0);
}

/* Forgets the entries that are no longer valid: tables come and go. */
static void
forget_invalid(void)
{
	HASH_SEQ_STATUS status;
	MapEntry *entry;

	hash_seq_init(&status, maps);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (!entry->valid)
			hash_search(maps, &entry->key, HASH_REMOVE, NULL);
	}
}

/*
 * Where the shape's columns are in the table, which the caller has open.
 * Raises 22023 when the table has not got them.
 */
ShapeMap
cust_shape_map(Relation rel, const TableShape *shape)
{
	MapKey key;
	MapEntry *entry;
	ShapeMap map;
	int missing;

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	if (maps == NULL)
		create_maps();
	memset(&key, 0, sizeof(key));
	key.relid = RelationGetRelid(rel);
	key.shape = shape;
	entry = hash_search(maps, &key, HASH_FIND, NULL);
	if (entry != NULL && entry->valid)
		return entry->map;
	missing = cust_shape_match(shape, RelationGetDescr(rel), &map);
	if (missing >= 0)
		cust_report_argument(
			"The triggers of customers belong on the tables of a store, see customers.create_store.",
			"table \"%s\" has no %s", RelationGetRelationName(rel),
			cust_shape_column(shape, missing));
	forget_invalid();
	entry = hash_search(maps, &key, HASH_ENTER, NULL);
	entry->map = map;
	entry->valid = true;
	return map;
}

/*
 * Citus keeps the rows of its tables elsewhere.  It is loaded with the server
 * or not at all.
 */
static bool
citus_is_loaded(void)
{
	static int loaded = -1;

	if (loaded < 0)
		loaded = GetConfigOption("citus.shard_count", true, false) != NULL;
	return loaded;
}

/* Are the rows of the table just those that are stored in it? */
bool
cust_shape_is_plain(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rules == NULL &&
		!citus_is_loaded();
}
