/*
 * rights.h
 *		The schema that is worked on, and whose rights the work has.
 */
#ifndef CUSTOMERS_RIGHTS_H
#define CUSTOMERS_RIGHTS_H

#include "compat.h"

#define RIGHTS_MAX_RELATIONS 16

typedef struct PlanTarget PlanTarget;

/* The schema that statements work on, as it was verified. */
struct PlanTarget
{
	Oid schema;
	Oid owner; /* of the schema and of its relations */
	char name[NAMEDATALEN];
	bool called; /* by a function; else a trigger of somebody's statement */
	const char *deferred; /* a constraint of ours that may wait */
	int nrelations;
	struct
	{
		const char *name; /* constant */
		Oid relid;
	} relations[RIGHTS_MAX_RELATIONS];
	/* raises unless all this is still so */
	void (*expect_unchanged)(const PlanTarget *target);
};

/* Whom the session acted as, for cust_rights_restore. */
typedef struct Rights
{
	Oid user;
	int security;
	int guc_level; /* 0: settings stay */
	bool waiting;  /* for the constraint of ours */
} Rights;

typedef enum RightsOf
{
	RIGHTS_OF_CALLER,
	RIGHTS_OF_OWNER,
	RIGHTS_OF_OWNER_RESTRICTED /* who must not change the session */
} RightsOf;

extern Rights cust_rights_take(const PlanTarget *target, RightsOf whose,
							   bool writes);
extern void cust_rights_restore(const PlanTarget *target,
								const Rights *caller);

#endif /* CUSTOMERS_RIGHTS_H */
