/*
 * command.h
 *		Child processes: input in, exit status and last words out.
 */
#ifndef NOTIFYD_COMMAND_H
#define NOTIFYD_COMMAND_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "clock.h"
#include "reason.h"

typedef struct Command
{
	pid_t pid;
	int input;	/* its standard input, -1 when closed */
	int errors; /* its standard error, -1 when closed */
	const char *text;
	size_t length;
	size_t written;
	Millis deadline; /* of its end, then of the end of our patience */
	bool timed_out;
	bool ended;
	int status; /* as waitpid has it */
	LastLine line;
	struct Command *next; /* in the list of those that run */
} Command;

extern bool command_start(Command *command, char *const *argv,
						  const char *text, size_t length, Millis deadline);
extern void command_terminate_all(void);

/* for whoever waits */
extern int command_watch(struct pollfd *fds);
extern void command_serve(void);
extern Millis command_deadline(void);
extern int command_count_ended(void);

#endif
