/*
 * rights.c
 *		Whose rights the work on a schema has.
 *
 * Called by all that runs statements or writes rows.  Code of the schema's
 * owner runs inside: triggers, index expressions, policies, defaults.  He may
 * be anybody, so none of it runs with a superuser's rights.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "rows/rights.h"
#include "utils/guc.h"

/*
 * Could code of the owner become superuser, by way of the session's login role
 * if not at once?
 */
static bool
is_tempting(const PlanTarget *target)
{
	return superuser_arg(GetAuthenticatedUserId()) &&
		!superuser_arg(target->owner);
}

/*
 * What is deferred would run at the end of the transaction, with the rights
 * that the session has then.
 */
static void
let_nothing_wait(void)
{
	ConstraintsSetStmt *all_immediate = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(all_immediate);
}

/* What the owner's code can do nothing about may wait again. */
static void
let_ours_wait(const PlanTarget *target)
{
	ConstraintsSetStmt *ours = makeNode(ConstraintsSetStmt);

	ours->deferred = true;
	ours->constraints = list_make1(
		makeRangeVar(pstrdup(target->name), pstrdup(target->deferred), -1));
	AfterTriggerSetState(ours);
}

/*
 * Acts as the caller, or as the owner the way that referential-integrity
 * triggers do it: row security of the owner's own tables does not hide rows
 * from a guard.
 *
 * In a session whose login role is a superuser, a function that was called for
 * the schema of somebody who is none has his code under control: neither SET
 * nor RESET of a role, no temporary objects, no settings that stay, nothing
 * deferred.  A superuser as the caller, who can only read, acts as the owner.
 * Triggers that a statement of his own fires come with that statement, whose
 * author answers for it.
 *
 * Returns who acted before, for cust_rights_restore; after an error the
 * (sub)transaction's abort puts all back.
 */
Rights
cust_rights_take(const PlanTarget *target, RightsOf whose, bool writes)
{
	Rights caller = {.guc_level = 0};
	bool controlled = target->called && is_tempting(target);
	Oid user;
	int security;

	Assert(OidIsValid(target->owner));
	Assert(target->nrelations <= RIGHTS_MAX_RELATIONS);
	GetUserIdAndSecContext(&caller.user, &caller.security);
	user = caller.user;
	security = caller.security;
	if (whose != RIGHTS_OF_CALLER || (controlled && superuser_arg(user)))
	{
		user = target->owner;
		security |= SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS;
	}
	if (whose == RIGHTS_OF_OWNER_RESTRICTED)
		security |= SECURITY_RESTRICTED_OPERATION;
	if (controlled)
	{
		security |= SECURITY_LOCAL_USERID_CHANGE |
			SECURITY_RESTRICTED_OPERATION;
		caller.guc_level = NewGUCNestLevel();
	}
	SetUserIdAndSecContext(user, security);
	caller.waiting = controlled && writes;
	if (caller.waiting)
		let_nothing_wait();
	return caller;
}

/* Acts as before. */
void
cust_rights_restore(const PlanTarget *target, const Rights *caller)
{
	if (caller->waiting)
		let_ours_wait(target);
	if (caller->guc_level != 0)
		AtEOXact_GUC(false, caller->guc_level);
	SetUserIdAndSecContext(caller->user, caller->security);
}
