/*
 * account_guard.c
 *		The guards of tables credential and account_token.
 *
 * A password is written only with evidence in the same row: the current
 * password, a live reset token, or a customer that was registered in this
 * transaction.  Evidence never stays in the row.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "accounts/failures.h"
#include "accounts/password.h"
#include "catalog/pg_type_d.h"
#include "guc.h"
#include "rows/trigger.h"
#include "stores/expect.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/handover.h"
#include "values/secret.h"
#include "values/token.h"

#define TOKEN_TTL_HOURS 1

/* ------------------------------------------------------------------------
 * Evidence
 * ------------------------------------------------------------------------
 */

/*
 * The live token is used up by being found: of two statements with the same
 * token, the second finds none.
 */
static const PlanQuery use_token = {
	.text = "DELETE FROM @store@.account_token t"
			" USING @store@.customer c"
			" WHERE t.customer_id" EQ "$1 AND t.token_hash" EQ "$2"
			" AND t.expires_at" GT "$3 AND c.id" EQ "t.customer_id"
			" AND (c.email_changed_at IS NULL"
			" OR c.email_changed_at" LE "t.created_at)",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, BYTEAOID, TIMESTAMPTZOID},
};

static const PlanQuery delete_tokens = {
	.text = "DELETE FROM @store@.account_token WHERE customer_id" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* A password or proof of the new row, without the seal; NULL for NULL. */
static text *
new_secret(const TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_new(row, column, &isnull);

	return isnull ? NULL : cust_secret_open(DatumGetTextPP(value));
}

/* Is the proof a live reset token of the customer?  Then it is used up. */
static bool
proves_by_token(const Store *store, int64 customer_id, text *proof)
{
	NullableDatum values[3] = {{Int64GetDatum(customer_id), false}};

	if (VARSIZE_ANY_EXHDR(proof) != CUST_TOKEN_LENGTH)
		return false;
	values[1].value = PointerGetDatum(
		cust_token_hash(VARDATA_ANY(proof), VARSIZE_ANY_EXHDR(proof)));
	values[2].value = TimestampTzGetDatum(GetCurrentTimestamp());
	return cust_plan_run(&use_token, &store->target, values, 0).count > 0;
}

static bool
proves_by_password(const TriggerRow *row, text *proof)
{
	bool isnull;
	Datum hash = cust_trigger_old(row, CREDENTIAL_PASSWORD_HASH, &isnull);

	return cust_password_matches(proof, isnull ? NULL : DatumGetTextPP(hash));
}

pg_noreturn static void
report_wrong_proof(const TriggerRow *row, const char *rule)
{
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_INVALID_PASSWORD,
			.rule = rule,
			.schema = row->schema,
			.table = row->shape->name,
			.column = "proof",
		},
		"wrong token, e-mail or password");
}

static void
set_password(TriggerRow *row, text *password)
{
	cust_trigger_set(row, CREDENTIAL_PASSWORD_HASH,
					 PointerGetDatum(cust_password_hash(password)));
	cust_trigger_set_null(row, CREDENTIAL_NEW_PASSWORD);
	cust_trigger_set_null(row, CREDENTIAL_PROOF);
}

/* Forgets wrong passwords that no row tells of. */
static void
forget_failures(const TriggerRow *row, const Store *store)
{
	FailureKey key = {
		.table = RelationGetRelid(row->data->tg_relation),
		.owner = store->target.owner,
		.customer_id = cust_trigger_new_id(row, CREDENTIAL_CUSTOMER_ID),
	};

	cust_failures_forget(&key);
}

/* A new password, as opposed to a new hash of the same one. */
static void
set_changed(TriggerRow *row, const Store *store)
{
	forget_failures(row, store);
	cust_trigger_set(row, CREDENTIAL_PASSWORD_CHANGED_AT,
					 TimestampTzGetDatum(GetCurrentTimestamp()));
	cust_trigger_set(row, CREDENTIAL_FAILED_ATTEMPTS, Int32GetDatum(0));
	cust_trigger_set_null(row, CREDENTIAL_LOCKED_UNTIL);
}

/* ------------------------------------------------------------------------
 * credential
 * ------------------------------------------------------------------------
 */

static const PlanQuery select_registration = {
	.text = "SELECT c.has_account::pg_catalog.bool,"
			" c.external_id IS NOT NULL, c.xmin,"
			" c.version" EQ "1 AND c.updated_at" EQ "$2,"
			" EXISTS (SELECT FROM @store@.credential k"
			" WHERE k.customer_id" EQ "c.id)"
			" FROM @store@.customer c WHERE c.id" EQ "$1",
	.as_owner = true,
	.nargs = 2,
	.argtypes = {INT8OID, TIMESTAMPTZOID},
};

pg_noreturn static void
report_not_registering(const TriggerRow *row, int64 customer_id,
					   const char *why)
{
	cust_trigger_refuse(
		row, "credential_by_registration", CREDENTIAL_CUSTOMER_ID,
		"Accounts are made by customers.register_customer; an imported one sets its first password with a reset token.",
		psprintf("customer " INT64_FORMAT " %s", customer_id, why));
}

