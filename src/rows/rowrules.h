/*
 * rowrules.h
 *		What a table asks of a row: values for columns that a statement leaves
 *		out, NOT NULL and CHECK constraints.
 */
#ifndef CUSTOMERS_ROWRULES_H
#define CUSTOMERS_ROWRULES_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

typedef enum DefaultKind
{
	DEFAULT_VALUE, /* NULL without a default */
	DEFAULT_NOW,   /* the transaction's start */
	DEFAULT_OTHER  /* for the executor */
} DefaultKind;

typedef struct RowDefault
{
	DefaultKind kind;
	NullableDatum value;
} RowDefault;

/* What is known of a table; to be read only when understood. */
typedef struct RowRules
{
	Oid relid; /* key of the cache */
	bool valid;
	bool understood;	   /* otherwise, leave its rows to the executor */
	MemoryContext context; /* of everything below */
	RowDefault *defaults;  /* by attribute, from 0 */
	int nchecks;
	ExprState **checks;
} RowRules;

extern RowRules cust_rowrules_of(Relation rel);
extern bool cust_rowrules_hold(const RowRules *rules, TupleTableSlot *slot,
							   EState *estate);

#endif /* CUSTOMERS_ROWRULES_H */
