/*
 * words.h
 *		Commands as they are typed, and as they are run.
 */
#ifndef NOTIFYD_WORDS_H
#define NOTIFYD_WORDS_H

#include <stdbool.h>

extern char **words_split(const char *text);
extern bool words_runnable(const char *program);

#endif
