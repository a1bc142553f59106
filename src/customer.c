/*
 * customer.c
 *		Customers: creating, reading and changing them.
 *
 * The functions are one statement each, which the guard in customer_guard.c
 * judges like anybody's.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "details.h"
#include "email.h"
#include "expect.h"
#include "json.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* ------------------------------------------------------------------------
 * Creating
 * ------------------------------------------------------------------------
 */

static const PlanQuery insert_customer = {
	.text =
		"INSERT INTO @store@.customer"
		" (id, email, first_name, last_name, company_name, phone, metadata)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)",
	.unique = "customer_email_key",
	.hint = "customers.find_or_create_guest returns the one who has it.",
	.nargs = 7,
	.argtypes = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
				 JSONBOID},
};

static const PlanQuery insert_guest_unless_there = {
	.text =
		"INSERT INTO @store@.customer"
		" (id, email, first_name, last_name, company_name, phone, metadata)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)"
		" ON CONFLICT (" LOWER_C("email") ", has_account) DO NOTHING",
	.nargs = 7,
	.argtypes = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
				 JSONBOID},
};

static const PlanQuery select_guest = {
	.text = "SELECT id FROM @store@.customer"
			" WHERE " LOWER_C("email") EQ LOWER_C("$1") " AND has_account" EQ
														"false",
	.nargs = 1,
	.argtypes = {TEXTOID},
};

/*
 * The values of an INSERT from the arguments (email, first_name, last_name,
 * company_name, phone, metadata), behind the place of the id.
 */
static void
read_new_customer(FunctionCallInfo fcinfo, const Store *store,
				  NullableDatum values[7])
{
	if (PG_ARGISNULL(0))
		cust_report_null("email");
	memcpy(&values[1], fcinfo->args, 6 * sizeof(NullableDatum));
	values[1].value = PointerGetDatum(cust_email_valid(store->target.name,
													   "customer",
													   PG_GETARG_TEXT_PP(0)));
}

static void
set_new_id(const Store *store, NullableDatum *id)
{
	id->value = Int64GetDatum(cust_store_next_id(store, STORE_CUSTOMER));
	id->isnull = false;
}

PG_FUNCTION_INFO_V1(customers_create_customer);

/*
 * create_customer(email, first_name, last_name, company_name, phone,
 * metadata) returns bigint: the id of a new guest
 */
Datum
customers_create_customer(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum values[7];

	read_new_customer(fcinfo, store, values);
	set_new_id(store, &values[0]);
	cust_plan_begin();
	cust_plan_run(&insert_customer, &store->target, values, 0);
	cust_plan_end();
	PG_RETURN_DATUM(values[0].value);
}

/* The id of the guest with that e-mail; 0 if there is none. */
static int64
find_guest(const Store *store, const NullableDatum *email)
{
	PlanRows rows = cust_plan_run(&select_guest, &store->target, email, 1);

	return rows.count > 0 ? cust_plan_int64(&rows, 0, 1) : 0;
}

/* a guest that is there and cannot be seen is looked for so often */
#define MAX_TRIES 5

PG_FUNCTION_INFO_V1(customers_find_or_create_guest);

/*
 * find_or_create_guest(as create_customer) returns bigint: the id of the one
 * guest with that e-mail
 *
 * When another session inserts the same guest, ON CONFLICT waits for it, and
 * the next look finds it, unless it was deleted since, or row security hides
 * it: the last try lets customer_email_key speak.
 */
