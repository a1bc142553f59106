/*
 * settle.h
 *		Telling the server what became of deliveries.
 */
#ifndef NOTIFYD_SETTLE_H
#define NOTIFYD_SETTLE_H

#include <stdbool.h>

#include "delivery.h"

/* What became of a delivery; note and status are for the log only. */
typedef struct Result
{
	bool done;			/* acknowledge, or fail */
	const char *reason; /* of a failure */
	const char *note;	/* constant text, or NULL */
	int status;			/* exit status of the command; -1: none */
	Millis started;
} Result;

extern void settle_add(const Delivery *delivery, const Result *result);
extern bool settle_all(void);
extern bool settle_waiting(void);
extern Millis settle_next_try(void);
extern bool settle_some_failed(void);
extern void settle_log_left(void);

#endif
