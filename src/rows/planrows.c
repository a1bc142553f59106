/*
 * planrows.c
 *		Reads what statements returned: rows from 0, columns from 1.
 *
 * Called by all that runs statements through plan.c, while the SPI
 * connection in which the rows live is open.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "rows/plan.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/tuplestore.h"

HeapTuple
cust_plan_tuple(const PlanRows *rows, uint64 row)
{
	if (rows->table == NULL || row >= rows->table->numvals)
		elog(ERROR, "row " UINT64_FORMAT " of a result does not exist", row);
	return rows->table->vals[row];
}

Datum
cust_plan_value(const PlanRows *rows, uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(cust_plan_tuple(rows, row), rows->table->tupdesc,
						 column, isnull);
}

bool
cust_plan_is_null(const PlanRows *rows, uint64 row, int column)
{
	bool isnull;

	(void) cust_plan_value(rows, row, column, &isnull);
	return isnull;
}

/* 0 for NULL */
int64
cust_plan_int64(const PlanRows *rows, uint64 row, int column)
{
	bool isnull;
	Datum value = cust_plan_value(rows, row, column, &isnull);

	Assert(SPI_gettypeid(rows->table->tupdesc, column) == INT8OID);
	return isnull ? 0 : DatumGetInt64(value);
}

/* a timestamptz; 0 for NULL */
TimestampTz
cust_plan_time(const PlanRows *rows, uint64 row, int column)
{
	bool isnull;
	Datum value = cust_plan_value(rows, row, column, &isnull);

	Assert(SPI_gettypeid(rows->table->tupdesc, column) == TIMESTAMPTZOID);
	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* false for NULL */
bool
cust_plan_bool(const PlanRows *rows, uint64 row, int column)
{
	bool isnull;
	Datum value = cust_plan_value(rows, row, column, &isnull);

	Assert(SPI_gettypeid(rows->table->tupdesc, column) == BOOLOID);
	return !isnull && DatumGetBool(value);
}

/* a text as a string, NULL for NULL */
char *
cust_plan_text(const PlanRows *rows, uint64 row, int column)
{
	bool isnull;
	Datum value = cust_plan_value(rows, row, column, &isnull);

	Assert(SPI_gettypeid(rows->table->tupdesc, column) == TEXTOID);
	return isnull ? NULL : TextDatumGetCString(value);
}

/* A value in the memory that was current before the SPI connection. */
Datum
cust_plan_copy(const PlanRows *rows, uint64 row, int column, bool *isnull)
{
	Datum value = cust_plan_value(rows, row, column, isnull);
	Form_pg_attribute att = TupleDescAttr(rows->table->tupdesc, column - 1);

	return *isnull ? (Datum) 0 :
					 SPI_datumTransfer(value, att->attbyval, att->attlen);
}

/* A row as a composite value, in the memory from before the SPI connection. */
Datum
cust_plan_record(const PlanRows *rows, uint64 row)
{
	HeapTupleHeader header = SPI_returntuple(cust_plan_tuple(rows, row),
											 rows->table->tupdesc);

	return HeapTupleHeaderGetDatum(header);
}

/*
 * Adds all rows to the result of a set-returning function whose columns are
 * the query's (InitMaterializedSRF was called).
 */
void
cust_plan_emit(const PlanRows *rows, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rows->table == NULL)
		elog(ERROR, "query returns no rows");
	if (rows->table->tupdesc->natts != rsinfo->setDesc->natts)
		elog(ERROR, "query returns %d columns instead of %d",
			 rows->table->tupdesc->natts, rsinfo->setDesc->natts);
	for (int i = 0; i < rsinfo->setDesc->natts; i++)
	{
		if (TupleDescAttr(rows->table->tupdesc, i)->atttypid !=
			TupleDescAttr(rsinfo->setDesc, i)->atttypid)
			elog(ERROR, "column %d of the query has another type", i + 1);
	}
	for (uint64 row = 0; row < rows->count; row++)
		tuplestore_puttuple(rsinfo->setResult, rows->table->vals[row]);
}
