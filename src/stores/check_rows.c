/*
 * check_rows.c
 *		Rows of a store that break a rule, as they do when triggers were off
 *		or constraints away.
 *
 * Called by check_store when the tables can be read, as the owner in a
 * restricted operation.  A column may hold NULL or anything of its type here,
 * since its constraint may be what is missing.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type_d.h"
#include "stores/check.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* has the column white space around it? */
#define NOT_TRIMMED(column) \
	"pg_catalog.btrim(" column ", E' \\t\\n\\r\\f\\013')" NE column

/*
 * The rows of "rows" that meet the condition: what an object is called, its
 * key, the finding (an expression), and the repair, in which %1$I is the store
 * and %2$L the key.  Rows without a key are found with the column.
 */
#define ROWS(object, key, finding, repair, rows, condition)                \
	CHECK_QUERY("SELECT '" object " '" CAT key "::pg_catalog.text,"        \
				" " finding ","                                            \
				" pg_catalog.format('" repair "', $1, " key ")"            \
				" FROM " rows " WHERE " key " IS NOT NULL AND (" condition \
				")")

/* A statement that the guards of a table would refuse. */
#define UNGUARDED(table, statement)                    \
	"ALTER TABLE %1$I." table " DISABLE TRIGGER USER;" \
	" " statement " ALTER TABLE %1$I." table " ENABLE TRIGGER USER;"

#define NO_OBJECT(column)                                          \
	"(CASE WHEN pg_catalog.jsonb_typeof(" column ")" EQ "'object'" \
	" THEN " column " OPERATOR(pg_catalog.?) ''::pg_catalog.text"  \
	" ELSE " column " IS NOT NULL END)"

/* Keeps what was in the column. */
#define WRAPPED "pg_catalog.jsonb_build_object(''value'', metadata)"

/* Is the array of more than one dimension, or has it elements without value? */
#define NO_LIST(column)                                              \
	"(CASE WHEN pg_catalog.array_ndims(" column ")" GT "1 THEN true" \
	" ELSE pg_catalog.array_position(" column ", NULL) IS NOT NULL END)"

