/*
 * check.h
 *		What is wrong with a store; for check_store and create_store.
 */
#ifndef CUSTOMERS_CHECK_H
#define CUSTOMERS_CHECK_H

#include "stores/ddl.h"
#include "stores/store.h"

typedef struct Finding
{
	const char *object;
	const char *finding;
	const char *repair; /* statements */
	bool mends;			/* create_store runs them */
} Finding;

/* One run: what is looked at, and what was found. */
typedef struct Check
{
	PlanTarget target;		  /* with the tables that were seen so far */
	List *statements;		  /* of the layout */
	bool fits[STORE_NTABLES]; /* the table may be read and compared */
	bool search;			  /* shall there be a search index? */
	List *findings;			  /* of Finding, repairs in this order */
} Check;

extern void cust_check_add(Check *check, bool mends, const char *object,
						   const char *finding, const char *repair);
extern void cust_check_query(Check *check, const PlanQuery *query);
extern void cust_check_begin(Check *check, Oid schema, const char *name);
extern void cust_check_public(Check *check);
extern void cust_check_tables(Check *check);
extern bool cust_check_columns(Check *check, const DdlStatement *statement,
							   Relation rel);
extern void cust_check_additions(Check *check, const DdlStatement *statement,
								 Relation rel);
extern void cust_check_objects(Check *check, bool triggers);
extern void cust_check_rows(Check *check);

/* a query of check_store: (object, finding, repair) for the store called $1 */
#define CHECK_QUERY(query)                                  \
	{                                                       \
		.text = query, .as_owner = true, .read_only = true, \
		.restricted = true, .nargs = 1, .argtypes = {       \
			TEXTOID                                         \
		}                                                   \
	}

#endif /* CUSTOMERS_CHECK_H */
