/*
 * claim.h
 *		Claiming deliveries, and the chores of the store.
 */
#ifndef NOTIFYD_CLAIM_H
#define NOTIFYD_CLAIM_H

#include "delivery.h"
#include "options.h"

extern void claim_begin(const Options *options);
extern int claim_deliveries(int wanted, Delivery **deliveries);
extern Millis claim_next_try(void);
extern void claim_expire_transfers(void);

#endif
