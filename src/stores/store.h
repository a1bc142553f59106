/*
 * store.h
 *		Stores: schemas that hold the tables of one shop.
 */
#ifndef CUSTOMERS_STORE_H
#define CUSTOMERS_STORE_H

#include "nodes/parsenodes.h"
#include "report.h"
#include "rows/fetch.h"
#include "rows/plan.h"
#include "rows/write.h"
#include "stores/layout.h"
#include "utils/rel.h"

/*
 * A verified store, by value: what the owner's code does to it meanwhile does
 * not change the copy, and plan.c compares what it runs with the target.
 */
typedef struct Store
{
	bool has_search_index;
	PlanTarget target; /* its schema, name, owner and tables */
	Oid tables[STORE_NTABLES];
	Oid sequences[STORE_NTABLES]; /* of the tables that have an id */
} Store;

/* What stands in store_info. */
typedef struct StoreInfo
{
	int version;
	bool search; /* shall there be a search index? */
} StoreInfo;

extern const Store *cust_store_read(void);
extern const Store *cust_store_write(void);
extern const Store *cust_store_named(const char *name);
extern const Store *cust_store_of(Relation rel);
extern bool cust_store_permits(const Store *store, StoreTable table,
							   AclMode mode, const char *column);
extern void cust_store_require(const Store *store, StoreTable table,
							   AclMode mode, const char *column);
extern bool cust_store_fetch(const Store *store, StoreTable table, int64 id,
							 FetchLock lock, FetchedRow *row);
extern bool cust_store_fetch_by(const Store *store, StoreTable table,
								const FetchKey *key, FetchLock lock,
								FetchedRow *row);
extern WriteTo cust_store_table(const Store *store, StoreTable table);
extern int64 cust_store_next_id(const Store *store, StoreTable table);
extern int64 cust_store_next_own_id(const Store *store, StoreTable table);
extern void cust_store_refuse_superuser(const PlanTarget *target);
extern bool cust_store_exists(Oid schema);
pg_noreturn extern void cust_store_unknown(const Store *store,
										   StoreTable table, int64 id);
extern Oid cust_store_schema_owner(Oid schema);
extern const char *cust_store_ordinary_fault(Relation rel, Oid owner);
extern const char *cust_store_table_fault(Relation rel, Oid owner,
										  const TableShape *shape);
extern bool cust_store_is_distributed(Oid relid);
pg_noreturn extern void cust_store_report_missing(const char *name);
extern void cust_store_check_name(const char *name);
extern void cust_store_check_layout(const PlanTarget *target, int version);
extern bool cust_store_read_info(Relation info, StoreInfo *result);

#endif /* CUSTOMERS_STORE_H */
