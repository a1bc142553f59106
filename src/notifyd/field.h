/*
 * field.h
 *		The values that templates can show.
 */
#ifndef NOTIFYD_FIELD_H
#define NOTIFYD_FIELD_H

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

#endif
