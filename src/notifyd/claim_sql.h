/*
 * claim_sql.h
 *		The statements that claim, for claim.c.
 *
 * The server makes the JSON, and expands what mails need into columns, so
 * that nothing here reads JSON.  All names are qualified.  Values are taken
 * apart so that no row, whatever is in it, makes the statement fail (what was
 * claimed with it would be claimed again for ever), and are no longer than can
 * be of use.
 */
#ifndef NOTIFYD_CLAIM_SQL_H
#define NOTIFYD_CLAIM_SQL_H

#include "sent.h"

/* clang-format off */

/* of equal precedence, all of them: from left to right */
#define OP(name) " OPERATOR(pg_catalog." name ") "

#define TEXT(name) "(d.confidential" OP("->>") "'" name "'::pg_catalog.text)"
#define FIRST(characters, value) "pg_catalog.left(" value ", " characters ")"
#define TIME(value) "pg_catalog.to_char(" value ", 'YYYY-MM-DD HH24:MI TZ')"
#define AS_TEXT(number) QUOTED(number)
#define QUOTED(number) #number

/* bytes of payload and confidential, compressed and not, and of the type */
#define MOST_BYTES "262144"
#define SIZE(value) "COALESCE(pg_catalog.pg_column_size(" value "), 0)"
#define FULL_SIZE(value) SIZE("pg_catalog.jsonb_build_array(" value ")")
#define FITS \
	"CASE WHEN " SIZE("d.payload") OP("+") SIZE("d.confidential") \
	OP(">") MOST_BYTES " THEN false ELSE " \
	FULL_SIZE("d.payload") OP("+") FULL_SIZE("d.confidential") \
	OP("+") "pg_catalog.octet_length(d.type)" OP("<=") MOST_BYTES " END"

/* a time as jsonb has it; another text is none */
#define EXPIRES_AT \
	"(pg_catalog.jsonb_path_query_first(d.confidential," \
	" '$.expires_at ? (@ like_regex \"^[0-9]{4}-\").datetime()" \
	" ? (@.type() == \"timestamp with time zone\")', '{}', true)" \
	OP("#>>") "'{}')::pg_catalog.timestamptz"

/*
 * The addresses, one more than may be.  What is no text is '', to which
 * nothing can be sent, and what is no list is a list of one such.
 */
#define TO "(d.confidential" OP("->") "'to'::pg_catalog.text)"
#define ADDRESSES \
	"SELECT e.number, CASE pg_catalog.jsonb_typeof(e.value)" \
	" WHEN 'string' THEN " FIRST("1000", "e.value" OP("#>>") "'{}'") \
	" ELSE '' END FROM pg_catalog.jsonb_array_elements(" \
	"CASE WHEN NOT (" FITS ") THEN NULL" \
	" WHEN pg_catalog.jsonb_typeof(" TO ")" OP("=") "'array' THEN " TO \
	" WHEN " TO " IS NOT NULL THEN '[null]' END)" \
	" WITH ORDINALITY AS e(value, number)" \
	" LIMIT " AS_TEXT(MAX_RECIPIENTS) OP("+") "1"

/* the columns that every claim begins with */
#define FIRST_COLUMNS \
	"d.delivery_id, d.event_id, " FIRST("200", "d.type") ", d.attempt, " \
	FIRST("200", TEXT("token")) ", " FITS

enum
{
	COLUMN_ID,
	COLUMN_EVENT_ID,
	COLUMN_TYPE,
	COLUMN_ATTEMPT,
	COLUMN_TOKEN,
	COLUMN_FITS,
	COLUMN_JSON,
	COLUMN_PLACE = COLUMN_JSON,
	COLUMN_ADDRESS,
	COLUMN_FIELDS,
};

/* of a subscription, so many, for so long */
static const char claim_json[] =
	"SELECT " FIRST_COLUMNS ", CASE WHEN " FITS
	" THEN pg_catalog.row_to_json(d) END"
	" FROM customers.claim_deliveries($1, $2, $3) AS d LIMIT $2";

/*
 * And of a store: a row for each address, or one without; fields as enum Field
 * has them.
 */
static const char claim_mails[] =
	"SELECT " FIRST_COLUMNS ", d.ordinality, a.address,"
	" $4::pg_catalog.text, " FIRST("200", "d.type") ","
	" d.customer_id, d.order_id, "
	FIRST("100", "d.payload" OP("->>") "'transfer_id'::pg_catalog.text") ", "
	FIRST("1000", TEXT("new_owner_name")) ", "
	FIRST("2000", TEXT("description")) ", "
	TIME("d.created_at") ", " TIME(EXPIRES_AT)
	" FROM (SELECT * FROM customers.claim_deliveries($1, $2, $3)"
	" WITH ORDINALITY LIMIT $2) AS d"
	" LEFT JOIN LATERAL (" ADDRESSES ") AS a(number, address) ON true"
	" ORDER BY d.ordinality, a.number";

/* clang-format on */

#endif
