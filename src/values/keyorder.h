/*
 * keyorder.h
 *		An order of the keys of a jsonb object, which has none of its own.
 */
#ifndef CUSTOMERS_KEYORDER_H
#define CUSTOMERS_KEYORDER_H

#include "utils/array.h"
#include "utils/jsonb.h"

extern ArrayType *cust_keyorder_complete(Jsonb *object, ArrayType *order);

#endif /* CUSTOMERS_KEYORDER_H */
