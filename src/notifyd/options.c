/*
 * options.c
 *		The command line.
 *
 * Everything that can be wrong in it is found before anything is done; the
 * program then says so and exits with EXIT_BAD_USAGE.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "words.h"

/* bytes, as create_store has it */
#define MAX_STORE_NAME 50

#define MAX_SECONDS 86400

static const char usage[] =
	"customers-notifyd hands the deliveries of a store of customers to a "
	"program.\n"
	"\n"
	"Usage: customers-notifyd MODE [OPTION].. [CONNINFO]\n"
	"\n"
	"Modes, one of them:\n"
	"  -e, --exec COMMAND     run COMMAND for each delivery, with the event "
	"as\n"
	"                         one JSON object on its standard input\n"
	"      --stdout           write the events to standard output, one JSON "
	"object\n"
	"                         a line\n"
	"  -t, --templates DIR    send mails made of the templates in DIR\n"
	"\n"
	"Mail:\n"
	"      --sendmail COMMAND mail program that reads a message on its "
	"standard\n"
	"                         input (default: sendmail -t -i)\n"
	"      --from ADDRESS     sender; default: the mail program's\n"
	"      --link URL         where links to accept, decline or reset "
	"lead\n"
	"\n"
	"Deliveries:\n"
	"      --store NAME       store (default: shop)\n"
	"      --subscription NAME\n"
	"                         subscription (default: notifier)\n"
	"  -j, --jobs N           commands that run at once (default: 1)\n"
	"      --timeout SECONDS  time for a delivery's commands (default: 60)\n"
	"      --poll SECONDS     look for deliveries that often (default: 5)\n"
	"      --once             exit when nothing is due\n"
	"\n"
	"  -h, --help             show this\n"
	"  -V, --version          show the version\n"
	"\n"
	"CONNINFO is a connection string or URI; what it leaves out comes from "
	"the\n"
	"environment (PGHOST, PGSERVICE, ..).  COMMAND is split into words like "
	"a shell\n"
	"does it, but runs without one: --exec 'sh -c \"..\"' asks for it.\n"
	"\n"
	"A command that exits with 0 acknowledges its delivery; with 75, or "
	"another\n"
	"code, the delivery is tried again later.\n";

/* A time in seconds, as milliseconds. */
static long long
parse_seconds(const char *option, const char *text, double least)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || isnan(value) || value < least ||
		value > MAX_SECONDS)
		complain(EXIT_BAD_USAGE,
				 "--%s must be from %g to %d seconds, not \"%s\"", option,
				 least, MAX_SECONDS, text);
	return (long long) (value * 1000);
}

static int
parse_jobs(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < 1 || value > MAX_JOBS)
		complain(EXIT_BAD_USAGE, "--jobs must be from 1 to %d, not \"%s\"",
				 MAX_JOBS, text);
	return (int) value;
}

static char **
parse_command(const char *option, const char *text)
{
	char **words = words_split(text);

	if (words == NULL)
		complain(EXIT_BAD_USAGE, "--%s: a quote is not closed", option);
	if (words[0] == NULL)
		complain(EXIT_BAD_USAGE, "--%s names no command", option);
	return words;
}

static void
set_mode(Options *options, Mode mode)
{
	if (options->mode != MODE_NONE)
		complain(EXIT_BAD_USAGE,
				 "--exec, --stdout and --templates exclude "
				 "each other, and stand once");
	options->mode = mode;
}

enum
{
	OPTION_STDOUT = 256,
	OPTION_SENDMAIL,
	OPTION_FROM,
	OPTION_LINK,
	OPTION_STORE,
	OPTION_SUBSCRIPTION,
	OPTION_TIMEOUT,
	OPTION_POLL,
	OPTION_ONCE,
};

static const struct option known[] = {
	{"exec", required_argument, NULL, 'e'},
	{"stdout", no_argument, NULL, OPTION_STDOUT},
	{"templates", required_argument, NULL, 't'},
	{"sendmail", required_argument, NULL, OPTION_SENDMAIL},
	{"from", required_argument, NULL, OPTION_FROM},
	{"link", required_argument, NULL, OPTION_LINK},
	{"store", required_argument, NULL, OPTION_STORE},
	{"subscription", required_argument, NULL, OPTION_SUBSCRIPTION},
	{"jobs", required_argument, NULL, 'j'},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"poll", required_argument, NULL, OPTION_POLL},
	{"once", no_argument, NULL, OPTION_ONCE},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* The options that say what is done with a delivery; false for others. */
