/*
 * write_row.h
 *		Inserts one row into a table without starting a statement.
 */
#ifndef CUSTOMERS_WRITE_ROW_H
#define CUSTOMERS_WRITE_ROW_H

#include "rows/write.h"

extern bool cust_write_row(const WriteTo *to, const WriteRow *row);

#endif /* CUSTOMERS_WRITE_ROW_H */
