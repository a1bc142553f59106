/*
 * reason.h
 *		Why a command failed: the last line that it wrote.
 */
#ifndef NOTIFYD_REASON_H
#define NOTIFYD_REASON_H

#include <stddef.h>

/* bytes of a line that are looked at; a reason is shorter */
#define LINE_KEPT 2048

typedef struct LastLine
{
	char current[LINE_KEPT];
	size_t length;
	char last[LINE_KEPT];
} LastLine;

extern void reason_begin(LastLine *line);
extern void reason_add(LastLine *line, const char *bytes, size_t length);
extern const char *reason_end(LastLine *line);

extern char *reason_clean(const char *text, const char *secret);

#endif
