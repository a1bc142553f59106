/*
 * import_write.c
 *		Writes the rows of an import: one UPDATE and one INSERT for all of them.
 *
 * Another session may have taken an e-mail or an external_id since the
 * customers were looked for.  An INSERT then leaves the row out, and an UPDATE
 * is undone; either way the caller looks again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "imports/import.h"
#include "lib/stringinfo.h"
#include "rows/idlist.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "values/json.h"

#define COLUMNS \
	"email, first_name, last_name, company_name, phone, external_id, metadata"

static const PlanQuery insert_customers = {
	.text = "INSERT INTO @store@.customer"
			" (id, " COLUMNS ", has_account, created_at)"
			" SELECT u.* FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
			" AS u(id, " COLUMNS ", has_account, created_at)"
			" ON CONFLICT DO NOTHING RETURNING id",
	.nargs = 10,
	.argtypes = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
				 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID,
				 BOOLARRAYOID, TIMESTAMPTZARRAYOID},
};

/* $1 are the ids, the others the values of the columns that change */
static const PlanQuery update_template = {
	.made = true,
	.custom = true,
	.nargs = 1 + IMPORT_NCHANGEABLE,
	.argtypes = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
				 TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID},
};

static const char *const changeable[IMPORT_NCHANGEABLE] =
	{"email", "first_name",	 "last_name", "company_name",
	 "phone", "external_id", "metadata"};

/* Some rows, to become arrays. */
typedef struct Batch
{
	int n;
	ImportRow **rows;
} Batch;

/* ------------------------------------------------------------------------
 * Arrays
 * ------------------------------------------------------------------------
 */

static NullableDatum
make_array(Datum *values, bool *nulls, int n, Oid type, int length, bool byval,
		   char align)
{
	int lower = 1;

	return (NullableDatum){PointerGetDatum(
							   construct_md_array(values, nulls, 1, &n, &lower,
												  type, length, byval, align)),
						   false};
}

/* What is written into one of the changeable columns. */
static NullableDatum
written_array(const Batch *batch, int column)
{
	Datum *values = palloc(batch->n * sizeof(Datum));
	bool *nulls = palloc(batch->n * sizeof(bool));
	Oid type = column == IMPORT_METADATA ? JSONBOID : TEXTOID;

	for (int i = 0; i < batch->n; i++)
	{
		values[i] = batch->rows[i]->written[column].value;
		nulls[i] = batch->rows[i]->written[column].isnull;
	}
	return make_array(values, nulls, batch->n, type, -1, false, TYPALIGN_INT);
}

