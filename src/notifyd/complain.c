/*
 * complain.c
 *		How the program ends when it cannot go on.
 */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Says on standard error what is wrong, and exits. */
void
complain(int status, const char *format, ...)
{
	va_list arguments;

	fputs(PROGRAM_NAME ": ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	if (status == EXIT_BAD_USAGE)
		fputs("Try \"" PROGRAM_NAME " --help\".\n", stderr);
	exit(status);
}