static const PlanQuery customer_checks[] = {
	ROWS("customer", "c.id",
		 "'breaks customer_email_valid: '" CAT
		 "customers.email_fault(c.email)",
		 "UPDATE %1$I.customer SET email = ''<e-mail>'' WHERE id = %2$L;",
		 "@store@.customer c", "customers.email_fault(c.email) IS NOT NULL"),
	ROWS("customer", "c.id",
		 "'breaks customer_email_valid: it is not trimmed'",
		 "UPDATE %1$I.customer SET email = email WHERE id = %2$L;",
		 "@store@.customer c", NOT_TRIMMED("c.email")),
	ROWS("customer", "c.id",
		 "'breaks customer_metadata_object: no object, or a blank key'",
		 UNGUARDED("customer",
				   "UPDATE %1$I.customer SET metadata = " WRAPPED ","
				   " metadata_order = ''{value}'' WHERE id = %2$L;"),
		 "@store@.customer c", NO_OBJECT("c.metadata")),
	ROWS(
		"customer", "c.id",
		"'metadata_order is not the order of the keys of metadata'",
		"UPDATE %1$I.customer SET metadata_order = metadata_order WHERE id = %2$L;",
		"@store@.customer c",
		"CASE WHEN pg_catalog.jsonb_typeof(c.metadata)" EQ "'object' THEN "
		"NOT c.metadata OPERATOR(pg_catalog.?&) c.metadata_order"
		" OR " NO_LIST(
			"c.metadata_order") " OR pg_catalog.cardinality(c.metadata_order)" NE
								"(SELECT pg_catalog.count(*)"
								" FROM pg_catalog.jsonb_object_keys(c.metadata)) END"),
	ROWS(
		"customer", "c.id",
		"'breaks customer_account_registered: neither password nor external_id'",
		"UPDATE %1$I.customer SET external_id = ''<external id>'' WHERE id = %2$L;",
		"@store@.customer c",
		"c.has_account AND c.external_id IS NULL AND NOT EXISTS (SELECT"
		" FROM @store@.credential k WHERE k.customer_id" EQ "c.id)"),
	ROWS("customer group", "g.id",
		 "'breaks customer_group_name_given: the name is not trimmed'",
		 "UPDATE %1$I.customer_group SET name = name WHERE id = %2$L;",
		 "@store@.customer_group g", NOT_TRIMMED("g.name")),
	ROWS("customer group", "g.id",
		 "'breaks customer_group_name_given: it has no name'",
		 "UPDATE %1$I.customer_group SET name = ''<name>'' WHERE id = %2$L;",
		 "@store@.customer_group g", "g.name" EQ "''"),
	ROWS("customer group", "g.id",
		 "'breaks customer_group_metadata_object: no object, or a blank key'",
		 UNGUARDED("customer_group",
				   "UPDATE %1$I.customer_group SET metadata = " WRAPPED
				   " WHERE id = %2$L;"),
		 "@store@.customer_group g", NO_OBJECT("g.metadata")),
	ROWS("credential of customer", "k.customer_id",
		 "'breaks credential_by_registration: he is a guest'",
		 UNGUARDED("credential",
				   "DELETE FROM %1$I.credential WHERE customer_id = %2$L;"),
		 "@store@.credential k JOIN @store@.customer c ON c.id" EQ
		 "k.customer_id",
		 "c.has_account IS NOT TRUE"),
	ROWS("credential of customer", "k.customer_id",
		 "'breaks credential_evidence_check: a password stands in clear'",
		 UNGUARDED("credential",
				   "UPDATE %1$I.credential SET new_password = NULL,"
				   " proof = NULL WHERE customer_id = %2$L;"),
		 "@store@.credential k",
		 "k.new_password IS NOT NULL OR k.proof IS NOT NULL"),
	ROWS("credential of customer", "k.customer_id",
		 "'has a password hash that is none: '" CAT
		 "customers.password_hash_fault(k.password_hash)",
		 UNGUARDED("credential",
				   "DELETE FROM %1$I.credential WHERE customer_id = %2$L;"),
		 "@store@.credential k",
		 "customers.password_hash_fault(k.password_hash) IS NOT NULL"),
	ROWS("account token", "t.id",
		 "'breaks account_token_purpose_check: purpose '" CAT "t.purpose",
		 "DELETE FROM %1$I.account_token WHERE id = %2$L;",
		 "@store@.account_token t", "t.purpose" NE "'password_reset'"),
};

static const PlanQuery order_checks[] = {
	ROWS("order", "o.id",
		 "'breaks orders_email_valid: '" CAT "customers.email_fault(o.email)",
		 "UPDATE %1$I.orders SET email = ''<e-mail>'' WHERE id = %2$L;",
		 "@store@.orders o", "customers.email_fault(o.email) IS NOT NULL"),
	ROWS("order", "o.id",
		 "'breaks orders_status_check: status '" CAT "o.status",
		 UNGUARDED(
			 "orders",
			 "UPDATE %1$I.orders SET status = ''<status>'' WHERE id = %2$L;"),
		 "@store@.orders o",
		 "o.status" NE "ALL ('{draft,pending,requires_action,completed,"
		 "archived,canceled}'::pg_catalog.text[])"),
	ROWS(
		"order", "o.id",
		"'breaks orders_currency_code_check: '" CAT "o.currency_code",
		"UPDATE %1$I.orders SET currency_code = ''<currency>'' WHERE id = %2$L;",
		"@store@.orders o",
		"o.currency_code COLLATE pg_catalog.\"C\""
		" OPERATOR(pg_catalog.!~) '^[A-Z]{3}$'"),
	ROWS("order", "o.id",
		 "'breaks orders_metadata_object: no object, or a blank key'",
		 UNGUARDED("orders",
				   "UPDATE %1$I.orders SET metadata = " WRAPPED
				   " WHERE id = %2$L;"),
		 "@store@.orders o", NO_OBJECT("o.metadata")),
};

