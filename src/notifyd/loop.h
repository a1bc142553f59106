/*
 * loop.h
 *		Waiting: for descriptors, commands, signals and the time.
 */
#ifndef NOTIFYD_LOOP_H
#define NOTIFYD_LOOP_H

#include <stdbool.h>

/* milliseconds of a clock that nobody sets */
typedef long long Millis;

#define NEVER 0x7fffffffffffffffLL

extern Millis loop_now(void);
extern void loop_begin(void);
extern int loop_stops(void);
extern bool loop_wait(int fd, short events, Millis until);

#endif
