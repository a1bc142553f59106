/*
 * list.c
 *		Lists of customers: search, filters, sorts and pages.
 *
 * A page is read along the index of its sort, from the cursor on.  Under
 * conditions that could go on for long, so only the next WINDOW customers are
 * looked at in that way.  If they do not fill the page, the few that match
 * are found by the indexes of the conditions, in any order, and sorted.  What
 * is common fills a page early, what is rare costs little to sort; and the
 * planner, which cannot know which it is, is not asked to guess.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "details.h"
#include "filter.h"
#include "funcapi.h"
#include "page.h"
#include "store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* how many customers are looked at in order before the indexes are asked */
#define WINDOW "5000"

/* Where CUSTOMER_DETAILS_COLUMNS has the columns of sorts, from 0. */
enum DetailsColumn
{
	DETAILS_ID = 0,
	DETAILS_EMAIL = 1,
	DETAILS_LAST_NAME = 5,
	DETAILS_CREATED_AT = 13
};

/* ------------------------------------------------------------------------
 * Sorts and cursors
 * ------------------------------------------------------------------------
 */

/*
 * Behind the cursor, in the direction of the operator.  Each is written so
 * that the index of the sort starts there.
 */
#define AFTER_ID(op) "c.id" op "$14"
#define EMAIL_KEY LOWER_C("c.email")
#define AFTER_EMAIL(op, or_equal) \
	EMAIL_KEY or_equal "$12 AND (" EMAIL_KEY op "$12 OR c.id" op "$14)"
#define AFTER_LAST_NAME(op) "ROW(c.last_name, c.id)" op "ROW($12, $14)"
#define AFTER_CREATED_AT(op) "ROW(c.created_at, c.id)" op "ROW($13, $14)"

/* The same where the key is NULL, which only a last_name can be. */
#define AFTER_NULL(op) "c.last_name IS NULL AND c.id" op "$14"

typedef enum SortColumn
{
	SORT_ID,
	SORT_EMAIL,
	SORT_LAST_NAME,
	SORT_CREATED_AT
} SortColumn;

static const struct SortKey
{
	const char *name;
	const char *key;  /* to order the table by, before the id */
	const char *kept; /* the same of a subquery's rows */
	const char *after;
	const char *before;
} sort_keys[] = {[SORT_ID] = {"id", "", "", AFTER_ID(GT), AFTER_ID(LT)},
				 [SORT_EMAIL] = {"email", EMAIL_KEY, "c.email_key",
								 AFTER_EMAIL(GT, GE), AFTER_EMAIL(LT, LE)},
				 [SORT_LAST_NAME] = {"last_name", "c.last_name", "c.last_name",
									 AFTER_LAST_NAME(GT), AFTER_LAST_NAME(LT)},
				 [SORT_CREATED_AT] = {"created_at", "c.created_at",
									  "c.created_at", AFTER_CREATED_AT(GT),
									  AFTER_CREATED_AT(LT)}};

/* A page to be listed. */
typedef struct ListPage
{
	const Store *store;
	Conditions conditions;
	int size;
	char *kind; /* of its cursors */
	SortColumn sort;
	bool descending;
	const char *first; /* condition behind the cursor, or NULL */
	const char *rest;  /* of those after them, beside the NULLs, or NULL */
} ListPage;

static void
read_sort(FunctionCallInfo fcinfo, int argument, ListPage *page)
{
	char *sort;

	if (PG_ARGISNULL(argument))
		cust_report_null("sort");
	sort = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	page->kind = psprintf("customers:%s", sort);
	page->descending = sort[0] == '-';
	for (int i = 0; i < (int) lengthof(sort_keys); i++)
	{
		if (strcmp(sort_keys[i].name, sort + page->descending) == 0)
		{
			page->sort = i;
			return;
		}
	}
	cust_report_argument(
		"Sorts are id, email, last_name and created_at, with a - in front for descending.",
		"unknown sort \"%s\"", sort);
}

/* Sets the parameter of the cursor's key; false if it is no such key. */
static bool
read_cursor_key(Conditions *conditions, SortColumn sort, const char *key)
{
	int64 time;
	char *end;

	if (key == NULL)
		return sort == SORT_ID || sort == SORT_LAST_NAME;
	if (sort == SORT_ID)
		return false;
	if (sort != SORT_CREATED_AT)
	{
		cust_filter_set(conditions, LIST_AFTER_TEXT, CStringGetTextDatum(key));
		return true;
	}
	errno = 0;
	time = strtoi64(key, &end, 10);
	cust_filter_set(conditions, LIST_AFTER_TIME, TimestampTzGetDatum(time));
	return errno == 0 && end != key && *end == '\0';
}

