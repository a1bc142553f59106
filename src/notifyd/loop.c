/*
 * loop.c
 *		Waiting: for descriptors, commands, signals and the time.
 *
 * Whatever the daemon waits for, an answer of the server included, it waits
 * here, so that running commands are served all the time.  Signals only wake
 * the loop up, through a pipe; nothing is done in their handlers.
 */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "complain.h"
#include "descriptors.h"
#include "options.h"

static int wakeup[2];
static volatile sig_atomic_t stops;

/* How often the daemon was asked to stop. */
int
loop_stops(void)
{
	return stops;
}

static void
handle_signal(int signal)
{
	int saved = errno;

	if (signal != SIGCHLD)
		stops++;
	/* a full pipe wakes the loop up as well */
	if (write(wakeup[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

/* Prepares signals and descriptors; call once, before anything else. */
void
loop_begin(void)
{
	struct sigaction action;

	descriptors_begin();
	if (!descriptors_pipe(wakeup) ||
		fcntl(wakeup[0], F_SETFL, O_NONBLOCK) != 0 ||
		fcntl(wakeup[1], F_SETFL, O_NONBLOCK) != 0)
		complain(EXIT_INTERNAL, "cannot make a pipe: %s", strerror(errno));
	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_RESTART;
	action.sa_handler = handle_signal;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static void
empty_wakeup(void)
{
	char bytes[64];

	while (read(wakeup[0], bytes, sizeof(bytes)) > 0)
		continue;
}

static int
poll_timeout(Millis until)
{
	Millis left = until - clock_now();

	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int) left;
}

/*
 * Waits until fd (none: -1) has one of the events, a signal came, a command
 * ended, or it is that late; serves the commands meanwhile.  Returns whether
 * fd has something, an error included.
 */
bool
loop_wait(int fd, short events, Millis until)
{
	struct pollfd fds[2 + 2 * MAX_JOBS];
	int ended = command_count_ended();

	for (;;)
	{
		Millis next = command_deadline();
		int n = 2;

		fds[0] = (struct pollfd){.fd = wakeup[0], .events = POLLIN};
		fds[1] = (struct pollfd){.fd = fd, .events = events};
		n += command_watch(fds + n);
		n = poll(fds, (nfds_t) n, poll_timeout(next < until ? next : until));
		if (n < 0 && errno != EINTR)
			complain(EXIT_INTERNAL, "poll failed: %s", strerror(errno));
		empty_wakeup();
		command_serve();
		if (n > 0 && fds[1].revents != 0)
			return true;
		if ((n > 0 && fds[0].revents != 0) || n < 0 ||
			command_count_ended() > ended || clock_now() >= until)
			return false;
	}
}
