/*
 * check.c
 *		check_store: what is wrong with a store, and the statement that mends
 *		it.
 *
 * Compares the catalogs with the layout, then, if the tables are what they
 * must be, looks for rows that break a rule.  Rows are read as the owner in a
 * restricted operation, so that no code of the owner runs as the caller.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "stores/ddl.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

/* One run: where findings go, and what is being looked at. */
typedef struct Check
{
	ReturnSetInfo *rsinfo;
	PlanTarget target;
	bool tables_fit; /* so far: rows may be read */
	bool search;	 /* shall there be a search index? */
} Check;

static void
add_finding(Check *check, const char *object, const char *finding,
			const char *repair)
{
	Datum values[3] = {CStringGetTextDatum(object),
					   CStringGetTextDatum(finding),
					   CStringGetTextDatum(repair)};
	bool nulls[3] = {false};

	tuplestore_putvalues(check->rsinfo->setResult, check->rsinfo->setDesc,
						 values, nulls);
}

/* ------------------------------------------------------------------------
 * Objects
 * ------------------------------------------------------------------------
 */

/* "ALTER TABLE <table> <action> <object>;" */
static char *
alter_table(const Check *check, const DdlStatement *statement,
			const char *action)
{
	return psprintf("ALTER TABLE %s.%s %s %s;",
					quote_identifier(check->target.name),
					quote_identifier(statement->table), action,
					quote_identifier(statement->name));
}

static void
check_table(Check *check, const DdlStatement *statement, Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);
	const char *fault = NULL;

	for (int table = 0; table < STORE_NTABLES; table++)
	{
		if (strcmp(cust_layout[table].name, statement->table) == 0)
			fault = cust_store_table_fault(rel, check->target.owner,
										   &cust_layout[table]);
	}
	if (fault)
	{
		check->tables_fit = false;
		add_finding(
			check, psprintf("table %s", statement->table), fault,
			"Put back the table as customers.create_store made it, from a backup or by ALTER TABLE.");
	}
	else if (strcmp(statement->table, cust_layout[STORE_INFO].name) == 0)
		(void) cust_store_layout_version(rel, &check->search);
	relation_close(rel, AccessShareLock);
}

static void
check_index(Check *check, const DdlStatement *statement, Oid index)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool valid = HeapTupleIsValid(tuple) &&
		((Form_pg_index) GETSTRUCT(tuple))->indisvalid;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!valid)
		add_finding(check, psprintf("index %s", statement->name), "is invalid",
					psprintf("REINDEX INDEX %s.%s;",
							 quote_identifier(check->target.name),
							 quote_identifier(statement->name)));
}

static void
check_constraint(Check *check, const DdlStatement *statement, Oid constraint)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	bool validated = HeapTupleIsValid(tuple) &&
		((Form_pg_constraint) GETSTRUCT(tuple))->convalidated;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!validated)
		add_finding(check, psprintf("constraint %s", statement->name),
					"is not validated",
					alter_table(check, statement, "VALIDATE CONSTRAINT"));
}

/* Is the trigger's function the one that the layout names? */
static bool
calls_our_function(const DdlStatement *statement, Oid function)
{
	List *name = castNode(CreateTrigStmt, statement->node)->funcname;

	return get_func_namespace(function) ==
		get_namespace_oid("customers", true) &&
		strcmp(get_func_name(function), strVal(llast(name))) == 0;
}

static void
check_trigger(Check *check, const DdlStatement *statement, Oid trigger)
{
	Oid relid = get_relname_relid(statement->table, check->target.schema);
	Relation rel = relation_open(relid, AccessShareLock);
	char *object = psprintf("trigger %s", statement->name);

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger *found = &rel->trigdesc->triggers[i];

		if (found->tgoid != trigger)
			continue;
		if (!calls_our_function(statement, found->tgfoid))
			add_finding(check, object, "calls another function",
						psprintf("DROP TRIGGER %s ON %s.%s; %s",
								 quote_identifier(statement->name),
								 quote_identifier(check->target.name),
								 quote_identifier(statement->table),
								 statement->text));
		else if (found->tgenabled != TRIGGER_FIRES_ON_ORIGIN)
			add_finding(check, object,
						found->tgenabled == TRIGGER_DISABLED ?
							"is disabled" :
							"does not fire for ordinary sessions only",
						alter_table(check, statement, "ENABLE TRIGGER"));
	}
	relation_close(rel, AccessShareLock);
}

