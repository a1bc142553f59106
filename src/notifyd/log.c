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

#include "utf8.h"

/* bytes of a value */
#define MAX_VALUE 1000

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
	return *value == '\0' || strpbrk(value, " \"=\\") != NULL;
}

/* Ends a clean text where a value in the log ends. */
static void
shorten(Buffer *text)
{
	size_t kept = 0;
	size_t length;

	while ((length = utf8_length(text->data + kept)) > 0 &&
		   kept + length <= MAX_VALUE)
		kept += length;
	while (kept > 0 && text->data[kept - 1] == ' ')
		kept--;
	text->data[kept] = '\0';
}

/*
 * Adds a field; one without value (NULL) is left out.  Of several lines it
 * makes one, since messages of libpq have them, and of a long text, which may
 * be a stranger's, it takes the beginning.
 */
void
log_text(Buffer *line, const char *key, const char *value)
{
	Buffer clean = {0};
	bool quoted;

	if (value == NULL)
		return;
	buffer_text(&clean, "");
	utf8_add_clean(&clean, value);
	shorten(&clean);
	quoted = needs_quotes(clean.data);
	buffer_print(line, quoted ? " %s=\"" : " %s=", key);
	for (const char *c = clean.data; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			buffer_char(line, '\\');
		buffer_char(line, *c);
	}
	if (quoted)
		buffer_char(line, '"');
	buffer_free(&clean);
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
