/*
 * listquery.c
 *		Finds the customers of a page, and counts those of a list.
 *
 * Called by list.c, with an SPI connection open.
 *
 * Without conditions a page is read along the index of its sort, from the
 * cursor on.  With conditions that could go on for long, and the planner
 * cannot know how common a word is, nor where its rows lie; what it guesses
 * is off by a thousand either way.  So it is found out, step by step:
 *
 * - The next few customers in order are tested.  What is common fills a page.
 * - A sample of the table tells how common the words and the conditions are.
 * - If the words are rare, the search index finds their rows, the other
 *	 conditions are tested row by row, and the few that are left are sorted.
 * - If the sample promises it, more customers are tested in order.
 * - Otherwise the planner is left to join and scan as it likes, but without
 *	 the search index, which is no help for what many rows have.  A large group
 *	 is the exception: nothing is faster than to test all customers for it.
 *
 * Each step costs at most about as much as the one that it may save.
 */
#include "postgres.h"

#include "access/table.h"
#include "guc.h"
#include "lists/listquery.h"
#include "rows/planlocks.h"
#include "storage/bufmgr.h"

/* tested in order: at first, for a large page, when a sample promises a page */
#define FIRST_WINDOW "1000"
#define LARGE_WINDOW "5000"
#define LAST_WINDOW "20000"
#define LAST_WINDOW_ROWS 20000

/* what a plan is made for: pages of different sizes share it */
#define SMALL_PAGE 100
#define SMALL_LIMIT " LIMIT 100"
#define LARGE_LIMIT " LIMIT 1000"

/* so many blocks are a sample, and a table of fewer needs none */
#define SAMPLE_BLOCKS 32
#define SMALL_TABLE 256

/* a group of so many members is large */
#define LARGE_GROUP "20000"

/* a word in fewer rows than one of so many is rare; or very rare */
#define RARE 10
#define VERY_RARE 50

/* so many rows can be tested in order while the search index finds one */
#define TESTED_PER_FOUND 2

/* ------------------------------------------------------------------------
 * Sorts
 * ------------------------------------------------------------------------
 */

/*
 * Behind the cursor, in the direction of the operator.  Each is written so
 * that the index of the sort starts there.
 */
#define AFTER_ID(op) "c.id" op "$14"
#define EMAIL_KEY LOWER_C("c.email")
#define AFTER_EMAIL(op, or_equal) \
	EMAIL_KEY or_equal "$12 AND (" EMAIL_KEY op "$12 OR c.id" op "$14)"
#define AFTER_LAST_NAME(op) "ROW(c.last_name, c.id)" op "ROW($12, $14)"
#define AFTER_CREATED_AT(op) "ROW(c.created_at, c.id)" op "ROW($13, $14)"

/* The same where the key is NULL, which only a last_name can be. */
#define AFTER_NULL(op) "c.last_name IS NULL AND c.id" op "$14"

static const struct SortKey
{
	const char *key; /* to order by before the id, or NULL */
	const char *after;
	const char *before;
} sort_keys[] = {[SORT_ID] = {NULL, AFTER_ID(GT), AFTER_ID(LT)},
				 [SORT_EMAIL] = {EMAIL_KEY, AFTER_EMAIL(GT, GE),
								 AFTER_EMAIL(LT, LE)},
				 [SORT_LAST_NAME] = {"c.last_name", AFTER_LAST_NAME(GT),
									 AFTER_LAST_NAME(LT)},
				 [SORT_CREATED_AT] = {"c.created_at", AFTER_CREATED_AT(GT),
									  AFTER_CREATED_AT(LT)}};

/*
 * Lets the page start behind the cursor whose parameters are set.  NULLs come
 * last in ascending and first in descending order; they are a part of the
 * index by themselves.
 */
