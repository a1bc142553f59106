/*
 * account.c
 *		Accounts: registering, logging in and changing the password.
 *
 * The functions run as the store's owner after checking that the caller may
 * INSERT into credential.  What changes a password is one statement with its
 * evidence, which the guard in account_guard.c judges like anybody's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "accounts/account.h"
#include "accounts/password.h"
#include "catalog/pg_type_d.h"
#include "guc.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "values/email.h"

/* The store, for a caller who may handle accounts. */
const Store *
cust_account_store(void)
{
	const Store *store = cust_store_write();

	cust_store_require(store, STORE_CREDENTIAL, ACL_INSERT, "customer_id");
	return store;
}

/* A copy of a password that can be wiped. */
text *
cust_account_password(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		cust_report_null(name);
	return PG_GETARG_TEXT_P_COPY(argument);
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
	text *password = cust_account_password(fcinfo, 1, "password");
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
	values[1].value = PointerGetDatum(password);
	cust_plan_begin();
	rows = cust_plan_run(&insert_registered, &store->target, values, 0);
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
	cust_password_wipe(password);
	PG_RETURN_INT64(id);
}

/* ------------------------------------------------------------------------
 * Passwords and how often they were wrong
 * ------------------------------------------------------------------------
 */

/* so many failures in a row start the wait */
#define FAILURES_BEFORE_WAIT 10
#define LONGEST_WAIT_SECONDS INT64CONST(900)

/*
 * The customer is locked against deletion only, and before the credential, as
 * a deletion does: a second UPDATE of the credential in a transaction checks
 * the foreign key.  The credential is locked so that guesses in other sessions
 * wait for the count of this one.
 */
static const PlanQuery lock_customer_by_email = {
	.text = "SELECT id FROM @store@.customer"
			" WHERE " LOWER_C("email") EQ LOWER_C("$1") " AND has_account" EQ
														"true FOR KEY SHARE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

const PlanQuery cust_account_lock_customer = {
	.text = "SELECT id FROM @store@.customer WHERE id" EQ "$1 FOR KEY SHARE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery lock_credential = {
	.text = "SELECT customer_id, password_hash, failed_attempts, locked_until"
			" FROM @store@.credential"
			" WHERE customer_id" EQ "$1 FOR NO KEY UPDATE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

static const PlanQuery set_failures = {
	.text = "UPDATE @store@.credential"
			" SET failed_attempts = $2, locked_until = $3"
			" WHERE customer_id" EQ "$1",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, INT4OID, TIMESTAMPTZOID},
};

const PlanQuery cust_account_set_password = {
	.text = "UPDATE @store@.credential SET new_password = $2, proof = $3"
			" WHERE customer_id" EQ "$1",
	.as_owner = true,
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, TEXTOID},
};

