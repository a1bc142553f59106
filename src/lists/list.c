/*
 * list.c
 *		Lists of customers: list_customers and count_customers.
 *
 * Reads the arguments and shows the customers that listquery.c finds: each
 * page is found as ids first, and details are read of these only.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "lists/listquery.h"
#include "rows/page.h"
#include "stores/details.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

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

static const char *const sort_names[] = {[SORT_ID] = "id",
										 [SORT_EMAIL] = "email",
										 [SORT_LAST_NAME] = "last_name",
										 [SORT_CREATED_AT] = "created_at"};

static void
read_sort(FunctionCallInfo fcinfo, int argument, ListPage *page)
{
	char *sort;

	if (PG_ARGISNULL(argument))
		cust_report_null("sort");
	sort = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	page->kind = psprintf("customers:%s", sort);
	page->descending = sort[0] == '-';
	for (int i = 0; i < (int) lengthof(sort_names); i++)
	{
		if (strcmp(sort_names[i], sort + page->descending) == 0)
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
	return errno == 0 && end != key && *end == '\0' &&
		(TIMESTAMP_NOT_FINITE(time) || IS_VALID_TIMESTAMP(time));
}

static void
read_cursor(FunctionCallInfo fcinfo, int argument, ListPage *page)
{
	PageStart start = cust_page_start(fcinfo, argument, page->kind);

	if (!start.given)
		return;
	if (!read_cursor_key(&page->conditions, page->sort, start.key))
		cust_report_argument(
			"Pass the cursor of the last row seen, with the same sort.",
			"the cursor does not belong to this list");
	cust_filter_set(&page->conditions, LIST_AFTER_ID, Int64GetDatum(start.id));
	cust_listquery_start(page, start.key == NULL);
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
			if (!nulls[DETAILS_EMAIL])
				key = TextDatumGetCString(values[DETAILS_EMAIL]);
			for (char *c = key; c != NULL && *c != '\0'; c++)
				*c = pg_ascii_tolower((unsigned char) *c);
			break;
		case SORT_LAST_NAME:
			if (!nulls[DETAILS_LAST_NAME])
				key = TextDatumGetCString(values[DETAILS_LAST_NAME]);
			break;
		case SORT_CREATED_AT:
			if (!nulls[DETAILS_CREATED_AT])
				key = psprintf(INT64_FORMAT,
							   DatumGetTimestampTz(
								   values[DETAILS_CREATED_AT]));
			break;
	}
	return cust_page_cursor(page->kind, key,
							nulls[DETAILS_ID] ?
								0 :
								DatumGetInt64(values[DETAILS_ID]));
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------
 */

static const PlanQuery read_details = {
	.text = "SELECT " CUSTOMER_DETAILS_COLUMNS
			" FROM pg_catalog.unnest($1) WITH ORDINALITY u(id, n)"
			" JOIN @store@.customer c ON c.id" EQ "u.id ORDER BY u.n",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8ARRAYOID},
};

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
	ListIds ids = cust_listquery_page(page);
	NullableDatum args[1] = {{0}};
	PlanRows rows;

	if (ids.count == 0)
		return;
	args[0].value = PointerGetDatum(
		construct_array(ids.values, ids.count, INT8OID, 8, FLOAT8PASSBYVAL,
						TYPALIGN_DOUBLE));
	rows = cust_plan_run(&read_details, &page->store->target, args, 0);
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
	int64 count;

	cust_plan_begin();
	cust_filter_read(fcinfo, page.store->has_search_index, &page.conditions);
	count = cust_listquery_count(&page);
	cust_plan_end();
	PG_RETURN_INT64(count);
}
