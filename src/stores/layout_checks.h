/*
 * layout_checks.h
 *		CHECK constraints of the layout in C, for rows that are written without
 *		a statement.
 */
#ifndef CUSTOMERS_LAYOUT_CHECKS_H
#define CUSTOMERS_LAYOUT_CHECKS_H

#include "rows/shape.h"

extern bool cust_check_customer_metadata(const ShapeMap *map,
										 const TupleTableSlot *slot);
extern bool cust_check_group_metadata(const ShapeMap *map,
									  const TupleTableSlot *slot);
extern bool cust_check_group_name(const ShapeMap *map,
								  const TupleTableSlot *slot);
extern bool cust_check_orders_currency(const ShapeMap *map,
									   const TupleTableSlot *slot);
extern bool cust_check_orders_metadata(const ShapeMap *map,
									   const TupleTableSlot *slot);
extern bool cust_check_orders_status(const ShapeMap *map,
									 const TupleTableSlot *slot);
extern bool cust_check_transfer_status(const ShapeMap *map,
									   const TupleTableSlot *slot);
extern bool cust_check_transfer_token(const ShapeMap *map,
									  const TupleTableSlot *slot);

#endif /* CUSTOMERS_LAYOUT_CHECKS_H */
