/*
 * customer.c
 *		Customers: creating, reading and changing them.
 *
 * The functions are one INSERT, UPDATE or SELECT each, which the guard in
 * customer_guard.c judges like anybody's.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "rows/changes.h"
#include "stores/details.h"
#include "stores/expect.h"
#include "utils/builtins.h"
#include "values/email.h"

/* ------------------------------------------------------------------------
 * Creating
 * ------------------------------------------------------------------------
 */

/* what a customer is created with */
static const int given_columns[] = {CUSTOMER_ID,		   CUSTOMER_EMAIL,
									CUSTOMER_FIRST_NAME,   CUSTOMER_LAST_NAME,
									CUSTOMER_COMPANY_NAME, CUSTOMER_PHONE,
									CUSTOMER_METADATA};

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
				  NullableDatum values[lengthof(given_columns)])
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

static void
insert_customer(const Store *store,
				const NullableDatum values[lengthof(given_columns)])
{
	WriteTo table = cust_store_table(store, STORE_CUSTOMER);
	WriteRow row = {0};

	for (size_t i = 0; i < lengthof(given_columns); i++)
		cust_write_set(&row, given_columns[i], values[i]);
	table.unique = "customer_email_key";
	table.hint = "customers.find_or_create_guest returns the one who has it.";
	cust_write_insert(&table, &row);
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
	NullableDatum values[lengthof(given_columns)];

	read_new_customer(fcinfo, store, values);
	set_new_id(store, &values[0]);
	cust_plan_begin();
	insert_customer(store, values);
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
	NullableDatum values[lengthof(given_columns)];
	int64 id;

	read_new_customer(fcinfo, store, values);
	cust_plan_begin();
	for (int tries = 1; (id = find_guest(store, &values[1])) == 0; tries++)
	{
		CHECK_FOR_INTERRUPTS();
		set_new_id(store, &values[0]);
		if (tries == MAX_TRIES)
			insert_customer(store, values);
		else if (cust_plan_run(&insert_guest_unless_there, &store->target,
							   values, 0)
					 .count == 0)
			continue;
		id = DatumGetInt64(values[0].value);
		break;
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

static const int changeable[] = {CUSTOMER_EMAIL,	  CUSTOMER_FIRST_NAME,
								 CUSTOMER_LAST_NAME,  CUSTOMER_COMPANY_NAME,
								 CUSTOMER_PHONE,	  CUSTOMER_METADATA,
								 CUSTOMER_EXTERNAL_ID};

static int
changed_column(const Store *store, const char *key)
{
	const TableShape *shape = &cust_layout[STORE_CUSTOMER];

	for (size_t i = 0; i < lengthof(changeable); i++)
	{
		if (strcmp(shape->columns[changeable[i]].name, key) == 0)
			return changeable[i];
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

PG_FUNCTION_INFO_V1(customers_update_customer);

/*
 * update_customer(customer_id, changes jsonb, expected_version) returns
 * bigint: the new version
 */
Datum
customers_update_customer(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	WriteTo table = cust_store_table(store, STORE_CUSTOMER);
	WriteWhere where = {
		.returning = CUSTOMER_VERSION,
	};
	WriteRow row = {0};
	List *changes;
	ListCell *cell;
	int64 version;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	changes = cust_changes_argument(fcinfo, 1, "{\"phone\": \"+1 555 0100\"}");
	where.id = PG_GETARG_INT64(0);
	if (!PG_ARGISNULL(2))
	{
		where.column = CUSTOMER_VERSION;
		where.value = PG_GETARG_INT64(2);
	}
	foreach(cell, changes)
	{
		const JsonPair *change = lfirst(cell);

		cust_changes_add(&row, table.shape, changed_column(store, change->key),
						 change);
	}
	table.unique = "customer_email_key";
	table.hint = "customers.list_customers finds the one who has it.";
	cust_plan_begin();
	if (!cust_changes_write(&table, &where, &row, &version))
		cust_expect_failed(store, fcinfo->args[0], fcinfo->args[2]);
	cust_plan_end();
	PG_RETURN_INT64(version);
}
