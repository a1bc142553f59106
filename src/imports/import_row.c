/*
 * import_row.c
 *		Reads a row of an import, and says what is wrong with it.
 *
 * What the guard of customers would refuse is found here first, since a row
 * that the guard refuses ends the whole statement.
 */
#include "postgres.h"

#include "imports/import.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "values/email.h"
#include "values/json.h"
#include "values/space.h"

/* bytes that an index entry holds in any case */
#define INDEXED_MAX 2000

static const char *const names[IMPORT_NCOLUMNS] = {
	[IMPORT_EMAIL] = "email",			[IMPORT_FIRST_NAME] = "first_name",
	[IMPORT_LAST_NAME] = "last_name",	[IMPORT_COMPANY_NAME] = "company_name",
	[IMPORT_PHONE] = "phone",			[IMPORT_EXTERNAL_ID] = "external_id",
	[IMPORT_METADATA] = "metadata",		[IMPORT_HAS_ACCOUNT] = "has_account",
	[IMPORT_CREATED_AT] = "created_at",
};

/* Notes the first reason why a row is not taken. */
void
cust_import_refuse(ImportRow *row, int sqlstate, const char *rule,
				   const char *message)
{
	if (row->sqlstate != 0)
		return;
	row->sqlstate = sqlstate;
	row->rule = rule;
	row->message = message;
	row->settled = true;
}

static void
refuse_value(ImportRow *row, ImportColumn column, const char *what)
{
	cust_import_refuse(row, ERRCODE_INVALID_PARAMETER_VALUE, NULL,
					   psprintf("%s must be %s", names[column], what));
}

static void
set_value(ImportRow *row, ImportColumn column, Datum value)
{
	row->values[column].value = value;
	row->values[column].isnull = false;
}

static void
read_email(ImportRow *row, const JsonbValue *value)
{
	const char *fault;
	text *typed;
	text *normal;

	if (value->type == jbvNull)
	{
		cust_import_refuse(row, ERRCODE_NOT_NULL_VIOLATION, NULL,
						   "email of a customer must not be null");
		return;
	}
	typed = cust_json_string(value);
	normal = cust_email_normalize(typed, &fault);
	if (normal == NULL)
		cust_import_refuse(row, ERRCODE_CHECK_VIOLATION,
						   "customer_email_valid",
						   cust_email_message(typed, fault));
	else
		set_value(row, IMPORT_EMAIL, PointerGetDatum(normal));
}

/* A text; what is blank is none, but for an external_id, which is a key. */
static void
read_text(ImportRow *row, ImportColumn column, const JsonbValue *value)
{
	bool indexed = column == IMPORT_EXTERNAL_ID || column == IMPORT_LAST_NAME;

	if (value->type == jbvNull)
		return;
	if (indexed && value->val.string.len > INDEXED_MAX)
		cust_import_refuse(row, ERRCODE_PROGRAM_LIMIT_EXCEEDED, NULL,
						   psprintf("%s is longer than %d bytes",
									names[column], INDEXED_MAX));
	else if (!cust_is_blank(value->val.string.val, value->val.string.len))
		set_value(row, column, PointerGetDatum(cust_json_string(value)));
	else if (column == IMPORT_EXTERNAL_ID)
		refuse_value(row, column, "a string that is not blank, or null");
}

static void
read_metadata(ImportRow *row, const JsonbValue *value)
{
	Jsonb *metadata;

	if (value->type == jbvNull)
		return;
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
	{
		refuse_value(row, IMPORT_METADATA, "an object or null");
		return;
	}
	metadata = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	if (cust_json_has_empty_key(metadata))
		cust_import_refuse(row, ERRCODE_CHECK_VIOLATION,
						   "customer_metadata_object",
						   "metadata of a customer must not have an empty key");
	else
		set_value(row, IMPORT_METADATA, JsonbPGetDatum(metadata));
}

/*
 * Reads a point in time as the type's input function does.  Returns 0, or the
 * SQLSTATE of what is none.
 */
static int
parse_time(const char *s, TimestampTz *result)
{
	char work[MAXDATELEN + MAXDATEFIELDS];
	char *field[MAXDATEFIELDS];
	int ftype[MAXDATEFIELDS];
	int nf;
	int dtype;
	int tz;
	struct pg_tm tm;
	fsec_t fsec;
	int error;

	error = ParseDateTime(s, work, sizeof(work), field, ftype, MAXDATEFIELDS,
						  &nf);
	if (error == 0)
		error = cust_decode_datetime(field, ftype, nf, &dtype, &tm, &fsec,
									 &tz);
	if (error == DTERR_FIELD_OVERFLOW || error == DTERR_MD_FIELD_OVERFLOW)
		return ERRCODE_DATETIME_FIELD_OVERFLOW;
	if (error != 0 || dtype != DTK_DATE)
		return ERRCODE_INVALID_DATETIME_FORMAT;
	if (tm2timestamp(&tm, fsec, &tz, result) != 0)
		return ERRCODE_DATETIME_VALUE_OUT_OF_RANGE;
	return 0;
}

static void
read_created_at(ImportRow *row, const JsonbValue *value)
{
	TimestampTz time;
	int sqlstate;

	if (value->type == jbvNull)
		return;
	sqlstate = parse_time(pnstrdup(value->val.string.val,
								   value->val.string.len),
						  &time);
	if (sqlstate != 0)
		cust_import_refuse(row, sqlstate, NULL,
						   "created_at must be a date and time");
	else
		set_value(row, IMPORT_CREATED_AT, TimestampTzGetDatum(time));
}

/* The column of a key; IMPORT_NCOLUMNS for an unknown one, now refused. */
static ImportColumn
column_of(ImportRow *row, const JsonbValue *key)
{
	const char *s = key->val.string.val;
	int length = key->val.string.len;

	for (int i = 0; i < IMPORT_NCOLUMNS; i++)
	{
		if ((int) strlen(names[i]) == length &&
			memcmp(names[i], s, length) == 0)
			return i;
	}
	if (length == 8 && memcmp(s, "password", 8) == 0)
		cust_import_refuse(row, ERRCODE_CHECK_VIOLATION,
						   "credential_password_not_editable",
						   "a password cannot be imported");
	else
		cust_import_refuse(row, ERRCODE_INVALID_PARAMETER_VALUE, NULL,
						   psprintf("unknown key \"%.*s\"",
									pg_mbcliplen(s, length, 100), s));
	return IMPORT_NCOLUMNS;
}

static void
read_pair(ImportRow *row, ImportColumn column, const JsonbValue *value)
{
	row->given[column] = true;
	if (column == IMPORT_METADATA)
		read_metadata(row, value);
	else if (column == IMPORT_HAS_ACCOUNT)
	{
		if (value->type == jbvBool)
			set_value(row, column, BoolGetDatum(value->val.boolean));
		else if (value->type != jbvNull)
			refuse_value(row, column, "true, false or null");
	}
	else if (value->type != jbvString && value->type != jbvNull)
		refuse_value(row, column, "a string or null");
	else if (column == IMPORT_EMAIL)
		read_email(row, value);
	else if (column == IMPORT_CREATED_AT)
		read_created_at(row, value);
	else
		read_text(row, column, value);
}

/* Fills a row, whose number is set, from a JSON object. */
void
cust_import_read(JsonbContainer *container, ImportRow *row)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue key;
	JsonbValue value;

	for (int i = 0; i < IMPORT_NCOLUMNS; i++)
		row->values[i].isnull = true;
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		ImportColumn column;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		column = column_of(row, &key);
		if (column != IMPORT_NCOLUMNS)
			read_pair(row, column, &value);
	}
}
