/*
 * descriptors.c
 *		Which file descriptors there are, and who inherits them.
 *
 * Commands inherit the standard ones and no other.
 */
#include "descriptors.h"

#include <fcntl.h>
#include <unistd.h>

/* inherited descriptors up to this one are kept from the commands */
#define HIGHEST_INHERITED 1023

/*
 * Standard descriptors that are closed would be taken by something else (they
 * cannot be written to, so that nothing is delivered into nowhere), and other
 * inherited ones are nobody's but the parent's.  Call once, before anything
 * is opened.
 */
void
descriptors_begin(void)
{
	int fd = open("/dev/null", O_RDONLY);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = open("/dev/null", O_RDONLY);
	if (fd > STDERR_FILENO)
		close(fd);
	for (fd = STDERR_FILENO + 1; fd <= HIGHEST_INHERITED; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Makes a pipe that commands do not inherit; false, with errno, if it can't. */
bool
descriptors_pipe(int fds[2])
{
	if (pipe(fds) != 0)
		return false;
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	return true;
}
