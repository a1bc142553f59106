/*
 * plan.c
 *		The only SPI code: runs statements on the tables of a store, as the
 *		caller or as the owner, with plans that are kept for the session.
 *
 * Called by events and by the nouns.  A plan is kept per query and schema, for
 * the schemas that were used last.  What a plan runs on is what the caller of
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
#include "rows/plan.h"
#include "rows/planlocks.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* how many queries that were made are kept, and the plans of how many schemas */
#define MAX_MADE 64
#define MAX_SCHEMAS 32

/* so often a plan is made anew because its relations change meanwhile */
#define MAX_TRIES 10

typedef struct PlanKey
{
	const PlanQuery *constant; /* NULL: */
	uint64 made;			   /* the number of a MadeQuery */
	Oid schema;
} PlanKey;

typedef struct PlanEntry
{
	PlanKey key;
	char name[NAMEDATALEN]; /* of the schema when planned */
	SPIPlanPtr plan;		/* NULL: not made yet */
	PlanLocks locks;
} PlanEntry;

/* A query that was made, by a number that is never given again. */
typedef struct MadeQuery
{
	uint64 number; /* 0: none */
	uint64 used;
	PlanQuery query; /* with a text of its own */
} MadeQuery;

/* A schema of which there are plans. */
typedef struct PlannedSchema
{
	Oid schema; /* invalid: none */
	uint64 used;
} PlannedSchema;

/* A plan that was running when it was no longer wanted. */
typedef struct RetiredPlan
{
	SPIPlanPtr plan;
	struct RetiredPlan *next;
} RetiredPlan;

/* A plan that is being run, further up this session's stack. */
typedef struct RunningPlan
{
	SPIPlanPtr plan;
	struct RunningPlan *outer;
} RunningPlan;

static HTAB *plan_cache = NULL;
static RetiredPlan *retired = NULL;
static RunningPlan *running = NULL;
static MadeQuery made[MAX_MADE];
static PlannedSchema planned[MAX_SCHEMAS];

/* counts what is used, so that what was used last is known */
static uint64 uses = 0;

/* ------------------------------------------------------------------------
 * The cache of plans
 * ------------------------------------------------------------------------
 */

