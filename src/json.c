/*
 * json.c
 *		Builds jsonb objects for events and deliveries, and reads those that
 *		callers give.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "json.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* A string value of s, which must outlive the builder. */
static JsonbValue
string_value(const char *s)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, s);
	value.val.string.len = strlen(s);
	return value;
}

static void
push_key(JsonObject *object, const char *key)
{
	JsonbValue value = string_value(key);

	cust_push_jsonb(&object->state, WJB_KEY, &value);
}

/* Starts an object; everything is allocated in the current context. */
void
cust_json_begin(JsonObject *object)
{
	memset(object, 0, sizeof(*object));
	cust_push_jsonb(&object->state, WJB_BEGIN_OBJECT, NULL);
}

void
cust_json_int64(JsonObject *object, const char *key, int64 number)
{
	JsonbValue value;

	push_key(object, key);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	cust_push_jsonb(&object->state, WJB_VALUE, &value);
}

/* NULL adds the value null. */
void
cust_json_text(JsonObject *object, const char *key, const char *s)
{
	JsonbValue value = {
		.type = jbvNull,
	};

	push_key(object, key);
	if (s != NULL)
		value = string_value(s);
	cust_push_jsonb(&object->state, WJB_VALUE, &value);
}

/* An array of strings. */
void
cust_json_texts(JsonObject *object, const char *key, const List *values)
{
	const ListCell *cell;

	push_key(object, key);
	cust_push_jsonb(&object->state, WJB_BEGIN_ARRAY, NULL);
	foreach(cell, values)
	{
		JsonbValue value = string_value(lfirst(cell));

		cust_push_jsonb(&object->state, WJB_ELEM, &value);
	}
	cust_push_jsonb(&object->state, WJB_END_ARRAY, NULL);
}

/* The finished object as a jsonb datum. */
Datum
cust_json_end(JsonObject *object)
{
	cust_push_jsonb(&object->state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(object->state.result));
}

/* An object without keys. */
Jsonb *
cust_json_empty(void)
{
	JsonObject object;

	cust_json_begin(&object);
	return DatumGetJsonbP(cust_json_end(&object));
}

/* The pairs of an object, as JsonPair; values that are containers stay so. */
List *
cust_json_pairs(Jsonb *object)
{
	List *pairs = NIL;
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbValue value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		JsonPair *pair;

		if (token != WJB_KEY)
			continue;
		pair = palloc(sizeof(JsonPair));
		pair->key = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&iterator, &pair->value, true);
		pairs = lappend(pairs, pair);
	}
	return pairs;
}

/* The keys of an object whose value is null, as a text[]. */
Datum
cust_json_null_keys(Jsonb *object)
{
	List *pairs = cust_json_pairs(object);
	Datum *keys = palloc(Max(list_length(pairs), 1) * sizeof(Datum));
	int n = 0;
	ListCell *cell;

	foreach(cell, pairs)
	{
		JsonPair *pair = lfirst(cell);

		if (pair->value.type == jbvNull)
			keys[n++] = CStringGetTextDatum(pair->key);
	}
	return PointerGetDatum(
		construct_array(keys, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The text of a string value. */
text *
cust_json_string(const JsonbValue *value)
{
	Assert(value->type == jbvString);
	return cstring_to_text_with_len(value->val.string.val,
									value->val.string.len);
}
