/*
 * import.c
 *		Imports customers: many rows in a few statements.
 *
 * A row that cannot be taken is refused and reported, the others are written.
 * Rows are judged before anything is written (import_row.c, import_match.c),
 * since an error of the statement that writes (import_write.c) is one of the
 * whole call.
 */
#include "postgres.h"

#include "funcapi.h"
#include "imports/import.h"
#include "miscadmin.h"
#include "values/json.h"

/* rows of a call: what it holds in memory is some kB a row */
#define MAX_ROWS 100000

/* so often customers are looked for who appear meanwhile */
#define MAX_ROUNDS 3

static void
read_rows(Import *import, Jsonb *rows)
{
	JsonbIterator *iterator = JsonbIteratorInit(&rows->root);
	JsonbIteratorToken token;
	JsonbValue value;

	import->rows = palloc0(Max(JB_ROOT_COUNT(rows), 1) * sizeof(ImportRow));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		ImportRow *row;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		row = &import->rows[import->nrows++];
		row->number = import->nrows;
		if (value.type == jbvBinary &&
			JsonContainerIsObject(value.val.binary.data))
			cust_import_read(value.val.binary.data, row);
		else
			cust_import_refuse(row, ERRCODE_INVALID_PARAMETER_VALUE, NULL,
							   "a row must be a JSON object");
	}
}

static bool
is_settled(const Import *import)
{
	for (int i = 0; i < import->nrows; i++)
	{
		if (!import->rows[i].settled)
			return false;
	}
	return true;
}

/* What neither is inserted nor found: row security or a trigger hides it. */
static void
refuse_rest(Import *import)
{
	for (int i = 0; i < import->nrows; i++)
	{
		if (!import->rows[i].settled)
			cust_import_refuse(
				&import->rows[i], ERRCODE_UNIQUE_VIOLATION,
				"customer_email_key",
				"somebody who cannot be seen has this e-mail or external_id, or a trigger left the row out");
	}
}

/* Writes all rows that can be, with an SPI connection open. */
static void
write_rows(Import *import)
{
	cust_import_refuse_doubles(import);
	for (int round = 1; round <= MAX_ROUNDS && !is_settled(import); round++)
	{
		CHECK_FOR_INTERRUPTS();
		cust_import_match(import);
		if (cust_import_update(import, round == MAX_ROUNDS))
			cust_import_insert(import);
	}
	refuse_rest(import);
}

/* The refused rows, as a JSON array in the order of the rows. */
static Datum
describe_refused(const Import *import)
{
	JsonbValue *refused = palloc(Max(import->nrows, 1) * sizeof(JsonbValue));
	int n = 0;

	for (int i = 0; i < import->nrows; i++)
	{
		const ImportRow *row = &import->rows[i];
		JsonObject *object;

		if (row->sqlstate == 0)
			continue;
		object = palloc(sizeof(JsonObject));
		cust_json_begin(object);
		cust_json_int64(object, "row", row->number);
		cust_json_text(object, "sqlstate",
					   pstrdup(unpack_sql_state(row->sqlstate)));
		cust_json_text(object, "rule", row->rule);
		cust_json_text(object, "message", row->message);
		refused[n++] = cust_json_value(object);
	}
	return cust_json_array(refused, n);
}

static Jsonb *
rows_argument(FunctionCallInfo fcinfo)
{
	Jsonb *rows;

	if (PG_ARGISNULL(0))
		cust_report_null("rows");
	rows = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(rows) || JB_ROOT_IS_SCALAR(rows))
		cust_report_argument(
			"Rows look like [{\"email\": \"ada@example.com\", \"external_id\": \"crm-1\"}].",
			"rows must be a JSON array");
	if (JB_ROOT_COUNT(rows) > MAX_ROWS)
		cust_report_argument("Import them in several calls.",
							 "a call takes at most %d rows, not %u", MAX_ROWS,
							 JB_ROOT_COUNT(rows));
	return rows;
}

PG_FUNCTION_INFO_V1(customers_import_customers);

/* import_customers(rows jsonb) returns (imported, updated, refused) */
Datum
customers_import_customers(PG_FUNCTION_ARGS)
{
	Import import = {
		.store = cust_store_write(),
	};
	Jsonb *rows = rows_argument(fcinfo);
	MemoryContext outside = CurrentMemoryContext;
	MemoryContext inside;
	Datum values[3];
	bool nulls[3] = {false, false, false};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	cust_store_require(import.store, STORE_CUSTOMER, ACL_INSERT, "email");
	cust_plan_begin();
	read_rows(&import, rows);
	write_rows(&import);
	inside = MemoryContextSwitchTo(outside);
	values[2] = describe_refused(&import);
	MemoryContextSwitchTo(inside);
	cust_plan_end();
	values[0] = Int64GetDatum((int64) import.imported);
	values[1] = Int64GetDatum((int64) import.updated);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
