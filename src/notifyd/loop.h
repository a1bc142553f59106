/*
 * loop.h
 *		Waiting: for descriptors, commands, signals and the time.
 */
#ifndef NOTIFYD_LOOP_H
#define NOTIFYD_LOOP_H

#include <stdbool.h>

#include "clock.h"

extern void loop_begin(void);
extern int loop_stops(void);
extern bool loop_wait(int fd, short events, Millis until);

#endif
