/*
 * rowrules.c
 *		What a table asks of a row: values for columns that a statement leaves
 *		out, NOT NULL and CHECK constraints.
 *
 * Called by write, once a row.  The executor reads and compiles these for each
 * statement, which takes longer than all else that it does for one row; here
 * they are kept for the session.  What could mean something else tomorrow, such
 * as a function of somebody's making, is not understood, and then the executor
 * has the row.  Knows no table of ours.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "rows/rowrules.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

static HTAB *rules_cache = NULL;

/* ------------------------------------------------------------------------
 * The cache
 * ------------------------------------------------------------------------
 */

static void
invalidate_rules(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	RowRules *rules;

	if (OidIsValid(relid))
	{
		rules = hash_search(rules_cache, &relid, HASH_FIND, NULL);
		if (rules)
			rules->valid = false;
		return;
	}
	hash_seq_init(&status, rules_cache);
	while ((rules = hash_seq_search(&status)) != NULL)
		rules->valid = false;
}

static void
create_rules_cache(void)
{
	HASHCTL ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(RowRules),
		.hcxt = CacheMemoryContext,
	};

	rules_cache = hash_create("customers row rules", 16, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(invalidate_rules, (Datum) 0);
}

/* ------------------------------------------------------------------------
 * Understanding expressions
 * ------------------------------------------------------------------------
 */

static bool
is_changeable_function(Oid funcid, void *context)
{
	return funcid >= FirstNormalObjectId ||
		func_volatile(funcid) != PROVOLATILE_IMMUTABLE;
}

/*
 * Is there anything in the expression that must not be compiled once for all?
 * All that is not known to be harmless counts.
 */
static bool
is_changeable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			/* a whole row is described for one execution */
			if (((Var *) node)->varattno <= 0)
				return true;
			break;
		case T_NullTest:
			if (((NullTest *) node)->argisrow)
				return true;
			break;
		case T_ScalarArrayOpExpr:
			/* a table of hashes is made for one execution */
			if (OidIsValid(((ScalarArrayOpExpr *) node)->hashfuncid))
				return true;
			break;
		case T_Const:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_FuncExpr:
		case T_BoolExpr:
		case T_BooleanTest:
		case T_CoalesceExpr:
		case T_RelabelType:
		case T_List:
			break;
		default:
			return true;
	}
	return check_functions_in_node(node, is_changeable_function, NULL) ||
		expression_tree_walker(node, is_changeable, context);
}

static void
read_default(Relation rel, int place, RowDefault *value)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), place);
	Node *expr = NULL;

	*value = (RowDefault){DEFAULT_VALUE, {(Datum) 0, true}};
	if (att->attisdropped)
		return;
	if (att->atthasdef || att->attidentity != '\0' ||
		get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
		expr = build_column_default(rel, place + 1);
	else
		return;
	if (expr != NULL)
		expr = (Node *) expression_planner((Expr *) expr);
	value->kind = DEFAULT_OTHER;
	if (expr != NULL && IsA(expr, FuncExpr) &&
		((FuncExpr *) expr)->funcid == F_NOW)
		value->kind = DEFAULT_NOW;
	if (expr != NULL && IsA(expr, Const))
	{
		Const *constant = (Const *) expr;

		value->kind = DEFAULT_VALUE;
		value->value.isnull = constant->constisnull;
		if (!constant->constisnull)
			value->value.value = datumCopy(constant->constvalue, att->attbyval,
										   att->attlen);
	}
}

/* The compiled constraint; NULL if it is not understood. */
static ExprState *
compile_check(const ConstrCheck *check)
{
	Expr *expr = expression_planner(stringToNode(check->ccbin));

	if (is_changeable((Node *) expr, NULL))
		return NULL;
	return ExecInitExpr(expr, NULL);
}

/* Fills the rules, in their context; returns whether all is understood. */
static bool
read_rules(Relation rel, RowRules *rules)
{
	TupleDesc desc = RelationGetDescr(rel);
	TupleConstr *constr = desc->constr;

	rules->defaults = palloc(desc->natts * sizeof(RowDefault));
	rules->nchecks = 0;
	rules->checks = NULL;
	if (constr != NULL && cust_has_generated(constr))
		return false;
	for (int i = 0; i < desc->natts; i++)
		read_default(rel, i, &rules->defaults[i]);
	if (constr == NULL || constr->num_check == 0)
		return true;
	rules->checks = palloc(constr->num_check * sizeof(ExprState *));
	for (int i = 0; i < constr->num_check; i++)
	{
		ExprState *check;

		if (!cust_check_is_enforced(&constr->check[i]))
			continue;
		check = compile_check(&constr->check[i]);
		if (check == NULL)
			return false;
		rules->checks[rules->nchecks++] = check;
	}
	return true;
}

/*
 * Forgets what is no longer valid.  Somebody further up the stack may still
 * use it, so its memory goes with the transaction.
 */
static void
forget_invalid(void)
{
	HASH_SEQ_STATUS status;
	RowRules *rules;

	hash_seq_init(&status, rules_cache);
	while ((rules = hash_seq_search(&status)) != NULL)
	{
		if (rules->valid)
			continue;
		MemoryContextSetParent(rules->context, TopTransactionContext);
		hash_search(rules_cache, &rules->relid, HASH_REMOVE, NULL);
	}
}

static RowRules
make_rules(Relation rel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "customers row rules",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	RowRules rules = {
		.relid = RelationGetRelid(rel),
		.valid = true,
		.context = context,
	};

	rules.understood = read_rules(rel, &rules);
	MemoryContextSwitchTo(before);
	return rules;
}

/*
 * The rules of a table, which the caller has open.  What they point to lives
 * at least until the transaction ends.
 */
RowRules
cust_rowrules_of(Relation rel)
{
	Oid relid = RelationGetRelid(rel);
	RowRules *rules;
	RowRules made;
	bool found;

	if (rules_cache == NULL)
		create_rules_cache();
	rules = hash_search(rules_cache, &relid, HASH_FIND, NULL);
	if (rules != NULL && rules->valid)
		return *rules;
	made = make_rules(rel);
	/* what was read may be no longer so, or have been read meanwhile */
	forget_invalid();
	rules = hash_search(rules_cache, &relid, HASH_ENTER, &found);
	if (found)
		return *rules;
	MemoryContextSetParent(made.context, CacheMemoryContext);
	*rules = made;
	return made;
}

/* ------------------------------------------------------------------------
 * Testing a row
 * ------------------------------------------------------------------------
 */

static bool
has_all_values(TupleTableSlot *slot)
{
	TupleDesc desc = slot->tts_tupleDescriptor;

	if (desc->constr == NULL || !desc->constr->has_not_null)
		return true;
	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attnotnull && slot->tts_isnull[i])
			return false;
	}
	return true;
}

/* Does the row keep the table's NOT NULL and CHECK constraints? */
bool
cust_rowrules_hold(const RowRules *rules, TupleTableSlot *slot, EState *estate)
{
	ExprContext *context = GetPerTupleExprContext(estate);

	if (!has_all_values(slot))
		return false;
	context->ecxt_scantuple = slot;
	for (int i = 0; i < rules->nchecks; i++)
	{
		if (!ExecCheck(rules->checks[i], context))
			return false;
	}
	return true;
}
