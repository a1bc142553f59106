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
#include "grams.h"
#include "guc.h"
#include "json.h"
#include "normalize.h"
#include "page.h"
#include "pagerows.h"
#include "space.h"
#include "store.h"
#include "utils/builtins.h"

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

static const PlanQuery insert_group = {
	.text = "INSERT INTO @store@.customer_group (id, name, metadata)"
			" VALUES ($1, $2, $3)",
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, JSONBOID},
};

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
	NullableDatum values[3];

	if (PG_ARGISNULL(0))
		cust_report_null("name");
	values[0].value = Int64GetDatum(cust_store_next_id(store, STORE_GROUP));
	values[0].isnull = false;
	values[1] = fcinfo->args[0];
	values[2] = fcinfo->args[1];
	cust_plan_begin();
	cust_plan_run(&insert_group, &store->target, values, 0);
	cust_plan_end();
	PG_RETURN_DATUM(values[0].value);
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

/* The parameters of an UPDATE; those of unchanged columns are not used. */
enum ChangeParameter
{
	CHANGE_ID,
	CHANGE_NAME,
	CHANGE_METADATA,
	CHANGE_COUNT
};

#define CHANGE_ARGTYPES                                 \
	{                                                   \
		[CHANGE_ID] = INT8OID, [CHANGE_NAME] = TEXTOID, \
		[CHANGE_METADATA] = JSONBOID                    \
	}

#define SET_NAME "name = $2"

/* merges: a null value removes its key, a null object all of them */
#define SET_METADATA                                                     \
	"metadata = CASE WHEN $3 IS NULL THEN '{}' ELSE (metadata" CAT       \
	"$3)" MINUS "ARRAY(SELECT e.key FROM pg_catalog.jsonb_each($3) AS e" \
	" WHERE pg_catalog.jsonb_typeof(e.value)" EQ "'null') END"

#define UPDATE_GROUP(changes)                                   \
	"UPDATE @store@.customer_group SET " changes " WHERE id" EQ \
	"$1 RETURNING version"

/*
 * One for each set of columns, so that the owner's column privileges and
 * UPDATE OF triggers mean what they say.
 */
static const PlanQuery update_name = {
	.text = UPDATE_GROUP(SET_NAME),
	.nargs = CHANGE_COUNT,
	.argtypes = CHANGE_ARGTYPES,
};

static const PlanQuery update_metadata = {
	.text = UPDATE_GROUP(SET_METADATA),
	.nargs = CHANGE_COUNT,
	.argtypes = CHANGE_ARGTYPES,
};

static const PlanQuery update_both = {
	.text = UPDATE_GROUP(SET_NAME ", " SET_METADATA),
	.nargs = CHANGE_COUNT,
	.argtypes = CHANGE_ARGTYPES,
};

static const PlanQuery select_version = {
	.text = "SELECT version FROM @store@.customer_group WHERE id" EQ "$1",
	.nargs = CHANGE_COUNT,
	.argtypes = CHANGE_ARGTYPES,
};

static NullableDatum
name_value(const JsonbValue *value)
{
	if (value->type == jbvNull)
		return (NullableDatum){0, true};
	if (value->type != jbvString)
		cust_report_argument(NULL, "key \"name\" of changes must be a string");
	return (NullableDatum){PointerGetDatum(cust_json_string(value)), false};
}

static NullableDatum
metadata_value(const JsonbValue *value)
{
	Jsonb *metadata;

	if (value->type == jbvNull)
		return (NullableDatum){0, true};
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		cust_report_argument(
			NULL, "key \"metadata\" of changes must be an object or null");
	metadata = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	return (NullableDatum){JsonbPGetDatum(metadata), false};
}

/* The UPDATE for the changes, whose values are put into their places. */
static const PlanQuery *
choose_update(Jsonb *changes, NullableDatum *values)
{
	bool name = false;
	bool metadata = false;
	ListCell *cell;

	foreach(cell, cust_json_pairs(changes))
	{
		JsonPair *pair = lfirst(cell);

		if (strcmp(pair->key, "name") == 0)
		{
			name = true;
			values[CHANGE_NAME] = name_value(&pair->value);
		}
		else if (strcmp(pair->key, "metadata") == 0)
		{
			metadata = true;
			values[CHANGE_METADATA] = metadata_value(&pair->value);
		}
		else
			cust_report_argument("Keys are name and metadata.",
								 "unknown key \"%s\" in changes", pair->key);
	}
	if (name)
		return metadata ? &update_both : &update_name;
	return metadata ? &update_metadata : &select_version;
}

PG_FUNCTION_INFO_V1(customers_update_group);

/* update_group(group_id, changes jsonb) returns bigint: the new version */
Datum
customers_update_group(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum values[CHANGE_COUNT] = {{0, true}, {0, true}, {0, true}};
	Jsonb *changes;
	PlanRows rows;
	int64 version;

	if (PG_ARGISNULL(0))
		cust_report_null("group_id");
	if (PG_ARGISNULL(1))
		cust_report_null("changes");
	changes = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(changes))
		cust_report_argument("Changes look like {\"name\": \"VIP\"}.",
							 "changes must be a JSON object");
	values[CHANGE_ID] = fcinfo->args[0];
	cust_plan_begin();
	rows = cust_plan_run(choose_update(changes, values), &store->target,
						 values, 0);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_GROUP, PG_GETARG_INT64(0));
	version = cust_plan_int64(&rows, 0, 1);
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
