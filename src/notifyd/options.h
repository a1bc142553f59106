/*
 * options.h
 *		The command line.
 */
#ifndef NOTIFYD_OPTIONS_H
#define NOTIFYD_OPTIONS_H

#include <stdbool.h>

#define PROGRAM_NAME "customers-notifyd"

/* exit codes, those of sysexits.h where one fits */
#define EXIT_DONE 0
#define EXIT_SOME_FAILED 1
#define EXIT_BAD_USAGE 64
#define EXIT_INTERNAL 70
#define EXIT_OUTPUT 74
#define EXIT_TRY_LATER 75
#define EXIT_BAD_CONFIG 78

#define MAX_JOBS 256

typedef enum Mode
{
	MODE_NONE,
	MODE_EXEC,
	MODE_STDOUT,
	MODE_MAIL,
} Mode;

typedef struct Options
{
	Mode mode;
	char **command; /* of --exec or --sendmail, in words */
	const char *templates;
	const char *from;
	const char *link;
	const char *store;
	const char *subscription;
	const char *conninfo; /* NULL: the environment's */
	long long poll;		  /* milliseconds, like timeout */
	long long timeout;
	int jobs;
	bool once;
} Options;

extern Options options_parse(int argc, char **argv);

/* Says on standard error what is wrong, and exits. */
extern void complain(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