/*
 * Where the page starts.  NULLs come last in ascending and first in
 * descending order; they are a part of the index by themselves.
 */
static void
read_cursor(FunctionCallInfo fcinfo, int argument, ListPage *page)
{
	PageStart start = cust_page_start(fcinfo, argument, page->kind);
	const struct SortKey *key = &sort_keys[page->sort];

	if (!start.given)
		return;
	if (!read_cursor_key(&page->conditions, page->sort, start.key))
		cust_report_argument(
			"Pass the cursor of the last row seen, with the same sort.",
			"the cursor does not belong to this list");
	cust_filter_set(&page->conditions, LIST_AFTER_ID, Int64GetDatum(start.id));
	page->first = page->descending ? key->before : key->after;
	if (page->sort != SORT_LAST_NAME)
		return;
	if (start.key == NULL)
		page->first = page->descending ? AFTER_NULL(LT) : AFTER_NULL(GT);
	if (start.key == NULL && page->descending)
		page->rest = "c.last_name IS NOT NULL";
	if (start.key != NULL && !page->descending)
		page->rest = "c.last_name IS NULL";
}

/* The cursor of a row, given its columns. */
static Datum
row_cursor(const ListPage *page, const Datum *values, const bool *nulls)
{
	char *key = NULL;

	switch (page->sort)
	{
		case SORT_ID:
			break;
		case SORT_EMAIL:
			key = TextDatumGetCString(values[DETAILS_EMAIL]);
			for (char *c = key; *c != '\0'; c++)
				*c = pg_ascii_tolower((unsigned char) *c);
			break;
		case SORT_LAST_NAME:
			if (!nulls[DETAILS_LAST_NAME])
				key = TextDatumGetCString(values[DETAILS_LAST_NAME]);
			break;
		case SORT_CREATED_AT:
			key = psprintf(INT64_FORMAT,
						   DatumGetTimestampTz(values[DETAILS_CREATED_AT]));
			break;
	}
	return cust_page_cursor(page->kind, key,
							DatumGetInt64(values[DETAILS_ID]));
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

/* what a subquery hands on: all that details and conditions are made of */
#define ROW_COLUMNS                                                    \
	EMAIL_KEY                                                          \
	" AS email_key, c.id, c.email, c.has_account,"                     \
	" c.first_name, c.last_name, c.company_name, c.phone, c.metadata," \
	" c.external_id, c.created_by, c.created_at, c.updated_at, c.version"

#define FROM_CUSTOMER " FROM @store@.customer c WHERE true"

static PlanRows
run_list(const ListPage *page, const StringInfoData *text, int limit)
{
	PlanQuery query = cust_filter_template;

	query.text = text->data;
	return cust_plan_run(cust_plan_dynamic(&query), &page->store->target,
						 page->conditions.values, limit);
}

/* Adds ORDER BY with the key, which is empty for the id alone. */
static void
append_order(StringInfo text, const ListPage *page, const char *key)
{
	const char *direction = page->descending ? " DESC" : "";

	appendStringInfoString(text, " ORDER BY ");
	if (key[0] != '\0')
		appendStringInfo(text, "%s%s, ", key, direction);
	appendStringInfo(text, "c.id%s", direction);
}

/*
 * Adds a LIMIT for the planner to see; the page's own ends the execution.
 * Pages of different sizes share a plan.
 */
static void
append_limit(StringInfo text, const ListPage *page)
{
	appendStringInfoString(text,
						   page->size <= 100 ? " LIMIT 100" : " LIMIT 1000");
}

/* Adds FROM and WHERE of the rows that the index of the sort finds. */
static void
append_in_order(StringInfo text, const ListPage *page, const char *position)
{
	appendStringInfoString(text, FROM_CUSTOMER);
	if (position)
		appendStringInfo(text, " AND %s", position);
	if (page->sort == SORT_CREATED_AT)
		appendStringInfoString(text, page->conditions.created.data);
	append_order(text, page, sort_keys[page->sort].key);
}

/* The rows at that position, which are subject to no other condition. */
static PlanRows
list_in_order(const ListPage *page, const char *position, int limit)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT " CUSTOMER_DETAILS_COLUMNS);
	append_in_order(&text, page, position);
	append_limit(&text, page);
	return run_list(page, &text, limit);
}

/* Those of the next WINDOW rows for which the conditions hold. */
static PlanRows
list_window(const ListPage *page)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text,
						   "SELECT " CUSTOMER_DETAILS_COLUMNS
						   " FROM (SELECT " ROW_COLUMNS);
	append_in_order(&text, page, page->first);
	appendStringInfo(&text, " LIMIT " WINDOW ") c WHERE true%s",
					 page->conditions.tested.data);
	if (page->sort != SORT_CREATED_AT)
		appendStringInfoString(&text, page->conditions.created.data);
	append_order(&text, page, sort_keys[page->sort].kept);
	append_limit(&text, page);
	return run_list(page, &text, page->size);
}

