/*
 * trigger.h
 *		The trigger protocol: what fired, the old and the new row.
 */
#ifndef CUSTOMERS_TRIGGER_H
#define CUSTOMERS_TRIGGER_H

#include "commands/trigger.h"
#include "compat.h"
#include "fmgr.h"
#include "rows/shape.h"
#include "utils/rel.h"

typedef enum TriggerKind
{
	TRIGGER_BEFORE_ROW, /* or BEFORE TRUNCATE .. STATEMENT */
	TRIGGER_AFTER_ROW,
	TRIGGER_AFTER_STATEMENT
} TriggerKind;

typedef enum TriggerOperation
{
	TRIGGER_INSERT = 1,
	TRIGGER_UPDATE = 2,
	TRIGGER_DELETE = 4,
	TRIGGER_TRUNCATE = 8
} TriggerOperation;

/* One firing.  Columns are places in the shape. */
typedef struct TriggerRow
{
	TriggerData *data;
	TriggerOperation operation;
	const TableShape *shape;
	ShapeMap map;
	TupleDesc desc;
	const char *schema;	   /* of the table, for errors */
	MemoryContext context; /* where a changed row is made */
	HeapTuple old;		   /* NULL on INSERT */
	HeapTuple new;		   /* as it came, NULL on DELETE */
	Datum *old_values;	   /* these by attribute, from 0 */
	bool *old_nulls;
	Datum *new_values;
	bool *new_nulls;
	bool replaced; /* are the new values no longer those of new? */
} TriggerRow;

extern void cust_trigger_open(FunctionCallInfo fcinfo, const TableShape *shape,
							  TriggerKind kind, int operations,
							  TriggerRow *row);
extern Datum cust_trigger_old(const TriggerRow *row, int column, bool *isnull);
extern Datum cust_trigger_new(const TriggerRow *row, int column, bool *isnull);
extern int64 cust_trigger_old_id(const TriggerRow *row, int column);
extern int64 cust_trigger_new_id(const TriggerRow *row, int column);
extern bool cust_trigger_is_null(const TriggerRow *row, int column);
extern bool cust_trigger_was_null(const TriggerRow *row, int column);
extern void cust_trigger_set(TriggerRow *row, int column, Datum value);
extern void cust_trigger_set_null(TriggerRow *row, int column);
extern void cust_trigger_keep(TriggerRow *row, int column);
extern bool cust_trigger_changed(const TriggerRow *row, int column);
pg_noreturn extern void cust_trigger_refuse(const TriggerRow *row,
											const char *rule, int column,
											const char *hint,
											const char *message);
extern void cust_trigger_require(const TriggerRow *row, int column);
extern int cust_trigger_changed_of(const TriggerRow *row, const int *columns,
								   int n);
pg_noreturn extern void cust_trigger_refuse_fixed(const TriggerRow *row,
												  int column,
												  const char *described);
extern void cust_trigger_stamp(TriggerRow *row, int updated_at, int version);
extern Datum cust_trigger_result(const TriggerRow *row);

/*
 * Raises <table>_id_fixed if the UPDATE changes one of these columns.
 * described names the row, such as "customer 42"; it is evaluated for the
 * error only, since every UPDATE of every row comes here.
 */
#define cust_trigger_fix(row, columns, n, described)                    \
	do                                                                  \
	{                                                                   \
		int cust_changed_ = cust_trigger_changed_of(row, columns, n);   \
                                                                        \
		if (cust_changed_ >= 0)                                         \
			cust_trigger_refuse_fixed(row, cust_changed_, (described)); \
	} while (0)

/* of two rows of one table, is this attribute different? */
extern bool cust_attribute_differs(TupleDesc desc, AttrNumber attnum, Datum a,
								   bool a_null, Datum b, bool b_null);

#endif /* CUSTOMERS_TRIGGER_H */
