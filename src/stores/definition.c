/*
 * definition.c
 *		Whether an object of a store is what its statement makes.
 *
 * The statement's expressions are analysed against the very table, whose
 * columns may stand in any order, and compared with what the catalogs hold.
 * Called by verify, for every session, and by check.  Runs no code of the
 * owner's: catalogs alone are read, names are looked up in pg_catalog, and the
 * stored expressions are taken as they are, not computed as the relation cache
 * does.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type_d.h"
#include "commands/defrem.h"
#include "compat.h"
#include "guc.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_func.h"
#include "stores/definition.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * From here to cust_definition_end names mean what they mean in pg_catalog.
 * An error ends it too.
 */
int
cust_definition_begin(void)
{
	return cust_guc_set_for_statement("search_path", "pg_catalog, pg_temp");
}

void
cust_definition_end(int level)
{
	cust_guc_unset(level);
}

/* ------------------------------------------------------------------------
 * Expressions
 * ------------------------------------------------------------------------
 */

/* An analysis in which the table's columns go by that name; NULL: its own. */
static ParseState *
parse_state(Relation rel, const char *alias, ParseState *pstate)
{
	ParseNamespaceItem *item;

	if (pstate == NULL)
		pstate = make_parsestate(NULL);
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock,
										 alias ? makeAlias(alias, NIL) : NULL,
										 false, false);
	addNSItemToQuery(pstate, item, false, true, true);
	return pstate;
}

/*
 * The expression as the parser understands it for the table, which is open.
 */
Node *
cust_definition_analyse(Relation rel, Node *raw, ParseExprKind kind)
{
	ParseState *pstate = parse_state(rel, NULL, NULL);
	Node *expression = transformExpr(pstate, copyObject(raw), kind);

	if (kind == EXPR_KIND_CHECK_CONSTRAINT ||
		kind == EXPR_KIND_INDEX_PREDICATE)
		expression = coerce_to_boolean(pstate, expression, "CHECK");
	assign_expr_collations(pstate, expression);
	return expression;
}

/* The expression that an attribute of a catalog's row holds, or NULL. */
Node *
cust_definition_stored(int cache, HeapTuple tuple, AttrNumber attribute)
{
	bool isnull;
	Datum value = SysCacheGetAttr(cache, tuple, attribute, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(value));
}

/* ------------------------------------------------------------------------
 * Indexes
 * ------------------------------------------------------------------------
 */

static IndexShape
shape_of_index(const IndexStmt *index)
{
	return (IndexShape){
		.unique = index->unique,
		.method = index->accessMethod ? index->accessMethod :
										DEFAULT_INDEX_TYPE,
		.elements = index->indexParams,
		.predicate = index->whereClause,
	};
}

static IndexShape
shape_of_key(const Constraint *constraint)
{
	IndexShape shape = {
		.unique = true,
		.primary = constraint->contype == CONSTR_PRIMARY,
		.method = DEFAULT_INDEX_TYPE,
	};
	ListCell *cell;

	foreach(cell, constraint->keys)
	{
		IndexElem *element = makeNode(IndexElem);

		element->name = strVal(lfirst(cell));
		shape.elements = lappend(shape.elements, element);
	}
	return shape;
}

/* ------------------------------------------------------------------------
 * Constraints
 * ------------------------------------------------------------------------
 */

static bool
same_columns(Oid relid, List *names, int n, const AttrNumber *attnums)
{
	if (n != list_length(names))
		return false;
	for (int i = 0; i < n; i++)
	{
		if (attnums[i] != get_attnum(relid, strVal(list_nth(names, i))))
			return false;
	}
	return true;
}

