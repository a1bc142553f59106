/*
 * member.c
 *		Who is in which group: adding, removing and reading memberships.
 *
 * Functions lock the customers they name, by ascending id, then the groups,
 * so that none of them goes meanwhile; both as the owner, like a foreign key
 * does it.  Memberships themselves are written as the caller, by ascending
 * group and customer, and added before others are removed: so no two of these
 * functions ever wait for each other in a circle.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "guc.h"
#include "rows/idlist.h"
#include "rows/page.h"
#include "rows/pagerows.h"
#include "rows/trigger.h"
#include "stores/details.h"
#include "stores/expect.h"
#include "stores/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* ------------------------------------------------------------------------
 * The guard of table customer_group_member
 * ------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(customers_customer_group_member_guard);

/* trigger: BEFORE INSERT or UPDATE ON customer_group_member FOR EACH ROW */
Datum
customers_customer_group_member_guard(PG_FUNCTION_ARGS)
{
	static const int fixed[] = {MEMBER_GROUP_ID, MEMBER_CUSTOMER_ID};
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_MEMBER], TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE, &row);
	if (row.operation == TRIGGER_INSERT)
	{
		cust_trigger_set(&row, MEMBER_ADDED_BY,
						 CStringGetTextDatum(cust_guc_current_actor()));
		cust_trigger_set(&row, MEMBER_ADDED_AT, TimestampTzGetDatum(now));
		return cust_trigger_result(&row);
	}
	cust_trigger_fix(&row, fixed, lengthof(fixed),
					 psprintf("the membership of customer " INT64_FORMAT
							  " in group " INT64_FORMAT,
							  cust_trigger_old_id(&row, MEMBER_CUSTOMER_ID),
							  cust_trigger_old_id(&row, MEMBER_GROUP_ID)));
	cust_trigger_keep(&row, MEMBER_ADDED_BY);
	cust_trigger_keep(&row, MEMBER_ADDED_AT);
	return cust_trigger_result(&row);
}

/* ------------------------------------------------------------------------
 * The customers and groups that a function was given
 * ------------------------------------------------------------------------
 */

/* An argument that is one id. */
static IdList
read_id(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int64 *id = palloc(sizeof(int64));

	if (PG_ARGISNULL(argument))
		cust_report_null(name);
	*id = PG_GETARG_INT64(argument);
	return cust_idlist_make(id, 1);
}

/* An argument that is an array of ids. */
static IdList
read_ids(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Datum *values;
	bool *nulls;
	int n;
	int64 *ids;

	if (PG_ARGISNULL(argument))
		cust_report_null(name);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &n);
	ids = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			cust_report_argument(NULL, "%s must not contain null", name);
		ids[i] = DatumGetInt64(values[i]);
	}
	return cust_idlist_make(ids, n);
}

/*
 * Here and below joins, not "= ANY": a plan made when the table was small
 * still serves, with that an array would be searched from its start for each
 * row.
 */
#define LOCK_ROWS(table, strength)                                        \
	"SELECT t.id FROM pg_catalog.unnest($1) AS u(id) JOIN @store@." table \
	" t ON t.id" EQ "u.id ORDER BY t.id " strength " OF t"

static const PlanQuery lock_customers = {
	.text = LOCK_ROWS("customer", "FOR KEY SHARE"),
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID},
};

static const PlanQuery lock_groups = {
	.text = LOCK_ROWS("customer_group", "FOR KEY SHARE"),
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID},
};

/* up to so many rows are locked one by one, which is faster */
#define FEW 8

static void
lock_few(const Store *store, StoreTable table, FetchLock lock,
		 const IdList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		FetchedRow row;

		if (!cust_store_fetch(store, table, list->ids[i], lock, &row))
			cust_store_unknown(store, table, list->ids[i]);
	}
}

/* Locks the rows; raises 23503 for the first id of which there is none. */
static void
lock_rows(const Store *store, StoreTable table, FetchLock lock,
		  const IdList *list)
{
	PlanRows rows;

	if (list->n <= FEW)
	{
		lock_few(store, table, lock, list);
		return;
	}
	rows = cust_plan_run(table == STORE_GROUP ? &lock_groups : &lock_customers,
						 &store->target, &list->array, 0);
	for (int i = 0; i < list->n; i++)
	{
		if ((uint64) i >= rows.count ||
			cust_plan_int64(&rows, i, 1) != list->ids[i])
			cust_store_unknown(store, table, list->ids[i]);
	}
}

/* ------------------------------------------------------------------------
 * Adding and removing; $1 are groups, $2 customers
 * ------------------------------------------------------------------------
 */

static const PlanQuery insert_members = {
	.text =
		"INSERT INTO @store@.customer_group_member"
		" (customer_group_id, customer_id) SELECT g.id, c.id"
		" FROM pg_catalog.unnest($1) AS g(id), pg_catalog.unnest($2) AS c(id)"
		" ORDER BY g.id, c.id ON CONFLICT DO NOTHING",
	.nargs = 2,
	.argtypes = {INT8ARRAYOID, INT8ARRAYOID},
};

