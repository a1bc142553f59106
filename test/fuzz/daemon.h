/*
 * daemon.h
 *		The parts of customers-notifyd, outside of it.
 */
#ifndef FUZZ_DAEMON_H
#define FUZZ_DAEMON_H

#include <stdbool.h>

#include "input.h"

/* the target: called for each input */
extern void fuzz_one(Input *input);

extern bool daemon_complains(void (*action)(void *), void *argument);

#endif
