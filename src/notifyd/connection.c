/*
 * connection.c
 *		The one connection to the server.
 *
 * Statements are sent and then waited for in the loop, so that commands are
 * served meanwhile; connecting alone blocks, because only libpq itself goes
 * on to the next of several hosts when one does not answer.  A connection
 * that broke, or on which an answer takes too long, is closed; main.c opens a
 * new one, after a pause that grows.
 */
#include "connection.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "log.h"
#include "loop.h"

/* how long a statement may take */
#define ANSWER_TIME 30000

/* pauses between attempts to connect */
#define FIRST_PAUSE 250
#define LONGEST_PAUSE 30000

/* for each host, unless the user says otherwise */
#define CONNECT_TIMEOUT "5"

static const Options *options;
static PGconn *connection;
static Millis next_try;
static Millis pause_after_failure = FIRST_PAUSE;

/* rings of our subscription begin with this; NULL: take every ring as ours */
static char *ring_start;
static bool rang;

/* Says what to connect to; opens nothing. */
void
connection_begin(const Options *given)
{
	options = given;
}

bool
connection_is_open(void)
{
	return connection != NULL;
}

/* When connection_open should be called again. */
Millis
connection_next_try(void)
{
	return next_try;
}

int
connection_socket(void)
{
	return connection ? PQsocket(connection) : -1;
}

/* Closes the connection, if it is open, and logs why (NULL: does not). */
void
connection_close(const char *reason)
{
	if (connection == NULL)
		return;
	if (reason != NULL)
		log_simple("warning", "disconnected", "reason", reason);
	PQfinish(connection);
	connection = NULL;
	next_try = clock_now() + FIRST_PAUSE;
}

static void
close_broken(void)
{
	connection_close(PQerrorMessage(connection));
}

/* ------------------------------------------------------------------------
 * Statements
 * ------------------------------------------------------------------------
 */

/* Does a ring concern our subscription? */
static bool
is_ours(const char *payload)
{
	return ring_start == NULL ||
		strncmp(payload, ring_start, strlen(ring_start)) == 0;
}

static void
take_rings(void)
{
	PGnotify *ring;

	while ((ring = PQnotifies(connection)) != NULL)
	{
		rang = rang || is_ours(ring->extra);
		PQfreemem(ring);
	}
}

/* Has our subscription been rung for since the last call? */
bool
connection_rang(void)
{
	bool result = rang;

	rang = false;
	return result;
}

/* Takes what the server has sent; closes the connection if it is broken. */
void
connection_read(void)
{
	if (connection == NULL)
		return;
	if (!PQconsumeInput(connection) || PQstatus(connection) != CONNECTION_OK)
		close_broken();
	else
		take_rings();
}

/* Waits until there is a result to get; false if there will be none. */
static bool
await_answer(Millis until)
{
	while (PQisBusy(connection))
	{
		if (clock_now() >= until)
		{
			connection_close("the server does not answer");
			return false;
		}
		loop_wait(PQsocket(connection), POLLIN, until);
		if (!PQconsumeInput(connection))
		{
			close_broken();
			return false;
		}
	}
	return true;
}

/*
 * Runs one statement with text parameters.  Returns its result, which may be
 * an error of the server, or NULL if there is no connection (any more).
 */
PGresult *
connection_query(const char *sql, int n, const char *const *values)
{
	Millis until = clock_now() + ANSWER_TIME;
	PGresult *last = NULL;
	PGresult *result;

	if (connection == NULL)
		return NULL;
	if (!PQsendQueryParams(connection, sql, n, NULL, values, NULL, NULL, 0))
	{
		close_broken();
		return NULL;
	}
	for (;;)
	{
		if (!await_answer(until))
		{
			PQclear(last);
			return NULL;
		}
		result = PQgetResult(connection);
		if (result == NULL)
			break;
		PQclear(last);
		last = result;
	}
	take_rings();
	if (PQstatus(connection) != CONNECTION_OK)
	{
		close_broken();
		PQclear(last);
		return NULL;
	}
	return last;
}

/*
 * The bytes of a database without an encoding are anything; the server would
 * refuse to send them as UTF-8.
 */
static const char prepare_call[] =
	"SELECT pg_catalog.set_config('customers.store', $1, false),"
	" pg_catalog.set_config('client_encoding',"
	" CASE pg_catalog.getdatabaseencoding()"
	" WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, false)";

/*
 * Runs a statement of the store.  Before it, the session is set up anew: what
 * ran in an earlier one, the owner's triggers included, can have set anything,
 * and the statement would be about another store.
 */
