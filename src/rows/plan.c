/*
 * plan.c
 *		The only SPI code: runs statements on the tables of a store, as the
 *		caller or as the owner, with plans that are kept for the session.
 *
 * Called by event and by the nouns.  A plan is kept per query and schema and
 * made anew when the schema's name has changed; SPI itself revalidates it when
 * a table has.  Knows no table of ours.
 */
#include "postgres.h"

#include "compat.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rows/plan.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define PLACEHOLDER "@store@"

/* how many dynamic queries are kept */
#define MAX_DYNAMIC 64

typedef struct PlanKey
{
	const PlanQuery *query;
	Oid schema;
} PlanKey;

typedef struct PlanEntry
{
	PlanKey key;
	char name[NAMEDATALEN]; /* of the schema when planned */
	SPIPlanPtr plan;		/* NULL: not made yet */
} PlanEntry;

/* A plan that was running when it was no longer wanted. */
typedef struct RetiredPlan
{
	SPIPlanPtr plan;
	LocalTransactionId xid;
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

/* dynamic queries, the oldest is replaced first */
static PlanQuery *dynamic[MAX_DYNAMIC];
static int next_dynamic = 0;

/* ------------------------------------------------------------------------
 * The cache of plans
 * ------------------------------------------------------------------------
 */

static PlanEntry *
find_entry(const PlanQuery *query, Oid schema)
{
	PlanKey key;
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
	memset(&key, 0, sizeof(key));
	key.query = query;
	key.schema = schema;
	entry = hash_search(plan_cache, &key, HASH_ENTER, &found);
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
retire_plan(PlanEntry *entry)
{
	SPIPlanPtr plan = entry->plan;
	RetiredPlan *item;

	entry->plan = NULL;
	if (plan == NULL)
		return;
	if (!is_running(plan))
	{
		SPI_freeplan(plan);
		return;
	}
	item = MemoryContextAlloc(CacheMemoryContext, sizeof(RetiredPlan));
	item->plan = plan;
	item->xid = CUST_LOCAL_XID();
	item->next = retired;
	retired = item;
}

/* Frees the plans that were retired in earlier transactions. */
static void
free_retired_plans(void)
{
	RetiredPlan **link = &retired;

	while (*link != NULL)
	{
		RetiredPlan *item = *link;

		if (item->xid == CUST_LOCAL_XID())
		{
			link = &item->next;
			continue;
		}
		*link = item->next;
		SPI_freeplan(item->plan);
		pfree(item);
	}
}

/* Retires all plans of a query (NULL: any) on a schema (invalid: any). */
static void
forget_plans(const PlanQuery *query, Oid schema)
{
	HASH_SEQ_STATUS status;
	PlanEntry *entry;

	if (plan_cache == NULL)
		return;
	hash_seq_init(&status, plan_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if ((query != NULL && entry->key.query != query) ||
			(OidIsValid(schema) && entry->key.schema != schema))
			continue;
		retire_plan(entry);
		hash_search(plan_cache, &entry->key, HASH_REMOVE, NULL);
	}
}

/* Retires the plans of a schema that is gone. */
void
cust_plan_forget(Oid schema)
{
	forget_plans(NULL, schema);
}

/*
 * The kept query that equals this one, whose text may be in short-lived
 * memory.  At most MAX_DYNAMIC are kept.
 */
const PlanQuery *
cust_plan_dynamic(const PlanQuery *query)
{
	PlanQuery *kept;

	for (int i = 0; i < MAX_DYNAMIC && dynamic[i] != NULL; i++)
	{
		if (strcmp(dynamic[i]->text, query->text) == 0)
			return dynamic[i];
	}
	kept = MemoryContextAlloc(CacheMemoryContext, sizeof(PlanQuery));
	*kept = *query;
	kept->text = MemoryContextStrdup(CacheMemoryContext, query->text);
	if (dynamic[next_dynamic] != NULL)
	{
		forget_plans(dynamic[next_dynamic], InvalidOid);
		pfree(unconstify(char *, dynamic[next_dynamic]->text));
		pfree(dynamic[next_dynamic]);
	}
	dynamic[next_dynamic] = kept;
	next_dynamic = (next_dynamic + 1) % MAX_DYNAMIC;
	return kept;
}

/* text with every placeholder replaced by the quoted name of the schema */
char *
cust_plan_substitute(const char *text, const char *schema)
{
	const char *quoted = quote_identifier(schema);
	const char *place;
	StringInfoData buf;

	initStringInfo(&buf);
	while ((place = strstr(text, PLACEHOLDER)) != NULL)
	{
		appendBinaryStringInfo(&buf, text, place - text);
		appendStringInfoString(&buf, quoted);
		text = place + strlen(PLACEHOLDER);
	}
	appendStringInfoString(&buf, text);
	return buf.data;
}

static SPIPlanPtr
prepare_plan(const PlanQuery *query, const PlanTarget *target)
{
	PlanEntry *entry = find_entry(query, target->schema);
	SPIPlanPtr plan;

	if (entry->plan != NULL && strcmp(entry->name, target->name) == 0)
		return entry->plan;
	retire_plan(entry);
	plan = SPI_prepare_cursor(cust_plan_substitute(query->text, target->name),
							  query->nargs, (Oid *) query->argtypes,
							  query->custom ? CURSOR_OPT_CUSTOM_PLAN : 0);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s",
			 SPI_result_code_string(SPI_result));
	/* preparing may have run code that came here too */
	entry = find_entry(query, target->schema);
	retire_plan(entry);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	strlcpy(entry->name, target->name, NAMEDATALEN);
	entry->plan = plan;
	return plan;
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

static PlanRows
run_prepared(const PlanQuery *query, SPIPlanPtr plan,
			 const NullableDatum *args, long limit)
{
	Datum values[PLAN_MAX_ARGS];
	char nulls[PLAN_MAX_ARGS];
	int result;

	for (int i = 0; i < query->nargs; i++)
	{
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	result = SPI_execute_plan(plan, values, nulls, query->read_only, limit);
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

/* Runs the query as whoever is the current user. */
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

/*
 * Acts as the owner, the way that referential-integrity triggers do it: row
 * security of the owner's own tables does not hide rows from a guard.  Returns
 * who acted, whom cust_plan_become takes; after an error the
 * (sub)transaction's abort puts him back.
 */
PlanUser
cust_plan_become_owner(const PlanTarget *target, int further)
{
	PlanUser caller;

	GetUserIdAndSecContext(&caller.id, &caller.security);
	SetUserIdAndSecContext(target->owner,
						   caller.security | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_NOFORCE_RLS | further);
	return caller;
}

void
cust_plan_become(PlanUser user)
{
	SetUserIdAndSecContext(user.id, user.security);
}

static PlanRows
run_as_owner(const PlanQuery *query, const PlanTarget *target,
			 const NullableDatum *args, long limit)
{
	int restricted = query->restricted ? SECURITY_RESTRICTED_OPERATION : 0;
	PlanUser caller = cust_plan_become_owner(target, restricted);
	PlanRows rows = run_query(query, target, args, limit);

	cust_plan_become(caller);
	return rows;
}

/*
 * Runs a query; limit 0 returns all rows.  Needs an open SPI connection, in which the
 * result lives.
 */
PlanRows
cust_plan_run(const PlanQuery *query, const PlanTarget *target,
			  const NullableDatum *args, long limit)
{
	if (query->as_owner)
		return run_as_owner(query, target, args, limit);
	return run_query(query, target, args, limit);
}

/* Runs a statement that is neither kept nor returns rows, as the caller. */
void
cust_plan_utility(const char *statement)
{
	int result = SPI_execute(statement, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}