static PlanEntry *
find_entry(const PlanKey *key)
{
	PlanEntry *entry;
	bool found;

	if (plan_cache == NULL)
	{
		HASHCTL ctl = {
			.keysize = sizeof(PlanKey),
			.entrysize = sizeof(PlanEntry),
			.hcxt = CacheMemoryContext,
		};

		plan_cache = hash_create("customers plans", 64, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(plan_cache, key, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;
	return entry;
}

static bool
is_running(SPIPlanPtr plan)
{
	for (RunningPlan *item = running; item != NULL; item = item->outer)
	{
		if (item->plan == plan)
			return true;
	}
	return false;
}

/* Frees a plan that is no longer wanted, later if it is running. */
static void
retire_plan(SPIPlanPtr plan)
{
	RetiredPlan *item;

	if (plan == NULL)
		return;
	if (!is_running(plan))
	{
		SPI_freeplan(plan);
		return;
	}
	item = MemoryContextAlloc(CacheMemoryContext, sizeof(RetiredPlan));
	item->plan = plan;
	item->next = retired;
	retired = item;
}

/* Frees the retired plans that are running no longer. */
static void
free_retired_plans(void)
{
	RetiredPlan **link = &retired;

	while (*link != NULL)
	{
		RetiredPlan *item = *link;

		if (is_running(item->plan))
		{
			link = &item->next;
			continue;
		}
		*link = item->next;
		SPI_freeplan(item->plan);
		pfree(item);
	}
}

/* Forgets all plans of a made query (0: any) on a schema (invalid: any). */
static void
forget_plans(uint64 number, Oid schema)
{
	HASH_SEQ_STATUS status;
	PlanEntry *entry;

	if (plan_cache == NULL)
		return;
	hash_seq_init(&status, plan_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if ((number != 0 && entry->key.made != number) ||
			(OidIsValid(schema) && entry->key.schema != schema))
			continue;
		retire_plan(entry->plan);
		hash_search(plan_cache, &entry->key, HASH_REMOVE, NULL);
	}
}

/* Forgets the plans of a schema that is gone. */
void
cust_plan_forget(Oid schema)
{
	for (int i = 0; i < MAX_SCHEMAS; i++)
	{
		if (planned[i].schema == schema)
			planned[i].schema = InvalidOid;
	}
	forget_plans(0, schema);
}

/* Notes that the schema is used; of too many, the one used longest ago goes. */
static void
use_schema(Oid schema)
{
	PlannedSchema *oldest = &planned[0];

	for (int i = 0; i < MAX_SCHEMAS; i++)
	{
		if (planned[i].schema == schema)
		{
			planned[i].used = ++uses;
			return;
		}
		if (!OidIsValid(oldest->schema))
			continue;
		if (!OidIsValid(planned[i].schema) || planned[i].used < oldest->used)
			oldest = &planned[i];
	}
	if (OidIsValid(oldest->schema))
		forget_plans(0, oldest->schema);
	*oldest = (PlannedSchema){schema, ++uses};
}

static bool
is_same_query(const PlanQuery *a, const PlanQuery *b)
{
	return strcmp(a->text, b->text) == 0 && a->as_owner == b->as_owner &&
		a->read_only == b->read_only && a->newest == b->newest &&
		a->restricted == b->restricted && a->custom == b->custom &&
		a->nargs == b->nargs &&
		memcmp(a->argtypes, b->argtypes, a->nargs * sizeof(Oid)) == 0;
}

/* The number of the kept query that is the same. */
static uint64
number_of(const PlanQuery *query)
{
	static uint64 last_number = 0;
	MadeQuery *oldest = &made[0];
	char *text;

	for (int i = 0; i < MAX_MADE; i++)
	{
		if (made[i].number != 0 && is_same_query(&made[i].query, query))
		{
			made[i].used = ++uses;
			return made[i].number;
		}
		if (made[i].used < oldest->used)
			oldest = &made[i];
	}
	text = MemoryContextStrdup(CacheMemoryContext, query->text);
	if (oldest->number != 0)
	{
		forget_plans(oldest->number, InvalidOid);
		pfree(unconstify(char *, oldest->query.text));
	}
	*oldest = (MadeQuery){++last_number, ++uses, *query};
	oldest->query.text = text;
	return oldest->number;
}

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

/* The key of a query's plan. */
static PlanKey
make_key(const PlanQuery *query, const PlanTarget *target)
{
	PlanKey key;

	/* there may be padding */
	memset(&key, 0, sizeof(key));
	key.constant = query->made ? NULL : query;
	key.made = query->made ? number_of(query) : 0;
	key.schema = target->schema;
	return key;
}

/*
 * The kept plan, or a new one, whose relations are locked and verified.  Since
 * locking and verifying may lead here again, the entry is looked for anew after
 * each.
 */
static SPIPlanPtr
prepare_plan(const PlanQuery *query, const PlanTarget *target)
{
	PlanKey key = make_key(query, target);

	use_schema(target->schema);
	for (int tries = 0; tries <= MAX_TRIES; tries++)
	{
		PlanEntry *entry = find_entry(&key);
		SPIPlanPtr plan = entry->plan;
		PlanLocks locks = entry->locks;

		CHECK_FOR_INTERRUPTS();
		if (plan != NULL && strcmp(entry->name, target->name) == 0 &&
			(!locks.once || tries > 0) &&
			cust_planlocks_fit(target, plan, &locks))
			return plan;
		plan = make_plan(query, target);
		entry = find_entry(&key);
		retire_plan(entry->plan);
		entry->plan = plan;
		entry->locks = cust_planlocks_read(query->text, target, plan);
		strlcpy(entry->name, target->name, NAMEDATALEN);
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
 * Opens an SPI connection for statements and their results.  What is allocated until
 * cust_plan_end is gone after it; results that live on are copied.
 */
void
cust_plan_begin(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (retired != NULL)
		free_retired_plans();
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
	RunningPlan *outer = running;
	RunningPlan this;
	volatile PlanRows rows = {0, NULL};

	PG_TRY();
	{
		PlanRows result;

		this.plan = prepare_plan(query, target);
		this.outer = outer;
		running = &this;
		result = run_prepared(query, this.plan, args, limit);
		rows.count = result.count;
		rows.table = result.table;
	}
	PG_CATCH();
	{
		running = outer;
		cust_plan_rethrow(query, context);
	}
	PG_END_TRY();
	running = outer;
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