PGresult *
connection_call(const char *sql, int n, const char *const *values)
{
	const char *const store[] = {options->store};
	PGresult *result = connection_query("RESET ALL", 0, NULL);

	if (result != NULL && !connection_failed(result))
	{
		PQclear(result);
		result = connection_query(prepare_call, 1, store);
	}
	if (result == NULL || connection_failed(result))
		return result;
	PQclear(result);
	return connection_query(sql, n, values);
}

/* Is the result an error of the server? */
bool
connection_failed(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
}

/* Logs an error of the server, without values of rows. */
void
connection_log_error(const char *event, const PGresult *result)
{
	Buffer line;

	log_begin(&line, "error", event);
	log_text(&line, "sqlstate", PQresultErrorField(result, PG_DIAG_SQLSTATE));
	log_text(&line, "reason",
			 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	log_end(&line);
}

/* ------------------------------------------------------------------------
 * Connecting
 * ------------------------------------------------------------------------
 */

static void
log_notice(void *unused, const PGresult *notice)
{
	const char *severity = PQresultErrorField(notice,
											  PG_DIAG_SEVERITY_NONLOCALIZED);

	(void) unused;
	if (severity != NULL && strcmp(severity, "WARNING") == 0)
		connection_log_error("notice", notice);
}

static PGconn *
connect_to_server(void)
{
	const char *const keywords[] = {"fallback_application_name", "dbname",
									"client_encoding", NULL};
	const char *const values[] = {PROGRAM_NAME,
								  options->conninfo ? options->conninfo : "",
								  "UTF8", NULL};
	const char *timeout = getenv("PGCONNECT_TIMEOUT");
	PGconn *result;

	/* as environment it gives way to service files and connection strings */
	if (timeout == NULL)
		setenv("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT, 1);
	result = PQconnectdbParams(keywords, values, 1);
	if (timeout == NULL)
		unsetenv("PGCONNECT_TIMEOUT");
	return result;
}

/* Runs a statement that prepares the session; its one value, if it has any. */
static bool
prepare_with(const char *sql, int n, const char *const *values, char **answer)
{
	PGresult *result = connection_query(sql, n, values);
	bool failed;

	if (result == NULL)
		return false;
	failed = connection_failed(result);
	if (failed)
	{
		connection_log_error("setup", result);
		connection_close(NULL);
	}
	else if (answer != NULL)
		*answer = memory_copy(PQgetvalue(result, 0, 0));
	PQclear(result);
	return !failed;
}

static bool
start_listening(void)
{
	Buffer channel = {0};
	Buffer sql = {0};
	char *quoted;
	bool done = false;

	buffer_print(&channel, "customers_%s", options->store);
	quoted = PQescapeIdentifier(connection, channel.data, channel.length);
	if (quoted == NULL)
		close_broken();
	else
	{
		buffer_print(&sql, "LISTEN %s", quoted);
		PQfreemem(quoted);
		done = prepare_with(sql.data, 0, NULL, NULL);
	}
	buffer_free(&channel);
	buffer_free(&sql);
	return done;
}

/* The doorbell, and how our rings begin. */
static bool
prepare_session(void)
{
	const char *const subscription[] = {options->subscription};

	memory_forget(ring_start);
	ring_start = NULL;
	return prepare_with("SELECT pg_catalog.concat('{\"subscription\": ',"
						" pg_catalog.to_json($1::pg_catalog.text), ',')",
						1, subscription, &ring_start) &&
		start_listening();
}

/* After a failure: when to try again, a bit earlier or later than others. */
static void
plan_next_try(void)
{
	Millis jitter = pause_after_failure / 4;

	next_try = clock_now() + pause_after_failure - jitter / 2 +
		random() % (jitter + 1);
	pause_after_failure *= 2;
	if (pause_after_failure > LONGEST_PAUSE)
		pause_after_failure = LONGEST_PAUSE;
}

/* Opens the connection and prepares the session; logs why it could not. */
bool
connection_open(void)
{
	bool ready = false;

	connection = connect_to_server();
	if (connection == NULL || PQstatus(connection) != CONNECTION_OK)
	{
		log_simple("warning", "unreachable", "reason",
				   connection ? PQerrorMessage(connection) : "out of memory");
		connection_close(NULL);
	}
	else
	{
		PQsetNoticeReceiver(connection, log_notice, NULL);
		ready = prepare_session();
	}
	if (!ready)
	{
		plan_next_try();
		return false;
	}
	pause_after_failure = FIRST_PAUSE;
	log_simple("info", "connected", NULL, NULL);
	return true;
}
