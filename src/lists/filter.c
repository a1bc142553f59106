/*
 * filter.c
 *		Which customers a list or count is about: reads the arguments search
 *		and filter, and writes the conditions of a query.
 *
 * Called by list.c.  The texts are constant, all values are parameters.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "lists/filter.h"
#include "lists/grams.h"
#include "miscadmin.h"
#include "report.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "values/email.h"
#include "values/json.h"

/* What every query with these conditions is made from. */
const PlanQuery cust_filter_template = {
	.made = true,
	.read_only = true,
	.nargs = LIST_COUNT,
	.argtypes = {[LIST_WORDS] = TEXTARRAYOID,
				 [LIST_GRAMS] = INT4ARRAYOID,
				 [LIST_HAS_ACCOUNT] = BOOLOID,
				 [LIST_GROUPS] = INT8ARRAYOID,
				 [LIST_NOT_GROUPS] = INT8ARRAYOID,
				 [LIST_EMAIL] = TEXTOID,
				 [LIST_EXTERNAL_ID] = TEXTOID,
				 [LIST_CREATED_FROM] = TIMESTAMPTZOID,
				 [LIST_CREATED_BEFORE] = TIMESTAMPTZOID,
				 [LIST_UPDATED_FROM] = TIMESTAMPTZOID,
				 [LIST_METADATA] = JSONBOID,
				 [LIST_AFTER_TEXT] = TEXTOID,
				 [LIST_AFTER_TIME] = TIMESTAMPTZOID,
				 [LIST_AFTER_ID] = INT8OID,
				 [LIST_INDEXED_WORDS] = TEXTARRAYOID,
				 [LIST_SAMPLE] = FLOAT4OID,
				 [LIST_SHORT_GRAMS] = INT4ARRAYOID},
};

#define SEARCH_FIELDS \
	"c.email, c.first_name, c.last_name, c.company_name, c.phone"

#define MATCHES(words) "customers.search_matches(" words ", " SEARCH_FIELDS ")"

#define GRAMS "customers.search_grams(" SEARCH_FIELDS ")"

/* Is the customer in one of the groups? */
#define IS_MEMBER(groups, fence)                            \
	"EXISTS (SELECT 1 FROM @store@.customer_group_member m" \
	" WHERE m.customer_id" EQ "c.id"                        \
	" AND m.customer_group_id" EQ "ANY (" groups ")" fence ")"

/*
 * Joined, the planner finds all members at once; with OFFSET, it looks up
 * this customer only.
 */
#define JOIN_MEMBER(groups) IS_MEMBER(groups, "")
#define PROBE_MEMBER(groups) IS_MEMBER(groups, " OFFSET 0")

/*
 * All members of the groups, ascending.  A row is found in an array faster
 * than in a hash table, which also takes longer to build; and of one group
 * the index has them in order.
 */
#define MEMBERS_OF(condition)                                         \
	"ARRAY(SELECT m.customer_id FROM @store@.customer_group_member m" \
	" WHERE m.customer_group_id" EQ condition " ORDER BY m.customer_id)"
#define MEMBERS_OF_GROUPS(groups) MEMBERS_OF("ANY (" groups ")")
#define MEMBERS_OF_GROUP(groups) MEMBERS_OF("(" groups ")[1]")
#define NO_MEMBERS "NULL::pg_catalog.int8[]"

/* Is the customer one of them? */
#define IN_ARRAY(members) \
	"(" members "[pg_catalog.width_bucket(c.id, " members ")]" EQ "c.id)"

/* Gives a parameter a value. */
void
cust_filter_set(Conditions *conditions, int parameter, Datum value)
{
	conditions->values[parameter].value = value;
	conditions->values[parameter].isnull = false;
}

/* ------------------------------------------------------------------------
 * Filters
 * ------------------------------------------------------------------------
 */

/* Makes a parameter of a filter's value. */
typedef void (*ReadFilter)(const JsonPair *pair, NullableDatum *parameter);

pg_noreturn static void
report_filter(const JsonPair *pair, const char *hint, const char *expected)
{
	cust_report_argument(hint, "key \"%s\" of filter must be %s", pair->key,
						 expected);
}

static void
read_string(const JsonPair *pair, NullableDatum *parameter)
{
	if (pair->value.type != jbvString)
		report_filter(pair, NULL, "a string");
	parameter->value = PointerGetDatum(cust_json_string(&pair->value));
	parameter->isnull = false;
}

static void
read_type(const JsonPair *pair, NullableDatum *parameter)
{
	static const char expected[] = "\"guest\" or \"registered\"";
	char *type;

	if (pair->value.type != jbvString)
		report_filter(pair, NULL, expected);
	type = text_to_cstring(cust_json_string(&pair->value));
	if (strcmp(type, "guest") != 0 && strcmp(type, "registered") != 0)
		report_filter(pair, NULL, expected);
	parameter->value = BoolGetDatum(strcmp(type, "registered") == 0);
	parameter->isnull = false;
}

