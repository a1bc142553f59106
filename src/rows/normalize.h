/*
 * normalize.h
 *		What several guards make of the columns of a new row.
 */
#ifndef CUSTOMERS_NORMALIZE_H
#define CUSTOMERS_NORMALIZE_H

#include "rows/trigger.h"
#include "utils/jsonb.h"

extern void cust_normalize_email(TriggerRow *row, int column);
extern bool cust_normalize_email_changed(const TriggerRow *row, int column);
extern void cust_normalize_blank(TriggerRow *row, int column);
extern Jsonb *cust_normalize_metadata(TriggerRow *row, int column);

#endif /* CUSTOMERS_NORMALIZE_H */
