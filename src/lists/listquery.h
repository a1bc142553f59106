/*
 * listquery.h
 *		Finds the customers of a page, and counts those of a list.
 */
#ifndef CUSTOMERS_LISTQUERY_H
#define CUSTOMERS_LISTQUERY_H

#include "lists/filter.h"
#include "stores/store.h"

typedef enum SortColumn
{
	SORT_ID,
	SORT_EMAIL,
	SORT_LAST_NAME,
	SORT_CREATED_AT
} SortColumn;

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

/* The ids of a page's customers, in order. */
typedef struct ListIds
{
	int count;
	Datum *values;
} ListIds;

extern void cust_listquery_start(ListPage *page, bool key_is_null);
extern ListIds cust_listquery_page(const ListPage *page);
extern int64 cust_listquery_count(const ListPage *page);

#endif /* CUSTOMERS_LISTQUERY_H */
