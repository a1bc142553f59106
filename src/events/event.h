/*
 * event.h
 *		What the statement triggers that record events have in common.
 */
#ifndef CUSTOMERS_EVENT_H
#define CUSTOMERS_EVENT_H

#include "events/record.h"
#include "executor/tuptable.h"
#include "rows/trigger.h"
#include "values/json.h"

/* One changed row; old or new is NULL where there is none. */
typedef struct ChangedRow
{
	const TriggerRow *trigger;
	TupleTableSlot *old;
	TupleTableSlot *new;
} ChangedRow;

typedef void (*DescribeRow)(Recorder *recorder, const ChangedRow *row);

extern void cust_event_record(FunctionCallInfo fcinfo, StoreTable table,
							  int operations, DescribeRow describe);
extern Datum cust_event_value(const ChangedRow *row, TupleTableSlot *slot,
							  int column, bool *isnull);
extern int64 cust_event_id(const ChangedRow *row, TupleTableSlot *slot,
						   int column);
extern char *cust_event_text(const ChangedRow *row, TupleTableSlot *slot,
							 int column);
extern List *cust_event_changed_columns(const ChangedRow *row, const int *kept,
										int nkept);
extern List *cust_event_addressees(const char *first, const char *second);
extern void cust_event_begin_payload(JsonObject *payload, int64 customer_id,
									 int64 order_id);
extern char *cust_event_take_token(const ChangedRow *row, int column);
extern char *cust_event_time_text(TimestampTz time);
extern void cust_event_add(Recorder *recorder, const EventDraft *draft);
extern void cust_event_add_email_changed(Recorder *recorder, const char *type,
										 int64 customer_id, int64 order_id,
										 const char *old_email,
										 const char *new_email);

#endif /* CUSTOMERS_EVENT_H */