Datum
customers_find_or_create_guest(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum values[7];
	int64 id;

	read_new_customer(fcinfo, store, values);
	cust_plan_begin();
	for (int tries = 1; (id = find_guest(store, &values[1])) == 0; tries++)
	{
		PlanRows inserted;

		CHECK_FOR_INTERRUPTS();
		set_new_id(store, &values[0]);
		inserted = cust_plan_run(tries < MAX_TRIES ?
									 &insert_guest_unless_there :
									 &insert_customer,
								 &store->target, values, 0);
		if (inserted.count > 0)
		{
			id = DatumGetInt64(values[0].value);
			break;
		}
	}
	cust_plan_end();
	PG_RETURN_INT64(id);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static const PlanQuery select_details = {
	.text = "SELECT " CUSTOMER_DETAILS_COLUMNS
			" FROM @store@.customer c WHERE c.id" EQ "$1",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

PG_FUNCTION_INFO_V1(customers_customer_details);

/* customer_details(customer_id) returns record */
Datum
customers_customer_details(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PlanRows rows;
	Datum result;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	cust_plan_begin();
	rows = cust_plan_run(&select_details, &store->target, fcinfo->args, 1);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, PG_GETARG_INT64(0));
	result = cust_plan_record(&rows, 0);
	cust_plan_end();
	return result;
}

/* ------------------------------------------------------------------------
 * Changing
 * ------------------------------------------------------------------------
 */

/* The parameters of an UPDATE; those of unchanged columns are not used. */
enum ChangeParameter
{
	CHANGE_ID,
	CHANGE_EXPECTED_VERSION,
	CHANGE_METADATA,
	CHANGE_REMOVED_KEYS,
	CHANGE_EMAIL,
	CHANGE_FIRST_NAME,
	CHANGE_LAST_NAME,
	CHANGE_COMPANY_NAME,
	CHANGE_PHONE,
	CHANGE_EXTERNAL_ID,
	CHANGE_COUNT
};

static const char *const changeable[CHANGE_COUNT] =
	{[CHANGE_METADATA] = "metadata",		 [CHANGE_EMAIL] = "email",
	 [CHANGE_FIRST_NAME] = "first_name",	 [CHANGE_LAST_NAME] = "last_name",
	 [CHANGE_COMPANY_NAME] = "company_name", [CHANGE_PHONE] = "phone",
	 [CHANGE_EXTERNAL_ID] = "external_id"};

static const PlanQuery update_template = {
	.unique = "customer_email_key",
	.hint = "customers.list_customers finds the one who has it.",
	.nargs = CHANGE_COUNT,
	.argtypes = {[CHANGE_ID] = INT8OID,
				 [CHANGE_EXPECTED_VERSION] = INT8OID,
				 [CHANGE_METADATA] = JSONBOID,
				 [CHANGE_REMOVED_KEYS] = TEXTARRAYOID,
				 [CHANGE_EMAIL] = TEXTOID,
				 [CHANGE_FIRST_NAME] = TEXTOID,
				 [CHANGE_LAST_NAME] = TEXTOID,
				 [CHANGE_COMPANY_NAME] = TEXTOID,
				 [CHANGE_PHONE] = TEXTOID,
				 [CHANGE_EXTERNAL_ID] = TEXTOID},
};

static const PlanQuery select_version = {
	.text = "SELECT version FROM @store@.customer WHERE id" EQ "$1",
	.nargs = 1,
	.argtypes = {INT8OID},
};

static int
change_parameter(const Store *store, const char *key)
{
	for (int i = CHANGE_METADATA; i < CHANGE_COUNT; i++)
	{
		if (changeable[i] && strcmp(changeable[i], key) == 0)
			return i;
	}
	if (strcmp(key, "password") == 0)
		cust_report(
			&(CustError){
				.rule = "credential_password_not_editable",
				.schema = store->target.name,
				.table = "credential",
				.column = "password_hash",
				.hint = "Only the customer can change it, in the storefront.",
			},
			"the password of a customer cannot be edited");
	cust_report_argument(
		"Keys are email, first_name, last_name, company_name, phone, metadata and external_id.",
		"unknown key \"%s\" in changes", key);
}

/* Adds " column = expression" for a change of metadata, which merges. */
static void
append_metadata(StringInfo text, const JsonbValue *value,
				NullableDatum *values)
{
	Jsonb *metadata;

	if (value->type == jbvNull)
	{
		appendStringInfoString(text, "metadata = '{}'");
		return;
	}
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		cust_report_argument(
			NULL, "key \"metadata\" of changes must be an object or null");
	metadata = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	values[CHANGE_METADATA].value = JsonbPGetDatum(metadata);
	values[CHANGE_METADATA].isnull = false;
	values[CHANGE_REMOVED_KEYS].value = cust_json_null_keys(metadata);
	values[CHANGE_REMOVED_KEYS].isnull = false;
	appendStringInfo(text, "metadata = (metadata" CAT "$%d)" MINUS "$%d",
					 CHANGE_METADATA + 1, CHANGE_REMOVED_KEYS + 1);
}

static void
append_change(StringInfo text, int parameter, const JsonPair *pair,
			  NullableDatum *values)
{
	if (parameter == CHANGE_METADATA)
	{
		append_metadata(text, &pair->value, values);
		return;
	}
	if (pair->value.type == jbvString)
	{
		values[parameter].value = PointerGetDatum(
			cust_json_string(&pair->value));
		values[parameter].isnull = false;
	}
	else if (pair->value.type != jbvNull)
		cust_report_argument(NULL,
							 "key \"%s\" of changes must be a string or null",
							 pair->key);
	appendStringInfo(text, "%s = $%d", pair->key, parameter + 1);
}

/*
 * The UPDATE for the changes, of only the columns that change, so that the
 * owner's column privileges and UPDATE OF triggers mean what they say.
 */
static const PlanQuery *
build_update(const Store *store, Jsonb *changes, NullableDatum *values)
{
	PlanQuery query = update_template;
	StringInfoData text;
	const char *separator = " SET ";
	ListCell *cell;

	initStringInfo(&text);
	appendStringInfoString(&text, "UPDATE @store@.customer");
	foreach(cell, cust_json_pairs(changes))
	{
		JsonPair *pair = lfirst(cell);
		int parameter = change_parameter(store, pair->key);

		appendStringInfoString(&text, separator);
		append_change(&text, parameter, pair, values);
		separator = ", ";
	}
	appendStringInfo(&text, " WHERE id" EQ "$%d", CHANGE_ID + 1);
	if (!values[CHANGE_EXPECTED_VERSION].isnull)
		appendStringInfo(&text, " AND version" EQ "$%d",
						 CHANGE_EXPECTED_VERSION + 1);
	appendStringInfoString(&text, " RETURNING version");
	query.text = text.data;
	return cust_plan_dynamic(&query);
}

PG_FUNCTION_INFO_V1(customers_update_customer);

/*
 * update_customer(customer_id, changes jsonb, expected_version) returns
 * bigint: the new version
 */
Datum
customers_update_customer(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum values[CHANGE_COUNT];
	const PlanQuery *query = &select_version;
	Jsonb *changes;
	PlanRows rows;
	int64 version;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	if (PG_ARGISNULL(1))
		cust_report_null("changes");
	changes = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(changes))
		cust_report_argument("Changes look like {\"phone\": \"+1 555 0100\"}.",
							 "changes must be a JSON object");
	for (int i = 0; i < CHANGE_COUNT; i++)
		values[i] = (NullableDatum){0, true};
	values[CHANGE_ID] = fcinfo->args[0];
	values[CHANGE_EXPECTED_VERSION] = fcinfo->args[2];
	cust_plan_begin();
	if (JB_ROOT_COUNT(changes) > 0)
		query = build_update(store, changes, values);
	rows = cust_plan_run(query, &store->target, values, 0);
	if (rows.count == 0 ||
		(query == &select_version && !PG_ARGISNULL(2) &&
		 cust_plan_int64(&rows, 0, 1) != PG_GETARG_INT64(2)))
		cust_expect_failed(store, fcinfo->args[0], fcinfo->args[2]);
	version = cust_plan_int64(&rows, 0, 1);
	cust_plan_end();
	PG_RETURN_INT64(version);
}
