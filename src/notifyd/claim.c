/*
 * claim.c
 *		Claiming deliveries, and the chores of the store.
 *
 * What the server answers is judged, too: rows are the owner's of the store.
 */
#include "claim.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "claim_sql.h"
#include "complain.h"
#include "connection.h"
#include "log.h"
#include "utf8.h"

/* beyond the commands' time: to end them, and to tell the server */
#define LEASE_MARGIN 10000

/* pauses after an error of the server */
#define FIRST_PAUSE 1000
#define LONGEST_PAUSE 60000

#define INSUFFICIENT_PRIVILEGE "42501"

static const Options *options;
static char *lease;
static bool claimed_before;
static Millis next_try;
static Millis pause_after_failure = FIRST_PAUSE;

/* Says what to claim, and for how long. */
void
claim_begin(const Options *given)
{
	Buffer text = {0};

	options = given;
	buffer_print(&text, "%lld milliseconds", given->timeout + LEASE_MARGIN);
	lease = text.data;
}

/* When claim_deliveries may be called again. */
Millis
claim_next_try(void)
{
	return next_try;
}

void
delivery_free(Delivery *delivery)
{
	if (delivery == NULL)
		return;
	memory_forget(delivery->type);
	memory_forget(delivery->token);
	memory_forget(delivery->json);
	for (int i = 0; i < delivery->n_to; i++)
		memory_forget(delivery->to[i]);
	free(delivery->to);
	for (int i = 0; i < CLAIMED_FIELDS; i++)
		memory_forget(delivery->fields[i]);
	free(delivery);
}

/* ------------------------------------------------------------------------
 * Reading what was claimed
 * ------------------------------------------------------------------------
 */

/*
 * The value, or NULL, also where the result has no such place; it lives as
 * long as the result.
 */
static const char *
value_of(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL :
											  PQgetvalue(result, row, column);
}

/* The number, or 0 if there is none. */
static int64_t
number_of(const PGresult *result, int row, int column)
{
	const char *value = value_of(result, row, column);

	return value ? strtoll(value, NULL, 10) : 0;
}

/* The event on one line, in UTF-8 also where the database has none. */
static char *
read_json(const PGresult *result, int row)
{
	const char *value = value_of(result, row, COLUMN_JSON);
	Buffer json = {0};

	buffer_text(&json, "");
	utf8_add_clean(&json, value ? value : "");
	return json.data;
}

static Delivery *
read_delivery(const PGresult *result, int row, Millis lease_end)
{
	Delivery *delivery = memory_get(sizeof(Delivery));
	const char *fits = value_of(result, row, COLUMN_FITS);

	delivery->id = number_of(result, row, COLUMN_ID);
	delivery->event_id = number_of(result, row, COLUMN_EVENT_ID);
	delivery->type = memory_copy(value_of(result, row, COLUMN_TYPE));
	delivery->attempt = (int) number_of(result, row, COLUMN_ATTEMPT);
	delivery->token = memory_copy(value_of(result, row, COLUMN_TOKEN));
	delivery->lease_end = lease_end;
	if (fits == NULL || *fits != 't')
		delivery->fault = "it is larger than 256 kB";
	if (options->mode != MODE_MAIL)
	{
		delivery->json = read_json(result, row);
		return delivery;
	}
	for (int i = 0; i < CLAIMED_FIELDS; i++)
		delivery->fields[i] = memory_copy(
			value_of(result, row, COLUMN_FIELDS + i));
	return delivery;
}

static void
add_address(Delivery *delivery, const char *address)
{
	if (delivery->n_to == MAX_RECIPIENTS)
	{
		delivery->fault = "it has more than " AS_TEXT(
			MAX_RECIPIENTS) " addresses";
		return;
	}
	if (delivery->to == NULL)
		delivery->to = memory_get(MAX_RECIPIENTS * sizeof(char *));
	delivery->to[delivery->n_to++] = memory_copy(address);
}

/* Has the row what every delivery has?  Nothing can be done without. */
static bool
is_complete(const PGresult *result, int row)
{
	bool complete = value_of(result, row, COLUMN_TYPE) != NULL &&
		number_of(result, row, COLUMN_ID) != 0;

	if (!complete)
		log_simple("error", "claim", "reason",
				   "a delivery without id or type");
	return complete;
}

