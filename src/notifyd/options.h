/*
 * options.h
 *		The command line.
 */
#ifndef NOTIFYD_OPTIONS_H
#define NOTIFYD_OPTIONS_H

#include <stdbool.h>

#include "mail.h"

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
	MailSetup mail;
	const char *store;
	const char *subscription;
	const char *conninfo; /* NULL: the environment's */
	long long poll;		  /* milliseconds, like timeout */
	long long timeout;
	int jobs;
	bool once;
} Options;

extern Options options_parse(int argc, char **argv);

#endif
