/*
 * page.c
 *		Pages of a list: their size and the keyset cursor.
 *
 * A cursor is opaque to callers: base64url of the list's kind (with its
 * sort), the id and the sort key of a row.  It holds nothing that the row it
 * came from did not show.
 */
#include "postgres.h"

#include <sodium.h>

#include "mb/pg_wchar.h"
#include "report.h"
#include "rows/page.h"
#include "utils/builtins.h"

#define MAX_PAGE_SIZE 1000
#define END_MARK '.'

#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* The argument page_size; raises 22023 unless it is from 1 to 1000. */
int
cust_page_size(FunctionCallInfo fcinfo, int argument)
{
	int size;

	if (PG_ARGISNULL(argument))
		cust_report_null("page_size");
	size = PG_GETARG_INT32(argument);
	if (size < 1 || size > MAX_PAGE_SIZE)
		cust_report_argument(NULL, "page_size must be from 1 to %d, not %d",
							 MAX_PAGE_SIZE, size);
	return size;
}

/*
 * The cursor of a row: kind names the list and its sort, key is the sort key
 * as text (NULL for NULL).
 */
Datum
cust_page_cursor(const char *kind, const char *key, int64 id)
{
	char *plain;
	size_t length;
	size_t size;
	char *encoded;

	Assert(strchr(kind, '|') == NULL);
	plain = psprintf("%s|" INT64_FORMAT "|%s%s%c", kind, id, key ? "=" : "",
					 key ? key : "", END_MARK);
	length = strlen(plain);
	size = sodium_base64_encoded_len(length, VARIANT);
	encoded = palloc(size);

	sodium_bin2base64(encoded, size, (unsigned char *) plain, length, VARIANT);
	return CStringGetTextDatum(encoded);
}

pg_noreturn static void
report_cursor(void)
{
	cust_report_argument(
		"Pass the cursor of the last row seen, with the same sort.",
		"the cursor does not belong to this list");
}

static char *
decode(text *cursor)
{
	size_t size = VARSIZE_ANY_EXHDR(cursor);
	char *plain = palloc(size + 1);
	size_t length;

	if (sodium_base642bin((unsigned char *) plain, size, VARDATA_ANY(cursor),
						  VARSIZE_ANY_EXHDR(cursor), NULL, &length, NULL,
						  VARIANT) != 0)
		report_cursor();
	plain[length] = '\0';
	if (strlen(plain) != length || !pg_verifymbstr(plain, length, true))
		report_cursor();
	/* the end mark, without which it was cut short */
	if (length == 0 || plain[length - 1] != END_MARK)
		report_cursor();
	plain[length - 1] = '\0';
	return plain;
}

/*
 * Where the page starts by the argument "after": the inverse of
 * cust_page_cursor.  Raises 22023 for what is no cursor of that kind.
 */
PageStart
cust_page_start(FunctionCallInfo fcinfo, int argument, const char *kind)
{
	PageStart start = {0};
	char *plain;
	char *id;
	char *end;

	if (PG_ARGISNULL(argument))
		return start;
	plain = decode(PG_GETARG_TEXT_PP(argument));
	if (strncmp(plain, kind, strlen(kind)) != 0 || plain[strlen(kind)] != '|')
		report_cursor();
	id = plain + strlen(kind) + 1;
	errno = 0;
	start.given = true;
	start.id = strtoi64(id, &end, 10);
	if (errno != 0 || end == id || *end != '|' ||
		(end[1] != '\0' && end[1] != '='))
		report_cursor();
	if (end[1] == '=')
		start.key = end + 2;
	return start;
}