static bool
same_foreign_key(Relation rel, HeapTuple tuple, const Constraint *wanted)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	Oid referenced = get_relname_relid(wanted->pktable->relname,
									   RelationGetNamespace(rel));
	AttrNumber columns[INDEX_MAX_KEYS];
	AttrNumber keys[INDEX_MAX_KEYS];
	AttrNumber set_columns[INDEX_MAX_KEYS];
	Oid operators[3][INDEX_MAX_KEYS];
	int n;
	int nset;

	if (form->contype != CONSTRAINT_FOREIGN || form->confrelid != referenced ||
		form->confupdtype != wanted->fk_upd_action ||
		form->confdeltype != wanted->fk_del_action ||
		form->confmatchtype != wanted->fk_matchtype)
		return false;
	DeconstructFkConstraintRow(tuple, &n, columns, keys, operators[0],
							   operators[1], operators[2], &nset, set_columns);
	return nset == 0 &&
		same_columns(RelationGetRelid(rel), wanted->fk_attrs, n, columns) &&
		same_columns(referenced, wanted->pk_attrs, n, keys);
}

static bool
same_check(Relation rel, HeapTuple tuple, const Constraint *wanted)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

	return form->contype == CONSTRAINT_CHECK &&
		equal(cust_definition_stored(CONSTROID, tuple,
									 Anum_pg_constraint_conbin),
			  cust_definition_analyse(rel, wanted->raw_expr,
									  EXPR_KIND_CHECK_CONSTRAINT));
}

static DefinitionState
compare_key(Relation rel, HeapTuple tuple, const Constraint *wanted)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	IndexShape shape = shape_of_key(wanted);

	if (form->contype != CONSTRAINT_PRIMARY &&
		form->contype != CONSTRAINT_UNIQUE)
		return DEFINITION_OTHER;
	return cust_definition_index(rel, form->conindid, &shape);
}

static DefinitionState
compare_found(Relation rel, HeapTuple tuple, const Constraint *wanted)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	DefinitionState state = DEFINITION_SAME;

	if (form->condeferrable || !cust_constraint_is_enforced(form))
		return DEFINITION_OTHER;
	switch (wanted->contype)
	{
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
			state = compare_key(rel, tuple, wanted);
			break;
		case CONSTR_FOREIGN:
			if (!same_foreign_key(rel, tuple, wanted))
				state = DEFINITION_OTHER;
			break;
		case CONSTR_CHECK:
			if (!same_check(rel, tuple, wanted))
				state = DEFINITION_OTHER;
			break;
		default:
			elog(ERROR, "the layout has a constraint of unknown kind %d",
				 (int) wanted->contype);
	}
	if (state == DEFINITION_SAME && !form->convalidated)
		state = DEFINITION_INVALID;
	return state;
}

static DefinitionState
compare_constraint(Relation rel, Oid oid, const Constraint *wanted)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
	DefinitionState state;

	if (!HeapTupleIsValid(tuple))
		return DEFINITION_MISSING;
	state = compare_found(rel, tuple, wanted);
	ReleaseSysCache(tuple);
	return state;
}

/* ------------------------------------------------------------------------
 * Triggers
 * ------------------------------------------------------------------------
 */

static const Trigger *
find_trigger(Relation rel, const char *name)
{
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (!trigger->tgisinternal && strcmp(trigger->tgname, name) == 0)
			return trigger;
	}
	return NULL;
}

static bool
same_when(Relation rel, const Trigger *trigger, Node *when)
{
	ParseState *pstate;
	Node *wanted;

	if (when == NULL || trigger->tgqual == NULL)
		return when == NULL && trigger->tgqual == NULL;
	pstate = parse_state(rel, "old", NULL);
	pstate = parse_state(rel, "new", pstate);
	wanted = transformWhereClause(pstate, copyObject(when),
								  EXPR_KIND_TRIGGER_WHEN, "WHEN");
	assign_expr_collations(pstate, wanted);
	return equal(stringToNode(trigger->tgqual), wanted);
}

