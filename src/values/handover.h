/*
 * handover.h
 *		Tokens on their way from a row's guard to the delivery of its
 *		statement.
 */
#ifndef CUSTOMERS_HANDOVER_H
#define CUSTOMERS_HANDOVER_H

extern bytea *cust_handover_make(void);
extern char *cust_handover_take(const bytea *hash);

#endif /* CUSTOMERS_HANDOVER_H */
