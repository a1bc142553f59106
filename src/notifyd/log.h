/*
 * log.h
 *		Lines for the log, in logfmt on standard error.
 */
#ifndef NOTIFYD_LOG_H
#define NOTIFYD_LOG_H

#include "buffer.h"

/* A line: begin, any number of fields, end (which writes it). */
extern void log_begin(Buffer *line, const char *level, const char *event);
extern void log_text(Buffer *line, const char *key, const char *value);
extern void log_number(Buffer *line, const char *key, long long value);
extern void log_end(Buffer *line);

/* A whole line with at most one field; key may be NULL. */
extern void log_simple(const char *level, const char *event, const char *key,
					   const char *value);

#endif