/* What cannot be an address is nobody's: the parameter stays NULL. */
static void
read_email(const JsonPair *pair, NullableDatum *parameter)
{
	text *normal;

	read_string(pair, parameter);
	normal = cust_email_sought(DatumGetTextPP(parameter->value));
	parameter->value = PointerGetDatum(normal);
	parameter->isnull = normal == NULL;
}

static void
describe_time(void *pair)
{
	errcontext("key \"%s\" of filter", ((const JsonPair *) pair)->key);
}

static void
read_time(const JsonPair *pair, NullableDatum *parameter)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = describe_time,
		.arg = unconstify(JsonPair *, pair),
	};
	char *typed;

	read_string(pair, parameter);
	typed = TextDatumGetCString(parameter->value);
	error_context_stack = &context;
	parameter->value = DirectFunctionCall3(timestamptz_in,
										   CStringGetDatum(typed),
										   ObjectIdGetDatum(InvalidOid),
										   Int32GetDatum(-1));
	error_context_stack = context.previous;
}

/* The id that a JSON value is; raises 22023 when it is none. */
static Datum
read_id(const JsonPair *pair, const JsonbValue *value)
{
	char *digits;
	char *end;
	int64 id;

	if (value->type != jbvNumeric)
		report_filter(pair, NULL, "an array of ids");
	digits = DatumGetCString(
		DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	errno = 0;
	id = strtoi64(digits, &end, 10);
	if (errno != 0 || *end != '\0')
		cust_report_argument(
			NULL,
			"key \"%s\" of filter must be an array of ids, which %s is not",
			pair->key, digits);
	return Int64GetDatum(id);
}

static void
read_ids(const JsonPair *pair, NullableDatum *parameter)
{
	JsonbContainer *array;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	Datum *ids;
	int n = 0;

	if (pair->value.type != jbvBinary ||
		!JsonContainerIsArray(pair->value.val.binary.data))
		report_filter(pair, NULL, "an array of ids");
	array = pair->value.val.binary.data;
	ids = palloc(Max(JsonContainerSize(array), 1) * sizeof(Datum));
	iterator = JsonbIteratorInit(array);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_ELEM)
			ids[n++] = read_id(pair, &value);
	}
	parameter->value = PointerGetDatum(
		construct_array(ids, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	parameter->isnull = false;
}

static void
read_object(const JsonPair *pair, NullableDatum *parameter)
{
	Jsonb *object;

	if (pair->value.type != jbvBinary ||
		!JsonContainerIsObject(pair->value.val.binary.data))
		report_filter(pair, NULL, "an object");
	object = JsonbValueToJsonb(unconstify(JsonbValue *, &pair->value));
	parameter->value = JsonbPGetDatum(object);
	parameter->isnull = false;
}

static const struct FilterKey
{
	const char *name;
	int parameter;
	ReadFilter read;
	const char *condition;
	const char *probe; /* for one row, if it is written in another way */
	const char *sift;  /* the same beside arrays of members */
} filter_keys[] = {{"type", LIST_HAS_ACCOUNT, read_type,
					"c.has_account" EQ "$3", NULL, NULL},
				   {"groups", LIST_GROUPS, read_ids, JOIN_MEMBER("$4"),
					PROBE_MEMBER("$4"), IN_ARRAY("g.members")},
				   {"not_groups", LIST_NOT_GROUPS, read_ids,
					"NOT " JOIN_MEMBER("$5"), "NOT " PROBE_MEMBER("$5"),
					IN_ARRAY("g.others") " IS NOT TRUE"},
				   {"email", LIST_EMAIL, read_email,
					LOWER_C("c.email") EQ LOWER_C("$6"), NULL, NULL},
				   {"external_id", LIST_EXTERNAL_ID, read_string,
					"c.external_id" EQ "$7", NULL, NULL},
				   {"created_from", LIST_CREATED_FROM, read_time,
					"c.created_at" GE "$8", NULL, NULL},
				   {"created_before", LIST_CREATED_BEFORE, read_time,
					"c.created_at" LT "$9", NULL, NULL},
				   {"updated_from", LIST_UPDATED_FROM, read_time,
					"c.updated_at" GE "$10", NULL, NULL},
				   {"metadata", LIST_METADATA, read_object,
					"c.metadata" CONTAINS "$11", NULL, NULL}};

static const struct FilterKey *
find_filter(const JsonPair *pair)
{
	for (int i = 0; i < (int) lengthof(filter_keys); i++)
	{
		if (strcmp(filter_keys[i].name, pair->key) == 0)
			return &filter_keys[i];
	}
	cust_report_argument(
		"Keys are type, groups, not_groups, email, external_id, created_from, created_before, updated_from and metadata.",
		"unknown key \"%s\" in filter", pair->key);
}

static void
add_condition(StringInfo text, const char *condition)
{
	appendStringInfo(text, " AND %s", condition);
}

static void
add_filter(Conditions *conditions, const JsonPair *pair)
{
	const struct FilterKey *key = find_filter(pair);

	if (pair->value.type == jbvNull)
		report_filter(pair, "Leave the key out.", "a value other than null");
	key->read(pair, &conditions->values[key->parameter]);
	if (key->parameter == LIST_EMAIL || key->parameter == LIST_EXTERNAL_ID)
		conditions->is_lookup = true;
	if (key->parameter == LIST_CREATED_FROM ||
		key->parameter == LIST_CREATED_BEFORE)
	{
		add_condition(&conditions->created, key->condition);
		return;
	}
	add_condition(&conditions->joined, key->condition);
	add_condition(&conditions->tested,
				  key->probe ? key->probe : key->condition);
	add_condition(&conditions->sifted, key->sift ? key->sift : key->condition);
}

/* ------------------------------------------------------------------------
 * The conditions
 * ------------------------------------------------------------------------
 */

/* How the search index finds the rows of the terms; NULL: it does not. */
static const char *
find_by_grams(const SearchTerms *terms)
{
	StringInfoData text;
	const char *and = "";

	if (!terms->has_grams && terms->nshort == 0)
		return NULL;
	initStringInfo(&text);
	if (terms->has_grams)
	{
		appendStringInfoString(&text, GRAMS CONTAINS "$2");
		and = " AND ";
	}
	for (int i = 1; i <= terms->nshort; i++)
	{
		appendStringInfo(&text, "%s" GRAMS OVERLAPS "$17[%d:%d]", and, i, i);
		and = " AND ";
	}
	return text.data;
}

static void
add_search(Conditions *conditions, text *search, bool has_search_index)
{
	SearchTerms terms = cust_grams_search(search);

	if (terms.count == 0)
		return;
	add_condition(&conditions->joined, MATCHES("$1"));
	add_condition(&conditions->tested, MATCHES("$1"));
	add_condition(&conditions->sifted, MATCHES("$1"));
	cust_filter_set(conditions, LIST_WORDS, terms.words);
	if (has_search_index)
		conditions->by_grams = find_by_grams(&terms);
	if (conditions->by_grams == NULL)
		return;
	conditions->indexed = MATCHES("$15");
	cust_filter_set(conditions, LIST_GRAMS, terms.grams);
	cust_filter_set(conditions, LIST_SHORT_GRAMS, terms.short_grams);
	cust_filter_set(conditions, LIST_INDEXED_WORDS, terms.indexed);
}

/* How many ids has the parameter?  0 for NULL. */
static int
count_ids(const NullableDatum *parameter)
{
	return parameter->isnull ?
		0 :
		ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(parameter->value)),
					   ARR_DIMS(DatumGetArrayTypeP(parameter->value)));
}