void
cust_listquery_start(ListPage *page, bool key_is_null)
{
	const struct SortKey *key = &sort_keys[page->sort];

	page->first = page->descending ? key->before : key->after;
	if (page->sort != SORT_LAST_NAME)
		return;
	if (key_is_null)
		page->first = page->descending ? AFTER_NULL(LT) : AFTER_NULL(GT);
	if (key_is_null && page->descending)
		page->rest = "c.last_name IS NOT NULL";
	if (!key_is_null && !page->descending)
		page->rest = "c.last_name IS NULL";
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

/* what a subquery hands on: all that conditions are made of */
#define ROW_COLUMNS                                            \
	"c.id, c.email, c.has_account, c.first_name, c.last_name," \
	" c.company_name, c.phone, c.metadata, c.external_id,"     \
	" c.created_at, c.updated_at"

#define FROM_CUSTOMER " FROM @store@.customer c WHERE true"

/* Runs a query that has the same plan for all values. */
static PlanRows
run_steady(const ListPage *page, const StringInfoData *text, int limit)
{
	PlanQuery query = cust_filter_template;

	query.text = text->data;
	return cust_plan_run(&query, &page->store->target, page->conditions.values,
						 limit);
}

/*
 * Runs a query whose plan depends on the values: on how large a group is.
 * Compiling it would take longer than any.
 */
static PlanRows
run_custom(const ListPage *page, const StringInfoData *text, int limit)
{
	PlanQuery query = cust_filter_template;
	int level = cust_guc_set_for_statement("jit", "off");
	PlanRows rows;

	query.text = text->data;
	query.custom = true;
	rows = cust_plan_run(&query, &page->store->target, page->conditions.values,
						 limit);
	cust_guc_unset(level);
	return rows;
}

/* Adds ORDER BY with the key, NULL for the id alone. */
static void
append_order(StringInfo text, const ListPage *page, const char *key)
{
	const char *direction = page->descending ? " DESC" : "";

	appendStringInfoString(text, " ORDER BY ");
	if (key)
		appendStringInfo(text, "%s%s, ", key, direction);
	appendStringInfo(text, "c.id%s", direction);
}

/* Adds the order of a subquery that append_subquery began. */
static void
append_outer_order(StringInfo text, const ListPage *page)
{
	append_order(text, page, sort_keys[page->sort].key ? "c.sort_key" : NULL);
	appendStringInfoString(text,
						   page->size <= SMALL_PAGE ? SMALL_LIMIT :
													  LARGE_LIMIT);
}

/* Adds the beginning of a query of ids from a subquery with these columns. */
static void
append_subquery(StringInfo text, const ListPage *page, const char *columns)
{
	appendStringInfo(text, "SELECT c.id FROM (SELECT %s", columns);
	if (sort_keys[page->sort].key)
		appendStringInfo(text, ", %s AS sort_key", sort_keys[page->sort].key);
}

/* Adds FROM and WHERE of the rows that the index of the sort finds. */
static void
append_in_order(StringInfo text, const ListPage *page, const char *position)
{
	appendStringInfoString(text, FROM_CUSTOMER);
	if (position)
		appendStringInfo(text, " AND %s", position);
	if (page->sort == SORT_CREATED_AT)
		appendStringInfoString(text, page->conditions.created.data);
	append_order(text, page, sort_keys[page->sort].key);
}

/* The rows at that position, which are subject to no other condition. */
static PlanRows
list_in_order(const ListPage *page, const char *position, int limit)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT c.id");
	append_in_order(&text, page, position);
	appendStringInfoString(&text,
						   page->size <= SMALL_PAGE ? SMALL_LIMIT :
													  LARGE_LIMIT);
	return run_steady(page, &text, limit);
}

/* Those of the next rows, as many as the window, that meet the conditions. */
static PlanRows
list_window(const ListPage *page, const char *window)
{
	StringInfoData text;

	initStringInfo(&text);
	append_subquery(&text, page, ROW_COLUMNS);
	append_in_order(&text, page, page->first);
	appendStringInfo(&text, " LIMIT %s) c WHERE true%s", window,
					 page->conditions.tested.data);
	if (page->sort != SORT_CREATED_AT)
		appendStringInfoString(&text, page->conditions.created.data);
	append_outer_order(&text, page);
	return run_steady(page, &text, page->size);
}

/* Does the list end within the window?  Not from the start of a large one. */
static bool
ends_in_window(const ListPage *page, const char *window)
{
	StringInfoData text;

	if (page->rest ||
		(page->first == NULL &&
		 (page->conditions.created.len == 0 || page->sort != SORT_CREATED_AT)))
		return false;
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT c.id");
	append_in_order(&text, page, page->first);
	appendStringInfo(&text, " OFFSET %s LIMIT 1", window);
	return run_steady(page, &text, 1).count == 0;
}

