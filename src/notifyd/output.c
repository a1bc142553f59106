/*
 * output.c
 *		Events on standard output.
 *
 * A line counts once all of it was taken by whoever reads (for a file: by the
 * disk).  Nothing is buffered here between calls.
 */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "log.h"
#include "loop.h"

/* what a pipe takes without blocking when it is ready */
#define PIECE 4096

static bool broken;

/* Can nothing be written any more? */
bool
output_is_broken(void)
{
	return broken;
}

static void
give_up(void)
{
	log_simple("error", "output", "reason", strerror(errno));
	broken = true;
}

/*
 * Writes a line; false if that was not possible.  When nobody reads, it waits
 * for the reader, unless the daemon must end at once.
 */
static bool
write_line(const char *line, size_t length)
{
	while (length > 0)
	{
		size_t piece = length < PIECE ? length : PIECE;
		ssize_t n;

		if (!loop_wait(STDOUT_FILENO, POLLOUT, NEVER))
		{
			if (loop_stops() > 1)
			{
				broken = true;
				return false;
			}
			continue;
		}
		n = write(STDOUT_FILENO, line, piece);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
		{
			give_up();
			return false;
		}
		if (n > 0)
		{
			line += n;
			length -= (size_t) n;
		}
	}
	return true;
}

/* Makes sure that a file keeps the lines. */
static bool
keep(void)
{
	struct stat file;

	if (fstat(STDOUT_FILENO, &file) != 0 || !S_ISREG(file.st_mode))
		return true;
	if (fdatasync(STDOUT_FILENO) == 0)
		return true;
	give_up();
	return false;
}

/*
 * Writes the events.  Returns how many of them, from the first on, are
 * written for good; the lease of the others ends by itself.
 */
int
output_write(Delivery *const *deliveries, int n)
{
	int written = 0;

	while (written < n && !broken)
	{
		const Delivery *delivery = deliveries[written];
		Buffer line = {0};
		bool complete;

		/* after a long wait it may be somebody else's */
		if (clock_now() >= delivery->lease_end)
			break;
		buffer_text(&line, delivery->json);
		buffer_char(&line, '\n');
		complete = write_line(line.data, line.length);
		buffer_free(&line);
		if (!complete)
			break;
		written++;
	}
	return written > 0 && keep() ? written : 0;
}
