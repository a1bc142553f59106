/*
 * account_reset.c
 *		Accounts: a new password for one that was forgotten.
 *
 * The token is made by the guard in account_guard.c, reaches nobody but the
 * claimer of the delivery, and is the proof for one new password.
 */
#include "postgres.h"

#include "access/xact.h"
#include "accounts/account.h"
#include "accounts/password.h"
#include "catalog/pg_type_d.h"
#include "guc.h"
#include "utils/timestamp.h"
#include "values/email.h"
#include "values/token.h"

#define SECONDS_BETWEEN_REQUESTS 60

/* Locked, so that two requests at once are one. */
static const PlanQuery lock_account = {
	.text = "SELECT id::pg_catalog.int8,"
			" email_changed_at::pg_catalog.timestamptz FROM @store@.customer"
			" WHERE " LOWER_C("email")
				EQ LOWER_C("$1") " AND has_account" EQ
								 "true FOR NO KEY UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

static const PlanQuery select_recent_request = {
	.text = "SELECT id FROM @store@.event WHERE customer_id" EQ "$1"
			" AND type" EQ "'account.password_reset_requested'"
			" AND created_at" GT "$2",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID},
};

static const PlanQuery insert_token = {
	.text = "INSERT INTO @store@.account_token (customer_id) VALUES ($1)",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* May the account, which was locked, be sent a token now? */
static bool
may_be_sent_token(const Store *store, const PlanRows *rows)
{
	bool isnull;
	Datum changed_at = cust_plan_value(rows, 0, 2, &isnull);
	TimestampTz since = GetCurrentTransactionStartTimestamp() -
		SECONDS_BETWEEN_REQUESTS * USECS_PER_SEC;
	NullableDatum values[] = {
		{Int64GetDatum(cust_plan_int64(rows, 0, 1)), false},
		{TimestampTzGetDatum(since), false},
	};

	if (!isnull && !cust_guc_email_settled(DatumGetTimestampTz(changed_at)))
		return false;
	return cust_plan_run(&select_recent_request, &store->target, values, 1)
			   .count == 0;
}

PG_FUNCTION_INFO_V1(customers_request_password_reset);

/*
 * request_password_reset(email) returns void: says nothing about whether the
 * account exists
 */
Datum
customers_request_password_reset(PG_FUNCTION_ARGS)
{
	const Store *store = cust_account_store();
	NullableDatum email = {0, false};
	text *address;
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("email");
	address = cust_email_sought(PG_GETARG_TEXT_PP(0));
	if (address == NULL)
		PG_RETURN_VOID();
	email.value = PointerGetDatum(address);
	cust_plan_begin();
	rows = cust_plan_run(&lock_account, &store->target, &email, 1);
	if (rows.count > 0 && !cust_plan_is_null(&rows, 0, 1) &&
		may_be_sent_token(store, &rows))
	{
		NullableDatum id = {
			Int64GetDatum(cust_plan_int64(&rows, 0, 1)),
			false,
		};

		cust_plan_run(&insert_token, &store->target, &id, 0);
	}
	cust_plan_end();
	PG_RETURN_VOID();
}

static const PlanQuery select_token_holder = {
	.text =
		"SELECT t.customer_id::pg_catalog.int8, EXISTS (SELECT FROM @store@.credential k"
		" WHERE k.customer_id" EQ "t.customer_id)"
		" FROM @store@.account_token t WHERE t.token_hash" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {BYTEAOID},
};

pg_noreturn static void
report_wrong_token(const Store *store)
{
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INVALID_PASSWORD,
			.rule = "credential_password_not_editable",
			.schema = store->target.name,
			.table = "credential",
			.column = "proof",
		},
		"wrong token, e-mail or password");
}

PG_FUNCTION_INFO_V1(customers_reset_password);

/* reset_password(token, new_password) returns bigint: the customer's id */
Datum
customers_reset_password(PG_FUNCTION_ARGS)
{
	const Store *store = cust_account_store();
	text *new_password = cust_account_secret(fcinfo, 1, "new_password");
	NullableDatum hash = {0, false};
	NullableDatum id = {0, false};
	PlanRows rows;
	text *token;

	cust_password_check_length(store->target.name, new_password);
	if (PG_ARGISNULL(0))
		cust_account_report_no_proof(store, "Give the token that was sent.");
	token = cust_account_secret(fcinfo, 0, "token");
	hash.value = PointerGetDatum(
		cust_token_hash(VARDATA(token), VARSIZE(token) - VARHDRSZ));
	cust_plan_begin();
	rows = cust_plan_run(&select_token_holder, &store->target, &hash, 1);
	if (rows.count == 0 || cust_plan_is_null(&rows, 0, 1))
		report_wrong_token(store);
	id.value = Int64GetDatum(cust_plan_int64(&rows, 0, 1));
	cust_plan_run(&cust_account_lock_customer, &store->target, &id, 0);
	cust_account_set_password(store, DatumGetInt64(id.value), new_password,
							  token, !cust_plan_bool(&rows, 0, 2));
	cust_plan_end();
	PG_RETURN_INT64(DatumGetInt64(id.value));
}
