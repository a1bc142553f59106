/*
 * pagerows.h
 *		The rows of a page, each with its cursor.
 */
#ifndef CUSTOMERS_PAGEROWS_H
#define CUSTOMERS_PAGEROWS_H

#include "rows/plan.h"

extern void cust_pagerows_emit(const PlanRows *rows, FunctionCallInfo fcinfo,
							   const char *kind);

#endif /* CUSTOMERS_PAGEROWS_H */
