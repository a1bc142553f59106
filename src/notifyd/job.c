/*
 * job.c
 *		Deliveries that commands are at work on.
 *
 * With --exec a job is one command; with --templates it is one mail after the
 * other, to each address that has not got its mail yet, whatever became of
 * the mails before it.  What becomes of a job goes to settle.c.
 */
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "command.h"
#include "loop.h"
#include "mail.h"
#include "sent.h"
#include "settle.h"
#include "templates.h"

/* of the lease, kept for ending the command and telling the server */
#define RESERVE 5000

typedef struct Job
{
	Delivery *delivery; /* NULL: the slot is free */
	Command command;
	bool running;
	Buffer input;
	Millis started;
	Millis deadline;
	int recipient; /* of the mail, for --templates */
	char *reason;  /* of the first failure */
	int status;	   /* of the first failure, or the last command */
} Job;

static const Options *options;
static Job *jobs;
static int busy;

/* Makes room for the jobs. */
void
job_begin(const Options *given)
{
	options = given;
	jobs = memory_get((size_t) given->jobs * sizeof(Job));
}

/* How many jobs can be started now. */
int
job_free_slots(void)
{
	return options->jobs - busy;
}

bool
job_any_running(void)
{
	return busy > 0;
}

/* ------------------------------------------------------------------------
 * The end
 * ------------------------------------------------------------------------
 */

/* Hands the result over and frees the slot. */
static void
finish(Job *job, const char *note)
{
	Result result = {
		.done = job->reason == NULL,
		.reason = job->reason,
		.note = note,
		.status = job->status,
		.started = job->started,
	};

	if (result.done)
		sent_forget(job->delivery->id);
	settle_add(job->delivery, &result);
	delivery_free(job->delivery);
	memory_forget(job->reason);
	buffer_free(&job->input);
	job->delivery = NULL;
	busy--;
}

/* Notes a failure; the first is the one that is told. */
static void
note_failure(Job *job, const char *text, int status)
{
	if (job->reason != NULL)
		return;
	job->reason = reason_clean(text, job->delivery->token);
	job->status = status;
}

static void
note_command_failure(Job *job)
{
	Command *command = &job->command;
	const char *line = reason_end(&command->line);
	bool signaled = WIFSIGNALED(command->status);
	int status = signaled ? 128 + WTERMSIG(command->status) :
							WEXITSTATUS(command->status);
	Buffer text = {0};

	if (command->timed_out && loop_stops() > 1)
		buffer_text(&text, "stopped with the daemon");
	else if (command->timed_out)
		buffer_print(&text, "timed out after %g s",
					 (double) options->timeout / 1000);
	else if (signaled)
		buffer_print(&text, "ended by signal %d", WTERMSIG(command->status));
	else if (line == NULL)
		buffer_print(&text, "exit status %d", status);
	if (line != NULL)
		buffer_print(&text, "%s%s", text.length > 0 ? ": " : "", line);
	note_failure(job, text.data, status);
	buffer_free(&text);
}

/* ------------------------------------------------------------------------
 * The way there
 * ------------------------------------------------------------------------
 */

/* Starts the command with what is in input; notes why if it cannot. */
static void
run_command(Job *job)
{
	Buffer text = {0};

	job->running = command_start(&job->command, options->command,
								 job->input.data, job->input.length,
								 job->deadline);
	if (job->running)
		return;
	buffer_print(&text, "cannot start the command: %s", strerror(errno));
	note_failure(job, text.data, -1);
	buffer_free(&text);
}

/* Sends the next mail, or ends the job. */
static void
send_next(Job *job)
{
	Delivery *delivery = job->delivery;

	for (; job->recipient < delivery->n_to; job->recipient++)
	{
		const char *fault;

		if (sent_before(delivery->id, job->recipient))
			continue;
		buffer_free(&job->input);
		fault = mail_compose(&options->mail, templates_find(delivery->type),
							 delivery, job->recipient, time(NULL),
							 &job->input);
		if (fault != NULL)
			note_failure(job, fault, -1);
		else
			run_command(job);
		if (job->running)
			return;
	}
	finish(job, delivery->n_to == 0 ? "no address" : NULL);
}

/* Starts a job; there must be a free slot.  The delivery becomes its own. */
void
job_start(Delivery *delivery)
{
	Millis now = clock_now();
	Job *job = jobs;

	while (job->delivery != NULL)
		job++;
	busy++;
	*job = (Job){
		.delivery = delivery,
		.started = now,
		.deadline = now + options->timeout,
		.status = -1,
	};
	/* the claim may have taken a while */
	if (job->deadline > delivery->lease_end - RESERVE)
		job->deadline = delivery->lease_end - RESERVE;
	if (delivery->fault != NULL)
	{
		note_failure(job, delivery->fault, -1);
		finish(job, NULL);
	}
	else if (options->mode == MODE_EXEC)
	{
		buffer_text(&job->input, delivery->json);
		buffer_char(&job->input, '\n');
		run_command(job);
		if (!job->running)
			finish(job, NULL);
	}
	else if (templates_find(delivery->type) != NULL)
		send_next(job);
	else
		finish(job, "no template");
}

/* The job's command has ended. */
static void
take_result(Job *job)
{
	bool good = WIFEXITED(job->command.status) &&
		WEXITSTATUS(job->command.status) == 0;

	job->running = false;
	if (!good)
		note_command_failure(job);
	else if (job->reason == NULL)
		job->status = 0;
	if (options->mode == MODE_EXEC)
	{
		finish(job, NULL);
		return;
	}
	if (good)
		sent_note(job->delivery->id, job->recipient);
	job->recipient++;
	if (loop_stops() > 1 && job->recipient < job->delivery->n_to)
		note_failure(job, "stopped with the daemon", -1);
	if (loop_stops() > 1)
		finish(job, NULL);
	else
		send_next(job);
}

/* Takes the results of the commands that have ended. */
void
job_collect(void)
{
	for (int i = 0; i < options->jobs; i++)
	{
		if (jobs[i].delivery != NULL && jobs[i].running &&
			jobs[i].command.ended)
			take_result(&jobs[i]);
	}
}
