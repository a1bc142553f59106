/*
 * kept.h
 *		Plans that are kept for the session.
 */
#ifndef CUSTOMERS_KEPT_H
#define CUSTOMERS_KEPT_H

#include "rows/plan.h"
#include "rows/planlocks.h"

typedef struct KeptKey
{
	const PlanQuery *constant; /* NULL: */
	uint64 made;			   /* the number of a query that was made */
	Oid schema;
} KeptKey;

typedef struct KeptPlan
{
	char name[NAMEDATALEN]; /* of the schema when planned */
	SPIPlanPtr plan;
	PlanLocks locks;
} KeptPlan;

/* A plan that is being run, further up this session's stack. */
typedef struct RunningPlan
{
	SPIPlanPtr plan;
	struct RunningPlan *outer;
} RunningPlan;

extern KeptKey cust_kept_key(const PlanQuery *query, Oid schema);
extern KeptPlan cust_kept_find(const KeptKey *key);
extern void cust_kept_put(const KeptKey *key, const KeptPlan *kept);
extern void cust_kept_forget(Oid schema);
extern RunningPlan *cust_kept_running(void);
extern void cust_kept_run(RunningPlan *run, SPIPlanPtr plan);
extern void cust_kept_set_running(RunningPlan *run);
extern void cust_kept_free_retired(void);

#endif /* CUSTOMERS_KEPT_H */