/* Was the customer, as far as it was read, inserted by this transaction? */
static bool
was_inserted_now(const PlanRows *rows)
{
	bool isnull;
	Datum xmin = cust_plan_value(rows, 0, 3, &isnull);

	/* a row of another transaction that was touched has another updated_at */
	return cust_plan_bool(rows, 0, 4) &&
		TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/* Raises unless the customer may be given a first password. */
static void
check_first_password(const TriggerRow *row, const Store *store,
					 int64 customer_id)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	NullableDatum values[] = {
		{Int64GetDatum(customer_id), false},
		{TimestampTzGetDatum(now), false},
	};
	PlanRows rows = cust_plan_run(&select_registration, &store->target, values,
								  1);
	text *proof = new_secret(row, CREDENTIAL_PROOF);

	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, customer_id);
	if (!cust_plan_bool(&rows, 0, 1))
		report_not_registering(row, customer_id, "is a guest");
	if (was_inserted_now(&rows))
		return;
	if (cust_plan_bool(&rows, 0, 5))
		report_not_registering(row, customer_id, "has a password already");
	if (!cust_plan_bool(&rows, 0, 2))
		report_not_registering(row, customer_id,
							   "was not registered in this transaction");
	if (proof == NULL)
		report_not_registering(row, customer_id,
							   "was imported and needs a reset token");
	if (!proves_by_token(store, customer_id, proof))
		report_wrong_proof(row, "credential_by_registration");
}

pg_noreturn static void
report_hash_given(const TriggerRow *row)
{
	cust_trigger_refuse(row, "credential_password_not_editable",
						CREDENTIAL_PASSWORD_HASH,
						"Only the customer can change it, in the storefront.",
						"the password of a customer cannot be edited");
}

static void
guard_insert(TriggerRow *row, const Store *store)
{
	text *password = new_secret(row, CREDENTIAL_NEW_PASSWORD);

	if (!cust_trigger_is_null(row, CREDENTIAL_PASSWORD_HASH))
		report_hash_given(row);
	cust_trigger_require(row, CREDENTIAL_CUSTOMER_ID);
	cust_password_check_length(row->schema, password);
	check_first_password(row, store,
						 cust_trigger_new_id(row, CREDENTIAL_CUSTOMER_ID));
	set_password(row, password);
	set_changed(row, store);
}

/* A new password with its proof. */
static void
change_password(TriggerRow *row, const Store *store, text *password)
{
	int64 customer_id = cust_trigger_old_id(row, CREDENTIAL_CUSTOMER_ID);
	text *proof = new_secret(row, CREDENTIAL_PROOF);
	NullableDatum id = {Int64GetDatum(customer_id), false};
	bool same = false;

	cust_password_check_length(row->schema, password);
	if (proof == NULL)
		cust_trigger_refuse(
			row, "credential_password_not_editable", CREDENTIAL_PROOF,
			"Give the current password or a reset token as proof.",
			psprintf("the password of customer " INT64_FORMAT
					 " is changed only with proof",
					 customer_id));
	if (!proves_by_token(store, customer_id, proof))
	{
		if (!proves_by_password(row, proof))
			report_wrong_proof(row, "credential_password_not_editable");
		same = VARSIZE_ANY_EXHDR(proof) == VARSIZE_ANY_EXHDR(password) &&
			memcmp(VARDATA_ANY(proof), VARDATA_ANY(password),
				   VARSIZE_ANY_EXHDR(proof)) == 0;
	}
	set_password(row, password);
	if (same)
		return;
	set_changed(row, store);
	cust_plan_run(&delete_tokens, &store->target, &id, 0);
}

static bool
has_no_failures(const TriggerRow *row)
{
	bool isnull;
	Datum failures = cust_trigger_new(row, CREDENTIAL_FAILED_ATTEMPTS,
									  &isnull);

	return isnull || DatumGetInt32(failures) <= 0;
}

static void
guard_update(TriggerRow *row, const Store *store)
{
	static const int fixed[] = {CREDENTIAL_CUSTOMER_ID, CREDENTIAL_CREATED_AT};
	text *password = new_secret(row, CREDENTIAL_NEW_PASSWORD);

	cust_trigger_fix(row, fixed, lengthof(fixed),
					 psprintf("the credential of customer " INT64_FORMAT,
							  cust_trigger_old_id(row,
												  CREDENTIAL_CUSTOMER_ID)));
	if (cust_trigger_changed(row, CREDENTIAL_PASSWORD_HASH))
		report_hash_given(row);
	cust_trigger_keep(row, CREDENTIAL_PASSWORD_CHANGED_AT);
	/* the owner ends a wait with this */
	if (cust_trigger_is_null(row, CREDENTIAL_LOCKED_UNTIL) &&
		has_no_failures(row))
		forget_failures(row, store);
	if (password != NULL)
		change_password(row, store, password);
	else if (!cust_trigger_is_null(row, CREDENTIAL_PROOF))
		cust_trigger_refuse(row, "credential_password_not_editable",
							CREDENTIAL_NEW_PASSWORD,
							"Give the new password with the proof.",
							"proof was given, but no new password");
}

