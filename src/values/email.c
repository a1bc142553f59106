/*
 * email.c
 *		E-mail addresses: the one definition of which are valid and equal.
 *
 * Pure functions of the bytes, the same in every locale.  Used by the guards
 * of customers and orders and by the functions that look an address up.
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "report.h"
#include "utils/builtins.h"
#include "values/email.h"
#include "values/space.h"

#define LOCAL_PART_MAX 64 /* bytes, RFC 5321 */
#define ADDRESS_MAX 254	  /* bytes, RFC 5321 with its erratum 1690 */
#define LABEL_MAX 63	  /* characters */
#define SHOWN_MAX 100	  /* bytes, in messages */

/*
 * Non-ASCII code points that are not letters: controls, spaces, punctuation
 * and symbols of the blocks where an address could meet them.
 */
static bool
is_foreign_nonletter(pg_wchar c)
{
	return c < 0xAA || (c > 0xAA && c < 0xB5) || (c > 0xB5 && c < 0xBA) ||
		(c > 0xBA && c < 0xC0) || c == 0xD7 || c == 0xF7 ||
		(c >= 0x2000 && c <= 0x206F) || (c >= 0x20A0 && c <= 0x20CF) ||
		(c >= 0x2190 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x3004) ||
		(c >= 0x3008 && c <= 0x3020) || (c >= 0xE000 && c <= 0xF8FF) ||
		(c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF ||
		(c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFFE0 && c <= 0xFFFF) ||
		(c >= 0x1F000 && c <= 0x1FAFF) || c >= 0xE0000;
}

/* Non-ASCII code points that are spaces, controls or invisible. */
static bool
is_foreign_blank(pg_wchar c)
{
	return c <= 0xA0 || c == 0xAD || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) ||
		(c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0xFEFF ||
		(c >= 0xFFF0 && c <= 0xFFFB) || c >= 0xE0000;
}

/*
 * The code point of the character that starts here, if it is not ASCII and
 * the database is in UTF-8; 0 otherwise.  In other encodings every character
 * that is not ASCII counts as a letter.
 */
static pg_wchar
foreign_code_point(const char *s)
{
	if (!IS_HIGHBIT_SET(*s) || GetDatabaseEncoding() != PG_UTF8)
		return 0;
	return utf8_to_unicode((const unsigned char *) s);
}

/* The length of the character that starts here. */
static int
character_length(const char *s)
{
	return IS_HIGHBIT_SET(*s) ? pg_mblen(s) : 1;
}

/* The fault of the local part s[0..length), or NULL. */
static const char *
local_part_fault(const char *s, int length)
{
	int i = 0;

	if (length < 1)
		return "nothing stands before the @";
	if (length > LOCAL_PART_MAX)
		return "the part before the @ is longer than 64 bytes";
	while (i < length)
	{
		unsigned char c = s[i];
		pg_wchar foreign = foreign_code_point(s + i);

		if (c <= ' ' || c == 0x7F ||
			(foreign != 0 && is_foreign_blank(foreign)))
			return "it contains a space or control character";
		i += character_length(s + i);
	}
	return NULL;
}

static bool
is_label_character(const char *s)
{
	unsigned char c = *s;
	pg_wchar foreign = foreign_code_point(s);

	if (IS_HIGHBIT_SET(c))
		return foreign == 0 || !is_foreign_nonletter(foreign);
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-';
}

/* The fault of one label of the domain, or NULL. */
static const char *
label_fault(const char *s, int length)
{
	int characters = 0;

	if (length < 1)
		return "a label of its domain is empty";
	if (s[0] == '-' || s[length - 1] == '-')
		return "a label of its domain starts or ends with a hyphen";
	for (int i = 0; i < length; i += character_length(s + i))
	{
		if (!is_label_character(s + i))
			return "its domain contains a character that is neither letter, digit nor hyphen";
		characters++;
	}
	if (characters > LABEL_MAX)
		return "a label of its domain is longer than 63 characters";
	return NULL;
}

/* The fault of the domain s[0..length), or NULL. */
static const char *
domain_fault(const char *s, int length)
{
	int labels = 0;
	int start = 0;
	int i;

	for (i = 0; i <= length; i++)
	{
		if (i == length || s[i] == '.')
		{
			const char *fault = label_fault(s + start, i - start);

			if (fault)
				return fault;
			labels++;
			start = i + 1;
		}
	}
	return labels < 2 ? "its domain has no dot" : NULL;
}

/*
 * The address without white space around it, or NULL with the reason in
 * *fault (a clause, such as "its domain has no dot").  The result is typed
 * itself when there was nothing to trim, otherwise a copy.
 */
text *
cust_email_normalize(text *typed, const char **fault)
{
	const char *s = VARDATA_ANY(typed);
	int length = VARSIZE_ANY_EXHDR(typed);
	int untrimmed = length;
	const char *at;
	text *result;

	while (length > 0 && cust_is_space(s[0]))
	{
		s++;
		length--;
	}
	while (length > 0 && cust_is_space(s[length - 1]))
		length--;

	at = memchr(s, '@', length);
	if (length == 0)
		*fault = "it is empty";
	else if (length > ADDRESS_MAX)
		*fault = "it is longer than 254 bytes";
	else if (at == NULL)
		*fault = "it has no @";
	else if (memchr(at + 1, '@', s + length - at - 1) != NULL)
		*fault = "it has more than one @";
	else if ((*fault = local_part_fault(s, at - s)) == NULL)
		*fault = domain_fault(at + 1, s + length - at - 1);
	if (*fault)
		return NULL;
	if (length == untrimmed)
		return typed;
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), s, length);
	return result;
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
