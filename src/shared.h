/*
 * shared.h
 *		Memory that all sessions of the server share.
 */
#ifndef CUSTOMERS_SHARED_H
#define CUSTOMERS_SHARED_H

#include "c.h"

/* as much as there is; who uses it checks that it suffices */
#define CUST_SHARED_BYTES ((size_t) 640 * 1024)

extern void cust_shared_request(void);
extern void *cust_shared_memory(void (*initialize)(void *memory));

#endif /* CUSTOMERS_SHARED_H */
