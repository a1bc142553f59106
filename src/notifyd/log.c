/*
 * log.c
 *		Lines for the log, in logfmt on standard error.
 *
 * Callers put no address, name or token into a field, and nothing that a
 * command wrote, which might contain one.
 */
#include "log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Starts a line with the time (UTC) and what happened. */
void
log_begin(Buffer *line, const char *level, const char *event)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	*line = (Buffer){0};
	buffer_print(line, "time=%s.%03ldZ level=%s event=%s", text,
				 now.tv_nsec / 1000000, level, event);
}

static bool
needs_quotes(const char *value)
{
	if (*value == '\0')
		return true;
	for (const char *c = value; *c != '\0'; c++)
	{
		if ((unsigned char) *c <= ' ' || *c == '"' || *c == '=' ||
			*c == '\\' || *c == 0x7F)
			return true;
	}
	return false;
}

/*
 * Adds a field; one without value (NULL) is left out.  Of several lines it
 * makes one, since messages of libpq have them.
 */
void
log_text(Buffer *line, const char *key, const char *value)
{
	size_t length = value ? strlen(value) : 0;

	if (value == NULL)
		return;
	while (length > 0 && value[length - 1] == '\n')
		length--;
	buffer_print(line, " %s=", key);
	if (!needs_quotes(value))
	{
		buffer_text(line, value);
		return;
	}
	buffer_char(line, '"');
	for (const char *c = value; c < value + length; c++)
	{
		if (*c == '"' || *c == '\\')
			buffer_char(line, '\\');
		buffer_char(line, (unsigned char) *c < ' ' || *c == 0x7F ? ' ' : *c);
	}
	buffer_char(line, '"');
}

void
log_number(Buffer *line, const char *key, long long value)
{
	buffer_print(line, " %s=%lld", key, value);
}

/* Writes the line in one piece, so that lines of several daemons can mix. */
void
log_end(Buffer *line)
{
	buffer_char(line, '\n');
	/* there is nowhere to report that the log cannot be written */
	if (write(STDERR_FILENO, line->data, line->length) < 0)
		line->length = 0;
	buffer_free(line);
}

void
log_simple(const char *level, const char *event, const char *key,
		   const char *value)
{
	Buffer line;

	log_begin(&line, level, event);
	if (key != NULL)
		log_text(&line, key, value);
	log_end(&line);
}
