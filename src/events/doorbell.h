/*
 * doorbell.h
 *		NOTIFY: a hint that deliveries wait.
 */
#ifndef CUSTOMERS_DOORBELL_H
#define CUSTOMERS_DOORBELL_H

extern void cust_doorbell_ring(const char *store, const char *subscription,
							   const char *type, int64 order_id,
							   int64 transfer_id);

#endif /* CUSTOMERS_DOORBELL_H */
