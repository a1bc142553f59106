/*
 * account.c
 *		Accounts: registering, logging in and changing the password.
 *
 * The functions run as the store's owner after checking that the caller may
 * INSERT into credential.  What changes a password is one statement with its
 * evidence, which the guard in account_guard.c judges like anybody's; the
 * secrets in it are under seal (values/secret.c).
 */
#include "postgres.h"

#include "accounts/account.h"
#include "accounts/attempt.h"
#include "accounts/password.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "values/email.h"
#include "values/secret.h"

/* The store, for a caller who may handle accounts. */
const Store *
cust_account_store(void)
{
	const Store *store = cust_store_write();

	cust_store_require(store, STORE_CREDENTIAL, ACL_INSERT, "customer_id");
	return store;
}

/* A password or a token that the function was given. */
text *
cust_account_secret(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		cust_report_null(name);
	return cust_secret_copy(PG_GETARG_TEXT_PP(argument));
}

/* ------------------------------------------------------------------------
 * Registering
 * ------------------------------------------------------------------------
 */

/*
 * One statement, so that customer_account_registered finds both even when
 * constraints are checked at once.
 */
static const PlanQuery insert_registered = {
	.text =
		"WITH c AS ("
		"INSERT INTO @store@.customer (email, first_name, last_name,"
		" company_name, phone, metadata, has_account)"
		" VALUES ($1, $3, $4, $5, $6, $7, true)"
		" ON CONFLICT (" LOWER_C(
			"email") ", has_account) DO NOTHING"
					 " RETURNING id)"
					 " INSERT INTO @store@.credential (customer_id, new_password)"
					 " SELECT c.id, $2 FROM c RETURNING customer_id",
	.as_owner = true,
	.nargs = 7,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
				 JSONBOID},
};

PG_FUNCTION_INFO_V1(customers_register_customer);

/*
 * register_customer(email, password, first_name, last_name, company_name,
 * phone, metadata) returns bigint: the id of a new registered customer
 */
Datum
customers_register_customer(PG_FUNCTION_ARGS)
{
	const Store *store = cust_account_store();
	text *password = cust_account_secret(fcinfo, 1, "password");
	text *sealed;
	NullableDatum values[7];
	PlanRows rows;
	int64 id;

	if (PG_ARGISNULL(0))
		cust_report_null("email");
	cust_password_check_length(store->target.name, password);
	memcpy(values, fcinfo->args, sizeof(values));
	values[0].value = PointerGetDatum(cust_email_valid(store->target.name,
													   "customer",
													   PG_GETARG_TEXT_PP(0)));
	sealed = cust_secret_seal(password);
	values[1].value = PointerGetDatum(sealed);
	cust_plan_begin();
	rows = cust_plan_run(&insert_registered, &store->target, values, 0);
	cust_secret_break(sealed);
	if (rows.count == 0)
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_UNIQUE_VIOLATION,
				.rule = "customer_email_key",
				.schema = store->target.name,
				.table = "customer",
				.column = "email",
				.hint =
					"The customer logs in with it, or asks for a new password.",
			},
			"a registered customer has this e-mail already");
	id = cust_plan_int64(&rows, 0, 1);
	cust_plan_end();
	PG_RETURN_INT64(id);
}

/* ------------------------------------------------------------------------
 * Passwords
 * ------------------------------------------------------------------------
 */

const PlanQuery cust_account_lock_customer = {
	.text = "SELECT id::pg_catalog.int8 FROM @store@.customer WHERE id" EQ
			"$1 FOR KEY SHARE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery set_password = {
	.text = "UPDATE @store@.credential SET new_password = $2, proof = $3"
			" WHERE customer_id" EQ "$1",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, TEXTOID},
};

static const PlanQuery insert_password = {
	.text = "INSERT INTO @store@.credential"
			" (customer_id, new_password, proof) VALUES ($1, $2, $3)",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, TEXTOID},
};

/* Gives the account a password with the proof that it needs. */
void
cust_account_set_password(const Store *store, int64 customer_id,
						  text *password, text *proof, bool first)
{
	text *sealed_password = cust_secret_seal(password);
	text *sealed_proof = cust_secret_seal(proof);
	NullableDatum values[] = {
		{Int64GetDatum(customer_id), false},
		{PointerGetDatum(sealed_password), false},
		{PointerGetDatum(sealed_proof), false},
	};

	cust_plan_run(first ? &insert_password : &set_password, &store->target,
				  values, 0);
	cust_secret_break(sealed_password);
	cust_secret_break(sealed_proof);
}

PG_FUNCTION_INFO_V1(customers_authenticate);

/* authenticate(email, password) returns bigint: the customer's id, or NULL */
Datum
customers_authenticate(PG_FUNCTION_ARGS)
{
	const Store *store = cust_account_store();
	text *password = cust_account_secret(fcinfo, 1, "password");
	NullableDatum email = {0, true};
	Attempt attempt;
	bool right;
	text *address;

	if (PG_ARGISNULL(0))
		cust_report_null("email");
	address = cust_email_sought(PG_GETARG_TEXT_PP(0));
	if (address != NULL)
		email = (NullableDatum){PointerGetDatum(address), false};
	cust_plan_begin();
	cust_attempt_by_email(&attempt, store, email);
	right = cust_attempt_succeeds(&attempt, password);
	if (right && cust_password_is_outdated(attempt.password_hash) &&
		cust_password_length_fits(password))
		cust_account_set_password(store, attempt.customer_id, password,
								  password, false);
	cust_plan_end();
	if (!right)
		PG_RETURN_NULL();
	PG_RETURN_INT64(attempt.customer_id);
}

/* Raises that a password is changed only with proof. */
void
cust_account_report_no_proof(const Store *store, const char *hint)
{
	cust_report(
		&(CustError){
			.rule = "credential_password_not_editable",
			.schema = store->target.name,
			.table = "credential",
			.column = "proof",
			.hint = hint,
		},
		"a password is changed only with proof");
}

PG_FUNCTION_INFO_V1(customers_change_password);

/*
 * change_password(customer_id, current_password, new_password) returns
 * boolean: false for a wrong password, whose count an error would undo
 */
Datum
customers_change_password(PG_FUNCTION_ARGS)
{
	const Store *store = cust_account_store();
	text *new_password = cust_account_secret(fcinfo, 2, "new_password");
	Attempt attempt;
	text *current;
	bool right;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	cust_password_check_length(store->target.name, new_password);
	if (PG_ARGISNULL(1))
		cust_account_report_no_proof(store, "Give the current password.");
	current = cust_account_secret(fcinfo, 1, "current_password");
	cust_plan_begin();
	cust_attempt_by_id(&attempt, store, PG_GETARG_INT64(0));
	right = cust_attempt_succeeds(&attempt, current);
	if (right)
		cust_account_set_password(store, attempt.customer_id, new_password,
								  current, false);
	cust_plan_end();
	PG_RETURN_BOOL(right);
}
