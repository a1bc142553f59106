/*
 * record.h
 *		Writes events and their deliveries, and rings the doorbell.
 */
#ifndef CUSTOMERS_RECORD_H
#define CUSTOMERS_RECORD_H

#include "datatype/timestamp.h"
#include "stores/store.h"

/* An event to be written; ids of 0 stand for NULL. */
typedef struct EventDraft
{
	const char *type;
	int64 customer_id;
	int64 order_id;
	int64 transfer_id;		/* for the doorbell */
	int64 other_person_id;	/* named besides customer_id */
	Datum payload;			/* jsonb */
	Datum confidential;		/* jsonb; 0: none */
	TimestampTz expires_at; /* of the deliveries; 0: the usual time */
	int64 id;				/* given when it is written */
} EventDraft;

/* The events of one statement. */
typedef struct Recorder
{
	const Store *store;
	List *subscriptions;
	bool subscriptions_read;
	MemoryContext base;	   /* holds the subscriptions */
	MemoryContext context; /* holds the drafts until they are written */
	int ndrafts;
	int capacity;
	EventDraft *drafts;
} Recorder;

extern void cust_record_begin(Recorder *recorder, const Store *store);
extern bool cust_record_wanted(Recorder *recorder, const char *type);
extern void cust_record_add(Recorder *recorder, const EventDraft *draft);
extern void cust_record_tidy(Recorder *recorder);
extern void cust_record_end(Recorder *recorder);

#endif /* CUSTOMERS_RECORD_H */
