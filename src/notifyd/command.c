/*
 * command.c
 *		Child processes: input in, exit status and last words out.
 *
 * A command runs in a process group of its own, so that the terminal's
 * signals reach the daemon alone, and what a command started in turn ends
 * with it when it takes too long.  It gets no descriptor but the standard
 * ones, and nothing of what tells libpq about the database.  That a command does not read its input, or not all of it, is its own
 * affair: only its exit status counts.
 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "descriptors.h"

/* from the polite signal to the other one */
#define GRACE 2000

/* read from a command that has ended, whoever still writes */
#define LAST_WORDS 65536

static Command *running;
static int ended_count;

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ------------------------------------------------------------------------
 * The beginning
 * ------------------------------------------------------------------------
 */

static void
say_in_child(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(127);
}

/*
 * In the child: forgets how to reach the database, passwords and files of them
 * included.  What the command needs of it is its own affair.
 */
static void
forget_connection(void)
{
	char **kept = environ;

	for (char **variable = environ; *variable != NULL; variable++)
	{
		if (strncmp(*variable, "PG", 2) != 0)
			*kept++ = *variable;
	}
	*kept = NULL;
}

/* In the child: becomes the command; never returns. */
static void
become_command(char *const *argv, int input, int errors, pid_t parent)
{
	struct sigaction action;
	sigset_t none;

	setpgid(0, 0);
#ifdef __linux__
	/* without the daemon nobody would stop it when its lease is over */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
	if (getppid() != parent)
		_exit(127);
	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	sigaction(SIGPIPE, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(input, STDIN_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
		_exit(127);
	forget_connection();
	execvp(argv[0], argv);
	say_in_child("cannot run ");
	say_in_child(argv[0]);
	say_in_child(": ");
	say_in_child(strerror(errno));
	_exit(127);
}

/* Forks; both ends of both pipes are open, the child's ends for it. */
static bool
fork_command(Command *command, char *const *argv, int input, int errors)
{
	pid_t parent = getpid();

	command->pid = fork();
	if (command->pid == 0)
		become_command(argv, input, errors, parent);
	if (command->pid < 0)
		return false;
	/* whoever comes first, the child or we */
	setpgid(command->pid, command->pid);
	return true;
}

/*
 * Runs argv with the text, which must stay, on its standard input.  Returns
 * false, with errno, if it could not be started.  Once the command has ended,
 * ended is set; it is ended when it still runs at the deadline.
 */
bool
command_start(Command *command, char *const *argv, const char *text,
			  size_t length, Millis deadline)
{
	int input[2];
	int errors[2];
	int error = 0;

	if (!descriptors_pipe(input))
		return false;
	if (!descriptors_pipe(errors))
	{
		error = errno;
		close(input[0]);
		close(input[1]);
		errno = error;
		return false;
	}
	*command = (Command){
		.input = input[1],
		.errors = errors[0],
		.text = text,
		.length = length,
		.deadline = deadline,
	};
	reason_begin(&command->line);
	if (!fork_command(command, argv, input[0], errors[1]))
		error = errno;
	close(input[0]);
	close(errors[1]);
	if (error != 0)
	{
		close(input[1]);
		close(errors[0]);
		errno = error;
		return false;
	}
	fcntl(command->input, F_SETFL, O_NONBLOCK);
	fcntl(command->errors, F_SETFL, O_NONBLOCK);
	command->next = running;
	running = command;
	return true;
}

/* ------------------------------------------------------------------------
 * Serving
 * ------------------------------------------------------------------------
 */

/* Writes as much of the input as the pipe takes. */
static void
feed(Command *command)
{
	while (command->input >= 0 && command->written < command->length)
	{
		ssize_t n = write(command->input, command->text + command->written,
						  command->length - command->written);

		if (n >= 0)
			command->written += (size_t) n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			break; /* it does not want to read any more */
	}
	close_end(&command->input);
}

/* Reads what it has written so far. */
static void
listen_to(Command *command)
{
	char bytes[4096];
	size_t total = 0;

	while (command->errors >= 0 && total < LAST_WORDS)
	{
		ssize_t n = read(command->errors, bytes, sizeof(bytes));

		if (n > 0)
		{
			reason_add(&command->line, bytes, (size_t) n);
			total += (size_t) n;
		}
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n == 0 || errno != EINTR)
			close_end(&command->errors);
	}
}

/* Ends a command whose time is over; the second time, with force. */
static void
enforce_deadline(Command *command, Millis now)
{
	if (now < command->deadline)
		return;
	kill(-command->pid, command->timed_out ? SIGKILL : SIGTERM);
	command->timed_out = true;
	command->deadline = now + GRACE;
}

/* Has it ended?  Then its last words are read and all is closed. */
static bool
reap(Command *command)
{
	pid_t pid = waitpid(command->pid, &command->status, WNOHANG);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	if (pid < 0)
		command->status = 127 << 8; /* somebody else has taken the status */
	if (command->timed_out)
		kill(-command->pid, SIGKILL);
	listen_to(command);
	close_end(&command->input);
	close_end(&command->errors);
	command->ended = true;
	ended_count++;
	return true;
}

/* Feeds, hears, reaps and ends commands; never blocks. */
void
command_serve(void)
{
	Millis now = clock_now();

	for (Command **link = &running; *link != NULL;)
	{
		Command *command = *link;

		feed(command);
		listen_to(command);
		if (reap(command))
		{
			*link = command->next;
			continue;
		}
		enforce_deadline(command, now);
		link = &command->next;
	}
}

/* Fills in what to poll for, at most two a command; returns how many. */
int
command_watch(struct pollfd *fds)
{
	int n = 0;

	for (Command *command = running; command != NULL; command = command->next)
	{
		if (command->input >= 0)
			fds[n++] = (struct pollfd){.fd = command->input,
									   .events = POLLOUT};
		if (command->errors >= 0)
			fds[n++] = (struct pollfd){.fd = command->errors,
									   .events = POLLIN};
	}
	return n;
}

/* When the next command must be ended. */
Millis
command_deadline(void)
{
	Millis result = NEVER;

	for (Command *command = running; command != NULL; command = command->next)
	{
		if (command->deadline < result)
			result = command->deadline;
	}
	return result;
}

/* How many commands have ended so far. */
int
command_count_ended(void)
{
	return ended_count;
}

/* Asks all that run to end, and insists soon. */
void
command_terminate_all(void)
{
	for (Command *command = running; command != NULL; command = command->next)
		command->deadline = 0;
}