/* Does the list end within the window? */
static bool
ends_in_window(const ListPage *page)
{
	StringInfoData text;

	if (page->rest)
		return false;
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT 1");
	append_in_order(&text, page, page->first);
	appendStringInfoString(&text, " OFFSET " WINDOW " LIMIT 1");
	return run_list(page, &text, 1).count == 0;
}

static void
append_conditions(StringInfo text, const ListPage *page)
{
	appendStringInfo(text, "%s%s", page->conditions.found.data,
					 page->conditions.created.data);
}

/*
 * The rows for which the conditions hold, found without regard to the order:
 * OFFSET keeps the planner from walking the index of the sort.
 */
static PlanRows
list_by_conditions(const ListPage *page)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text,
						   "SELECT " CUSTOMER_DETAILS_COLUMNS
						   " FROM (SELECT " ROW_COLUMNS FROM_CUSTOMER);
	append_conditions(&text, page);
	if (page->rest)
		appendStringInfo(&text, " AND (%s OR %s)", page->first, page->rest);
	else if (page->first)
		appendStringInfo(&text, " AND %s", page->first);
	appendStringInfoString(&text, " OFFSET 0) c");
	append_order(&text, page, sort_keys[page->sort].kept);
	append_limit(&text, page);
	return run_list(page, &text, page->size);
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------
 */

/* Adds the rows, each with its cursor, to the function's result. */
static void
emit_rows(const ListPage *page, const PlanRows *rows, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc desc = rows->table->tupdesc;
	Datum values[CUSTOMER_DETAILS_COUNT + 1];
	bool nulls[CUSTOMER_DETAILS_COUNT + 1];

	if (desc->natts != CUSTOMER_DETAILS_COUNT ||
		rsinfo->setDesc->natts != CUSTOMER_DETAILS_COUNT + 1)
		elog(ERROR, "list_customers has %d columns, its query %d",
			 rsinfo->setDesc->natts, desc->natts);
	for (uint64 row = 0; row < rows->count; row++)
	{
		heap_deform_tuple(cust_plan_tuple(rows, row), desc, values, nulls);
		values[CUSTOMER_DETAILS_COUNT] = row_cursor(page, values, nulls);
		nulls[CUSTOMER_DETAILS_COUNT] = false;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

static void
emit_page(const ListPage *page, FunctionCallInfo fcinfo)
{
	const Conditions *conditions = &page->conditions;
	PlanRows rows = {0};

	if (conditions->tested.len == 0 &&
		(conditions->created.len == 0 || page->sort == SORT_CREATED_AT))
	{
		rows = list_in_order(page, page->first, page->size);
		emit_rows(page, &rows, fcinfo);
		if (page->rest == NULL || rows.count >= (uint64) page->size)
			return;
		rows = list_in_order(page, page->rest, page->size - rows.count);
		emit_rows(page, &rows, fcinfo);
		return;
	}
	if (!conditions->is_lookup)
		rows = list_window(page);
	if (conditions->is_lookup ||
		(rows.count < (uint64) page->size && !ends_in_window(page)))
		rows = list_by_conditions(page);
	emit_rows(page, &rows, fcinfo);
}

PG_FUNCTION_INFO_V1(customers_list_customers);

/*
 * list_customers(search, filter jsonb, sort, page_size, after) returns the
 * columns of customer_details and a cursor
 */
Datum
customers_list_customers(PG_FUNCTION_ARGS)
{
	ListPage page = {
		.store = cust_store_read(),
	};

	InitMaterializedSRF(fcinfo, 0);
	page.size = cust_page_size(fcinfo, 3);
	cust_plan_begin();
	read_sort(fcinfo, 2, &page);
	cust_filter_read(fcinfo, page.store->has_search_index, &page.conditions);
	read_cursor(fcinfo, 4, &page);
	emit_page(&page, fcinfo);
	cust_plan_end();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(customers_count_customers);

/* count_customers(search, filter jsonb) returns bigint */
Datum
customers_count_customers(PG_FUNCTION_ARGS)
{
	ListPage page = {
		.store = cust_store_read(),
	};
	StringInfoData text;
	PlanRows rows;
	int64 count;

	cust_plan_begin();
	cust_filter_read(fcinfo, page.store->has_search_index, &page.conditions);
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT pg_catalog.count(*)" FROM_CUSTOMER);
	append_conditions(&text, &page);
	rows = run_list(&page, &text, 1);
	count = cust_plan_int64(&rows, 0, 1);
	cust_plan_end();
	PG_RETURN_INT64(count);
}
