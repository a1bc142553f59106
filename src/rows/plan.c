/*
 * plan.c
 *		The only SPI code: runs statements on the tables of a store, as the
 *		caller or as the owner, with plans that are kept for the session.
 *
 * Called by events and by the nouns.  Plans are kept by kept.c.  What a plan runs on is what the caller of
 * these functions has verified: its relations are locked and looked at once
 * more before each run.  Code of the store's owner runs inside, and may come
 * here again; so a plan that is running is never freed, and what is used after
 * a statement ran is held by value.  Knows no table of ours.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "report.h"
#include "rows/kept.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* so often a plan is made anew because its relations change meanwhile */
#define MAX_TRIES 10

/* text with every placeholder replaced by the quoted name of the schema */
char *
cust_plan_substitute(const char *text, const char *schema)
{
	const char *quoted = quote_identifier(schema);
	const char *place;
	StringInfoData buf;

	initStringInfo(&buf);
	while ((place = strstr(text, PLAN_PLACEHOLDER)) != NULL)
	{
		appendBinaryStringInfo(&buf, text, place - text);
		appendStringInfoString(&buf, quoted);
		text = place + strlen(PLAN_PLACEHOLDER);
	}
	appendStringInfoString(&buf, text);
	return buf.data;
}

/* ------------------------------------------------------------------------
 * Preparing
 * ------------------------------------------------------------------------
 */

/* Makes a plan, of which nothing is known but that it parses. */
static SPIPlanPtr
make_plan(const PlanQuery *query, const PlanTarget *target)
{
	SPIPlanPtr plan =
		SPI_prepare_cursor(cust_plan_substitute(query->text, target->name),
						   query->nargs, (Oid *) query->argtypes,
						   query->custom ? CURSOR_OPT_CUSTOM_PLAN : 0);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s",
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}

/*
 * The kept plan, or a new one, whose relations are locked and verified.  Since
 * locking and verifying may lead here again, what is kept is looked for anew
 * after each.
 */
static SPIPlanPtr
prepare_plan(const PlanQuery *query, const PlanTarget *target)
{
	KeptKey key = cust_kept_key(query, target->schema);

	for (int tries = 0; tries <= MAX_TRIES; tries++)
	{
		KeptPlan kept = cust_kept_find(&key);

		CHECK_FOR_INTERRUPTS();
		if (kept.plan != NULL && strcmp(kept.name, target->name) == 0 &&
			(!kept.locks.once || tries > 0) &&
			cust_planlocks_fit(target, kept.plan, &kept.locks))
			return kept.plan;
		strlcpy(kept.name, target->name, NAMEDATALEN);
		kept.plan = make_plan(query, target);
		kept.locks = cust_planlocks_read(query->text, target, kept.plan);
		cust_kept_put(&key, &kept);
	}
	cust_report(
		&(CustError){
			.sqlstate = ERRCODE_T_R_SERIALIZATION_FAILURE,
			.schema = target->name,
			.hint = "Repeat the statement.",
		},
		"the tables of \"%s\" change all the time", target->name);
}

/* ------------------------------------------------------------------------
 * Running
 * ------------------------------------------------------------------------
 */

/*
 * Opens an SPI connection for statements and their results.  What is allocated
 * until cust_plan_end is gone after it; results that live on are copied.
 */
void
cust_plan_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	cust_kept_free_retired();
}

void
cust_plan_end(void)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/*
 * Runs a lookup with a snapshot of this moment, as referential-integrity
 * triggers do under repeatable read.
 */
static int
execute_newest(SPIPlanPtr plan, Datum *values, const char *nulls, long limit)
{
	CommandCounterIncrement();
	return SPI_execute_snapshot(plan, values, nulls, GetLatestSnapshot(),
								InvalidSnapshot, true, false, limit);
}

static PlanRows
run_prepared(const PlanQuery *query, SPIPlanPtr plan,
			 const NullableDatum *args, long limit)
{
	Datum values[PLAN_MAX_ARGS];
	char nulls[PLAN_MAX_ARGS];
	int result;

	Assert(query->nargs <= PLAN_MAX_ARGS);
	for (int i = 0; i < query->nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	result = query->newest ?
		execute_newest(plan, values, nulls, limit) :
		SPI_execute_plan(plan, values, nulls, query->read_only, limit);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s",
			 SPI_result_code_string(result));
	return (PlanRows){SPI_processed, SPI_tuptable};
}

/* Completes an error of the query with its hint, or makes it say less. */
static void
amend_error(const PlanQuery *query, ErrorData *error)
{
	if (query->unique != NULL && error->constraint_name != NULL &&
		error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		strcmp(error->constraint_name, query->unique) == 0)
		error->hint = unconstify(char *, query->hint);
	/* the details could show a row that the caller may not read */
	if (query->as_owner)
	{
		error->detail = NULL;
		error->detail_log = NULL;
	}
}

/*
 * Throws the error that was caught on, as it is shown for the query.  context
 * is where the work began.
 */
void
cust_plan_rethrow(const PlanQuery *query, MemoryContext context)
{
	ErrorData *error;

	if (!query->as_owner && query->unique == NULL)
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	amend_error(query, error);
	ReThrowError(error);
}

/* Runs the query with the rights that were taken. */
static PlanRows
run_query(const PlanQuery *query, const PlanTarget *target,
		  const NullableDatum *args, long limit)
{
	MemoryContext context = CurrentMemoryContext;
	RunningPlan *outer = cust_kept_running();
	RunningPlan run;
	volatile PlanRows rows = {0, NULL};

	PG_TRY();
	{
		PlanRows result;

		cust_kept_run(&run, prepare_plan(query, target));
		result = run_prepared(query, run.plan, args, limit);
		rows.count = result.count;
		rows.table = result.table;
	}
	PG_CATCH();
	{
		cust_kept_set_running(outer);
		cust_plan_rethrow(query, context);
	}
	PG_END_TRY();
	cust_kept_set_running(outer);
	return (PlanRows){rows.count, rows.table};
}

static RightsOf
rights_of(const PlanQuery *query)
{
	if (!query->as_owner)
		return RIGHTS_OF_CALLER;
	return query->restricted ? RIGHTS_OF_OWNER_RESTRICTED : RIGHTS_OF_OWNER;
}

/*
 * Runs a query; limit 0 returns all rows.  Needs an open SPI connection, in
 * which the result lives.
 */
PlanRows
cust_plan_run(const PlanQuery *query, const PlanTarget *target,
			  const NullableDatum *args, long limit)
{
	Rights caller = cust_rights_take(target, rights_of(query),
									 !query->read_only);
	PlanRows rows = run_query(query, target, args, limit);

	cust_rights_restore(target, &caller);
	return rows;
}

/* Runs a statement that is neither kept nor returns rows, as the caller. */
void
cust_plan_utility(const char *statement)
{
	int result = SPI_execute(statement, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}
