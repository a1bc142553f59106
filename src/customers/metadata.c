/*
 * metadata.c
 *		The metadata of a customer as the admin's table of rows, in order.
 *
 * Each function is one UPDATE of metadata and metadata_order, which the guard
 * of table customer keeps in step.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "stores/expect.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "values/space.h"

static text *
key_argument(FunctionCallInfo fcinfo, int argument)
{
	text *key;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	if (PG_ARGISNULL(argument))
		cust_report_null("key");
	key = PG_GETARG_TEXT_PP(argument);
	if (cust_is_blank(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)))
		cust_report_argument(NULL, "key must not be blank");
	return key;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static const PlanQuery select_rows = {
	.text =
		"SELECT u.row_no::pg_catalog.int4, u.key,"
		" c.metadata OPERATOR(pg_catalog.->) u.key"
		" FROM @store@.customer c LEFT JOIN LATERAL"
		" pg_catalog.unnest(c.metadata_order) WITH ORDINALITY AS u(key, row_no)"
		" ON true WHERE c.id" EQ "$1 ORDER BY u.row_no",
	.read_only = true,
	.nargs = 1,
	.argtypes = {INT8OID},
};

PG_FUNCTION_INFO_V1(customers_metadata_rows);

/* metadata_rows(customer_id) returns (row_no int, key text, value jsonb) */
Datum
customers_metadata_rows(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_read();
	PlanRows rows;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	rows = cust_plan_run(&select_rows, &store->target, fcinfo->args, 0);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, PG_GETARG_INT64(0));
	/* a customer without metadata is one row of NULLs */
	if (!cust_plan_is_null(&rows, 0, 1))
		cust_plan_emit(&rows, fcinfo);
	cust_plan_end();
	return (Datum) 0;
}

/* ------------------------------------------------------------------------
 * Replacing all rows
 * ------------------------------------------------------------------------
 */

static const PlanQuery replace_metadata = {
	.text = "UPDATE @store@.customer SET metadata = $2, metadata_order = $3"
			" WHERE id" EQ "$1 AND ($4 IS NULL OR version" EQ "$4)"
			" RETURNING version",
	.nargs = 4,
	.argtypes = {INT8OID, JSONBOID, TEXTARRAYOID, INT8OID},
};

pg_noreturn static void
report_rows(void)
{
	cust_report_argument(
		"Rows look like [{\"key\": \"tier\", \"value\": \"gold\"}].",
		"rows must be a JSON array of objects with exactly the keys \"key\" and \"value\"");
}

static JsonbValue *
find_member(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), NULL);
}

/* The key and the value of one row of the argument. */
static void
read_row(const JsonbValue *row, JsonbValue **key, JsonbValue **value)
{
	if (row->type != jbvBinary ||
		!JsonContainerIsObject(row->val.binary.data) ||
		JsonContainerSize(row->val.binary.data) != 2)
		report_rows();
	*key = find_member(row->val.binary.data, "key");
	*value = find_member(row->val.binary.data, "value");
	if (*key == NULL || *value == NULL || (*key)->type != jbvString)
		report_rows();
	if (cust_is_blank((*key)->val.string.val, (*key)->val.string.len))
		cust_report_argument(NULL, "rows have a blank key");
}

static bool
same_text(Datum a, text *b)
{
	text *t = DatumGetTextPP(a);

	return VARSIZE_ANY_EXHDR(t) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(t), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b)) == 0;
}

static int
compare_texts(const void *a, const void *b, void *unused)
{
	const text *x = DatumGetTextPP(*(const Datum *) a);
	const text *y = DatumGetTextPP(*(const Datum *) b);
	int length = Min(VARSIZE_ANY_EXHDR(x), VARSIZE_ANY_EXHDR(y));
	int result = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), length);

	return result != 0 ?
		result :
		(int) VARSIZE_ANY_EXHDR(x) - (int) VARSIZE_ANY_EXHDR(y);
}

/* Raises that two of the keys are equal, which it sorts. */
pg_noreturn static void
report_repeated_key(Datum *keys, int n)
{
	int repeated = 1;

	qsort_interruptible(keys, n, sizeof(Datum), compare_texts, NULL);
	while (repeated < n - 1 &&
		   compare_texts(&keys[repeated - 1], &keys[repeated], NULL) != 0)
		repeated++;
	cust_report_argument(NULL, "rows name the key \"%s\" more than once",
						 TextDatumGetCString(keys[repeated]));
}