/* How rows that meet the conditions are found. */
typedef enum Way
{
	BY_PLANNER,
	BY_GRAMS,
	BY_SIFTING
} Way;

/* Adds FROM and WHERE of all rows that meet the conditions. */
static void
append_conditions(StringInfo text, const Conditions *conditions, Way way)
{
	if (way == BY_SIFTING)
		appendStringInfo(
			text,
			" FROM (SELECT %s AS members, %s AS others OFFSET 0) g,"
			" @store@.customer c WHERE true%s",
			conditions->members, conditions->others, conditions->sifted.data);
	else if (way == BY_GRAMS)
		appendStringInfo(text, FROM_CUSTOMER " AND %s%s", conditions->by_grams,
						 conditions->tested.data);
	else
		appendStringInfo(text, FROM_CUSTOMER "%s", conditions->joined.data);
	appendStringInfoString(text, conditions->created.data);
}

/*
 * The rows that meet the conditions, found without regard to the order:
 * OFFSET keeps the planner from walking the index of the sort.
 */
static PlanRows
list_by_conditions(const ListPage *page, Way way)
{
	StringInfoData text;

	initStringInfo(&text);
	append_subquery(&text, page, "c.id");
	append_conditions(&text, &page->conditions, way);
	if (page->rest)
		appendStringInfo(&text, " AND (%s OR %s)", page->first, page->rest);
	else if (page->first)
		appendStringInfo(&text, " AND %s", page->first);
	appendStringInfoString(&text, " OFFSET 0) c");
	append_outer_order(&text, page);
	return run_custom(page, &text, page->size);
}

/* ------------------------------------------------------------------------
 * Samples
 * ------------------------------------------------------------------------
 */

/* Of how many rows a condition holds; of none if there is no sample. */
typedef struct Sample
{
	int64 rows;
	int64 found;	  /* by the search index */
	int64 fulfil;	  /* all conditions */
	double customers; /* how many there are about */
} Sample;

static BlockNumber
customer_blocks(const Store *store)
{
	Oid relid = store->tables[STORE_CUSTOMER];
	Relation rel = cust_planlocks_open(&store->target, relid, AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);

	table_close(rel, AccessShareLock);
	return blocks;
}

/*
 * Takes a sample, always of the same blocks, so that equal calls do equal
 * work.  In whole blocks it is cheap, and 32 of them tell a word of one row
 * in ten from a rare one even if its rows lie close together.
 */
static Sample
take_sample(const ListPage *page)
{
	const Conditions *conditions = &page->conditions;
	BlockNumber blocks = customer_blocks(page->store);
	ListPage sampled = *page;
	Sample sample;
	StringInfoData text;
	PlanRows rows;

	if (blocks < SMALL_TABLE)
		return (Sample){0};
	cust_filter_set(&sampled.conditions, LIST_SAMPLE,
					Float4GetDatum(100.0f * SAMPLE_BLOCKS / blocks));
	initStringInfo(&text);
	appendStringInfo(&text,
					 "SELECT pg_catalog.count(*),"
					 " pg_catalog.count(*) FILTER (WHERE %s),"
					 " pg_catalog.count(*) FILTER (WHERE true%s%s)"
					 " FROM @store@.customer c"
					 " TABLESAMPLE pg_catalog.system ($16) REPEATABLE (0)",
					 conditions->indexed ? conditions->indexed : "true",
					 conditions->created.data, conditions->tested.data);
	rows = run_steady(&sampled, &text, 1);
	sample.rows = cust_plan_int64(&rows, 0, 1);
	sample.found = cust_plan_int64(&rows, 0, 2);
	sample.fulfil = cust_plan_int64(&rows, 0, 3);
	sample.customers = (double) sample.rows * blocks / SAMPLE_BLOCKS;
	return sample;
}

/* Is what the search index finds few of the rows? */
static bool
is_rare(const Sample *sample, int one_of)
{
	return sample->found * one_of < sample->rows;
}

/*
 * Are the rows of the words, which the search index finds, likely fewer than
 * those that are met in order until the page is full?
 */
