/*
 * claim.c
 *		Claiming deliveries, and the chores of the store.
 *
 * The server makes the JSON, and expands what mails need into columns, so
 * that nothing here reads JSON.  All names are qualified.
 */
#include "claim.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "complain.h"
#include "connection.h"
#include "log.h"

/* beyond the commands' time: to end them, and to tell the server */
#define LEASE_MARGIN 10000

/* pauses after an error of the server */
#define FIRST_PAUSE 1000
#define LONGEST_PAUSE 60000

#define INSUFFICIENT_PRIVILEGE "42501"

#define TEXT(name) \
	"(d.confidential OPERATOR(pg_catalog.->>) '" name "'::pg_catalog.text)"
#define TIME(value) "pg_catalog.to_char(" value ", 'YYYY-MM-DD HH24:MI TZ')"

/* the columns that every claim begins with */
#define FIRST_COLUMNS \
	"d.delivery_id, d.event_id, d.type, d.attempt, " TEXT("token")

enum
{
	COLUMN_ID,
	COLUMN_EVENT_ID,
	COLUMN_TYPE,
	COLUMN_ATTEMPT,
	COLUMN_TOKEN,
	COLUMN_JSON,
	COLUMN_ADDRESS = COLUMN_JSON,
	COLUMN_FIELDS,
};

static const char claim_json[] =
	"SELECT " FIRST_COLUMNS ", pg_catalog.row_to_json(d)"
	" FROM customers.claim_deliveries($1, $2, $3) AS d";

/* a row for each address, or one without; fields as enum Field has them */
static const char claim_mails[] =
	"SELECT " FIRST_COLUMNS ", a.address,"
	" pg_catalog.current_setting('customers.store'), d.type,"
	" d.customer_id, d.order_id,"
	" d.payload OPERATOR(pg_catalog.->>) 'transfer_id'::pg_catalog.text, " TEXT("new_owner_name") ", " TEXT(
		"description") ", " TIME("d.created_at") ", " TIME(TEXT("expires_at") "::pg_catalog.timestamptz") " FROM customers.claim_deliveries($1, $2, $3) WITH ORDINALITY AS d"
																										  " LEFT JOIN LATERAL pg_catalog.jsonb_array_elements_text("
																										  "d.confidential OPERATOR(pg_catalog.->) 'to'::pg_catalog.text)"
																										  " WITH ORDINALITY AS a(address, number) ON true"
																										  " ORDER BY d.ordinality, a.number";

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

/* The value, or NULL; it lives as long as the result. */
static const char *
value_of(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL :
											  PQgetvalue(result, row, column);
}

static int64_t
number_of(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static Delivery *
read_delivery(const PGresult *result, int row, Millis lease_end)
{
	Delivery *delivery = memory_get(sizeof(Delivery));

	delivery->id = number_of(result, row, COLUMN_ID);
	delivery->event_id = number_of(result, row, COLUMN_EVENT_ID);
	delivery->type = memory_copy(PQgetvalue(result, row, COLUMN_TYPE));
	delivery->attempt = (int) number_of(result, row, COLUMN_ATTEMPT);
	delivery->token = memory_copy(value_of(result, row, COLUMN_TOKEN));
	delivery->lease_end = lease_end;
	if (options->mode != MODE_MAIL)
	{
		delivery->json = memory_copy(PQgetvalue(result, row, COLUMN_JSON));
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
	char **to = memory_get(((size_t) delivery->n_to + 1) * sizeof(char *));

	if (delivery->n_to > 0)
		memcpy(to, delivery->to, (size_t) delivery->n_to * sizeof(char *));
	free(delivery->to);
	delivery->to = to;
	delivery->to[delivery->n_to++] = memory_copy(address);
}

/* Reads the rows; the addresses of a delivery stand in rows of their own. */
static int
read_deliveries(const PGresult *result, Millis lease_end,
				Delivery **deliveries)
{
	int n = 0;

	for (int row = 0; row < PQntuples(result); row++)
	{
		const char *address = NULL;

		if (n == 0 || deliveries[n - 1]->id != number_of(result, row, 0))
			deliveries[n++] = read_delivery(result, row, lease_end);
		if (options->mode == MODE_MAIL)
			address = value_of(result, row, COLUMN_ADDRESS);
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
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);

	if (!claimed_before && is_misconfigured(sqlstate))
		complain(EXIT_BAD_CONFIG,
				 "cannot claim deliveries of store \"%s\": %s%s%s",
				 options->store,
				 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
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
	const char *const values[] = {options->subscription, batch, lease};
	PGresult *result;
	int n;

	snprintf(batch, sizeof(batch), "%d", wanted);
	result = connection_query(options->mode == MODE_MAIL ? claim_mails :
														   claim_json,
							  3, values);
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
	n = read_deliveries(result, lease_end, deliveries);
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
		connection_query("SELECT customers.expire_order_transfers()", 0, NULL);
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
