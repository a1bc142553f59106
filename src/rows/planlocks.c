/*
 * planlocks.c
 *		The relations that a plan runs on, locked and verified before it runs.
 *
 * Called by plan, before each run, and by who opens a table without.  Between the verification of a store and
 * the analysis of a statement its owner may have put something else in the
 * place of a table, such as a view, whose functions would run as the caller.
 */
#include "postgres.h"

#include "access/table.h"
#include "nodes/nodeFuncs.h"
#include "rows/planlocks.h"
#include "storage/lmgr.h"
#include "utils/plancache.h"

/* Does the text name the relation, behind the placeholder? */
static bool
names_relation(const char *text, const char *name)
{
	size_t length = strlen(name);

	while ((text = strstr(text, PLAN_PLACEHOLDER ".")) != NULL)
	{
		text += strlen(PLAN_PLACEHOLDER ".");
		if (strncmp(text, name, length) == 0 && text[length] != '_' &&
			!isalnum((unsigned char) text[length]))
			return true;
	}
	return false;
}

/* What a walk through a statement looks for, and finds. */
typedef struct LockSearch
{
	const PlanTarget *target;
	PlanLocks *locks;
} LockSearch;

static bool
find_locks(Node *node, void *context)
{
	const LockSearch *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_locks, context,
								 QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
	{
		const RangeTblEntry *rte = (const RangeTblEntry *) node;

		for (int i = 0; i < search->target->nrelations; i++)
		{
			if (rte->rtekind == RTE_RELATION &&
				rte->relid == search->target->relations[i].relid)
				search->locks->modes[i] = Max(search->locks->modes[i],
											  rte->rellockmode);
		}
		return false;
	}
	return expression_tree_walker(node, find_locks, context);
}

/* Is the plan invalidated when the relation changes? */
static bool
depends_on(SPIPlanPtr plan, Oid relid)
{
	ListCell *cell;

	foreach(cell, SPI_plan_get_plan_sources(plan))
	{
		CachedPlanSource *source = lfirst(cell);

		if (list_member_oid(source->relationOids, relid))
			return true;
	}
	return false;
}

/*
 * The locks that the plan takes on the relations that its text names behind
 * the placeholder.  A rule may have taken a relation out of the plan.
 */
PlanLocks
cust_planlocks_read(const char *text, const PlanTarget *target,
					SPIPlanPtr plan)
{
	PlanLocks locks = {{NoLock}, false};
	LockSearch search = {target, &locks};
	ListCell *cell;

	for (int i = 0; i < target->nrelations; i++)
	{
		if (!names_relation(text, target->relations[i].name))
			continue;
		locks.modes[i] = AccessShareLock;
		locks.once |= !depends_on(plan, target->relations[i].relid);
	}
	foreach(cell, SPI_plan_get_plan_sources(plan))
	{
		CachedPlanSource *source = lfirst(cell);

		(void) find_locks((Node *) source->query_list, &search);
	}
	return locks;
}

static bool
is_valid(SPIPlanPtr plan)
{
	ListCell *cell;

	if (cust_discards_caches())
		return true;
	foreach(cell, SPI_plan_get_plan_sources(plan))
	{
		if (!CachedPlanIsValid(lfirst(cell)))
			return false;
	}
	return true;
}

/*
 * Locks the relations of the plan, as the plan does, and has the target looked
 * at once more.  Returns whether the plan was made for what the target's names
 * mean now: they mean what was verified, they stay so under the locks, and a
 * plan for anything else would have met an invalidation when they came to.
 */
bool
cust_planlocks_fit(const PlanTarget *target, SPIPlanPtr plan,
				   const PlanLocks *locks)
{
	for (int i = 0; i < target->nrelations; i++)
	{
		if (locks->modes[i] != NoLock)
			LockRelationOid(target->relations[i].relid, locks->modes[i]);
	}
	target->expect_unchanged(target);
	return is_valid(plan);
}

/*
 * Opens a relation of the target that is read or written without a plan, and
 * has the target looked at once more under the lock: its owner may have dropped
 * or replaced it since it was verified.
 */
Relation
cust_planlocks_open(const PlanTarget *target, Oid relid, LOCKMODE mode)
{
	LockRelationOid(relid, mode);
	target->expect_unchanged(target);
	return table_open(relid, NoLock);
}