/* in the order of all functions that add and remove */
static const PlanQuery lock_members = {
	.text = "SELECT m.customer_group_id, m.customer_id"
			" FROM pg_catalog.unnest($1) AS g(id),"
			" pg_catalog.unnest($2) AS c(id), @store@.customer_group_member m"
			" WHERE m.customer_group_id" EQ "g.id AND m.customer_id" EQ "c.id"
			" ORDER BY m.customer_group_id, m.customer_id FOR UPDATE OF m",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8ARRAYOID, INT8ARRAYOID},
};

static const PlanQuery lock_other_members = {
	.text = "SELECT customer_group_id, customer_id"
			" FROM @store@.customer_group_member"
			" WHERE customer_group_id" NE "ALL ($1)"
			" AND customer_id" EQ "ANY ($2)"
			" ORDER BY customer_group_id, customer_id FOR UPDATE",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8ARRAYOID, INT8ARRAYOID},
};

static const PlanQuery delete_members = {
	.text = "DELETE FROM @store@.customer_group_member m"
			" USING pg_catalog.unnest($1) AS g(id),"
			" pg_catalog.unnest($2) AS c(id)"
			" WHERE m.customer_group_id" EQ "g.id AND m.customer_id" EQ "c.id",
	.nargs = 2,
	.argtypes = {INT8ARRAYOID, INT8ARRAYOID},
};

/*
 * Deletes the memberships that the query, one of the two above, locks: of one
 * group or of one customer.  Returns how many the caller could delete.
 */
static uint64
delete_locked(const Store *store, const PlanQuery *query,
			  const NullableDatum *values)
{
	PlanRows locked = cust_plan_run(query, &store->target, values, 0);
	IdList groups = cust_idlist_column(&locked, 1);
	IdList customers = cust_idlist_column(&locked, 2);

	return cust_plan_run(&delete_members, &store->target,
						 (NullableDatum[]){groups.array, customers.array}, 0)
		.count;
}

/* Adds each customer to each group; returns how many memberships are new. */
static int
add_members(const Store *store, const IdList *groups, const IdList *customers)
{
	PlanRows rows;

	cust_store_require(store, STORE_MEMBER, ACL_INSERT, "customer_group_id");
	cust_plan_begin();
	lock_rows(store, STORE_CUSTOMER, FETCH_KEPT, customers);
	lock_rows(store, STORE_GROUP, FETCH_KEPT, groups);
	rows = cust_plan_run(&insert_members, &store->target,
						 (NullableDatum[]){groups->array, customers->array},
						 0);
	cust_plan_end();
	return (int) rows.count;
}

/* Removes each customer from each group; returns how many went. */
static int
remove_members(const Store *store, const IdList *groups,
			   const IdList *customers)
{
	NullableDatum values[] = {groups->array, customers->array};
	uint64 removed;

	cust_store_require(store, STORE_MEMBER, ACL_DELETE, NULL);
	cust_plan_begin();
	lock_rows(store, STORE_CUSTOMER, FETCH_KEPT, customers);
	lock_rows(store, STORE_GROUP, FETCH_KEPT, groups);
	removed = delete_locked(store, &lock_members, values);
	cust_plan_end();
	return (int) removed;
}

PG_FUNCTION_INFO_V1(customers_add_to_groups);

/* add_to_groups(customer_id, group_ids) returns int: how many are new */
Datum
customers_add_to_groups(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	IdList customers = read_id(fcinfo, 0, "customer_id");
	IdList groups = read_ids(fcinfo, 1, "group_ids");

	PG_RETURN_INT32(add_members(store, &groups, &customers));
}

PG_FUNCTION_INFO_V1(customers_remove_from_groups);

/* remove_from_groups(customer_id, group_ids) returns int: how many went */
Datum
customers_remove_from_groups(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	IdList customers = read_id(fcinfo, 0, "customer_id");
	IdList groups = read_ids(fcinfo, 1, "group_ids");

	PG_RETURN_INT32(remove_members(store, &groups, &customers));
}

PG_FUNCTION_INFO_V1(customers_add_customers_to_group);

/* add_customers_to_group(group_id, customer_ids) returns int: how many */
Datum
customers_add_customers_to_group(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	IdList groups = read_id(fcinfo, 0, "group_id");
	IdList customers = read_ids(fcinfo, 1, "customer_ids");

	PG_RETURN_INT32(add_members(store, &groups, &customers));
}

PG_FUNCTION_INFO_V1(customers_remove_customers_from_group);

/* remove_customers_from_group(group_id, customer_ids) returns int: how many */
Datum
customers_remove_customers_from_group(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	IdList groups = read_id(fcinfo, 0, "group_id");
	IdList customers = read_ids(fcinfo, 1, "customer_ids");

	PG_RETURN_INT32(remove_members(store, &groups, &customers));
}

PG_FUNCTION_INFO_V1(customers_set_groups);

