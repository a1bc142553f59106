/*
 * page.h
 *		Pages of a list: their size and the keyset cursor.
 */
#ifndef CUSTOMERS_PAGE_H
#define CUSTOMERS_PAGE_H

#include "fmgr.h"

/* Where a page starts: behind the row with this key and id. */
typedef struct PageStart
{
	bool given;
	char *key; /* as text; NULL: the key is NULL */
	int64 id;
} PageStart;

extern int cust_page_size(FunctionCallInfo fcinfo, int argument);
extern PageStart cust_page_start(FunctionCallInfo fcinfo, int argument,
								 const char *kind);
extern Datum cust_page_cursor(const char *kind, const char *key, int64 id);

#endif /* CUSTOMERS_PAGE_H */
