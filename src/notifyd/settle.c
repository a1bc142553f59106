/*
 * settle.c
 *		Telling the server what became of deliveries.
 *
 * What is added here is kept until the server has confirmed it, over broken
 * connections too, and nothing is claimed before: a delivery whose command
 * succeeded is never claimed again by this daemon.
 */
#include "settle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "connection.h"
#include "log.h"

/* acknowledged by one statement */
#define MAX_IDS 500

/* pauses after an error of the server */
#define FIRST_PAUSE 1000
#define LONGEST_PAUSE 30000

typedef struct Outcome
{
	int64_t id;
	int64_t event_id;
	char *type;
	int attempt;
	Millis lease_end;
	bool done;
	char *reason;
	const char *note;
	int status;
	Millis duration;
	bool settled;
	struct Outcome *next;
} Outcome;

static Outcome *first;
static Outcome **last = &first;
static bool some_failed;
static Millis next_try;
static Millis pause_after_failure = FIRST_PAUSE;

/* Notes what became of a delivery, for settle_all. */
void
settle_add(const Delivery *delivery, const Result *result)
{
	Outcome *outcome = memory_get(sizeof(Outcome));

	outcome->id = delivery->id;
	outcome->event_id = delivery->event_id;
	outcome->type = memory_copy(delivery->type);
	outcome->attempt = delivery->attempt;
	outcome->lease_end = delivery->lease_end;
	outcome->done = result->done;
	outcome->reason = memory_copy(result->reason);
	outcome->note = result->note;
	outcome->status = result->status;
	outcome->duration = clock_now() - result->started;
	*last = outcome;
	last = &outcome->next;
	some_failed = some_failed || !result->done;
}

/* Is there something that the server does not know yet? */
bool
settle_waiting(void)
{
	return first != NULL;
}

/* When settle_all should be called again. */
Millis
settle_next_try(void)
{
	return next_try;
}

/* Has any delivery failed so far? */
bool
settle_some_failed(void)
{
	return some_failed;
}

/* The one line that each delivery has in the log. */
static void
log_outcome(const Outcome *outcome, const char *level, const char *result)
{
	Buffer line;

	log_begin(&line, level, "delivery");
	log_number(&line, "delivery_id", outcome->id);
	log_number(&line, "event_id", outcome->event_id);
	log_text(&line, "type", outcome->type);
	log_number(&line, "attempt", outcome->attempt);
	log_text(&line, "result", result);
	if (outcome->status >= 0)
		log_number(&line, "status", outcome->status);
	log_text(&line, "note", outcome->note);
	log_number(&line, "ms", outcome->duration);
	log_end(&line);
}

static void
finish(Outcome *outcome, const char *level, const char *result)
{
	log_outcome(outcome, level, result);
	outcome->settled = true;
}

/* Forgets what is settled. */
static void
drop_settled(void)
{
	Outcome **link = &first;

	while (*link != NULL)
	{
		Outcome *outcome = *link;

		if (outcome->settled)
		{
			*link = outcome->next;
			memory_forget(outcome->type);
			memory_forget(outcome->reason);
			free(outcome);
		}
		else
			link = &outcome->next;
	}
	last = link;
}

/* An error of the server: all waits a while, and is tried again. */
static void
put_off(const PGresult *result)
{
	connection_log_error("settle", result);
	next_try = clock_now() + pause_after_failure;
	pause_after_failure *= 2;
	if (pause_after_failure > LONGEST_PAUSE)
		pause_after_failure = LONGEST_PAUSE;
}

/*
 * Acknowledges up to MAX_IDS at once.  That fewer were there than named is
 * fine: those were acknowledged when the connection broke, or their customer
 * was deleted.
 */
static bool
acknowledge_some(void)
{
	Buffer ids = {0};
	const char *values[1];
	PGresult *result;
	int n = 0;
	bool done;

	for (Outcome *o = first; o != NULL && n < MAX_IDS; o = o->next)
	{
		if (o->done && !o->settled)
			buffer_print(&ids, "%c%" PRId64, n++ == 0 ? '{' : ',', o->id);
	}
	if (n == 0)
		return true;
	buffer_char(&ids, '}');
	values[0] = ids.data;
	result = connection_call("SELECT customers.acknowledge_deliveries($1)", 1,
							 values);
	buffer_free(&ids);
	done = result != NULL && !connection_failed(result);
	if (result != NULL && !done)
		put_off(result);
	PQclear(result);
	/* commands may have ended meanwhile, but are added by main.c only */
	for (Outcome *o = first; done && o != NULL && n > 0; o = o->next)
	{
		if (o->done && !o->settled)
		{
			finish(o, "info", "acknowledged");
			n--;
		}
	}
	return done;
}

static bool
is_gone(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate != NULL && strcmp(sqlstate, "23503") == 0;
}

/*
 * Fails one.  After the end of its lease it is somebody else's, or due again
 * anyway, and left alone.
 */
static bool
fail_one(Outcome *outcome)
{
	char id[24];
	const char *const values[] = {id, outcome->reason};
	PGresult *result;
	bool done = true;

	if (clock_now() >= outcome->lease_end)
	{
		finish(outcome, "warning", "lapsed");
		return true;
	}
	snprintf(id, sizeof(id), "%" PRId64, outcome->id);
	result = connection_call("SELECT customers.fail_delivery($1, $2)", 2,
							 values);
	if (result == NULL)
		return false;
	if (!connection_failed(result))
		finish(outcome, "warning",
			   outcome->status == EXIT_TRY_LATER ? "retry" : "failed");
	else if (is_gone(result))
		finish(outcome, "info", "gone");
	else
	{
		put_off(result);
		done = false;
	}
	PQclear(result);
	return done;
}

/* Tells the server all that it does not know yet; false if some is left. */
bool
settle_all(void)
{
	bool done = true;

	if (first == NULL)
		return true;
	for (Outcome *o = first; done && o != NULL; o = o->next)
	{
		if (!o->settled)
			done = o->done ? acknowledge_some() : fail_one(o);
	}
	drop_settled();
	if (done)
		pause_after_failure = FIRST_PAUSE;
	return done;
}

/* Logs, at the end, what the server could not be told. */
void
settle_log_left(void)
{
	for (Outcome *o = first; o != NULL; o = o->next)
		log_outcome(o, "error", o->done ? "unacknowledged" : "lapsed");
}
