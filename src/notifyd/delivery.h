/*
 * delivery.h
 *		A delivery that was claimed.
 */
#ifndef NOTIFYD_DELIVERY_H
#define NOTIFYD_DELIVERY_H

#include <stdint.h>

#include "clock.h"

/* What templates can show, in the order in which the server is asked. */
typedef enum Field
{
	FIELD_STORE,
	FIELD_TYPE,
	FIELD_CUSTOMER_ID,
	FIELD_ORDER_ID,
	FIELD_TRANSFER_ID,
	FIELD_NEW_OWNER_NAME,
	FIELD_DESCRIPTION,
	FIELD_CREATED_AT,
	FIELD_EXPIRES_AT,
	CLAIMED_FIELDS,
	/* these are made here */
	FIELD_RECIPIENT = CLAIMED_FIELDS,
	FIELD_ACCEPT_LINK,
	FIELD_DECLINE_LINK,
	FIELD_RESET_LINK,
	ALL_FIELDS,
} Field;

typedef struct Delivery
{
	int64_t id;
	int64_t event_id;
	char *type;
	int attempt;
	Millis lease_end; /* not later than the server's */
	char *token;	  /* NULL if the event has none */
	char *json;		  /* the event; NULL for mails */
	char **to;		  /* the addresses, for mails */
	int n_to;
	char *fields[CLAIMED_FIELDS]; /* for mails; NULL without a value */
} Delivery;

extern void delivery_free(Delivery *delivery);

#endif
