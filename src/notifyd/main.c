/*
 * main.c
 *		customers-notifyd: hands the deliveries of a store to a program.
 *
 * One loop: results of commands are collected, the server is told what became
 * of deliveries, and only then more are claimed, as many as commands can be
 * started at once.  Nothing is claimed after a request to stop.
 */
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "claim.h"
#include "command.h"
#include "complain.h"
#include "connection.h"
#include "job.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "output.h"
#include "settle.h"
#include "templates.h"

/* events written to standard output at once */
#define OUTPUT_BATCH 100

#define EXPIRE_EVERY 60000

/* how long a server is waited for that must be told something at the end */
#define PATIENCE 60000

static Options options;

/* may something be due? */
static bool due = true;
static Millis next_poll;
static Millis next_expire;

/* with --once: the server cannot be asked */
static bool unreachable;

/* when waiting for the server at the end is over; 0: no end in sight */
static Millis give_up_at;

/* Shall nothing be claimed any more? */
static bool
is_ending(void)
{
	return loop_stops() > 0 || output_is_broken() ||
		(options.once && (!due || unreachable));
}

/* Has everything come to its end, or must it? */
static bool
is_over(void)
{
	if (!is_ending() || job_any_running())
		return false;
	if (!settle_waiting())
		return true;
	if (give_up_at == 0)
		give_up_at = clock_now() + PATIENCE;
	/* who insists does not want to wait */
	return clock_now() >= give_up_at ||
		(loop_stops() > 1 &&
		 (!connection_is_open() || clock_now() < settle_next_try()));
}

/* ------------------------------------------------------------------------
 * One round
 * ------------------------------------------------------------------------
 */

/*
 * Fails those that nothing can be done with; the others close ranks.  Returns
 * how many there are.
 */
static int
fail_faulty(Delivery **deliveries, int n)
{
	int whole = 0;

	for (int i = 0; i < n; i++)
	{
		Result result = {
			.reason = deliveries[i]->fault,
			.status = -1,
			.started = clock_now(),
		};

		if (result.reason == NULL)
		{
			deliveries[whole++] = deliveries[i];
			continue;
		}
		settle_add(deliveries[i], &result);
		delivery_free(deliveries[i]);
	}
	return whole;
}

/* Writes what was claimed to standard output. */
static void
put_out(Delivery **deliveries, int n)
{
	Result result = {.done = true, .status = -1, .started = clock_now()};
	int whole = fail_faulty(deliveries, n);
	int written = output_write(deliveries, whole);

	for (int i = 0; i < whole; i++)
	{
		if (i < written)
			settle_add(deliveries[i], &result);
		delivery_free(deliveries[i]);
	}
}

/* Claims as much as can be worked on, and begins. */
static void
claim(void)
{
	Delivery *deliveries[OUTPUT_BATCH > MAX_JOBS ? OUTPUT_BATCH : MAX_JOBS];
	int wanted = options.mode == MODE_STDOUT ? OUTPUT_BATCH : job_free_slots();
	int n = claim_deliveries(wanted, deliveries);

	if (n < 0)
	{
		unreachable = true;
		return;
	}
	if (n < wanted)
	{
		due = false;
		next_poll = clock_now() + options.poll;
	}
	if (options.mode == MODE_STDOUT)
		put_out(deliveries, n);
	else
	{
		for (int i = 0; i < n; i++)
			job_start(deliveries[i]);
	}
}

static void
reconnect(void)
{
	if (clock_now() < connection_next_try())
		return;
	if (connection_open())
		due = due || !options.once;
	else
		unreachable = true;
}

/* May deliveries be claimed right now? */
static bool
can_claim(void)
{
	return due && !is_ending() && !settle_waiting() && job_free_slots() > 0;
}

/* Does what there is to do now. */
static void
work(void)
{
	Millis now = clock_now();

	if (!connection_is_open())
		reconnect();
	connection_read();
	if (connection_rang() || now >= next_poll)
		due = due || !options.once;
	if (settle_waiting() && now >= settle_next_try())
		settle_all();
	if (connection_is_open() && can_claim() && now >= claim_next_try())
		claim();
	if (connection_is_open() && now >= next_expire && loop_stops() == 0 &&
		!output_is_broken())
	{
		claim_expire_transfers();
		next_expire = now + EXPIRE_EVERY;
	}
}

/* When there will be something to do, if nothing happens before. */
static Millis
next_work(void)
{
	Millis next;

	if (!connection_is_open())
		return connection_next_try();
	if (settle_waiting())
		return settle_next_try();
	if (is_ending())
		return NEVER;
	next = next_expire;
	if (can_claim() && claim_next_try() < next)
		next = claim_next_try();
	if (!due && next_poll < next)
		next = next_poll;
	return next;
}

/* ------------------------------------------------------------------------
 * The whole
 * ------------------------------------------------------------------------
 */

static void
run(void)
{
	int stops = 0;

	for (;;)
	{
		int ended = command_count_ended();

		if (loop_stops() > stops)
		{
			stops = loop_stops();
			log_simple("info", "stopping", NULL, NULL);
			if (stops > 1)
				command_terminate_all();
		}
		job_collect();
		if (is_over())
			return;
		work();
		/* what happened while the server was waited for is handled first */
		if (ended == command_count_ended() && stops == loop_stops() &&
			!(is_ending() && is_over()))
			loop_wait(connection_socket(), POLLIN, next_work());
	}
}

static int
exit_code(void)
{
	if (output_is_broken())
		return EXIT_OUTPUT;
	if (settle_waiting() || (options.once && unreachable))
		return EXIT_TRY_LATER;
	return options.once && settle_some_failed() ? EXIT_SOME_FAILED : EXIT_DONE;
}

/*
 * Commands run as the same user of the system.  That must not let them read
 * our environment and memory, where passwords and tokens are; nor does a dump
 * of them belong on a disk.
 */
static void
close_to_others(void)
{
#ifdef __linux__
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

int
main(int argc, char **argv)
{
	Buffer line;
	int code;

	close_to_others();
	loop_begin();
	options = options_parse(argc, argv);
	srandom((unsigned int) (time(NULL) ^ getpid()));
	if (options.mode == MODE_MAIL)
		templates_load(options.templates, options.mail.link != NULL);
	job_begin(&options);
	claim_begin(&options);
	connection_begin(&options);
	log_begin(&line, "info", "start");
	log_text(&line, "version", CUSTOMERS_VERSION);
	log_text(&line, "store", options.store);
	log_text(&line, "subscription", options.subscription);
	log_end(&line);
	run();
	settle_log_left();
	code = exit_code();
	connection_close(NULL);
	log_begin(&line, "info", "end");
	log_number(&line, "status", code);
	log_end(&line);
	return code;
}