/* ends an open transfer as its guard wants it */
#define END_TRANSFER                                              \
	"UPDATE %1$I.order_transfer SET status ="                     \
	" CASE WHEN expires_at > clock_timestamp() THEN ''canceled''" \
	" ELSE ''expired'' END WHERE id = %2$L;"

static const PlanQuery transfer_checks[] = {
	ROWS("order transfer", "t.id",
		 "'breaks order_transfer_status_check: status '" CAT "t.status",
		 UNGUARDED("order_transfer",
				   "UPDATE %1$I.order_transfer SET status = ''canceled'',"
				   " token_hash = NULL, approval_token = NULL,"
				   " resolved_at = COALESCE(resolved_at, now())"
				   " WHERE id = %2$L;"),
		 "@store@.order_transfer t",
		 "t.status" NE "ALL ('{requested,accepted,declined,canceled,"
		 "expired}'::pg_catalog.text[])"),
	ROWS("order transfer", "t.id",
		 "'breaks order_transfer_token_check: a token of one that is not open'",
		 UNGUARDED("order_transfer",
				   "UPDATE %1$I.order_transfer SET approval_token = NULL,"
				   " token_hash = CASE WHEN status = ''requested''"
				   " THEN token_hash END WHERE id = %2$L;"),
		 "@store@.order_transfer t",
		 "t.approval_token IS NOT NULL"
		 " OR t.token_hash IS NOT NULL AND t.status" EQ
		 "ANY ('{accepted,declined,canceled,expired}'::pg_catalog.text[])"),
	ROWS(
		"order transfer", "t.id",
		"'breaks order_transfer_token_check: open, and nobody has a token for it'",
		END_TRANSFER, "@store@.order_transfer t",
		"t.status" EQ "'requested' AND t.token_hash IS NULL"),
	ROWS("order transfer", "t.id", "'is open and never expires'", END_TRANSFER,
		 "@store@.order_transfer t",
		 "t.status" EQ "'requested' AND t.expires_at IS NULL"),
	ROWS("order transfer", "t.id",
		 "'breaks order_transfer_target_registered: open, to a guest'",
		 END_TRANSFER,
		 "@store@.order_transfer t JOIN @store@.customer c ON c.id" EQ
		 "t.to_customer_id",
		 "t.status" EQ "'requested' AND c.has_account IS NOT TRUE"),
	ROWS("order transfer", "t.id",
		 "'breaks order_transfer_order_active: open, of an order that is '" CAT
		 "o.status",
		 END_TRANSFER,
		 "@store@.order_transfer t JOIN @store@.orders o ON o.id" EQ
		 "t.order_id",
		 "t.status" EQ "'requested'"
		 " AND (o.status" EQ "'canceled' OR o.status" EQ "'draft')"),
	ROWS(
		"order transfer", "t.id",
		"'breaks order_transfer_owner_unchanged: open, and the order has another owner'",
		END_TRANSFER,
		"@store@.order_transfer t JOIN @store@.orders o ON o.id" EQ
		"t.order_id",
		"t.status" EQ "'requested'"
		" AND COALESCE(o.customer_id, 0)" NE
		"COALESCE(t.from_customer_id, 0)"),
};

static const PlanQuery event_checks[] = {
	ROWS("subscription", "s.name",
		 "'breaks subscription_name_given: blank or too long'",
		 "UPDATE %1$I.subscription SET name = ''<name>'' WHERE name = %2$L;",
		 "@store@.subscription s",
		 "pg_catalog.btrim(s.name)" EQ "''"
		 " OR pg_catalog.octet_length(s.name)" GT "200"),
	ROWS("subscription", "s.name", "'has event_types that are no plain list'",
		 "UPDATE %1$I.subscription SET event_types = ARRAY(SELECT t"
		 " FROM unnest(event_types) t WHERE t IS NOT NULL) WHERE name = %2$L;",
		 "@store@.subscription s", NO_LIST("s.event_types")),
	ROWS("delivery", "d.id", "'has person_ids that are no plain list'",
		 "UPDATE %1$I.delivery SET person_ids = ARRAY(SELECT p"
		 " FROM unnest(person_ids) p WHERE p IS NOT NULL) WHERE id = %2$L;",
		 "@store@.delivery d", NO_LIST("d.person_ids")),
	ROWS("delivery", "d.id", "'is of an event that does not exist'",
		 "DELETE FROM %1$I.delivery WHERE id = %2$L;", "@store@.delivery d",
		 "NOT EXISTS (SELECT FROM @store@.event e WHERE e.id" EQ
		 "d.event_id)"),
};

