/*
 * planlocks.h
 *		The relations that a plan runs on, locked and verified before it runs.
 */
#ifndef CUSTOMERS_PLANLOCKS_H
#define CUSTOMERS_PLANLOCKS_H

#include "rows/plan.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"

/* The locks of a plan on the relations of its target, NoLock for most. */
typedef struct PlanLocks
{
	LOCKMODE modes[RIGHTS_MAX_RELATIONS];
	bool once; /* the plan serves one run: no invalidation reaches it */
} PlanLocks;

extern Relation cust_planlocks_open(const PlanTarget *target, Oid relid,
									LOCKMODE mode);
extern PlanLocks cust_planlocks_read(const char *text,
									 const PlanTarget *target,
									 SPIPlanPtr plan);
extern bool cust_planlocks_fit(const PlanTarget *target, SPIPlanPtr plan,
							   const PlanLocks *locks);

#endif /* CUSTOMERS_PLANLOCKS_H */
