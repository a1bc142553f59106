/*
 * transfer_request.h
 *		New rows of table order_transfer, and what their guard shares with that
 *		of changes.
 */
#ifndef CUSTOMERS_TRANSFER_REQUEST_H
#define CUSTOMERS_TRANSFER_REQUEST_H

#include "orders/transfer_subjects.h"
#include "rows/trigger.h"

extern void cust_transfer_guard_insert(TriggerRow *row);

pg_noreturn extern void cust_transfer_report_state(const TriggerRow *row,
												   int column,
												   const char *hint,
												   const char *message);
extern void cust_transfer_check_order(const TriggerRow *row,
									  const OrderState *order);
extern void cust_transfer_check_target(const TriggerRow *row,
									   const CustomerState *target,
									   int64 target_id);
extern bool cust_transfer_is_final(const char *status);
extern char *cust_transfer_old_status(const TriggerRow *row);
extern char *cust_transfer_new_status(const TriggerRow *row);

#endif /* CUSTOMERS_TRANSFER_REQUEST_H */
