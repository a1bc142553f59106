/*
 * report.h
 *		Errors that a user can cause.
 */
#ifndef CUSTOMERS_REPORT_H
#define CUSTOMERS_REPORT_H

#include "compat.h"

/*
 * What an error carries besides its message.  Everything may be left out:
 * sqlstate 0 stands for ERRCODE_CHECK_VIOLATION, a broken rule.
 */
typedef struct CustError
{
	int sqlstate;
	const char *rule; /* constraint_name, see the reference */
	const char *schema;
	const char *table;
	const char *column;
	const char *detail; /* a sentence, no secrets */
	const char *hint;	/* a sentence: the way out */
} CustError;

pg_noreturn extern void cust_report(const CustError *error, const char *fmt,
									...) pg_attribute_printf(2, 3);
pg_noreturn extern void cust_report_argument(const char *hint, const char *fmt,
											 ...) pg_attribute_printf(2, 3);
pg_noreturn extern void cust_report_null(const char *argument);
pg_noreturn extern void cust_report_unknown(const char *schema,
											const char *table, const char *row,
											int64 id);

#endif /* CUSTOMERS_REPORT_H */
