/*
 * definition.h
 *		Whether an object of a store is what its statement makes.
 */
#ifndef CUSTOMERS_DEFINITION_H
#define CUSTOMERS_DEFINITION_H

#include "access/htup.h"
#include "parser/parse_node.h"
#include "stores/ddl.h"
#include "utils/rel.h"

typedef enum DefinitionState
{
	DEFINITION_SAME,
	DEFINITION_MISSING,
	DEFINITION_OFF,		/* a trigger that does not fire */
	DEFINITION_INVALID, /* an index or constraint that is not complete */
	DEFINITION_OTHER
} DefinitionState;

/* What an index of the layout is made of. */
typedef struct IndexShape
{
	bool unique;
	bool primary;
	const char *method;
	List *elements; /* of IndexElem */
	Node *predicate;
} IndexShape;

extern int cust_definition_begin(void);
extern void cust_definition_end(int level);
extern DefinitionState cust_definition_compare(const DdlStatement *statement,
											   Relation rel);
extern bool cust_definition_default(Relation rel, AttrNumber attnum,
									Node *wanted);
extern Oid cust_definition_sequence(Relation rel, AttrNumber attnum);

/* within definition*.c */
extern Node *cust_definition_analyse(Relation rel, Node *raw,
									 ParseExprKind kind);
extern Node *cust_definition_stored(int cache, HeapTuple tuple,
									AttrNumber attribute);
extern DefinitionState cust_definition_index(Relation rel, Oid relid,
											 const IndexShape *shape);

#endif /* CUSTOMERS_DEFINITION_H */