static bool
is_sooner_found(const Sample *sample, const ListPage *page)
{
	double rows = sample->rows;

	/* in these orders the rows of a word lie close together, perhaps far off */
	if (page->sort == SORT_EMAIL || page->sort == SORT_LAST_NAME)
		return is_rare(sample, VERY_RARE);
	return TESTED_PER_FOUND * sample->found * sample->customers *
		sample->fulfil <
		page->size * rows * rows;
}

/* Are there likely enough rows in the last window for half a page? */
static bool
promises_page(const Sample *sample, const ListPage *page)
{
	return sample->fulfil * LAST_WINDOW_ROWS * 2 > sample->rows * page->size;
}

/* Have the groups of the filter so many members that scanning is faster? */
static bool
has_large_groups(const ListPage *page)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text,
						   "SELECT 1 FROM @store@.customer_group_member m"
						   " WHERE m.customer_group_id" EQ
						   "ANY ($4) OFFSET " LARGE_GROUP " LIMIT 1");
	return run_steady(page, &text, 1).count > 0;
}

/*
 * Without a sample, of a small table, the search index is good for any word,
 * and the planner for all else.
 */
static Way
choose_way(const ListPage *page, const Sample *sample)
{
	const Conditions *conditions = &page->conditions;
	bool has_groups = !conditions->values[LIST_GROUPS].isnull;
	bool has_others = !conditions->values[LIST_NOT_GROUPS].isnull;

	if (conditions->is_lookup)
		return BY_PLANNER;
	if (conditions->by_grams && (sample->rows == 0 || is_rare(sample, RARE)))
		return BY_GRAMS;
	if (sample->rows == 0 || !(has_groups || has_others))
		return BY_PLANNER;
	if (has_groups && !has_large_groups(page))
		return BY_PLANNER;
	return BY_SIFTING;
}

/* ------------------------------------------------------------------------
 * The steps
 * ------------------------------------------------------------------------
 */

/* Tests the rows of a window; true if that is the page. */
static bool
try_window(const ListPage *page, const char *window, PlanRows *rows)
{
	*rows = list_window(page, window);
	return rows->count == (uint64) page->size || ends_in_window(page, window);
}

static PlanRows
list_under_conditions(const ListPage *page)
{
	const Conditions *conditions = &page->conditions;
	Sample sample;
	PlanRows rows;

	if (conditions->is_lookup)
		return list_by_conditions(page, BY_PLANNER);
	if (try_window(page,
				   page->size <= SMALL_PAGE ? FIRST_WINDOW : LARGE_WINDOW,
				   &rows))
		return rows;
	sample = take_sample(page);
	if (!(conditions->by_grams && is_sooner_found(&sample, page)) &&
		promises_page(&sample, page) && try_window(page, LAST_WINDOW, &rows))
		return rows;
	return list_by_conditions(page, choose_way(page, &sample));
}

static void
add_ids(ListIds *ids, const PlanRows *rows)
{
	for (uint64 row = 0; row < rows->count; row++)
		ids->values[ids->count++] = Int64GetDatum(
			cust_plan_int64(rows, row, 1));
}

/* The customers of the page. */
ListIds
cust_listquery_page(const ListPage *page)
{
	const Conditions *conditions = &page->conditions;
	ListIds ids = {0, palloc(page->size * sizeof(Datum))};
	PlanRows rows;

	if (conditions->tested.len > 0 ||
		(conditions->created.len > 0 && page->sort != SORT_CREATED_AT))
	{
		rows = list_under_conditions(page);
		add_ids(&ids, &rows);
		return ids;
	}
	rows = list_in_order(page, page->first, page->size);
	add_ids(&ids, &rows);
	if (page->rest == NULL || ids.count == page->size)
		return ids;
	rows = list_in_order(page, page->rest, page->size - ids.count);
	add_ids(&ids, &rows);
	return ids;
}

/* How many customers meet the conditions; the rest of the page is unused. */
int64
cust_listquery_count(const ListPage *page)
{
	const Conditions *conditions = &page->conditions;
	Sample sample = {0};
	StringInfoData text;
	PlanRows rows;

	if (!conditions->is_lookup && conditions->tested.len > 0)
		sample = take_sample(page);
	initStringInfo(&text);
	appendStringInfoString(&text, "SELECT pg_catalog.count(*)");
	append_conditions(&text, conditions, choose_way(page, &sample));
	rows = run_custom(page, &text, 1);
	return cust_plan_int64(&rows, 0, 1);
}