/* The order and the object that rows stand for. */
static void
read_rows(Jsonb *rows, NullableDatum *metadata, NullableDatum *order)
{
	JsonbIterator *iterator = JsonbIteratorInit(&rows->root);
	JsonbIteratorToken token;
	JsonbValue row;
	JsonbInState state = {0};
	Datum *keys = palloc(Max(JB_ROOT_COUNT(rows), 1) * sizeof(Datum));
	int n = 0;
	Jsonb *object;

	cust_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&iterator, &row, true)) != WJB_DONE)
	{
		JsonbValue *key;
		JsonbValue *value;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		read_row(&row, &key, &value);
		keys[n++] = PointerGetDatum(
			cstring_to_text_with_len(key->val.string.val,
									 key->val.string.len));
		cust_push_jsonb(&state, WJB_KEY, key);
		cust_push_jsonb(&state, WJB_VALUE, value);
	}
	cust_push_jsonb(&state, WJB_END_OBJECT, NULL);
	object = JsonbValueToJsonb(state.result);
	if ((int) JB_ROOT_COUNT(object) != n)
		report_repeated_key(keys, n);
	metadata->value = JsonbPGetDatum(object);
	metadata->isnull = false;
	order->value = PointerGetDatum(
		construct_array(keys, n, TEXTOID, -1, false, TYPALIGN_INT));
	order->isnull = false;
}

PG_FUNCTION_INFO_V1(customers_save_metadata);

/*
 * save_metadata(customer_id, rows jsonb, expected_version) returns bigint:
 * the new version
 */
Datum
customers_save_metadata(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	NullableDatum values[4];
	PlanRows updated;
	Jsonb *rows;
	int64 version;

	if (PG_ARGISNULL(0))
		cust_report_null("customer_id");
	if (PG_ARGISNULL(1))
		cust_report_null("rows");
	rows = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_ARRAY(rows) || JB_ROOT_IS_SCALAR(rows))
		report_rows();
	values[0] = fcinfo->args[0];
	read_rows(rows, &values[1], &values[2]);
	values[3] = fcinfo->args[2];
	cust_plan_begin();
	updated = cust_plan_run(&replace_metadata, &store->target, values, 0);
	if (updated.count == 0)
		cust_expect_failed(store, fcinfo->args[0], fcinfo->args[2]);
	version = cust_plan_int64(&updated, 0, 1);
	cust_plan_end();
	PG_RETURN_INT64(version);
}

/* ------------------------------------------------------------------------
 * Changing one row
 * ------------------------------------------------------------------------
 */

static const PlanQuery lock_metadata = {
	.text = "SELECT metadata OPERATOR(pg_catalog.?) $2, metadata_order"
			" FROM @store@.customer WHERE id" EQ "$1 FOR NO KEY UPDATE",
	.nargs = 2,
	.argtypes = {INT8OID, TEXTOID},
};

static const PlanQuery insert_row = {
	.text = "UPDATE @store@.customer SET"
			" metadata = metadata" CAT "pg_catalog.jsonb_build_object($2, $3),"
			" metadata_order = $4 WHERE id" EQ "$1",
	.nargs = 4,
	.argtypes = {INT8OID, TEXTOID, JSONBOID, TEXTARRAYOID},
};

static const PlanQuery set_row = {
	.text = "UPDATE @store@.customer SET"
			" metadata = metadata" CAT "pg_catalog.jsonb_build_object($2, $3)"
			" WHERE id" EQ "$1",
	.nargs = 3,
	.argtypes = {INT8OID, TEXTOID, JSONBOID},
};

static const PlanQuery delete_row = {
	.text = "UPDATE @store@.customer SET metadata = metadata" MINUS "$2"
			" WHERE id" EQ "$1 AND metadata OPERATOR(pg_catalog.?) $2",
	.nargs = 2,
	.argtypes = {INT8OID, TEXTOID},
};

