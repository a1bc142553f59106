/*
 * json.h
 *		Builds and reads jsonb objects.
 */
#ifndef CUSTOMERS_JSON_H
#define CUSTOMERS_JSON_H

#include "compat.h"
#include "nodes/pg_list.h"

#define JSON_MAX_PAIRS 8

/* An object under construction: keys and strings must outlive it. */
typedef struct JsonObject
{
	int n;
	JsonbPair pairs[JSON_MAX_PAIRS];
} JsonObject;

extern void cust_json_begin(JsonObject *object);
extern void cust_json_int64(JsonObject *object, const char *key, int64 value);
extern void cust_json_text(JsonObject *object, const char *key,
						   const char *value);
extern void cust_json_texts(JsonObject *object, const char *key,
							const List *values);
extern Datum cust_json_end(JsonObject *object);
extern JsonbValue cust_json_value(JsonObject *object);
extern Datum cust_json_array(JsonbValue *elements, int n);
extern Jsonb *cust_json_empty(void);

/* one pair of an object being read; key is NUL-terminated */
typedef struct JsonPair
{
	char *key;
	JsonbValue value;
} JsonPair;

extern List *cust_json_pairs(Jsonb *object);
extern List *cust_json_keys(Jsonb *object);
extern Datum cust_json_null_keys(Jsonb *object);
extern bool cust_json_has_empty_key(Jsonb *object);
extern bool cust_json_is_metadata(Datum value);
extern text *cust_json_string(const JsonbValue *value);

#endif /* CUSTOMERS_JSON_H */
