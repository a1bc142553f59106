/*
 * reason.c
 *		Why a command failed: the last line that it wrote.
 *
 * The reason is kept in the database and read by people, so a token never
 * gets into it, and whatever bytes the command wrote, it can be stored.
 */
#include "reason.h"

#include <stdbool.h>
#include <string.h>

#include "buffer.h"
#include "utf8.h"

/* bytes of a reason; the server keeps 1,000 characters */
#define MAX_REASON 900

/* shorter secrets would blank out half of a text */
#define MIN_SECRET 8

void
reason_begin(LastLine *line)
{
	line->length = 0;
	line->last[0] = '\0';
}

/* The current line is complete: it counts if there is something in it. */
static void
finish_line(LastLine *line)
{
	bool blank = true;

	for (size_t i = 0; i < line->length && blank; i++)
		blank = (unsigned char) line->current[i] <= ' ';
	if (!blank)
	{
		memcpy(line->last, line->current, line->length);
		line->last[line->length] = '\0';
	}
	line->length = 0;
}

/* Takes bytes from the command; of a long line the beginning is kept. */
void
reason_add(LastLine *line, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (bytes[i] == '\n')
			finish_line(line);
		else if (line->length < LINE_KEPT - 1)
			line->current[line->length++] = bytes[i] ? bytes[i] : ' ';
	}
}

/* The last line that is not blank, or NULL. */
const char *
reason_end(LastLine *line)
{
	finish_line(line);
	return line->last[0] != '\0' ? line->last : NULL;
}

/* Appends text with every occurrence of the secret blanked out. */
static void
add_redacted(Buffer *buffer, const char *text, const char *secret)
{
	size_t length = secret ? strlen(secret) : 0;
	const char *found;

	while (length >= MIN_SECRET && (found = strstr(text, secret)) != NULL)
	{
		buffer_add(buffer, text, (size_t) (found - text));
		buffer_text(buffer, "<token>");
		text = found + length;
	}
	buffer_text(buffer, text);
}

/*
 * Returns the text as it may be stored: on one line, in valid UTF-8, not too
 * long, without the secret (which may be NULL).  memory_forget frees it.
 */
char *
reason_clean(const char *text, const char *secret)
{
	Buffer redacted = {0};
	Buffer clean = {0};
	size_t kept = 0;
	size_t length;

	add_redacted(&redacted, text, secret);
	utf8_add_clean(&clean, redacted.data);
	buffer_free(&redacted);
	buffer_text(&clean, "");
	while ((length = utf8_length(clean.data + kept)) > 0 &&
		   kept + length <= MAX_REASON)
		kept += length;
	while (kept > 0 && clean.data[kept - 1] == ' ')
		kept--;
	clean.data[kept] = '\0';
	return clean.data;
}
