/*
 * normalize.c
 *		What several guards make of the columns of a new row: e-mail addresses,
 *		blank texts, metadata.
 *
 * The rule that a bad value breaks is named after the table.
 */
#include "postgres.h"

#include "rows/normalize.h"
#include "utils/builtins.h"
#include "values/email.h"
#include "values/json.h"
#include "values/space.h"

/*
 * Is the address of a row that is updated the one that it had before?  Then
 * *normal is it.
 */
static bool
is_old_email(const TriggerRow *row, int column, text *given, text **normal)
{
	bool isnull;
	Datum old;

	if (row->operation != TRIGGER_UPDATE)
		return false;
	old = cust_trigger_old(row, column, &isnull);
	return !isnull && cust_email_same(given, DatumGetTextPP(old), normal);
}

/*
 * Trims an address; raises <table>_email_valid.  One that was there before is
 * not judged anew: older definitions of a valid one were wider.
 */
void
cust_normalize_email(TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_new(row, column, &isnull);
	text *normal;

	if (isnull)
		return;
	if (!is_old_email(row, column, DatumGetTextPP(value), &normal))
		normal = cust_email_valid(row->schema, row->shape->name,
								  DatumGetTextPP(value));
	cust_trigger_set(row, column, PointerGetDatum(normal));
}

/* Is the address another one, not just written in another case? */
bool
cust_normalize_email_changed(const TriggerRow *row, int column)
{
	bool old_null;
	bool new_null;
	Datum old = cust_trigger_old(row, column, &old_null);
	Datum new = cust_trigger_new(row, column, &new_null);

	if (old_null || new_null)
		return old_null != new_null;
	return !cust_email_equal(DatumGetTextPP(old), DatumGetTextPP(new));
}

/* A text of nothing but white space is none. */
void
cust_normalize_blank(TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_new(row, column, &isnull);
	text *given;

	if (isnull)
		return;
	given = DatumGetTextPP(value);
	if (cust_is_blank(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)))
		cust_trigger_set_null(row, column);
}

/* Raises <table>_metadata_object; message has a place for the row. */
pg_noreturn static void
refuse_metadata(const TriggerRow *row, int column, const char *hint,
				const char *message)
{
	cust_trigger_refuse(row, psprintf("%s_metadata_object", row->shape->name),
						column, hint, psprintf(message, row->shape->row));
}

/*
 * No metadata is an empty object.  Raises <table>_metadata_object for what is
 * no object, and for an empty key.
 */
Jsonb *
cust_normalize_metadata(TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_new(row, column, &isnull);
	Jsonb *metadata;

	if (isnull)
	{
		value = JsonbPGetDatum(cust_json_empty());
		cust_trigger_set(row, column, value);
	}
	metadata = DatumGetJsonbP(value);
	if (!JB_ROOT_IS_OBJECT(metadata))
		refuse_metadata(row, column,
						"Metadata looks like {\"key\": \"value\"}.",
						"metadata of %s must be a JSON object");
	if (cust_json_has_empty_key(metadata))
		refuse_metadata(row, column, NULL,
						"metadata of %s must not have an empty key");
	return metadata;
}
