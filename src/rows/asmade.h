/*
 * asmade.h
 *		Is a table as it was made?
 */
#ifndef CUSTOMERS_ASMADE_H
#define CUSTOMERS_ASMADE_H

#include "executor/tuptable.h"
#include "rows/shape.h"

extern bool cust_asmade_holds_rows(Relation rel);
extern bool cust_asmade(Relation rel, const TableShape *shape);
extern bool cust_asmade_holds(const TableShape *shape, const ShapeMap *map,
							  TupleTableSlot *slot);
extern NullableDatum cust_asmade_default(const ColumnShape *column);

#endif /* CUSTOMERS_ASMADE_H */
