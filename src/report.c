/*
 * report.c
 *		The only place that raises errors that a user can cause.
 *
 * Called by everything above.  Messages are one line in lower case; hints are
 * sentences.  Nothing here may be given a password or a token.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "report.h"

/* expands fmt into a new string of the current memory context */
static char *expand(const char *fmt, va_list args) pg_attribute_printf(1, 0);

static char *
expand(const char *fmt, va_list args)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list again;
		int needed;

		va_copy(again, args);
		needed = appendStringInfoVA(&buf, fmt, again);
		va_end(again);
		if (needed == 0)
			return buf.data;
		enlargeStringInfo(&buf, needed);
	}
}

static int
set_diagnostic(int field, const char *value)
{
	return value ? err_generic_string(field, value) : 0;
}

pg_noreturn static void
raise_error(const CustError *error, const char *message)
{
	int sqlstate = error->sqlstate;

	if (sqlstate == 0)
		sqlstate = ERRCODE_CHECK_VIOLATION;
	ereport(ERROR,
			(errcode(sqlstate), errmsg_internal("%s", message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0,
			 set_diagnostic(PG_DIAG_SCHEMA_NAME, error->schema),
			 set_diagnostic(PG_DIAG_TABLE_NAME, error->table),
			 set_diagnostic(PG_DIAG_COLUMN_NAME, error->column),
			 set_diagnostic(PG_DIAG_CONSTRAINT_NAME, error->rule)));
	pg_unreachable();
}

/* Raises the error. */
void
cust_report(const CustError *error, const char *fmt, ...)
{
	va_list args;
	char *message;

	va_start(args, fmt);
	message = expand(fmt, args);
	va_end(args);
	raise_error(error, message);
}

/* Raises 22023 about an argument; hint may be NULL. */
void
cust_report_argument(const char *hint, const char *fmt, ...)
{
	CustError error = {
		.sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
		.hint = hint,
	};
	va_list args;
	char *message;

	va_start(args, fmt);
	message = expand(fmt, args);
	va_end(args);
	raise_error(&error, message);
}

/* Raises 22023 because the argument is NULL. */
void
cust_report_null(const char *argument)
{
	cust_report_argument(NULL, "%s must not be null", argument);
}

/*
 * Raises 23503: no row of that table has that id; row is what people call
 * one, with its article.
 */
void
cust_report_unknown(const char *schema, const char *table, const char *row,
					int64 id)
{
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_FOREIGN_KEY_VIOLATION,
			.schema = schema,
			.table = table,
			.column = "id",
		},
		"%s " INT64_FORMAT " does not exist", strchr(row, ' ') + 1, id);
}
