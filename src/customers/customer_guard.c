/*
 * customer_guard.c
 *		The guard of table customer, which holds its rules for every client.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "guc.h"
#include "rows/normalize.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/email.h"
#include "values/keyorder.h"

static const PlanQuery delete_deliveries = {
	.text = "DELETE FROM @store@.delivery"
			" WHERE person_ids" CONTAINS "ARRAY[$1]",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery delete_tokens = {
	.text = "DELETE FROM @store@.account_token WHERE customer_id" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* Runs a query whose one parameter is the customer's id. */
static void
run_for_customer(const TriggerRow *row, const PlanQuery *query)
{
	const Store *store = cust_store_of(row->data->tg_relation);
	NullableDatum id = {
		Int64GetDatum(cust_trigger_old_id(row, CUSTOMER_ID)),
		false,
	};

	cust_plan_begin();
	cust_plan_run(query, &store->target, &id, 0);
	cust_plan_end();
}

/* Keeps metadata an object, and metadata_order the order of its keys. */
static void
normalize_metadata(TriggerRow *row)
{
	Jsonb *metadata = cust_normalize_metadata(row, CUSTOMER_METADATA);
	bool isnull;
	Datum value = cust_trigger_new(row, CUSTOMER_METADATA_ORDER, &isnull);
	ArrayType *order;

	order = isnull ? construct_empty_array(TEXTOID) :
					 DatumGetArrayTypeP(value);
	if (isnull || JB_ROOT_COUNT(metadata) > 0 || ARR_NDIM(order) > 0)
		cust_trigger_set(row, CUSTOMER_METADATA_ORDER,
						 PointerGetDatum(
							 cust_keyorder_complete(metadata, order)));
}

static void
normalize_row(TriggerRow *row)
{
	cust_normalize_email(row, CUSTOMER_EMAIL);
	cust_normalize_blank(row, CUSTOMER_FIRST_NAME);
	cust_normalize_blank(row, CUSTOMER_LAST_NAME);
	cust_normalize_blank(row, CUSTOMER_COMPANY_NAME);
	cust_normalize_blank(row, CUSTOMER_PHONE);
	normalize_metadata(row);
}

static void
guard_insert(TriggerRow *row)
{
	bool isnull;
	Datum has_account = cust_trigger_new(row, CUSTOMER_HAS_ACCOUNT, &isnull);
	Datum created_at;

	normalize_row(row);
	cust_trigger_set_null(row, CUSTOMER_EMAIL_CHANGED_AT);
	cust_trigger_set_null(row, CUSTOMER_REGISTERED_AT);
	if (!isnull && DatumGetBool(has_account))
	{
		created_at = cust_trigger_new(row, CUSTOMER_CREATED_AT, &isnull);
		if (!isnull)
			cust_trigger_set(row, CUSTOMER_REGISTERED_AT, created_at);
	}
	cust_trigger_set(row, CUSTOMER_CREATED_BY,
					 CStringGetTextDatum(cust_guc_current_actor()));
	cust_trigger_stamp(row, CUSTOMER_UPDATED_AT, CUSTOMER_VERSION);
}

static void
guard_update(TriggerRow *row)
{
	static const int fixed[] = {CUSTOMER_ID, CUSTOMER_CREATED_AT};

	cust_trigger_fix(row, fixed, lengthof(fixed),
					 psprintf("customer " INT64_FORMAT,
							  cust_trigger_old_id(row, CUSTOMER_ID)));
	if (cust_trigger_changed(row, CUSTOMER_HAS_ACCOUNT))
		cust_trigger_refuse(
			row, "customer_account_fixed", CUSTOMER_HAS_ACCOUNT,
			"Registering adds a registered customer beside the guest.",
			psprintf("has_account of customer " INT64_FORMAT
					 " cannot be changed",
					 cust_trigger_old_id(row, CUSTOMER_ID)));
	normalize_row(row);
	cust_trigger_keep(row, CUSTOMER_EMAIL_CHANGED_AT);
	cust_trigger_keep(row, CUSTOMER_REGISTERED_AT);
	cust_trigger_keep(row, CUSTOMER_CREATED_BY);
	if (cust_normalize_email_changed(row, CUSTOMER_EMAIL))
	{
		/* not the transaction's start: the hold must not begin before */
		cust_trigger_set(row, CUSTOMER_EMAIL_CHANGED_AT,
						 TimestampTzGetDatum(GetCurrentTimestamp()));
		run_for_customer(row, &delete_tokens);
	}
	cust_trigger_stamp(row, CUSTOMER_UPDATED_AT, CUSTOMER_VERSION);
}

/* Does the setting customers.confirm_delete name this row? */
static bool
delete_is_confirmed(const TriggerRow *row)
{
	char *prefix = psprintf(INT64_FORMAT ":",
							cust_trigger_old_id(row, CUSTOMER_ID));
	const char *given = cust_guc_confirm_delete;
	bool isnull;
	Datum email = cust_trigger_old(row, CUSTOMER_EMAIL, &isnull);

	return !isnull && strncmp(given, prefix, strlen(prefix)) == 0 &&
		cust_email_equal(cstring_to_text(given + strlen(prefix)),
						 DatumGetTextPP(email));
}

pg_noreturn static void
report_unconfirmed(const char *schema, int64 id)
{
	cust_report(
		&(CustError){
			.rule = "customer_delete_confirmed",
			.schema = schema,
			.table = "customer",
			.hint = psprintf(
				"Type the customer's e-mail: SELECT customers.delete_customer(" INT64_FORMAT
				", '<e-mail>');",
				id),
		},
		"deleting customer " INT64_FORMAT
		" is irreversible and was not confirmed with its e-mail",
		id);
}

/* Deliveries that wait for this customer go before those of the deletion. */
static void
guard_delete(const TriggerRow *row)
{
	int64 id = cust_trigger_old_id(row, CUSTOMER_ID);

	if (!delete_is_confirmed(row))
		report_unconfirmed(row->schema, id);
	run_for_customer(row, &delete_deliveries);
}

PG_FUNCTION_INFO_V1(customers_customer_guard);

/* trigger: BEFORE INSERT, UPDATE or DELETE .. ROW, TRUNCATE .. STATEMENT */
Datum
customers_customer_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_CUSTOMER], TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE |
						  TRIGGER_TRUNCATE,
					  &row);
	switch (row.operation)
	{
		case TRIGGER_INSERT:
			guard_insert(&row);
			break;
		case TRIGGER_UPDATE:
			guard_update(&row);
			break;
		case TRIGGER_DELETE:
			guard_delete(&row);
			break;
		case TRIGGER_TRUNCATE:
			cust_trigger_refuse(
				&row, "customer_delete_confirmed", CUSTOMER_ID,
				"Delete customers one by one, or drop the store with customers.drop_store.",
				"table \"customer\" cannot be truncated: each deletion is confirmed by itself");
	}
	return cust_trigger_result(&row);
}
