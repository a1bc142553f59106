/*
 * changes.h
 *		Changes of a row that a function is given as a JSON object.
 */
#ifndef CUSTOMERS_CHANGES_H
#define CUSTOMERS_CHANGES_H

#include "fmgr.h"
#include "rows/write.h"
#include "values/json.h"

extern List *cust_changes_argument(FunctionCallInfo fcinfo, int argument,
								   const char *example);
extern void cust_changes_add(WriteRow *row, const TableShape *shape,
							 int column, const JsonPair *change);
extern bool cust_changes_write(const WriteTo *to, const WriteWhere *where,
							   const WriteRow *row, int64 *version);

#endif /* CUSTOMERS_CHANGES_H */
