/*
 * account.c
 *		Accounts: a password that nobody but its owner can change.
 *
 * This version has no accounts of its own yet: the guards refuse every
 * password and every token, and a registered customer is one that was
 * imported with an external_id.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "expect.h"
#include "trigger.h"

static const PlanQuery select_unfounded = {
	.text = "SELECT id FROM @store@.customer c"
			" WHERE c.id" EQ "$1 AND c.has_account AND c.external_id IS NULL"
			" AND NOT EXISTS (SELECT FROM @store@.credential k"
			" WHERE k.customer_id" EQ "c.id)",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* Is it registered without anything that it could log in by? */
static bool
is_unfounded(const TriggerRow *row, int64 id)
{
	const Store *store = cust_store_of(row->data->tg_relation);
	NullableDatum value = {Int64GetDatum(id), false};
	bool found;

	cust_plan_begin();
	found = cust_plan_run(&select_unfounded, &store->target, &value, 1).count >
		0;
	cust_plan_end();
	return found;
}

/* Is the customer of the credential still there? */
static bool
has_customer(const TriggerRow *row)
{
	const Store *store = cust_store_of(row->data->tg_relation);
	bool exists;

	cust_plan_begin();
	exists = cust_expect_exists(store,
								cust_trigger_old_id(row,
													CREDENTIAL_CUSTOMER_ID));
	cust_plan_end();
	return exists;
}

PG_FUNCTION_INFO_V1(customers_customer_account_registered);

/*
 * constraint trigger: AFTER INSERT or UPDATE ON customer FOR EACH ROW,
 * deferred, so it looks at the customer as it is at commit
 */
Datum
customers_customer_account_registered(PG_FUNCTION_ARGS)
{
	TriggerRow row;
	int64 id;

	cust_trigger_open(fcinfo, &cust_layout[STORE_CUSTOMER], TRIGGER_AFTER_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE, &row);
	id = cust_trigger_new_id(&row, CUSTOMER_ID);
	if (is_unfounded(&row, id))
		cust_report(
			&(CustError){
				.rule = "customer_account_registered",
				.schema = row.schema,
				.table = row.shape->name,
				.column = "has_account",
				.hint =
					"Import a registered customer with the external_id of the other system.",
			},
			"customer " INT64_FORMAT
			" has an account but neither a password nor an external_id",
			id);
	return PointerGetDatum(NULL);
}

pg_noreturn static void
report_credential(const TriggerRow *row, const char *rule, const char *message)
{
	cust_trigger_refuse(row, rule, -1,
						"Accounts are managed in the storefront.", message);
}

PG_FUNCTION_INFO_V1(customers_credential_guard);

/* trigger: BEFORE INSERT, UPDATE or DELETE .. ROW, TRUNCATE .. STATEMENT */
Datum
customers_credential_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_CREDENTIAL],
					  TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE |
						  TRIGGER_TRUNCATE,
					  &row);
	switch (row.operation)
	{
		case TRIGGER_INSERT:
			report_credential(
				&row, "credential_by_registration",
				"a credential is made only by the registration of its customer");
		case TRIGGER_UPDATE:
		case TRIGGER_TRUNCATE:
			report_credential(&row, "credential_password_not_editable",
							  "the password of a customer cannot be edited");
		case TRIGGER_DELETE:
			if (has_customer(&row))
				report_credential(
					&row, "credential_kept",
					"a credential disappears only with its customer");
	}
	return cust_trigger_result(&row);
}

PG_FUNCTION_INFO_V1(customers_account_token_guard);

/* trigger: BEFORE INSERT or UPDATE .. ROW, TRUNCATE .. STATEMENT */
Datum
customers_account_token_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;

	cust_trigger_open(fcinfo, &cust_layout[STORE_ACCOUNT_TOKEN],
					  TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_TRUNCATE,
					  &row);
	report_credential(
		&row, "account_token_fixed",
		"tokens of accounts can neither be made nor changed nor truncated");
}
