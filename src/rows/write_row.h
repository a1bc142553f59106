/*
 * write_row.h
 *		Inserts or changes one row of a table without starting a statement.
 */
#ifndef CUSTOMERS_WRITE_ROW_H
#define CUSTOMERS_WRITE_ROW_H

#include "rows/write.h"

extern bool cust_write_row(const WriteTo *to, const WriteWhere *where,
						   const WriteRow *row, bool *written,
						   int64 *returned);

#endif /* CUSTOMERS_WRITE_ROW_H */
