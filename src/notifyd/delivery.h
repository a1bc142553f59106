/*
 * delivery.h
 *		A delivery that was claimed.
 */
#ifndef NOTIFYD_DELIVERY_H
#define NOTIFYD_DELIVERY_H

#include <stdint.h>

#include "clock.h"
#include "field.h"

typedef struct Delivery
{
	int64_t id;
	int64_t event_id;
	char *type;
	int attempt;
	Millis lease_end;  /* not later than the server's */
	char *token;	   /* NULL if the event has none */
	char *json;		   /* the event; NULL for mails */
	const char *fault; /* why nothing can be done with it; NULL: none */
	char **to;		   /* the addresses, for mails */
	int n_to;
	char *fields[CLAIMED_FIELDS]; /* for mails; NULL without a value */
} Delivery;

extern void delivery_free(Delivery *delivery);

#endif
