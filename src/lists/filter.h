/*
 * filter.h
 *		Which customers a list or count is about: its search and filter.
 */
#ifndef CUSTOMERS_FILTER_H
#define CUSTOMERS_FILTER_H

#include "lib/stringinfo.h"
#include "rows/plan.h"

/* The parameters of all queries on them; the texts have their numbers. */
enum ListParameter
{
	LIST_WORDS,			 /* $1 */
	LIST_GRAMS,			 /* $2 */
	LIST_HAS_ACCOUNT,	 /* $3 */
	LIST_GROUPS,		 /* $4 */
	LIST_NOT_GROUPS,	 /* $5 */
	LIST_EMAIL,			 /* $6 */
	LIST_EXTERNAL_ID,	 /* $7 */
	LIST_CREATED_FROM,	 /* $8 */
	LIST_CREATED_BEFORE, /* $9 */
	LIST_UPDATED_FROM,	 /* $10 */
	LIST_METADATA,		 /* $11 */
	LIST_AFTER_TEXT,	 /* $12 */
	LIST_AFTER_TIME,	 /* $13 */
	LIST_AFTER_ID,		 /* $14 */
	LIST_INDEXED_WORDS,	 /* $15 */
	LIST_SAMPLE,		 /* $16 */
	LIST_SHORT_GRAMS,	 /* $17 */
	LIST_COUNT
};

/*
 * The conditions of a search and a filter on the customer c, each with AND in
 * front.  Those on created_at are by themselves, since a sort may follow them;
 * the others are written in three ways.
 */
typedef struct Conditions
{
	StringInfoData joined; /* for the planner to find many rows at once */
	StringInfoData tested; /* to test rows one by one, the search first */
	StringInfoData sifted; /* to test nearly all rows, beside arrays g */
	StringInfoData created;
	const char *members;  /* array g.members: who is in groups, ascending */
	const char *others;	  /* array g.others: who is in not_groups */
	const char *by_grams; /* how the search index finds rows, or NULL */
	const char *indexed;  /* which rows these are, to test one by one */
	bool is_lookup;		  /* a key finds the rows: there are one or two */
	NullableDatum values[LIST_COUNT];
} Conditions;

extern const PlanQuery cust_filter_template;

extern void cust_filter_read(FunctionCallInfo fcinfo, bool has_search_index,
							 Conditions *conditions);
extern void cust_filter_set(Conditions *conditions, int parameter,
							Datum value);

#endif /* CUSTOMERS_FILTER_H */
