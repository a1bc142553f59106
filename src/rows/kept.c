/*
 * kept.c
 *		Plans that are kept for the session: one per query and schema, for the
 *		schemas that were used last.
 *
 * Called by plan, and by who knows that a schema is gone.  Code of a schema's
 * owner that runs inside a plan may come here again, and may have any plan
 * forgotten: one that is running is freed when it runs no longer.
 */
#include "postgres.h"

#include "rows/kept.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* how many queries that were made are kept, and the plans of how many schemas */
#define MAX_MADE 64
#define MAX_SCHEMAS 32

typedef struct KeptEntry
{
	KeptKey key;
	KeptPlan kept;
} KeptEntry;

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

static HTAB *plan_cache = NULL;
static RetiredPlan *retired = NULL;
static RunningPlan *running = NULL;
static MadeQuery made[MAX_MADE];
static PlannedSchema planned[MAX_SCHEMAS];

/* counts what is used, so that what was used last is known */
static uint64 uses = 0;

/* ------------------------------------------------------------------------
 * Plans that run
 * ------------------------------------------------------------------------
 */

/* The plan that runs now, for cust_kept_set_running. */
RunningPlan *
cust_kept_running(void)
{
	return running;
}

/*
 * Notes in *run that the plan runs, until cust_kept_set_running, after an error
 * too.
 */
void
cust_kept_run(RunningPlan *run, SPIPlanPtr plan)
{
	run->plan = plan;
	run->outer = running;
	running = run;
}

/* What ran before runs again. */
void
cust_kept_set_running(RunningPlan *run)
{
	running = run;
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
void
cust_kept_free_retired(void)
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

/* ------------------------------------------------------------------------
 * The cache
 * ------------------------------------------------------------------------
 */

/* Forgets all plans of a made query (0: any) on a schema (invalid: any). */
static void
forget_plans(uint64 number, Oid schema)
{
	HASH_SEQ_STATUS status;
	KeptEntry *entry;

	if (plan_cache == NULL)
		return;
	hash_seq_init(&status, plan_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if ((number != 0 && entry->key.made != number) ||
			(OidIsValid(schema) && entry->key.schema != schema))
			continue;
		retire_plan(entry->kept.plan);
		hash_search(plan_cache, &entry->key, HASH_REMOVE, NULL);
	}
}

/* Forgets the plans of a schema that is gone. */
void
cust_kept_forget(Oid schema)
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

/* The key of a query's plan on a schema, which are used from now on. */
KeptKey
cust_kept_key(const PlanQuery *query, Oid schema)
{
	KeptKey key;

	use_schema(schema);
	/* there may be padding */
	memset(&key, 0, sizeof(key));
	key.constant = query->made ? NULL : query;
	key.made = query->made ? number_of(query) : 0;
	key.schema = schema;
	return key;
}

/* What is kept under the key; its plan is NULL if nothing is. */
KeptPlan
cust_kept_find(const KeptKey *key)
{
	KeptPlan nothing = {.plan = NULL};
	KeptEntry *entry = plan_cache == NULL ?
		NULL :
		hash_search(plan_cache, key, HASH_FIND, NULL);

	return entry == NULL ? nothing : entry->kept;
}

/* Keeps a plan, in the place of another. */
void
cust_kept_put(const KeptKey *key, const KeptPlan *kept)
{
	KeptEntry *entry;
	bool found;

	if (plan_cache == NULL)
	{
		HASHCTL ctl = {
			.keysize = sizeof(KeptKey),
			.entrysize = sizeof(KeptEntry),
			.hcxt = CacheMemoryContext,
		};

		plan_cache = hash_create("customers plans", 64, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(plan_cache, key, HASH_ENTER, &found);
	if (found)
		retire_plan(entry->kept.plan);
	entry->kept = *kept;
}
