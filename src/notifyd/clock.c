/*
 * clock.c
 *		The time, as the daemon measures it.
 */
#include "clock.h"

#include <time.h>

/* The time, for comparison with other times of this clock. */
Millis
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (Millis) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