/*
 * Reads the rows, of no more deliveries than were wanted; the addresses of a
 * delivery stand in rows of their own.
 */
static int
read_deliveries(const PGresult *result, int wanted, Millis lease_end,
				Delivery **deliveries)
{
	bool mails = options->mode == MODE_MAIL;
	int64_t place = 0;
	int n = 0;

	for (int row = 0; row < PQntuples(result); row++)
	{
		int64_t next = mails ? number_of(result, row, COLUMN_PLACE) : row + 1;
		const char *address;

		if (!is_complete(result, row))
			continue;
		if (n == 0 || next != place)
		{
			if (n == wanted)
				break;
			deliveries[n++] = read_delivery(result, row, lease_end);
		}
		place = next;
		address = mails ? value_of(result, row, COLUMN_ADDRESS) : NULL;
		if (address != NULL)
			add_address(deliveries[n - 1], address);
	}
	return n;
}

/* ------------------------------------------------------------------------
 * Claiming
 * ------------------------------------------------------------------------
 */

/* Is it an error that waiting does not mend? */
static bool
is_misconfigured(const char *sqlstate)
{
	static const char *const states[] = {
		INSUFFICIENT_PRIVILEGE,
		"3F000", /* no such store or schema */
		"42883", /* no such function */
		"23503", /* no such subscription */
		"22023", /* no possible name */
	};

	for (size_t i = 0; sqlstate && i < sizeof(states) / sizeof(*states); i++)
	{
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	}
	return false;
}

/*
 * The claim was refused.  A daemon that never worked is set up wrongly, and
 * ends; one that did waits, for instance for the end of an upgrade.
 */
static void
handle_refusal(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *reason = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (!claimed_before && is_misconfigured(sqlstate))
		complain(EXIT_BAD_CONFIG,
				 "cannot claim deliveries of store \"%s\": %s%s%s",
				 options->store, reason ? reason : sqlstate,
				 hint ? "\nHint: " : "", hint ? hint : "");
	connection_log_error("claim", result);
	next_try = clock_now() + pause_after_failure;
	pause_after_failure *= 2;
	if (pause_after_failure > LONGEST_PAUSE)
		pause_after_failure = LONGEST_PAUSE;
	/* a server that became a standby: perhaps another one did not */
	if (sqlstate != NULL && strcmp(sqlstate, "25006") == 0)
		connection_close("the server is a standby");
}

/*
 * Claims up to so many deliveries.  Returns how many, 0 if nothing is due, -1
 * if it was not possible now.
 */
int
claim_deliveries(int wanted, Delivery **deliveries)
{
	Millis lease_end = clock_now() + options->timeout + LEASE_MARGIN;
	char batch[16];
	bool mails = options->mode == MODE_MAIL;
	const char *const values[] = {options->subscription, batch, lease,
								  options->store};
	PGresult *result;
	int n;

	snprintf(batch, sizeof(batch), "%d", wanted);
	result = connection_call(mails ? claim_mails : claim_json, mails ? 4 : 3,
							 values);
	if (result == NULL)
		return -1;
	if (connection_failed(result))
	{
		handle_refusal(result);
		PQclear(result);
		return -1;
	}
	claimed_before = true;
	pause_after_failure = FIRST_PAUSE;
	n = read_deliveries(result, wanted, lease_end, deliveries);
	PQclear(result);
	return n;
}

/*
 * Records that overdue transfers have expired.  Not being allowed to is said
 * once; others may do it, and overdue transfers count as expired anyway.
 */
void
claim_expire_transfers(void)
{
	static bool refused = false;
	PGresult *result =
		connection_call("SELECT customers.expire_order_transfers()", 0, NULL);
	const char *sqlstate;
	int64_t n;

	if (result == NULL)
		return;
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (connection_failed(result))
	{
		if (sqlstate == NULL || strcmp(sqlstate, INSUFFICIENT_PRIVILEGE) != 0)
			connection_log_error("expire", result);
		else if (!refused)
		{
			log_simple("info", "expire", "reason", "left to others");
			refused = true;
		}
	}
	else if ((n = number_of(result, 0, 0)) > 0)
	{
		Buffer line;

		log_begin(&line, "info", "expire");
		log_number(&line, "transfers", n);
		log_end(&line);
	}
	PQclear(result);
}
