/*
 * definition_index.c
 *		Whether an index of a store is what its statement makes.
 *
 * Called by definition.c; what is said there holds here.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "stores/definition.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The vector in an attribute that is never NULL; detoasted. */
static Pointer
index_vector(HeapTuple tuple, AttrNumber attribute)
{
	bool isnull;
	Datum value = SysCacheGetAttr(INDEXRELID, tuple, attribute, &isnull);

	Assert(!isnull);
	return (Pointer) PG_DETOAST_DATUM(value);
}

/* Does the index sort by the element as the layout says? */
static bool
same_order(const IndexElem *element, int16 option)
{
	int16 wanted = element->ordering == SORTBY_DESC ?
		INDOPTION_DESC | INDOPTION_NULLS_FIRST :
		0;

	return option == wanted;
}

/*
 * The type and collation of what an element of an index is; false when the
 * index has something else in its place.  Takes expressions off the list.
 */
static bool
same_element(Relation rel, const IndexElem *element, AttrNumber attnum,
			 List **expressions, Oid *type, Oid *collation)
{
	Node *expression;

	if (element->opclass != NIL || element->collation != NIL)
		elog(ERROR,
			 "the layout has an index with an operator class or collation");
	if (element->expr == NULL)
	{
		if (attnum == 0 ||
			attnum != get_attnum(RelationGetRelid(rel), element->name))
			return false;
		*type = TupleDescAttr(rel->rd_att, attnum - 1)->atttypid;
		*collation = TupleDescAttr(rel->rd_att, attnum - 1)->attcollation;
		return true;
	}
	if (attnum != 0 || *expressions == NIL)
		return false;
	expression = cust_definition_analyse(rel, element->expr,
										 EXPR_KIND_INDEX_EXPRESSION);
	if (!equal(expression, linitial(*expressions)))
		return false;
	*expressions = list_delete_first(*expressions);
	*type = exprType(expression);
	*collation = exprCollation(expression);
	return true;
}

static bool
same_elements(Relation rel, HeapTuple tuple, Oid method,
			  const IndexShape *shape)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	oidvector *classes = (oidvector *) index_vector(tuple,
													Anum_pg_index_indclass);
	oidvector *collations = (oidvector *)
		index_vector(tuple, Anum_pg_index_indcollation);
	int2vector *options = (int2vector *) index_vector(tuple,
													  Anum_pg_index_indoption);
	List *expressions = (List *)
		cust_definition_stored(INDEXRELID, tuple, Anum_pg_index_indexprs);

	if (index->indnatts != list_length(shape->elements) ||
		index->indnkeyatts != index->indnatts)
		return false;
	for (int i = 0; i < index->indnatts; i++)
	{
		const IndexElem *element = list_nth(shape->elements, i);
		Oid type;
		Oid collation;

		if (!same_element(rel, element, index->indkey.values[i], &expressions,
						  &type, &collation) ||
			!same_order(element, options->values[i]) ||
			collations->values[i] != collation ||
			classes->values[i] != GetDefaultOpClass(type, method))
			return false;
	}
	return true;
}

static bool
same_predicate(Relation rel, HeapTuple tuple, Node *predicate)
{
	Node *stored = cust_definition_stored(INDEXRELID, tuple,
										  Anum_pg_index_indpred);

	if (predicate == NULL || stored == NULL)
		return predicate == NULL && stored == NULL;
	return equal(stored,
				 cust_definition_analyse(rel, predicate,
										 EXPR_KIND_INDEX_PREDICATE));
}

static Oid
method_of(Oid index)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	Oid method;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	method = ((Form_pg_class) GETSTRUCT(tuple))->relam;
	ReleaseSysCache(tuple);
	return method;
}

static bool
same_index(Relation rel, HeapTuple tuple, const IndexShape *shape)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	Oid method = get_index_am_oid(shape->method, false);

	return index->indrelid == RelationGetRelid(rel) &&
		index->indisunique == shape->unique &&
		index->indisprimary == shape->primary && index->indimmediate &&
		!index->indisexclusion && !index->indnullsnotdistinct &&
		method_of(index->indexrelid) == method &&
		same_elements(rel, tuple, method, shape) &&
		same_predicate(rel, tuple, shape->predicate);
}

/*
 * Compares an index of the table, or whatever has its OID, with the shape.
 * Between cust_definition_begin and end.
 */
DefinitionState
cust_definition_index(Relation rel, Oid relid, const IndexShape *shape)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relid));
	Form_pg_index index;
	DefinitionState state = DEFINITION_SAME;

	if (!HeapTupleIsValid(tuple))
		return DEFINITION_OTHER;
	index = (Form_pg_index) GETSTRUCT(tuple);
	if (!same_index(rel, tuple, shape))
		state = DEFINITION_OTHER;
	else if (!index->indisvalid || !index->indisready || !index->indislive)
		state = DEFINITION_INVALID;
	ReleaseSysCache(tuple);
	return state;
}