/* The ids of the customers that rows are about, or of the new ones. */
static NullableDatum
id_array(const Batch *batch)
{
	Datum *values = palloc(batch->n * sizeof(Datum));

	for (int i = 0; i < batch->n; i++)
	{
		const ImportRow *row = batch->rows[i];

		values[i] = Int64GetDatum(row->known ? row->known->id : row->id);
	}
	return make_array(values, NULL, batch->n, INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static NullableDatum
has_account_array(const Batch *batch)
{
	Datum *values = palloc(batch->n * sizeof(Datum));

	for (int i = 0; i < batch->n; i++)
	{
		NullableDatum given = batch->rows[i]->values[IMPORT_HAS_ACCOUNT];

		values[i] = given.isnull ? BoolGetDatum(false) : given.value;
	}
	return make_array(values, NULL, batch->n, BOOLOID, sizeof(bool), true,
					  TYPALIGN_CHAR);
}

static NullableDatum
created_at_array(const Batch *batch)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	Datum *values = palloc(batch->n * sizeof(Datum));

	for (int i = 0; i < batch->n; i++)
	{
		NullableDatum given = batch->rows[i]->values[IMPORT_CREATED_AT];

		values[i] = given.isnull ? TimestampTzGetDatum(now) : given.value;
	}
	return make_array(values, NULL, batch->n, TIMESTAMPTZOID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* ------------------------------------------------------------------------
 * What is to be written
 * ------------------------------------------------------------------------
 */

static NullableDatum
empty_object(void)
{
	return (
		NullableDatum){DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")),
					   false};
}

/* The given metadata merged into the present one, without null values. */
static NullableDatum
merge_metadata(NullableDatum present, NullableDatum given)
{
	Datum removed;

	if (given.isnull)
		return empty_object();
	removed = cust_json_null_keys(DatumGetJsonbP(given.value));
	if (!present.isnull)
		given.value = DirectFunctionCall2(jsonb_concat, present.value,
										  given.value);
	if (ARR_NDIM(DatumGetArrayTypeP(removed)) > 0)
		given.value = DirectFunctionCall2(jsonb_delete_array, given.value,
										  removed);
	return given;
}

/* Sets what is written of a row about a new customer. */
static void
compose_new(ImportRow *row)
{
	memcpy(row->written, row->values, sizeof(row->written));
	row->written[IMPORT_METADATA] =
		merge_metadata((NullableDatum){0, true}, row->values[IMPORT_METADATA]);
}

/* The new value of a column; an external_id is never taken away. */
static NullableDatum
compose_value(const ImportRow *row, int column)
{
	if (!row->given[column] ||
		(column == IMPORT_EXTERNAL_ID && row->values[column].isnull))
		return row->known->values[column];
	if (column == IMPORT_METADATA)
		return merge_metadata(row->known->values[column], row->values[column]);
	return row->values[column];
}

static bool
differs(NullableDatum a, NullableDatum b)
{
	if (a.isnull || b.isnull)
		return a.isnull != b.isnull;
	return !datum_image_eq(a.value, b.value, false, -1);
}

/*
 * Sets what is written of a row about a customer who is there.  Notes the
 * columns that change; returns whether there are any.
 */
static bool
compose_change(ImportRow *row, bool changed[IMPORT_NCHANGEABLE])
{
	bool any = false;

	for (int c = 0; c < IMPORT_NCHANGEABLE; c++)
	{
		row->written[c] = compose_value(row, c);
		if (!differs(row->written[c], row->known->values[c]))
			continue;
		changed[c] = true;
		any = true;
	}
	return any;
}

/* ------------------------------------------------------------------------
 * Updating
 * ------------------------------------------------------------------------
 */

/*
 * The UPDATE of the columns that change in any row, so that the owner's column
 * privileges and UPDATE OF triggers mean what they say.
 */
static PlanQuery
build_update(const bool changed[IMPORT_NCHANGEABLE])
{
	PlanQuery query = update_template;
	StringInfoData text;
	const char *separator = " SET ";

	initStringInfo(&text);
	appendStringInfoString(&text, "UPDATE @store@.customer c");
	for (int c = 0; c < IMPORT_NCHANGEABLE; c++)
	{
		if (!changed[c])
			continue;
		appendStringInfo(&text, "%s%s = u.%s", separator, changeable[c],
						 changeable[c]);
		separator = ", ";
	}
	appendStringInfoString(&text,
						   " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
						   " AS u(id, " COLUMNS ") WHERE c.id" EQ "u.id");
	query.text = text.data;
	return query;
}

static bool
says_taken(const Import *import, const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		error->schema_name != NULL && error->constraint_name != NULL &&
		strcmp(error->schema_name, import->store->target.name) == 0 &&
		(strcmp(error->constraint_name, "customer_email_key") == 0 ||
		 strcmp(error->constraint_name, "customer_external_id_key") == 0);
}

/*
 * Runs the UPDATE in a subtransaction; false, with nothing done, if an e-mail
 * or external_id is taken.
 */
static bool
try_update(Import *import, const PlanQuery *query, const NullableDatum *values)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		PlanRows rows = cust_plan_run(query, &import->store->target, values,
									  0);

		ReleaseCurrentSubTransaction();
		import->updated += rows.count;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!says_taken(import, error))
			ReThrowError(error);
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/*
 * Updates the customers that rows are about, of the columns that change; rows
 * that change nothing are settled without.  False if an e-mail or external_id
 * was taken meanwhile, which is an error the last time.
 */
bool
cust_import_update(Import *import, bool last)
{
	bool changed[IMPORT_NCHANGEABLE] = {false};
	NullableDatum values[1 + IMPORT_NCHANGEABLE];
	Batch batch = {0, palloc(import->nrows * sizeof(ImportRow *))};
	PlanQuery query;

	for (int i = 0; i < import->nrows; i++)
	{
		ImportRow *row = &import->rows[i];

		if (row->settled || row->known == NULL)
			continue;
		if (compose_change(row, changed))
			batch.rows[batch.n++] = row;
		else
			row->settled = true;
	}
	if (batch.n == 0)
		return true;
	query = build_update(changed);
	values[0] = id_array(&batch);
	for (int c = 0; c < IMPORT_NCHANGEABLE; c++)
		values[1 + c] = changed[c] ? written_array(&batch, c) :
									 (NullableDatum){0, true};
	if (last || (!changed[IMPORT_EMAIL] && !changed[IMPORT_EXTERNAL_ID]))
		import->updated +=
			cust_plan_run(&query, &import->store->target, values, 0).count;
	else if (!try_update(import, &query, values))
		return false;
	for (int i = 0; i < batch.n; i++)
		batch.rows[i]->settled = true;
	return true;
}

/* ------------------------------------------------------------------------
 * Inserting
 * ------------------------------------------------------------------------
 */

static int
compare_emails(const void *a, const void *b)
{
	const ImportRow *x = *(ImportRow *const *) a;
	const ImportRow *y = *(ImportRow *const *) b;
	int result = strcmp(x->email_key, y->email_key);

	return result != 0 ? result : x->number - y->number;
}

/*
 * Inserts the rows that are about nobody yet, by e-mail, so that imports at
 * once do not wait for each other in a circle.  Those that another session was
 * quicker with are not settled.
 */
void
cust_import_insert(Import *import)
{
	Batch batch = {0, palloc(import->nrows * sizeof(ImportRow *))};
	NullableDatum values[3 + IMPORT_NCHANGEABLE];
	PlanRows rows;
	IdList inserted;

	for (int i = 0; i < import->nrows; i++)
	{
		ImportRow *row = &import->rows[i];

		if (row->settled || row->known != NULL)
			continue;
		row->id = cust_store_next_id(import->store, STORE_CUSTOMER);
		compose_new(row);
		batch.rows[batch.n++] = row;
	}
	if (batch.n == 0)
		return;
	qsort(batch.rows, batch.n, sizeof(ImportRow *), compare_emails);
	values[0] = id_array(&batch);
	for (int c = 0; c < IMPORT_NCHANGEABLE; c++)
		values[1 + c] = written_array(&batch, c);
	values[1 + IMPORT_NCHANGEABLE] = has_account_array(&batch);
	values[2 + IMPORT_NCHANGEABLE] = created_at_array(&batch);
	rows = cust_plan_run(&insert_customers, &import->store->target, values, 0);
	import->imported += rows.count;
	inserted = cust_idlist_column(&rows, 1);
	for (int i = 0; i < batch.n; i++)
		batch.rows[i]->settled = cust_idlist_contains(&inserted,
													  batch.rows[i]->id);
}