/* Rows whose foreign key names nothing, as only a disabled trigger allows. */
static void
check_orphans(Check *check, const DdlStatement *statement)
{
	const Constraint *constraint = cust_ddl_constraint(statement);
	PlanQuery query = CHECK_QUERY(NULL);
	const char *table = quote_identifier(statement->table);
	const char *column;
	const char *mend;

	if (constraint->contype != CONSTR_FOREIGN)
		return;
	column = quote_identifier(strVal(linitial(constraint->fk_attrs)));
	mend = constraint->fk_del_action == FKCONSTR_ACTION_SETNULL ?
		psprintf("UPDATE %%I.%s SET %s = NULL WHERE %s", table, column,
				 column) :
		psprintf("DELETE FROM %%I.%s WHERE %s", table, column);
	query.text = psprintf(
		"SELECT DISTINCT 'table %s'::pg_catalog.text,"
		" pg_catalog.format('breaks %s: no row has the id %%s', f.%s),"
		" pg_catalog.format('%s = %%s;', $1, f.%s)"
		" FROM @store@.%s f WHERE f.%s IS NOT NULL"
		" AND NOT EXISTS (SELECT FROM @store@.%s p WHERE p.id" EQ "f.%s)",
		statement->table, statement->name, column, mend, column, table, column,
		quote_identifier(constraint->pktable->relname), column);
	query.made = true;
	cust_check_query(check, &query);
}

/* A sequence that would give an id once more. */
static void
check_behind(Check *check, const TableShape *shape)
{
	PlanQuery query = CHECK_QUERY(NULL);
	const char *table = quote_identifier(shape->name);
	Oid sequence = get_relname_relid(psprintf("%s_id_seq", shape->name),
									 check->target.schema);

	if (shape->columns[0].default_text == NULL || !OidIsValid(sequence) ||
		get_rel_relkind(sequence) != RELKIND_SEQUENCE)
		return;
	query.text = psprintf(
		"SELECT 'sequence %s_id_seq'::pg_catalog.text,"
		" 'is behind the ids of table %s'::pg_catalog.text,"
		" pg_catalog.format('SELECT pg_catalog.setval(%%L, %%s);',"
		" pg_catalog.format('%%I.%%I', $1, '%s_id_seq'), m.id)"
		" FROM (SELECT pg_catalog.max(t.id) AS id FROM @store@.%s t) m,"
		" @store@.%s_id_seq s WHERE m.id" GT "s.last_value"
		" OR m.id" EQ "s.last_value AND NOT s.is_called",
		shape->name, shape->name, shape->name, table, shape->name);
	query.made = true;
	cust_check_query(check, &query);
}

static void
run_queries(Check *check, const PlanQuery *queries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cust_check_query(check, &queries[i]);
}

/* Looks at the rows of a store whose tables can all be read. */
void
cust_check_rows(Check *check)
{
	ListCell *cell;

	run_queries(check, customer_checks, lengthof(customer_checks));
	run_queries(check, order_checks, lengthof(order_checks));
	run_queries(check, transfer_checks, lengthof(transfer_checks));
	run_queries(check, event_checks, lengthof(event_checks));
	for (int table = 0; table < STORE_NTABLES; table++)
		check_behind(check, &cust_layout[table]);
	foreach(cell, check->statements)
	{
		DdlStatement *statement = lfirst(cell);

		if (statement->kind == DDL_CONSTRAINT)
			check_orphans(check, statement);
	}
}