static bool
same_name(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Has it the transition tables under the names that the layout gives them? */
static bool
same_transitions(const Trigger *trigger, List *transitions)
{
	const char *old_name = NULL;
	const char *new_name = NULL;
	ListCell *cell;

	foreach(cell, transitions)
	{
		TriggerTransition *transition = lfirst_node(TriggerTransition, cell);

		if (transition->isNew)
			new_name = transition->name;
		else
			old_name = transition->name;
	}
	return same_name(trigger->tgoldtable, old_name) &&
		same_name(trigger->tgnewtable, new_name);
}

static DefinitionState
compare_trigger(Relation rel, const CreateTrigStmt *wanted)
{
	const Trigger *trigger = find_trigger(rel, wanted->trigname);
	int16 type = (wanted->row ? TRIGGER_TYPE_ROW : 0) | wanted->timing |
		wanted->events;

	if (trigger == NULL)
		return DEFINITION_MISSING;
	if (trigger->tgfoid != LookupFuncName(wanted->funcname, 0, NULL, true) ||
		trigger->tgtype != type || trigger->tgnattr != 0 ||
		trigger->tgnargs != 0 ||
		OidIsValid(trigger->tgconstraint) != wanted->isconstraint ||
		trigger->tgdeferrable != wanted->deferrable ||
		trigger->tginitdeferred != wanted->initdeferred ||
		!same_transitions(trigger, wanted->transitionRels) ||
		!same_when(rel, trigger, wanted->whenClause))
		return DEFINITION_OTHER;
	return trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN ? DEFINITION_SAME :
														   DEFINITION_OFF;
}

/* ------------------------------------------------------------------------
 * Entry
 * ------------------------------------------------------------------------
 */

/*
 * Compares what the statement makes on the table, which the caller has open,
 * with what is there.  Between cust_definition_begin and end.
 */
DefinitionState
cust_definition_compare(const DdlStatement *statement, Relation rel)
{
	Oid found;
	IndexShape shape;

	if (statement->kind == DDL_TRIGGER)
		return compare_trigger(rel, castNode(CreateTrigStmt, statement->node));
	found = cust_ddl_find(statement, RelationGetNamespace(rel));
	if (!OidIsValid(found))
		return DEFINITION_MISSING;
	if (statement->kind == DDL_CONSTRAINT)
		return compare_constraint(rel, found, cust_ddl_constraint(statement));
	Assert(statement->kind == DDL_INDEX);
	shape = shape_of_index(castNode(IndexStmt, statement->node));
	return cust_definition_index(rel, found, &shape);
}

/* The default of a column as it is stored, or NULL. */
static Node *
stored_default(Relation rel, AttrNumber attnum)
{
	TupleConstr *constr = rel->rd_att->constr;

	for (int i = 0; constr && i < constr->num_defval; i++)
	{
		if (constr->defval[i].adnum == attnum)
			return stringToNode(constr->defval[i].adbin);
	}
	return NULL;
}

/*
 * Has the column that default, as the layout writes it?  Between
 * cust_definition_begin and end.
 */
bool
cust_definition_default(Relation rel, AttrNumber attnum, Node *wanted)
{
	Form_pg_attribute att = TupleDescAttr(rel->rd_att, attnum - 1);

	return equal(stored_default(rel, attnum),
				 cookDefault(make_parsestate(NULL), copyObject(wanted),
							 att->atttypid, att->atttypmod,
							 NameStr(att->attname), '\0'));
}

/* The sequence whose next value is the default of the column, or invalid. */
Oid
cust_definition_sequence(Relation rel, AttrNumber attnum)
{
	Node *expression = stored_default(rel, attnum);
	FuncExpr *function = (FuncExpr *) expression;
	Const *argument;

	if (expression == NULL || !IsA(expression, FuncExpr) ||
		function->funcid != F_NEXTVAL || !IsA(linitial(function->args), Const))
		return InvalidOid;
	argument = linitial_node(Const, function->args);
	return argument->constisnull ? InvalidOid :
								   DatumGetObjectId(argument->constvalue);
}
