/*
 * email.c
 *		E-mail addresses as texts of the database: trimmed, judged, compared.
 *
 * The same in every locale and encoding; address.c says which are valid.  Used
 * by the guards of customers and orders and by the functions that look an
 * address up.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "compat.h"
#include "fmgr.h"
#include "guc.h"
#include "mb/pg_wchar.h"
#include "report.h"
#include "utils/builtins.h"
#include "values/address.h"
#include "values/email.h"
#include "values/space.h"

#define SHOWN_MAX 100 /* bytes, in messages */

static bool
is_ascii(const char *s, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(s[i]))
			return false;
	}
	return true;
}

/*
 * Why s[0..length) is no valid address, or NULL.  Judged in UTF-8, in which it
 * is sent, whatever the encoding of the database.
 */
static const char *
address_fault(const char *s, int length)
{
	int encoding = GetDatabaseEncoding();
	int size;
	Oid conversion;
	char *utf8;
	int level;

	/* too long: the bytes of any encoding will do to say so */
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII ||
		length > CUST_ADDRESS_MAX || is_ascii(s, length))
		return cust_address_fault(s, length, CUST_ADDRESS_PUBLIC);
	/* the server's, whatever the search_path */
	level = cust_guc_set_for_statement("search_path", "pg_catalog");
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	cust_guc_unset(level);
	size = (length + 1) * MAX_CONVERSION_GROWTH + 1;
	utf8 = palloc(size);
	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8,
									  (unsigned char *) s, length,
									  (unsigned char *) utf8, size,
									  true) < length)
		return "it contains a character that UTF-8 does not have";
	return cust_address_fault(utf8, strlen(utf8), CUST_ADDRESS_PUBLIC);
}

/*
 * The text without white space around it: typed itself when there is nothing
 * to trim, otherwise a copy.
 */
static text *
trim(text *typed)
{
	const char *s = VARDATA_ANY(typed);
	int length = VARSIZE_ANY_EXHDR(typed);
	int untrimmed = length;

	while (length > 0 && cust_is_space(s[0]))
	{
		s++;
		length--;
	}
	while (length > 0 && cust_is_space(s[length - 1]))
		length--;
	return length == untrimmed ? typed : cstring_to_text_with_len(s, length);
}

/*
 * The address without white space around it, or NULL with the reason in
 * *fault (a clause, such as "its domain has no dot").
 */
text *
cust_email_normalize(text *typed, const char **fault)
{
	text *normal = trim(typed);

	*fault = address_fault(VARDATA_ANY(normal), VARSIZE_ANY_EXHDR(normal));
	return *fault ? NULL : normal;
}

/*
 * What is to be looked for when this was typed, or NULL if no table can hold
 * it.  Addresses that were stored when they were still valid are found; none
 * ever had a line feed, which separates them in customers.confirm_delete.
 */
text *
cust_email_sought(text *typed)
{
	text *normal = trim(typed);
	int length = VARSIZE_ANY_EXHDR(normal);

	if (length == 0 || length > CUST_ADDRESS_MAX ||
		memchr(VARDATA_ANY(normal), '\n', length) != NULL)
		return NULL;
	return normal;
}

/*
 * Is it, white space around it aside, the address that is stored already?
 * Then *normal is it without that.
 */
bool
cust_email_same(text *typed, text *stored, text **normal)
{
	int length = VARSIZE_ANY_EXHDR(stored);

	*normal = trim(typed);
	return (int) VARSIZE_ANY_EXHDR(*normal) == length &&
		memcmp(VARDATA_ANY(*normal), VARDATA_ANY(stored), length) == 0;
}

/*
 * What was typed, as it is shown in a message: on one line, and not in full
 * if it is long.
 */
static char *
shown(text *typed)
{
	char *s = text_to_cstring(typed);
	int length = strlen(s);

	if (length > SHOWN_MAX)
		s = psprintf("%.*s...", pg_mbcliplen(s, length, SHOWN_MAX), s);
	for (char *c = s; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ' || *c == 0x7F)
			*c = '?';
	}
	return s;
}

/* The message about a typed address that has a fault. */
char *
cust_email_message(text *typed, const char *fault)
{
	return psprintf("invalid e-mail address \"%s\": %s", shown(typed), fault);
}

/*
 * The address as the table stores it; raises <table>_email_valid, naming
 * schema, table and column email.
 */
text *
cust_email_valid(const char *schema, const char *table, text *typed)
{
	const char *fault;
	text *normal = cust_email_normalize(typed, &fault);

	if (normal == NULL)
		cust_report(
			&(CustError){
				.rule = psprintf("%s_email_valid", table),
				.schema = schema,
				.table = table,
				.column = "email",
				.hint = "An address looks like name@example.com.",
			},
			"%s", cust_email_message(typed, fault));
	return normal;
}

/* Are two addresses the same, ignoring ASCII case? */
bool
cust_email_equal(text *a, text *b)
{
	int length = VARSIZE_ANY_EXHDR(a);

	if (length != (int) VARSIZE_ANY_EXHDR(b))
		return false;
	for (int i = 0; i < length; i++)
	{
		if (pg_ascii_tolower((unsigned char) VARDATA_ANY(a)[i]) !=
			pg_ascii_tolower((unsigned char) VARDATA_ANY(b)[i]))
			return false;
	}
	return true;
}

PG_FUNCTION_INFO_V1(customers_email_fault);

/* email_fault(email) returns text: why it is refused, NULL if it is not */
Datum
customers_email_fault(PG_FUNCTION_ARGS)
{
	const char *fault;

	if (PG_ARGISNULL(0) ||
		cust_email_normalize(PG_GETARG_TEXT_PP(0), &fault) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(fault));
}
