/*
 * store_use.c
 *		What functions and triggers do with a verified store: privileges, ids
 *		and single rows.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "stores/store.h"
#include "utils/lsyscache.h"

/* The next id of a table, whose sequence may be gone since it was verified. */
static int64
next_id(const Store *store, StoreTable table, bool check_permissions)
{
	Oid sequence = store->sequences[table];

	Assert(OidIsValid(sequence));
	LockRelationOid(sequence, RowExclusiveLock);
	if (get_rel_relkind(sequence) != RELKIND_SEQUENCE)
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
				.schema = store->target.name,
				.table = cust_layout[table].name,
				.hint = "Repeat the statement.",
			},
			"the sequence of table \"%s\" was dropped while it was used",
			cust_layout[table].name);
	return nextval_internal(sequence, check_permissions);
}

/*
 * The next id of a table, which needs the caller's USAGE on its sequence.
 * With it an INSERT needs no RETURNING, which would need SELECT.
 */
int64
cust_store_next_id(const Store *store, StoreTable table)
{
	return next_id(store, table, true);
}

/* The next id of a table for a row that is written whoever the caller is. */
int64
cust_store_next_own_id(const Store *store, StoreTable table)
{
	return next_id(store, table, false);
}

/*
 * Finds a row of a table, whether the caller may see it or not, and locks it.
 * Needs an open SPI connection.
 */
bool
cust_store_fetch_by(const Store *store, StoreTable table, const FetchKey *key,
					FetchLock lock, FetchedRow *row)
{
	return cust_fetch_row(&store->target, store->tables[table],
						  &cust_layout[table], key, lock, row);
}

/* The same by the id, of a table that has ids. */
bool
cust_store_fetch(const Store *store, StoreTable table, int64 id,
				 FetchLock lock, FetchedRow *row)
{
	FetchKey key = {
		.value = id,
	};

	return cust_store_fetch_by(store, table, &key, lock, row);
}

/* A table of the store, to be written to by write.c. */
WriteTo
cust_store_table(const Store *store, StoreTable table)
{
	return (WriteTo){
		.target = &store->target,
		.relid = store->tables[table],
		.shape = &cust_layout[table],
	};
}

/*
 * Has the caller the privilege on the table or, if column is not NULL, on
 * that column?
 */
bool
cust_store_permits(const Store *store, StoreTable table, AclMode mode,
				   const char *column)
{
	Oid relid = store->tables[table];
	Oid user = GetUserId();

	if (object_aclcheck(NamespaceRelationId, store->target.schema, user,
						ACL_USAGE) != ACLCHECK_OK)
		return false;
	if (pg_class_aclcheck(relid, user, mode) == ACLCHECK_OK)
		return true;
	return column != NULL &&
		pg_attribute_aclcheck(relid, get_attnum(relid, column), user, mode) ==
		ACLCHECK_OK;
}

/* Raises 42501 otherwise.  For functions that then run as the owner. */
void
cust_store_require(const Store *store, StoreTable table, AclMode mode,
				   const char *column)
{
	if (cust_store_permits(store, table, mode, column))
		return;
	if (object_aclcheck(NamespaceRelationId, store->target.schema, GetUserId(),
						ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, store->target.name);
	aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, cust_layout[table].name);
}

/* Raises 23503: the table has no row of that id. */
void
cust_store_unknown(const Store *store, StoreTable table, int64 id)
{
	cust_report_unknown(store->target.name, cust_layout[table].name,
						cust_layout[table].row, id);
}
