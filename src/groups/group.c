/*
 * group.c
 *		Groups of customers: creating, changing, deleting and listing them.
 *
 * The guard holds the rules of the table for every client; the functions are
 * one statement each, which the guard sees like anybody's.  Who is in a group
 * is the business of member.c.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "guc.h"
#include "lists/grams.h"
#include "rows/changes.h"
#include "rows/normalize.h"
#include "rows/page.h"
#include "rows/pagerows.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "values/space.h"

/* ------------------------------------------------------------------------
 * The guard of table customer_group
 * ------------------------------------------------------------------------
 */

/* The name without white space around it; raises customer_group_name_given. */
static void
normalize_name(TriggerRow *row)
{
	bool isnull;
	Datum value = cust_trigger_new(row, GROUP_NAME, &isnull);
	text *given;
	const char *start;
	const char *end;
	size_t length;

	if (isnull)
		return;
	given = DatumGetTextPP(value);
	start = VARDATA_ANY(given);
	length = VARSIZE_ANY_EXHDR(given);
	end = start + length;
	while (start < end && cust_is_space(*start))
		start++;
	while (start < end && cust_is_space(end[-1]))
		end--;
	if (start == end)
		cust_trigger_refuse(row, "customer_group_name_given", GROUP_NAME, NULL,
							"the name of a customer group must not be blank");
	if ((size_t) (end - start) < length)
		cust_trigger_set(row, GROUP_NAME,
						 PointerGetDatum(
							 cstring_to_text_with_len(start, end - start)));
}

PG_FUNCTION_INFO_V1(customers_customer_group_guard);

/* trigger: BEFORE INSERT or UPDATE ON customer_group FOR EACH ROW */
Datum
customers_customer_group_guard(PG_FUNCTION_ARGS)
{
	static const int fixed[] = {GROUP_ID, GROUP_CREATED_AT};
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_GROUP], TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE, &row);
	if (row.operation == TRIGGER_UPDATE)
		cust_trigger_fix(&row, fixed, lengthof(fixed),
						 psprintf("customer group " INT64_FORMAT,
								  cust_trigger_old_id(&row, GROUP_ID)));
	normalize_name(&row);
	(void) cust_normalize_metadata(&row, GROUP_METADATA);
	if (row.operation == TRIGGER_UPDATE)
		cust_trigger_keep(&row, GROUP_CREATED_BY);
	else
		cust_trigger_set(&row, GROUP_CREATED_BY,
						 CStringGetTextDatum(cust_guc_current_actor()));
	cust_trigger_stamp(&row, GROUP_UPDATED_AT, GROUP_VERSION);
	return cust_trigger_result(&row);
}

/* ------------------------------------------------------------------------
 * Creating and deleting
 * ------------------------------------------------------------------------
 */

static const PlanQuery delete_group = {
	.text = "DELETE FROM @store@.customer_group WHERE id" EQ "$1",
	.nargs = 1,
	.argtypes = {INT8OID},
};

PG_FUNCTION_INFO_V1(customers_create_group);

/* create_group(name, metadata) returns bigint: the id of the new group */
Datum
customers_create_group(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	WriteTo table = cust_store_table(store, STORE_GROUP);
	WriteRow row = {0};
	int64 id;

	if (PG_ARGISNULL(0))
		cust_report_null("name");
	id = cust_store_next_id(store, STORE_GROUP);
	cust_write_set(&row, GROUP_ID, (NullableDatum){Int64GetDatum(id), false});
	cust_write_set(&row, GROUP_NAME, fcinfo->args[0]);
	cust_write_set(&row, GROUP_METADATA, fcinfo->args[1]);
	cust_plan_begin();
	cust_write_insert(&table, &row);
	cust_plan_end();
	PG_RETURN_INT64(id);
}

PG_FUNCTION_INFO_V1(customers_delete_group);

/* delete_group(group_id) returns void; its memberships go with it */
Datum
customers_delete_group(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("group_id");
	cust_plan_begin();
	rows = cust_plan_run(&delete_group, &store->target, fcinfo->args, 0);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_GROUP, PG_GETARG_INT64(0));
	cust_plan_end();
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Changing
 * ------------------------------------------------------------------------
 */

static int
changed_column(const char *key)
{
	if (strcmp(key, "name") == 0)
		return GROUP_NAME;
	if (strcmp(key, "metadata") == 0)
		return GROUP_METADATA;
	cust_report_argument("Keys are name and metadata.",
						 "unknown key \"%s\" in changes", key);
}

PG_FUNCTION_INFO_V1(customers_update_group);

/* update_group(group_id, changes jsonb) returns bigint: the new version */
Datum
customers_update_group(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	WriteTo table = cust_store_table(store, STORE_GROUP);
	WriteWhere where = {
		.returning = GROUP_VERSION,
	};
	WriteRow row = {0};
	List *changes;
	ListCell *cell;
	int64 version;

	if (PG_ARGISNULL(0))
		cust_report_null("group_id");
	changes = cust_changes_argument(fcinfo, 1, "{\"name\": \"VIP\"}");
	where.id = PG_GETARG_INT64(0);
	foreach(cell, changes)
	{
		const JsonPair *change = lfirst(cell);

		cust_changes_add(&row, table.shape, changed_column(change->key),
						 change);
	}
	cust_plan_begin();
	if (!cust_changes_write(&table, &where, &row, &version))
		cust_store_unknown(store, STORE_GROUP, where.id);
	cust_plan_end();
	PG_RETURN_INT64(version);
}

/* ------------------------------------------------------------------------
 * Listing
 * ------------------------------------------------------------------------
 */

#define CURSOR_KIND "groups"

#define NAME_KEY LOWER_C("g.name")

/* names are unique, and behind '' in the order, so the name alone is the key */
static const PlanQuery select_groups = {
	.text = "SELECT g.id, g.name,"
			" (SELECT pg_catalog.count(*) FROM @store@.customer_group_member m"
			" WHERE m.customer_group_id" EQ "g.id),"
			" g.metadata, g.created_at, " NAME_KEY
			" FROM @store@.customer_group g"
			" WHERE " NAME_KEY GT "$2 AND ($1 IS NULL OR"
			" customers.search_matches($1, g.name, NULL, NULL, NULL, NULL))"
			" ORDER BY " NAME_KEY " LIMIT $3",
	.read_only = true,
	.nargs = 3,
	.argtypes = {TEXTARRAYOID, TEXTOID, INT8OID},
};

PG_FUNCTION_INFO_V1(customers_list_groups);

/*
 * list_groups(search, page_size, after) returns (id, name, customers_count,
 * metadata, created_at, cursor), by name
 */
Datum
customers_list_groups(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PageStart start = cust_page_start(fcinfo, 2, CURSOR_KIND);
	int page_size = cust_page_size(fcinfo, 1);
	const char *key = start.key ? start.key : "";
	SearchTerms terms;
	PlanRows rows;

	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	terms = cust_grams_search(PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0));
	rows = cust_plan_run(&select_groups, &store->target,
						 (NullableDatum[]){{terms.words, terms.count == 0},
										   {CStringGetTextDatum(key), false},
										   {Int64GetDatum(page_size), false}},
						 0);
	cust_pagerows_emit(&rows, fcinfo, CURSOR_KIND);
	cust_plan_end();
	return (Datum) 0;
}
