/*
 * transfer_subjects.h
 *		The order and the customers that a transfer is about.
 */
#ifndef CUSTOMERS_TRANSFER_SUBJECTS_H
#define CUSTOMERS_TRANSFER_SUBJECTS_H

#include "datatype/timestamp.h"
#include "stores/store.h"

typedef struct OrderState
{
	int64 id;
	int64 customer_id;			  /* 0: none */
	char *email;				  /* NULL: none */
	TimestampTz email_changed_at; /* 0: never */
	char *status; /* NULL: none, which is as good as canceled */
} OrderState;

typedef struct CustomerState
{
	bool found;
	char *email;
	TimestampTz email_changed_at; /* 0: never */
	bool has_account;
} CustomerState;

/* What a transfer is about, locked against changes. */
typedef struct Subjects
{
	OrderState order;
	CustomerState owner;
	CustomerState target;
} Subjects;

extern void cust_subjects_lock(const Store *store, int64 order_id,
							   int64 target_id, Subjects *subjects);
extern bool cust_subjects_open_transfer(const Store *store, int64 order_id);
extern bool cust_subjects_requests_reach(const Store *store, int64 order_id,
										 int n);
extern bool cust_subjects_order_exists(const Store *store, int64 order_id);

#endif /* CUSTOMERS_TRANSFER_SUBJECTS_H */
