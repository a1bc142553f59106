/*
 * attempt.c
 *		One try of a password on an account, known or not.
 *
 * Called by authenticate and change_password, with an SPI connection open.
 * All that is wrong takes the same road: the same statements, one run of the
 * hash, as many records in the write-ahead log, and so a commit that has to be
 * flushed; and waits for those who try the same.  What a caller can see is only whether it was right.
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "accounts/account.h"
#include "accounts/attempt.h"
#include "accounts/password.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_control.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"

/* so many failures in a row start the wait */
#define FAILURES_BEFORE_WAIT 10
#define LONGEST_WAIT_SECONDS INT64CONST(900)

/* an id that no sequence gives */
#define NOBODY PG_INT64_MIN

/* so many attempts on nobody's account go on at a time at most */
#define QUEUES 1024

/* about as long as the record of a row that is locked or counted up */
#define RECORD_LENGTH 64

/*
 * The customer is locked against deletion only, and before the credential, as
 * a deletion does: a second UPDATE of the credential in a transaction checks
 * the foreign key.  The credential is locked so that guesses in other sessions
 * wait for the count of this one.
 */
static const PlanQuery lock_customer_by_email = {
	.text = "SELECT id::pg_catalog.int8 FROM @store@.customer"
			" WHERE " LOWER_C("email") EQ LOWER_C("$1") " AND has_account" EQ
														"true FOR KEY SHARE",
	.as_owner = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

static const PlanQuery lock_credential = {
	.text = "SELECT password_hash::pg_catalog.text,"
			" failed_attempts::pg_catalog.int4,"
			" locked_until::pg_catalog.timestamptz"
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

/* ------------------------------------------------------------------------
 * The account
 * ------------------------------------------------------------------------
 */

static FailureKey
failure_key(const Attempt *attempt)
{
	return (FailureKey){
		.table = attempt->store->tables[STORE_CREDENTIAL],
		.owner = attempt->store->target.owner,
		.customer_id = attempt->customer_id,
	};
}

/* When does an account that failed so often, at last then, wait no more? */
static TimestampTz
end_of_wait(int failures, TimestampTz last)
{
	int excess = failures - FAILURES_BEFORE_WAIT;
	int64 wait = excess < 10 ? (int64) 1 << excess : LONGEST_WAIT_SECONDS;

	Assert(excess >= 0);
	return last + Min(wait, LONGEST_WAIT_SECONDS) * USECS_PER_SEC;
}

/* Adds the failures whose transactions were rolled back. */
static void
recall_failures(Attempt *attempt, TimestampTz now)
{
	FailureKey key = failure_key(attempt);
	TimestampTz last;
	int noted = cust_failures_of(&key, &last);

	if (noted <= attempt->failures)
		return;
	attempt->failures = noted;
	if (noted >= FAILURES_BEFORE_WAIT && end_of_wait(noted, last) > now)
		attempt->waits = true;
}

/* Takes what the row of the credential says, which may be anything. */
static void
read_credential(Attempt *attempt, const PlanRows *rows)
{
	TimestampTz now = GetCurrentTimestamp();
	bool isnull;
	Datum value = cust_plan_value(rows, 0, 1, &isnull);

	attempt->password_hash = isnull ? NULL : DatumGetTextPP(value);
	value = cust_plan_value(rows, 0, 2, &isnull);
	attempt->failed_attempts = isnull ? 0 : DatumGetInt32(value);
	attempt->failures = Max(attempt->failed_attempts, 0);
	value = cust_plan_value(rows, 0, 3, &isnull);
	attempt->waits = !isnull && DatumGetTimestampTz(value) > now;
	recall_failures(attempt, now);
}

/*
 * Attempts on one account queue at its row.  Those on none queue here, until
 * the end of the transaction as well, for what hashes alike.
 */
static void
queue_for_nobody(const Store *store, uint32 hash)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId,
					   store->tables[STORE_CREDENTIAL], 1 + hash % QUEUES);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Locks the customer, if there is one, and the credential, if it has one.
 * hash is that of what was asked for.
 */
static void
open_attempt(Attempt *attempt, const Store *store, const PlanQuery *lock,
			 NullableDatum key, uint32 hash)
{
	PlanRows rows = cust_plan_run(lock, &store->target, &key, 1);
	NullableDatum id = {0, false};

	attempt->store = store;
	attempt->customer = rows.count > 0 && !cust_plan_is_null(&rows, 0, 1);
	if (attempt->customer)
		attempt->customer_id = cust_plan_int64(&rows, 0, 1);
	id.value = Int64GetDatum(attempt->customer_id);
	rows = cust_plan_run(&lock_credential, &store->target, &id, 1);
	attempt->credential = attempt->customer && rows.count > 0;
	if (attempt->credential)
		read_credential(attempt, &rows);
	else
		queue_for_nobody(store, hash);
}

/* The account with that e-mail; NULL is nobody's. */
void
cust_attempt_by_email(Attempt *attempt, const Store *store,
					  NullableDatum email)
{
	uint32 hash = 0;

	*attempt = (Attempt){.customer_id = NOBODY};
	if (!email.isnull)
	{
		char *address = TextDatumGetCString(email.value);
		char *folded = asc_tolower(address, strlen(address));

		hash = hash_bytes((unsigned char *) folded, strlen(folded));
	}
	open_attempt(attempt, store, &lock_customer_by_email, email, hash);
}

void
cust_attempt_by_id(Attempt *attempt, const Store *store, int64 customer_id)
{
	NullableDatum id = {Int64GetDatum(customer_id), false};

	*attempt = (Attempt){.customer_id = customer_id};
	open_attempt(attempt, store, &cust_account_lock_customer, id,
				 hash_bytes((unsigned char *) &customer_id,
							sizeof(customer_id)));
}

/* ------------------------------------------------------------------------
 * Counting
 * ------------------------------------------------------------------------
 */

static void
write_failures(const Attempt *attempt, int64 customer_id, int failures,
			   TimestampTz now)
{
	bool waits = failures >= FAILURES_BEFORE_WAIT;
	NullableDatum values[] = {
		{Int64GetDatum(customer_id), false},
		{Int32GetDatum(failures), false},
		{waits ? TimestampTzGetDatum(end_of_wait(failures, now)) : 0, !waits},
	};

	cust_plan_run(&set_failures, &attempt->store->target, values, 0);
}

/*
 * Writes what was not written, of the rows to be locked and the one to be
 * counted up, as records that mean nothing: without them a commit would be
 * quicker where there is no account.
 */
static void
even_out(int records)
{
	static const char filler[RECORD_LENGTH] = {0};

	/* with it, the commit is recorded and flushed */
	(void) GetCurrentTransactionId();
	for (int i = 0; i < records; i++)
	{
		XLogBeginInsert();
		XLogRegisterData(unconstify(char *, &filler[0]), RECORD_LENGTH);
		(void) XLogInsert(RM_XLOG_ID, XLOG_NOOP);
	}
}

/*
 * Counts a failure.  It is noted before anything can fail that would take it
 * back.  Attempts during the wait do not count.
 */
static void
count_failure(const Attempt *attempt)
{
	bool counts = attempt->credential && !attempt->waits;
	int failures = Min(attempt->failures, PG_INT32_MAX - 1) + 1;
	TimestampTz now = GetCurrentTimestamp();

	if (counts)
	{
		FailureKey key = failure_key(attempt);

		cust_failures_note(&key, failures, now);
	}
	write_failures(attempt, counts ? attempt->customer_id : NOBODY, failures,
				   now);
	even_out(!attempt->customer + !attempt->credential + !counts);
}

static void
forget_failures(const Attempt *attempt)
{
	FailureKey key = failure_key(attempt);

	cust_failures_forget(&key);
	if (attempt->failed_attempts != 0)
		write_failures(attempt, attempt->customer_id, 0, 0);
}

/*
 * Is it the password of the account?  Takes one run of the hash in any case.
 * Counts a failure, and forgets all of them after a success.
 */
bool
cust_attempt_succeeds(Attempt *attempt, text *password)
{
	bool open = attempt->credential && !attempt->waits;

	if (cust_password_matches(password,
							  open ? attempt->password_hash : NULL) &&
		open)
	{
		forget_failures(attempt);
		return true;
	}
	count_failure(attempt);
	return false;
}
