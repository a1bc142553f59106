/*
 * complain.h
 *		How the program ends when it cannot go on.
 */
#ifndef NOTIFYD_COMPLAIN_H
#define NOTIFYD_COMPLAIN_H

#define PROGRAM_NAME "customers-notifyd"

/* exit codes, those of sysexits.h where one fits */
#define EXIT_DONE 0
#define EXIT_SOME_FAILED 1
#define EXIT_BAD_USAGE 64
#define EXIT_INTERNAL 70
#define EXIT_OUTPUT 74
#define EXIT_TRY_LATER 75
#define EXIT_BAD_CONFIG 78

/* Says on standard error what is wrong, and exits. */
extern void complain(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
