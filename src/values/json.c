/*
 * json.c
 *		Builds jsonb objects for events and deliveries, and reads those that
 *		callers give.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "values/json.h"

/* ------------------------------------------------------------------------
 * Building
 *
 * Events are built for every row of a bulk load, so the values that
 * JsonbValueToJsonb takes are made in place; pushing token by token takes
 * twice as long.
 * ------------------------------------------------------------------------
 */

static void
set_string(JsonbValue *value, const char *s)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, s);
	value->val.string.len = strlen(s);
}

/* A new pair with that key; the place of its value. */
static JsonbValue *
add_pair(JsonObject *object, const char *key)
{
	JsonbPair *pair = &object->pairs[object->n++];

	Assert(object->n <= JSON_MAX_PAIRS);
	set_string(&pair->key, key);
	return &pair->value;
}

/* Starts an object. */
void
cust_json_begin(JsonObject *object)
{
	object->n = 0;
}

void
cust_json_int64(JsonObject *object, const char *key, int64 number)
{
	JsonbValue *value = add_pair(object, key);

	value->type = jbvNumeric;
	value->val.numeric = int64_to_numeric(number);
}

/* NULL adds the value null. */
void
cust_json_text(JsonObject *object, const char *key, const char *s)
{
	JsonbValue *value = add_pair(object, key);

	if (s != NULL)
		set_string(value, s);
	else
		value->type = jbvNull;
}

static JsonbValue
array_value(JsonbValue *elements, int n)
{
	JsonbValue array = {
		.type = jbvArray,
	};

	array.val.array.nElems = n;
	array.val.array.elems = elements;
	array.val.array.rawScalar = false;
	return array;
}

/* An array of strings. */
void
cust_json_texts(JsonObject *object, const char *key, const List *values)
{
	JsonbValue *elements = palloc(Max(list_length(values), 1) *
								  sizeof(JsonbValue));
	const ListCell *cell;
	int n = 0;

	foreach(cell, values)
	{
		set_string(&elements[n++], lfirst(cell));
	}
	*add_pair(object, key) = array_value(elements, n);
}

/* Is the key of a pair behind that of another, as jsonb sorts them? */
static bool
is_behind(const JsonbPair *a, const JsonbPair *b)
{
	int length = a->key.val.string.len;

	if (length != b->key.val.string.len)
		return length > b->key.val.string.len;
	return memcmp(a->key.val.string.val, b->key.val.string.val, length) > 0;
}

static void
sort_pairs(JsonbPair *pairs, int n)
{
	for (int i = 1; i < n; i++)
	{
		JsonbPair pair = pairs[i];
		int place = i;

		for (; place > 0 && is_behind(&pairs[place - 1], &pair); place--)
			pairs[place] = pairs[place - 1];
		pairs[place] = pair;
	}
}

/* The finished object as a value, which is made of it. */
JsonbValue
cust_json_value(JsonObject *object)
{
	JsonbValue value = {
		.type = jbvObject,
	};

	sort_pairs(object->pairs, object->n);
	value.val.object.nPairs = object->n;
	value.val.object.pairs = object->pairs;
	return value;
}

/* The finished object as a jsonb datum, in the current context. */
Datum
cust_json_end(JsonObject *object)
{
	JsonbValue value = cust_json_value(object);

	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

/* The array of these as a jsonb datum. */
Datum
cust_json_array(JsonbValue *elements, int n)
{
	JsonbValue value = array_value(elements, n);

	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

/* An object without keys. */
Jsonb *
cust_json_empty(void)
{
	JsonObject object;

	cust_json_begin(&object);
	return DatumGetJsonbP(cust_json_end(&object));
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

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

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		pair = palloc(sizeof(JsonPair));
		pair->key = pnstrdup(value.val.string.val, value.val.string.len);
		(void) JsonbIteratorNext(&iterator, &pair->value, true);
		pairs = lappend(pairs, pair);
	}
	return pairs;
}

/* The keys of an object, as text. */
List *
cust_json_keys(Jsonb *object)
{
	List *keys = NIL;
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbValue value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY)
			keys = lappend(keys, cust_json_string(&value));
	}
	return keys;
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

/* Is one of the object's keys empty? */
bool
cust_json_has_empty_key(Jsonb *object)
{
	return getKeyJsonValueFromContainer(&object->root, "", 0, NULL) != NULL;
}

/* Can a row have this jsonb as its metadata? */
bool
cust_json_is_metadata(Datum value)
{
	Jsonb *metadata = DatumGetJsonbP(value);

	return JB_ROOT_IS_OBJECT(metadata) && !cust_json_has_empty_key(metadata);
}

/* The text of a string value. */
text *
cust_json_string(const JsonbValue *value)
{
	Assert(value->type == jbvString);
	return cstring_to_text_with_len(value->val.string.val,
									value->val.string.len);
}
