/*
 * clock.h
 *		The time, as the daemon measures it.
 */
#ifndef NOTIFYD_CLOCK_H
#define NOTIFYD_CLOCK_H

/* milliseconds of a clock that nobody sets */
typedef long long Millis;

#define NEVER 0x7fffffffffffffffLL

extern Millis clock_now(void);

#endif
