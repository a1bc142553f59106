/*
 * plan.h
 *		Statements on the tables of a store, with plans kept for the session.
 */
#ifndef CUSTOMERS_PLAN_H
#define CUSTOMERS_PLAN_H

#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "rows/rights.h"

#define PLAN_MAX_ARGS 17

/* what stands for the schema in the text of a query */
#define PLAN_PLACEHOLDER "@store@"

/*
 * Operators as they must be written in the text of a query, so that no
 * search_path can put others in their place.
 */
#define EQ " OPERATOR(pg_catalog.=) "
#define NE " OPERATOR(pg_catalog.<>) "
#define LT " OPERATOR(pg_catalog.<) "
#define GT " OPERATOR(pg_catalog.>) "
#define LE " OPERATOR(pg_catalog.<=) "
#define GE " OPERATOR(pg_catalog.>=) "
#define PLUS " OPERATOR(pg_catalog.+) "
#define MINUS " OPERATOR(pg_catalog.-) "
#define CAT " OPERATOR(pg_catalog.||) "
#define CONTAINS " OPERATOR(pg_catalog.@>) "
#define OVERLAPS " OPERATOR(pg_catalog.&&) "
/* of a text expression, in an index of ours */
#define LOWER_C(expression) \
	"pg_catalog.lower(" expression " COLLATE pg_catalog.\"C\")"

/*
 * A statement.  PLAN_PLACEHOLDER in the text stands for the schema.  A query is
 * constant, or made: then nothing of it is kept but copies.
 */
typedef struct PlanQuery
{
	const char *text;
	bool made;			/* for this run, the text in short-lived memory */
	bool as_owner;		/* run it as the owner; errors lose details */
	bool read_only;		/* for lookups of stable functions */
	bool newest;		/* reads what is committed, whatever the isolation */
	bool restricted;	/* as owner, who must not change the session */
	bool custom;		/* plan anew for the values of every run */
	const char *unique; /* if this constraint says that a value is taken, */
	const char *hint;	/* then this, which is constant, is the hint */
	int nargs;
	Oid argtypes[PLAN_MAX_ARGS];
} PlanQuery;

typedef struct PlanRows
{
	uint64 count;		  /* returned or changed */
	SPITupleTable *table; /* of plan.c */
} PlanRows;

extern void cust_plan_begin(void);
extern void cust_plan_end(void);
extern PlanRows cust_plan_run(const PlanQuery *query, const PlanTarget *target,
							  const NullableDatum *args, long limit);
pg_noreturn extern void cust_plan_rethrow(const PlanQuery *query,
										  MemoryContext context);
extern void cust_plan_utility(const char *statement);
extern char *cust_plan_substitute(const char *text, const char *schema);

extern Datum cust_plan_value(const PlanRows *rows, uint64 row, int column,
							 bool *isnull);
extern int64 cust_plan_int64(const PlanRows *rows, uint64 row, int column);
extern TimestampTz cust_plan_time(const PlanRows *rows, uint64 row,
								  int column);
extern bool cust_plan_bool(const PlanRows *rows, uint64 row, int column);
extern bool cust_plan_is_null(const PlanRows *rows, uint64 row, int column);
extern char *cust_plan_text(const PlanRows *rows, uint64 row, int column);
extern HeapTuple cust_plan_tuple(const PlanRows *rows, uint64 row);
extern Datum cust_plan_copy(const PlanRows *rows, uint64 row, int column,
							bool *isnull);
extern Datum cust_plan_record(const PlanRows *rows, uint64 row);
extern void cust_plan_emit(const PlanRows *rows, FunctionCallInfo fcinfo);

#endif /* CUSTOMERS_PLAN_H */