/* The triggers of foreign keys, which belong to no statement of the layout. */
static void
check_internal_triggers(Check *check, const DdlStatement *statement, Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);
	bool disabled = false;

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
		disabled |= rel->trigdesc->triggers[i].tgisinternal &&
			rel->trigdesc->triggers[i].tgenabled != TRIGGER_FIRES_ON_ORIGIN;
	relation_close(rel, AccessShareLock);
	if (disabled)
		add_finding(
			check, psprintf("table %s", statement->table),
			"has foreign keys that are not enforced (needs a superuser to mend)",
			psprintf("ALTER TABLE %s.%s ENABLE TRIGGER ALL;",
					 quote_identifier(check->target.name),
					 quote_identifier(statement->table)));
}

static void
check_object(Check *check, const DdlStatement *statement)
{
	Oid object = cust_ddl_find(statement, check->target.schema);

	if (!OidIsValid(object))
	{
		if (statement->kind == DDL_TABLE)
			check->tables_fit = false;
		if (check->search || !cust_ddl_is_search_index(statement))
			add_finding(check,
						psprintf("%s %s", cust_ddl_kind_name(statement->kind),
								 statement->name),
						"is missing", statement->text);
		return;
	}
	switch (statement->kind)
	{
		case DDL_TABLE:
			check_table(check, statement, object);
			check_internal_triggers(check, statement, object);
			break;
		case DDL_CONSTRAINT:
			check_constraint(check, statement, object);
			break;
		case DDL_INDEX:
			check_index(check, statement, object);
			break;
		case DDL_TRIGGER:
			check_trigger(check, statement, object);
			break;
		case DDL_ROWS:
			break;
	}
}

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------
 */

/* rows of a rule that are shown */
#define MAX_ROWS 100

/* Each returns (object, finding, repair) for the store called $1. */
#define ROW_CHECK(query)                                    \
	{                                                       \
		.text = query, .as_owner = true, .read_only = true, \
		.restricted = true, .nargs = 1, .argtypes = {       \
			TEXTOID                                         \
		}                                                   \
	}

/* has the column white space around it? */
#define NOT_TRIMMED(column) \
	"pg_catalog.btrim(" column ", E' \\t\\n\\r\\f\\013')" NE column

static const PlanQuery row_checks[] = {
	ROW_CHECK(
		"SELECT 'customer '" CAT "c.id::pg_catalog.text,"
		" 'breaks customer_email_valid: '" CAT
		"customers.email_fault(c.email),"
		" pg_catalog.format('UPDATE %I.customer SET email = %L WHERE id = %s;', $1,"
		" '<e-mail>', c.id)"
		" FROM @store@.customer c"
		" WHERE customers.email_fault(c.email) IS NOT NULL"),
	ROW_CHECK(
		"SELECT 'customer '" CAT "c.id::pg_catalog.text,"
		" 'breaks customer_email_valid: it is not trimmed',"
		" pg_catalog.format('UPDATE %I.customer SET email = email WHERE id = %s;', $1, c.id)"
		" FROM @store@.customer c WHERE " NOT_TRIMMED("c.email")),
	ROW_CHECK(
		"SELECT 'customer group '" CAT "g.id::pg_catalog.text,"
		" 'breaks customer_group_name_given: the name is not trimmed',"
		" pg_catalog.format('UPDATE %I.customer_group SET name = name WHERE id = %s;', $1, g.id)"
		" FROM @store@.customer_group g WHERE " NOT_TRIMMED("g.name")),
	ROW_CHECK(
		"SELECT 'order '" CAT "o.id::pg_catalog.text,"
		" 'breaks orders_email_valid: '" CAT "customers.email_fault(o.email),"
		" pg_catalog.format('UPDATE %I.orders SET email = %L WHERE id = %s;', $1,"
		" '<e-mail>', o.id)"
		" FROM @store@.orders o"
		" WHERE customers.email_fault(o.email) IS NOT NULL"),
	ROW_CHECK(
		"SELECT 'customer '" CAT "c.id::pg_catalog.text,"
		" 'metadata_order is not the order of the keys of metadata',"
		" pg_catalog.format('UPDATE %I.customer SET metadata_order = metadata_order WHERE id = %s;', $1,"
		" c.id)"
		" FROM @store@.customer c"
		" WHERE NOT c.metadata OPERATOR(pg_catalog.?&) c.metadata_order"
		" OR pg_catalog.cardinality(c.metadata_order)" NE
		"(SELECT pg_catalog.count(*) FROM pg_catalog.jsonb_object_keys(c.metadata))"),
	ROW_CHECK(
		"SELECT 'customer '" CAT "c.id::pg_catalog.text,"
		" 'breaks customer_account_registered: neither password nor external_id',"
		" pg_catalog.format('UPDATE %I.customer SET external_id = %L WHERE id = %s;', $1,"
		" '<external id>', c.id)"
		" FROM @store@.customer c WHERE c.has_account"
		" AND c.external_id IS NULL AND NOT EXISTS (SELECT"
		" FROM @store@.credential k WHERE k.customer_id" EQ "c.id)"),
	ROW_CHECK(
		"SELECT 'order transfer '" CAT "t.id::pg_catalog.text,"
		" 'breaks order_transfer_target_registered: open, to a guest',"
		" pg_catalog.format('UPDATE %I.order_transfer SET status = %L WHERE id = %s;', $1,"
		" 'canceled', t.id)"
		" FROM @store@.order_transfer t JOIN @store@.customer c"
		" ON c.id" EQ "t.to_customer_id"
		" WHERE t.status" EQ "'requested' AND NOT c.has_account"),
	ROW_CHECK(
		"SELECT 'order transfer '" CAT "t.id::pg_catalog.text,"
		" 'breaks order_transfer_order_active: open, of an order that is '" CAT
		"o.status,"
		" pg_catalog.format('UPDATE %I.order_transfer SET status = %L WHERE id = %s;', $1,"
		" 'canceled', t.id)"
		" FROM @store@.order_transfer t JOIN @store@.orders o"
		" ON o.id" EQ "t.order_id"
		" WHERE t.status" EQ "'requested'"
		" AND (o.status" EQ "'canceled' OR o.status" EQ "'draft')"),
	ROW_CHECK(
		"SELECT 'order transfer '" CAT "t.id::pg_catalog.text,"
		" 'breaks order_transfer_owner_unchanged: open, and the order has another owner',"
		" pg_catalog.format('UPDATE %I.order_transfer SET status = %L WHERE id = %s;', $1,"
		" 'canceled', t.id)"
		" FROM @store@.order_transfer t JOIN @store@.orders o"
		" ON o.id" EQ "t.order_id"
		" WHERE t.status" EQ "'requested'"
		" AND COALESCE(o.customer_id, 0)" NE
		"COALESCE(t.from_customer_id, 0)")};

