/*
 * idlist.h
 *		Ids in ascending order, each once.
 */
#ifndef CUSTOMERS_IDLIST_H
#define CUSTOMERS_IDLIST_H

#include "rows/plan.h"

typedef struct IdList
{
	int n;
	int64 *ids;
	NullableDatum array; /* the same as a bigint[] */
} IdList;

extern IdList cust_idlist_make(int64 *ids, int n);
extern IdList cust_idlist_column(const PlanRows *rows, int column);
extern bool cust_idlist_contains(const IdList *list, int64 id);

#endif /* CUSTOMERS_IDLIST_H */
