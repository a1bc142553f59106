/*
 * buffer.h
 *		Memory that is there or ends the program, and text that grows.
 */
#ifndef NOTIFYD_BUFFER_H
#define NOTIFYD_BUFFER_H

#include <stddef.h>

/* Starts as {0}; data ends with a zero byte once something was appended. */
typedef struct Buffer
{
	char *data;
	size_t length;
	size_t space;
} Buffer;

extern void *memory_get(size_t size);
extern char *memory_copy(const char *text);
extern void memory_forget(char *text);

extern void buffer_add(Buffer *buffer, const char *bytes, size_t length);
extern void buffer_text(Buffer *buffer, const char *text);
extern void buffer_char(Buffer *buffer, char c);
extern void buffer_print(Buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
extern void buffer_free(Buffer *buffer);

#endif
