/*
 * event_account.c
 *		The events of accounts: their passwords and reset tokens.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "events/event.h"

static const PlanQuery select_account = {
	.text = "SELECT email::pg_catalog.text, external_id IS NOT NULL"
			" FROM @store@.customer WHERE id" EQ "$1",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

/* The account's row: e-mail, and whether it was imported. */
static PlanRows
find_account(Recorder *recorder, int64 customer_id)
{
	NullableDatum id = {Int64GetDatum(customer_id), false};

	return cust_plan_run(&select_account, &recorder->store->target, &id, 1);
}

/* Starts what a notification of the account must know. */
static void
begin_confidential(JsonObject *confidential, const PlanRows *account)
{
	char *email = account->count > 0 ? cust_plan_text(account, 0, 1) : NULL;

	cust_json_begin(confidential);
	cust_json_texts(confidential, "to", cust_event_addressees(email, NULL));
	cust_json_text(confidential, "email", email);
}

static Datum
customer_payload(int64 customer_id)
{
	JsonObject payload;

	cust_event_begin_payload(&payload, customer_id, 0);
	return cust_json_end(&payload);
}

/* ------------------------------------------------------------------------
 * credential
 * ------------------------------------------------------------------------
 */

/* A hash that was only made anew leaves password_changed_at as it was. */
static bool
password_changed(const ChangedRow *row)
{
	return row->old == NULL ||
		cust_event_id(row, row->old, CREDENTIAL_PASSWORD_CHANGED_AT) !=
		cust_event_id(row, row->new, CREDENTIAL_PASSWORD_CHANGED_AT);
}

static void
describe_credential(Recorder *recorder, const ChangedRow *row)
{
	EventDraft draft = {
		.type = "account.password_changed",
		.customer_id = cust_event_id(row, row->new, CREDENTIAL_CUSTOMER_ID),
	};
	JsonObject confidential;
	PlanRows account;

	if (!password_changed(row))
		return;
	account = find_account(recorder, draft.customer_id);
	/* the first password of an imported account is no registration */
	if (row->old == NULL && account.count > 0 &&
		!cust_plan_bool(&account, 0, 2))
		draft.type = "account.registered";
	draft.payload = customer_payload(draft.customer_id);
	if (cust_record_wanted(recorder, draft.type))
	{
		begin_confidential(&confidential, &account);
		draft.confidential = cust_json_end(&confidential);
	}
	cust_event_add(recorder, &draft);
}

PG_FUNCTION_INFO_V1(customers_credential_record);

/* trigger: AFTER INSERT or UPDATE ON credential FOR EACH STATEMENT */
Datum
customers_credential_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_CREDENTIAL,
					  TRIGGER_INSERT | TRIGGER_UPDATE, describe_credential);
	return PointerGetDatum(NULL);
}

/* ------------------------------------------------------------------------
 * account_token
 * ------------------------------------------------------------------------
 */

static void
describe_account_token(Recorder *recorder, const ChangedRow *row)
{
	EventDraft draft = {
		.type = "account.password_reset_requested",
		.customer_id = cust_event_id(row, row->new, ACCOUNT_TOKEN_CUSTOMER_ID),
		.expires_at = cust_event_id(row, row->new, ACCOUNT_TOKEN_EXPIRES_AT),
	};

	draft.payload = customer_payload(draft.customer_id);
	if (cust_record_wanted(recorder, draft.type))
	{
		PlanRows account = find_account(recorder, draft.customer_id);
		char *token = cust_event_take_token(row, ACCOUNT_TOKEN_TOKEN_HASH);
		JsonObject confidential;

		begin_confidential(&confidential, &account);
		cust_json_text(&confidential, "token", token);
		cust_json_text(&confidential, "expires_at",
					   draft.expires_at == 0 ?
						   NULL :
						   cust_event_time_text(draft.expires_at));
		draft.confidential = cust_json_end(&confidential);
		if (token)
			explicit_bzero(token, strlen(token));
	}
	cust_record_add(recorder, &draft);
}

PG_FUNCTION_INFO_V1(customers_account_token_record);

/* trigger: AFTER INSERT ON account_token FOR EACH STATEMENT */
Datum
customers_account_token_record(PG_FUNCTION_ARGS)
{
	cust_event_record(fcinfo, STORE_ACCOUNT_TOKEN, TRIGGER_INSERT,
					  describe_account_token);
	return PointerGetDatum(NULL);
}