static bool
take_mode_option(Options *options, int option, const char **sendmail)
{
	switch (option)
	{
		case 'e':
			set_mode(options, MODE_EXEC);
			options->command = parse_command("exec", optarg);
			return true;
		case OPTION_STDOUT:
			set_mode(options, MODE_STDOUT);
			return true;
		case 't':
			set_mode(options, MODE_MAIL);
			options->templates = optarg;
			return true;
		case OPTION_SENDMAIL:
			*sendmail = optarg;
			return true;
		case OPTION_FROM:
			options->mail.from = optarg;
			return true;
		case OPTION_LINK:
			options->mail.link = optarg;
			return true;
		default:
			return false;
	}
}

static void
take_option(Options *options, int option)
{
	switch (option)
	{
		case OPTION_STORE:
			options->store = optarg;
			break;
		case OPTION_SUBSCRIPTION:
			options->subscription = optarg;
			break;
		case 'j':
			options->jobs = parse_jobs(optarg);
			break;
		case OPTION_TIMEOUT:
			options->timeout = parse_seconds("timeout", optarg, 1);
			break;
		case OPTION_POLL:
			options->poll = parse_seconds("poll", optarg, 0.1);
			break;
		case OPTION_ONCE:
			options->once = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_DONE);
		case 'V':
			puts(PROGRAM_NAME " " CUSTOMERS_VERSION);
			exit(EXIT_DONE);
		default: /* getopt has said what is wrong */
			fputs("Try \"" PROGRAM_NAME " --help\".\n", stderr);
			exit(EXIT_BAD_USAGE);
	}
}

static void
check_conninfo(const char *conninfo)
{
	char *error = NULL;
	PQconninfoOption *parsed;

	/* a bare word is the name of a database, as psql has it */
	if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
		return;
	parsed = PQconninfoParse(conninfo, &error);
	if (parsed == NULL)
	{
		size_t length = error ? strcspn(error, "\n") : 0;

		complain(EXIT_BAD_USAGE, "%.*s", (int) length, error ? error : "");
	}
	PQconninfoFree(parsed);
}

/* What is missing, or does not go together. */
static void
check_options(Options *options, const char *sendmail)
{
	size_t store = strlen(options->store);
	const char *fault = mail_fault(&options->mail);

	if (options->mode == MODE_NONE)
		complain(EXIT_BAD_USAGE,
				 "one of --exec, --stdout and --templates is needed");
	if (options->mode == MODE_MAIL)
		options->command = parse_command("sendmail",
										 sendmail ? sendmail :
													"sendmail -t -i");
	else if (sendmail || options->mail.from || options->mail.link)
		complain(EXIT_BAD_USAGE,
				 "--sendmail, --from and --link belong to --templates");
	if (fault != NULL)
		complain(EXIT_BAD_USAGE, "%s", fault);
	if (store < 1 || store > MAX_STORE_NAME)
		complain(EXIT_BAD_USAGE,
				 "the name of a store has 1 to %d bytes, not %zu",
				 MAX_STORE_NAME, store);
	if (options->conninfo != NULL)
		check_conninfo(options->conninfo);
	if (options->command != NULL && !words_runnable(options->command[0]))
		complain(EXIT_BAD_CONFIG, "cannot run \"%s\": %s", options->command[0],
				 strerror(errno));
}

/* Reads the command line; exits if there is something wrong with it. */
Options
options_parse(int argc, char **argv)
{
	Options options = {
		.store = "shop",
		.subscription = "notifier",
		.poll = 5000,
		.timeout = 60000,
		.jobs = 1,
	};
	const char *sendmail = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "e:t:j:hV", known, NULL)) != -1)
	{
		if (!take_mode_option(&options, option, &sendmail))
			take_option(&options, option);
	}
	if (optind < argc)
		options.conninfo = argv[optind++];
	if (optind < argc)
		complain(EXIT_BAD_USAGE, "unexpected argument \"%s\"", argv[optind]);
	check_options(&options, sendmail);
	return options;
}