/* A credential disappears only with its customer. */
static void
guard_delete(const TriggerRow *row, const Store *store)
{
	int64 customer_id = cust_trigger_old_id(row, CREDENTIAL_CUSTOMER_ID);

	if (cust_expect_exists(store, customer_id))
		cust_trigger_refuse(
			row, "credential_kept", CREDENTIAL_CUSTOMER_ID,
			"Delete the customer with customers.delete_customer.",
			psprintf("the credential of customer " INT64_FORMAT
					 " disappears only with the customer",
					 customer_id));
}

PG_FUNCTION_INFO_V1(customers_credential_guard);

/* trigger: BEFORE INSERT, UPDATE or DELETE .. ROW, TRUNCATE .. STATEMENT */
Datum
customers_credential_guard(PG_FUNCTION_ARGS)
{
	TriggerRow row;
	const Store *store;

	cust_trigger_open(fcinfo, &cust_layout[STORE_CREDENTIAL],
					  TRIGGER_BEFORE_ROW,
					  TRIGGER_INSERT | TRIGGER_UPDATE | TRIGGER_DELETE |
						  TRIGGER_TRUNCATE,
					  &row);
	store = cust_store_of(row.data->tg_relation);
	cust_plan_begin();
	switch (row.operation)
	{
		case TRIGGER_INSERT:
			guard_insert(&row, store);
			break;
		case TRIGGER_UPDATE:
			guard_update(&row, store);
			break;
		case TRIGGER_DELETE:
			guard_delete(&row, store);
			break;
		case TRIGGER_TRUNCATE:
			report_hash_given(&row);
	}
	cust_plan_end();
	return cust_trigger_result(&row);
}

/* ------------------------------------------------------------------------
 * account_token
 * ------------------------------------------------------------------------
 */

static const PlanQuery lock_customer = {
	.text = "SELECT has_account::pg_catalog.bool,"
			" email_changed_at::pg_catalog.timestamptz FROM @store@.customer"
			" WHERE id" EQ "$1 FOR SHARE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* Raises unless the customer may be sent a token. */
static void
check_account(const TriggerRow *row, const Store *store, NullableDatum id)
{
	int64 customer_id = DatumGetInt64(id.value);
	PlanRows rows = cust_plan_run(&lock_customer, &store->target, &id, 1);
	bool isnull;
	Datum changed_at;

	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, customer_id);
	if (!cust_plan_bool(&rows, 0, 1))
		cust_trigger_refuse(
			row, "account_token_fixed", ACCOUNT_TOKEN_CUSTOMER_ID,
			"Only a registered customer has a password to reset.",
			psprintf("customer " INT64_FORMAT " is a guest", customer_id));
	changed_at = cust_plan_value(&rows, 0, 2, &isnull);
	if (!isnull && !cust_guc_email_settled(DatumGetTimestampTz(changed_at)))
		cust_trigger_refuse(
			row, "account_token_email_settled", ACCOUNT_TOKEN_CUSTOMER_ID,
			"Wait until the time of the setting customers.email_change_hold has passed.",
			psprintf("the e-mail of customer " INT64_FORMAT
					 " was changed recently",
					 customer_id));
}

/* Makes the token, which event puts into the delivery of the statement. */
static void
request_token(TriggerRow *row, const Store *store)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz expires_at = now + TOKEN_TTL_HOURS * USECS_PER_HOUR;
	NullableDatum id = {
		Int64GetDatum(cust_trigger_new_id(row, ACCOUNT_TOKEN_CUSTOMER_ID)),
		false,
	};

	check_account(row, store, id);
	cust_plan_run(&delete_tokens, &store->target, &id, 0);
	cust_trigger_set(row, ACCOUNT_TOKEN_TOKEN_HASH,
					 PointerGetDatum(cust_handover_make()));
	cust_trigger_set(row, ACCOUNT_TOKEN_EXPIRES_AT,
					 TimestampTzGetDatum(expires_at));
	cust_trigger_set(row, ACCOUNT_TOKEN_CREATED_AT, TimestampTzGetDatum(now));
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
	if (row.operation != TRIGGER_INSERT ||
		!cust_trigger_is_null(&row, ACCOUNT_TOKEN_TOKEN_HASH))
		cust_trigger_refuse(
			&row, "account_token_fixed", ACCOUNT_TOKEN_TOKEN_HASH,
			"Insert a row with the customer_id to ask for a new token.",
			"a token can be asked for, but neither given nor changed");
	cust_trigger_require(&row, ACCOUNT_TOKEN_CUSTOMER_ID);
	cust_plan_begin();
	request_token(&row, cust_store_of(row.data->tg_relation));
	cust_plan_end();
	return cust_trigger_result(&row);
}