static int
failed_attempts(const PlanRows *rows)
{
	bool isnull;
	Datum value = cust_plan_value(rows, 0, 3, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static bool
is_waiting(const PlanRows *rows)
{
	bool isnull;
	Datum until = cust_plan_value(rows, 0, 4, &isnull);

	return !isnull && DatumGetTimestampTz(until) > GetCurrentTimestamp();
}

/* Counts a failure, or forgets all of them. */
static void
count_attempt(const Store *store, const PlanRows *rows, bool failed)
{
	int before = failed_attempts(rows);
	int failures = failed ? Min(before, PG_INT32_MAX - 1) + 1 : 0;
	int excess = failures - FAILURES_BEFORE_WAIT;
	NullableDatum values[] = {
		{Int64GetDatum(cust_plan_int64(rows, 0, 1)), false},
		{Int32GetDatum(failures), false},
		{0, true},
	};

	if (excess >= 0)
	{
		int64 wait = excess < 10 ? (int64) 1 << excess : LONGEST_WAIT_SECONDS;

		wait = Min(wait, LONGEST_WAIT_SECONDS);
		values[2].value = TimestampTzGetDatum(GetCurrentTimestamp() +
											  wait * USECS_PER_SEC);
		values[2].isnull = false;
	}
	cust_plan_run(&set_failures, &store->target, values, 0);
}

/*
 * Is it the password of the account, which was looked for and locked?  Takes
 * one run of the hash in any case.  Attempts during the wait do not count.
 */
static bool
check_password(const Store *store, const PlanRows *rows, text *password)
{
	bool countable = rows->count > 0 && !is_waiting(rows);
	bool isnull;
	bool matches = false;

	if (countable && VARSIZE_ANY_EXHDR(password) <= CUST_PASSWORD_MAX)
		matches = cust_password_matches(password,
										DatumGetTextPP(
											cust_plan_value(rows, 0, 2,
															&isnull)));
	else
		cust_password_spend_time();
	if (!matches)
	{
		if (countable)
			count_attempt(store, rows, true);
		return false;
	}
	if (failed_attempts(rows) > 0)
		count_attempt(store, rows, false);
	return true;
}

/* Hashes the same password anew when the cost was changed. */
static void
renew_hash(const Store *store, const PlanRows *rows, text *password)
{
	bool isnull;
	Datum hash = cust_plan_value(rows, 0, 2, &isnull);
	NullableDatum values[] = {
		{Int64GetDatum(cust_plan_int64(rows, 0, 1)), false},
		{PointerGetDatum(password), false},
		{PointerGetDatum(password), false},
	};

	if (cust_password_is_outdated(DatumGetTextPP(hash)) &&
		cust_password_length_fits(password))
		cust_plan_run(&cust_account_set_password, &store->target, values, 0);
}

/* The locked credential of the account with that e-mail, if there is one. */
static PlanRows
find_credential(const Store *store, NullableDatum email)
{
	PlanRows rows = cust_plan_run(&lock_customer_by_email, &store->target,
								  &email, 1);
	NullableDatum id = {0, false};

	if (rows.count == 0)
		return rows;
	id.value = Int64GetDatum(cust_plan_int64(&rows, 0, 1));
	return cust_plan_run(&lock_credential, &store->target, &id, 1);
}

PG_FUNCTION_INFO_V1(customers_authenticate);

/* authenticate(email, password) returns bigint: the customer's id, or NULL */
Datum
customers_authenticate(PG_FUNCTION_ARGS)
{
	const Store *store = cust_account_store();
	text *password = cust_account_password(fcinfo, 1, "password");
	NullableDatum email = {0, false};
	PlanRows rows = {0, NULL};
	int64 id = 0;
	text *address;

	if (PG_ARGISNULL(0))
		cust_report_null("email");
	address = cust_email_sought(PG_GETARG_TEXT_PP(0));
	cust_plan_begin();
	if (address != NULL)
	{
		email.value = PointerGetDatum(address);
		rows = find_credential(store, email);
	}
	if (check_password(store, &rows, password))
	{
		id = cust_plan_int64(&rows, 0, 1);
		renew_hash(store, &rows, password);
	}
	cust_plan_end();
	cust_password_wipe(password);
	if (id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(id);
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
	text *new_password = cust_account_password(fcinfo, 2, "new_password");
	NullableDatum values[3];
	PlanRows rows;
	text *current;
	bool changed;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	cust_password_check_length(store->target.name, new_password);
	if (PG_ARGISNULL(1))
		cust_account_report_no_proof(store, "Give the current password.");
	current = PG_GETARG_TEXT_P_COPY(1);
	values[0] = fcinfo->args[0];
	values[1].value = PointerGetDatum(new_password);
	values[1].isnull = false;
	values[2].value = PointerGetDatum(current);
	values[2].isnull = false;
	cust_plan_begin();
	cust_plan_run(&cust_account_lock_customer, &store->target, values, 1);
	rows = cust_plan_run(&lock_credential, &store->target, values, 1);
	changed = check_password(store, &rows, current);
	if (changed)
		cust_plan_run(&cust_account_set_password, &store->target, values, 0);
	cust_plan_end();
	cust_password_wipe(current);
	cust_password_wipe(new_password);
	PG_RETURN_BOOL(changed);
}
