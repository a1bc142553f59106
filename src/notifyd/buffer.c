/*
 * buffer.c
 *		Memory that is there or ends the program, and text that grows.
 *
 * Used by every other file.  What is freed here is cleared first, because
 * most of it may hold a token.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"

/* Returns zeroed memory; ends the program when there is none. */
void *
memory_get(size_t size)
{
	void *memory = calloc(1, size > 0 ? size : 1);

	if (memory == NULL)
	{
		fputs(PROGRAM_NAME ": out of memory\n", stderr);
		exit(EXIT_INTERNAL);
	}
	return memory;
}

/* Returns a copy, or NULL of NULL; free it with memory_forget. */
char *
memory_copy(const char *text)
{
	size_t size;

	if (text == NULL)
		return NULL;
	size = strlen(text) + 1;
	return memcpy(memory_get(size), text, size);
}

/* Clears and frees a text; NULL is fine. */
void
memory_forget(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

/* Makes room for so many bytes more and a zero byte. */
static void
make_room(Buffer *buffer, size_t more)
{
	size_t space = buffer->space > 0 ? buffer->space : 256;
	char *data;

	if (buffer->length + more < buffer->space)
		return;
	while (space <= buffer->length + more)
		space *= 2;
	data = memory_get(space);
	if (buffer->data != NULL)
	{
		memcpy(data, buffer->data, buffer->length);
		explicit_bzero(buffer->data, buffer->length);
		free(buffer->data);
	}
	buffer->data = data;
	buffer->space = space;
}

void
buffer_add(Buffer *buffer, const char *bytes, size_t length)
{
	make_room(buffer, length);
	if (length > 0)
		memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void
buffer_text(Buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void
buffer_char(Buffer *buffer, char c)
{
	buffer_add(buffer, &c, 1);
}

/* Appends what printf would print. */
void
buffer_print(Buffer *buffer, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	make_room(buffer, (size_t) length);
	va_start(arguments, format);
	vsnprintf(buffer->data + buffer->length, (size_t) length + 1, format,
			  arguments);
	va_end(arguments);
	buffer->length += (size_t) length;
}

/* Clears and frees; the buffer can be used again. */
void
buffer_free(Buffer *buffer)
{
	if (buffer->data != NULL)
	{
		explicit_bzero(buffer->data, buffer->length);
		free(buffer->data);
	}
	*buffer = (Buffer){0};
}
