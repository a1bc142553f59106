/*
 * pagerows.c
 *		The rows of a page, each with its cursor.
 *
 * Called by the nouns that list something page by page, with an SPI connection
 * open.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "rows/page.h"
#include "rows/pagerows.h"
#include "utils/tuplestore.h"

/*
 * Adds the rows to the result of a set-returning function whose columns are
 * the query's (InitMaterializedSRF was called).  The query's first column is
 * the id of the row, its last the sort key as text, in whose place comes the
 * cursor; kind as for cust_page_cursor.
 */
void
cust_pagerows_emit(const PlanRows *rows, FunctionCallInfo fcinfo,
				   const char *kind)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int natts = rsinfo->setDesc->natts;
	Datum values[MaxTupleAttributeNumber];
	bool nulls[MaxTupleAttributeNumber];

	if (rows->table == NULL)
		elog(ERROR, "query returns no rows");
	if (rows->table->tupdesc->natts != natts)
		elog(ERROR, "query returns %d columns instead of %d",
			 rows->table->tupdesc->natts, natts);
	for (uint64 row = 0; row < rows->count; row++)
	{
		for (int i = 0; i < natts - 1; i++)
			values[i] = cust_plan_value(rows, row, i + 1, &nulls[i]);
		values[natts - 1] = cust_page_cursor(kind,
											 cust_plan_text(rows, row, natts),
											 cust_plan_int64(rows, row, 1));
		nulls[natts - 1] = false;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}