static void
add_members(Conditions *conditions)
{
	int groups = count_ids(&conditions->values[LIST_GROUPS]);
	int not_groups = count_ids(&conditions->values[LIST_NOT_GROUPS]);

	conditions->members = NO_MEMBERS;
	if (groups > 0)
		conditions->members = groups == 1 ? MEMBERS_OF_GROUP("$4") :
											MEMBERS_OF_GROUPS("$4");
	conditions->others = NO_MEMBERS;
	if (not_groups > 0)
		conditions->others = not_groups == 1 ? MEMBERS_OF_GROUP("$5") :
											   MEMBERS_OF_GROUPS("$5");
}

/*
 * Reads the arguments search and filter, which are the function's first two,
 * for a store with a search index or without.
 * Raises 22023 for what is not in the contract.  Everything is allocated in
 * the current context.
 */
void
cust_filter_read(FunctionCallInfo fcinfo, bool has_search_index,
				 Conditions *conditions)
{
	memset(conditions, 0, sizeof(*conditions));
	initStringInfo(&conditions->joined);
	initStringInfo(&conditions->tested);
	initStringInfo(&conditions->sifted);
	initStringInfo(&conditions->created);
	for (int i = 0; i < LIST_COUNT; i++)
		conditions->values[i].isnull = true;
	if (!PG_ARGISNULL(0))
		add_search(conditions, PG_GETARG_TEXT_PP(0), has_search_index);
	if (!PG_ARGISNULL(1))
	{
		Jsonb *filter = PG_GETARG_JSONB_P(1);
		ListCell *cell;

		if (!JB_ROOT_IS_OBJECT(filter))
			cust_report_argument("A filter looks like {\"type\": \"guest\"}.",
								 "filter must be a JSON object");
		foreach(cell, cust_json_pairs(filter))
		{
			add_filter(conditions, lfirst(cell));
		}
	}
	add_members(conditions);
}
