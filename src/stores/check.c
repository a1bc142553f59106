/*
 * check.c
 *		check_store: what is wrong with a store, and the statement that mends
 *		it.
 *
 * Compares the catalogs with the layout (check_table, check_column,
 * check_addition, check_object) and, if the tables can be read, looks for rows that break a
 * rule (check_rows).  The findings stand in the order in which their repairs
 * work: columns, triggers, rows, then the constraints that rows must obey.
 * Rows are read as the owner in a restricted operation, so that no code of
 * the owner runs as the caller.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "stores/check.h"
#include "stores/definition.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

/* rows of a rule that are shown */
#define MAX_ROWS 100

/* The texts must live as long as the check. */
void
cust_check_add(Check *check, bool mends, const char *object,
			   const char *finding, const char *repair)
{
	Finding *item = palloc(sizeof(Finding));

	item->object = object;
	item->finding = finding;
	item->repair = repair;
	item->mends = mends;
	check->findings = lappend(check->findings, item);
}

/* Adds what the query returns. */
void
cust_check_query(Check *check, const PlanQuery *query)
{
	NullableDatum name = {CStringGetTextDatum(check->target.name), false};
	PlanRows rows = cust_plan_run(query, &check->target, &name, MAX_ROWS);

	for (uint64 i = 0; i < rows.count; i++)
		cust_check_add(check, false, cust_plan_text(&rows, i, 1),
					   cust_plan_text(&rows, i, 2),
					   cust_plan_text(&rows, i, 3));
}

/* Raises unless the tables that were seen are still there. */
static void
expect_same_tables(const PlanTarget *target)
{
	for (int i = 0; i < target->nrelations; i++)
	{
		const char *name = target->relations[i].name;

		if (get_relname_relid(name, target->schema) ==
			target->relations[i].relid)
			continue;
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INVALID_SCHEMA_NAME,
				.schema = target->name,
				.table = name,
				.hint = "Repeat the statement.",
			},
			"store \"%s\" was changed while it was checked", target->name);
	}
}

/* To be called within an SPI connection. */
void
cust_check_begin(Check *check, Oid schema, const char *name)
{
	memset(check, 0, sizeof(Check));
	check->target.schema = schema;
	check->target.owner = cust_store_schema_owner(schema);
	check->target.called = true;
	check->target.deferred = "customer_account_registered";
	check->target.expect_unchanged = expect_same_tables;
	strlcpy(check->target.name, name, NAMEDATALEN);
	check->search = true;
	check->statements = cust_ddl_statements(name);
}

static void
run_checks(Check *check)
{
	bool readable = true;

	cust_check_public(check);
	cust_check_tables(check);
	cust_check_objects(check, true);
	for (int table = 0; table < STORE_NTABLES; table++)
		readable &= check->fits[table];
	if (readable)
		cust_check_rows(check);
	cust_check_objects(check, false);
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

static void
emit_findings(const Check *check, ReturnSetInfo *rsinfo)
{
	ListCell *cell;

	foreach(cell, check->findings)
	{
		const Finding *item = lfirst(cell);
		Datum values[3];
		bool nulls[3];

		values[0] = text_or_null(item->object, &nulls[0]);
		values[1] = text_or_null(item->finding, &nulls[1]);
		values[2] = text_or_null(item->repair, &nulls[2]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

PG_FUNCTION_INFO_V1(customers_check_store);

/* check_store(name) returns (object text, finding text, repair text) */
Datum
customers_check_store(PG_FUNCTION_ARGS)
{
	Check check;
	char *name = PG_ARGISNULL(0) ? pstrdup(cust_guc_store) :
								   text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid schema = get_namespace_oid(name, true);

	if (!cust_store_exists(schema))
		cust_store_report_missing(name);
	if (!has_privs_of_role(GetUserId(), cust_store_schema_owner(schema)))
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
				.schema = name,
			},
			"only the owner of store \"%s\" and superusers may check it",
			name);
	InitMaterializedSRF(fcinfo, 0);
	cust_plan_begin();
	cust_check_begin(&check, schema, name);
	run_checks(&check);
	emit_findings(&check, (ReturnSetInfo *) fcinfo->resultinfo);
	cust_plan_end();
	return (Datum) 0;
}
