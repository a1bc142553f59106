/*
 * details.h
 *		Expressions that several nouns show: a customer, whom the query calls
 *		c, and the status of a transfer.
 */
#ifndef CUSTOMERS_DETAILS_H
#define CUSTOMERS_DETAILS_H

#include "rows/plan.h"

#define CUSTOMER_TYPE                                            \
	"CASE WHEN c.has_account THEN 'registered'::pg_catalog.text" \
	" ELSE 'guest'::pg_catalog.text END"

#define CUSTOMER_FULL_NAME                            \
	"CASE WHEN c.first_name IS NULL THEN c.last_name" \
	" WHEN c.last_name IS NULL THEN c.first_name"     \
	" ELSE c.first_name" CAT "' '" CAT "c.last_name END"

#define CUSTOMER_DETAILS_COLUMNS                                                          \
	"c.id, c.email, " CUSTOMER_TYPE ", " CUSTOMER_FULL_NAME ","                           \
	" c.first_name, c.last_name, c.company_name, c.phone,"                                \
	" ARRAY(SELECT g.name FROM @store@.customer_group_member m"                           \
	" JOIN @store@.customer_group g ON g.id" EQ "m.customer_group_id"                     \
	" WHERE m.customer_id" EQ "c.id"                                                      \
	" ORDER BY " LOWER_C(                                                                 \
		"g.name") ", g.id),"                                                              \
				  " (SELECT pg_catalog.count(*) FROM @store@.orders o"                    \
				  " WHERE o.customer_id" EQ "c.id AND o.status" NE                        \
				  "'draft'),"                                                             \
				  " c.metadata, c.external_id, c.created_by, c.created_at, c.updated_at," \
				  " c.version"

/* how many these are */
#define CUSTOMER_DETAILS_COUNT 16

/*
 * The status of a transfer t at the time $2: an overdue one counts as expired
 * whether that was recorded or not.
 */
#define TRANSFER_STATUS_AT_2                              \
	"CASE WHEN t.status" EQ "'requested'"                 \
	" AND (t.expires_at IS NULL OR t.expires_at" LE "$2)" \
	" THEN 'expired'::pg_catalog.text ELSE t.status END"

#endif /* CUSTOMERS_DETAILS_H */