static void
emit_rows(Check *check, const PlanQuery *query)
{
	NullableDatum name = {CStringGetTextDatum(check->target.name), false};
	PlanRows rows = cust_plan_run(query, &check->target, &name, MAX_ROWS);

	for (uint64 i = 0; i < rows.count; i++)
		add_finding(check, cust_plan_text(&rows, i, 1),
					cust_plan_text(&rows, i, 2), cust_plan_text(&rows, i, 3));
}

/* Rows whose foreign key names nothing, as only a disabled trigger allows. */
static void
check_orphans(Check *check, const DdlStatement *statement)
{
	AlterTableStmt *alter = castNode(AlterTableStmt, statement->node);
	Constraint *constraint =
		castNode(Constraint, linitial_node(AlterTableCmd, alter->cmds)->def);
	PlanQuery query = ROW_CHECK(NULL);
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
	emit_rows(check, &query);
}

static void
check_rows(Check *check, List *statements)
{
	ListCell *cell;

	for (size_t i = 0; i < lengthof(row_checks); i++)
		emit_rows(check, &row_checks[i]);
	foreach(cell, statements)
	{
		DdlStatement *statement = lfirst(cell);

		if (statement->kind == DDL_CONSTRAINT)
			check_orphans(check, statement);
	}
}

PG_FUNCTION_INFO_V1(customers_check_store);

/* check_store(name) returns (object text, finding text, repair text) */
Datum
customers_check_store(PG_FUNCTION_ARGS)
{
	Check check = {
		.tables_fit = true,
		.search = true,
	};
	char *name = PG_ARGISNULL(0) ? cust_guc_store :
								   text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid schema = get_namespace_oid(name, true);
	List *statements;
	ListCell *cell;

	if (!cust_store_exists(schema))
		cust_store_report_missing(name);
	check.target.schema = schema;
	check.target.owner = cust_store_schema_owner(schema);
	strlcpy(check.target.name, name, NAMEDATALEN);
	if (!has_privs_of_role(GetUserId(), check.target.owner))
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
				.schema = name,
			},
			"only the owner of store \"%s\" and superusers may check it",
			name);
	InitMaterializedSRF(fcinfo, 0);
	check.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	cust_plan_begin();
	statements = cust_ddl_statements(name);
	foreach(cell, statements)
	{
		check_object(&check, lfirst(cell));
	}
	if (check.tables_fit)
		check_rows(&check, statements);
	cust_plan_end();
	return (Datum) 0;
}