pg_noreturn static void
report_unknown_key(int64 customer_id, text *key)
{
	cust_report_argument(
		"SELECT * FROM customers.metadata_rows(..) shows the keys.",
		"metadata of customer " INT64_FORMAT " has no key \"%s\"", customer_id,
		text_to_cstring(key));
}

/* The keys of the present order, which may be anybody's making. */
static Datum *
read_order(const PlanRows *rows, int *n)
{
	bool isnull;
	Datum order = cust_plan_value(rows, 0, 2, &isnull);
	Datum *keys;
	bool *nulls;
	int nkeys;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(order), TEXTOID, -1, false,
					  TYPALIGN_INT, &keys, &nulls, &nkeys);
	for (int i = 0; i < nkeys; i++)
	{
		if (!nulls[i])
			keys[(*n)++] = keys[i];
	}
	return keys;
}

/*
 * The order that was read, with key put above or below another key (both NULL:
 * at the end).
 */
static Datum
order_with(const PlanRows *rows, text *key, text *above, text *below,
		   int64 customer_id)
{
	text *anchor = above ? above : below;
	int n;
	Datum *keys = read_order(rows, &n);
	int place = anchor ? 0 : n;
	Datum *result;

	while (anchor && place < n && !same_text(keys[place], anchor))
		place++;
	if (anchor && place == n)
		report_unknown_key(customer_id, anchor);
	if (below)
		place++;
	result = palloc((n + 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
		result[i < place ? i : i + 1] = keys[i];
	result[place] = PointerGetDatum(key);
	return PointerGetDatum(
		construct_array(result, n + 1, TEXTOID, -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(customers_insert_metadata_row);

/*
 * insert_metadata_row(customer_id, key, value, above, below) returns void
 *
 * The row is locked before its order is read, so that two inserts at once
 * keep both rows.
 */
Datum
customers_insert_metadata_row(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	text *key = key_argument(fcinfo, 1);
	text *above = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	text *below = PG_ARGISNULL(4) ? NULL : PG_GETARG_TEXT_PP(4);
	NullableDatum values[4];
	PlanRows rows;

	if (PG_ARGISNULL(2))
		cust_report_null("value");
	if (above && below)
		cust_report_argument(NULL, "above and below cannot be given both");
	memcpy(values, fcinfo->args, 3 * sizeof(NullableDatum));
	cust_plan_begin();
	rows = cust_plan_run(&lock_metadata, &store->target, values, 1);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, PG_GETARG_INT64(0));
	if (cust_plan_bool(&rows, 0, 1))
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_UNIQUE_VIOLATION,
				.schema = store->target.name,
				.table = "customer",
				.column = "metadata",
				.hint = "Change it with customers.set_metadata.",
			},
			"metadata of customer " INT64_FORMAT " has the key \"%s\" already",
			PG_GETARG_INT64(0), text_to_cstring(key));
	values[3].value = order_with(&rows, key, above, below, PG_GETARG_INT64(0));
	values[3].isnull = false;
	cust_plan_run(&insert_row, &store->target, values, 0);
	cust_plan_end();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(customers_set_metadata);

/* set_metadata(customer_id, key, value) returns void */
Datum
customers_set_metadata(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	PlanRows rows;

	(void) key_argument(fcinfo, 1);
	if (PG_ARGISNULL(2))
		cust_report_null("value");
	cust_plan_begin();
	rows = cust_plan_run(&set_row, &store->target, fcinfo->args, 0);
	if (rows.count == 0)
		cust_store_unknown(store, STORE_CUSTOMER, PG_GETARG_INT64(0));
	cust_plan_end();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(customers_delete_metadata_row);

/* delete_metadata_row(customer_id, key) returns void */
Datum
customers_delete_metadata_row(PG_FUNCTION_ARGS)
{
	const Store *store = cust_store_write();
	text *key = key_argument(fcinfo, 1);
	PlanRows rows;

	cust_plan_begin();
	rows = cust_plan_run(&delete_row, &store->target, fcinfo->args, 0);
	if (rows.count == 0)
	{
		cust_expect_customer(store, fcinfo->args[0]);
		report_unknown_key(PG_GETARG_INT64(0), key);
	}
	cust_plan_end();
	PG_RETURN_VOID();
}