/*
 * set_groups(customer_id, group_ids) returns int: how many came and went
 *
 * Adding comes first: what is removed is then all committed, and waiting for
 * it cannot close a circle with somebody who adds.
 */
Datum
customers_set_groups(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	IdList customers = read_id(fcinfo, 0, "customer_id");
	IdList groups = read_ids(fcinfo, 1, "group_ids");
	NullableDatum values[] = {groups.array, customers.array};
	uint64 changed;

	cust_store_require(store, STORE_MEMBER, ACL_INSERT, "customer_group_id");
	cust_store_require(store, STORE_MEMBER, ACL_DELETE, NULL);
	cust_plan_begin();
	/* those who set the groups of one customer queue */
	lock_few(store, STORE_CUSTOMER, FETCH_FOR_CHANGE, &customers);
	lock_rows(store, STORE_GROUP, FETCH_KEPT, &groups);
	changed = cust_plan_run(&insert_members, &store->target, values, 0).count;
	changed += delete_locked(store, &lock_other_members, values);
	cust_plan_end();
	PG_RETURN_INT32((int32) changed);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static const PlanQuery select_groups_of = {
	.text = "SELECT g.id, g.name, g.metadata, m.added_at"
			" FROM @store@.customer_group_member m"
			" JOIN @store@.customer_group g ON g.id" EQ "m.customer_group_id"
			" WHERE m.customer_id" EQ "$1"
			" ORDER BY " LOWER_C("g.name") ", g.id",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

PG_FUNCTION_INFO_V1(customers_customer_groups);

/* customer_groups(customer_id) returns (id, name, metadata, added_at) */
Datum
customers_customer_groups(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	cust_expect_customer(store, fcinfo->args[0]);
	rows = cust_plan_run(&select_groups_of, &store->target, fcinfo->args, 0);
	cust_plan_emit(&rows, fcinfo);
	cust_plan_end();
	return (Datum) 0;
}

#define CURSOR_KIND "group_customers"

static const PlanQuery select_group = {
	.text = "SELECT id FROM @store@.customer_group WHERE id" EQ "$1",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery select_members = {
	.text = "SELECT c.id, c.email, " CUSTOMER_TYPE ", " CUSTOMER_FULL_NAME ","
			" m.added_at, NULL::pg_catalog.text"
			" FROM @store@.customer_group_member m"
			" JOIN @store@.customer c ON c.id" EQ "m.customer_id"
			" WHERE m.customer_group_id" EQ "$1 AND m.customer_id" GT "$2"
			" ORDER BY m.customer_id LIMIT $3",
	.read_only = true,
	.nargs = 3,
	.argtypes = {INT8OID, INT8OID, INT8OID},
};

PG_FUNCTION_INFO_V1(customers_group_customers);

/*
 * group_customers(group_id, page_size, after) returns (id, email, type,
 * full_name, added_at, cursor), by id
 */
Datum
customers_group_customers(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PageStart start;
	int page_size;
	PlanRows rows;
	char *kind;

	if (PG_ARGISNULL(0))
		cust_report_null("group_id");
	page_size = cust_page_size(fcinfo, 1);
	kind = psprintf(CURSOR_KIND ":" INT64_FORMAT, PG_GETARG_INT64(0));
	start = cust_page_start(fcinfo, 2, kind);
	if (!start.given)
		start.id = PG_INT64_MIN;
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	rows = cust_plan_run(&select_group, &store->target, fcinfo->args, 1);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_GROUP, PG_GETARG_INT64(0));
	rows = cust_plan_run(&select_members, &store->target,
						 (NullableDatum[]){fcinfo->args[0],
										   {Int64GetDatum(start.id), false},
										   {Int64GetDatum(page_size), false}},
						 0);
	cust_pagerows_emit(&rows, fcinfo, kind);
	cust_plan_end();
	return (Datum) 0;
}

static const PlanQuery select_in_group = {
	.text = "SELECT EXISTS (SELECT FROM @store@.customer_group g"
			" JOIN @store@.customer_group_member m ON m.customer_group_id" EQ
			"g.id"
			" WHERE " LOWER_C("g.name")
				EQ LOWER_C("$2") " AND m.customer_id" EQ "$1)",
	.read_only = true,
	.nargs = 2,
	.argtypes = {INT8OID, TEXTOID},
};

PG_FUNCTION_INFO_V1(customers_in_group);

/*
 * in_group(customer_id, name, store) returns boolean
 *
 * Never NULL, since it stands in policies: NULL is in no group.
 */
Datum
customers_in_group(PG_FUNCTION_ARGS)
{
	const Store *store;
	PlanRows rows;
	bool found;

	if (PG_ARGISNULL(2))
		store = cust_store_read();
	else
		store = cust_store_named(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	cust_plan_begin();
	rows = cust_plan_run(&select_in_group, &store->target, fcinfo->args, 1);
	found = cust_plan_bool(&rows, 0, 1);
	cust_plan_end();
	PG_RETURN_BOOL(found);
}
