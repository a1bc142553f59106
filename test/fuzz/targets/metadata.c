/* metadata.c: metadata as jsonb, and any order of its keys. */
#include "server.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "values/json.h"
#include "values/keyorder.h"

#define KEYS 20

static ArrayType *
read_order(Input *input)
{
	Datum keys[KEYS];
	bool nulls[KEYS];
	int dims[1] = {0};
	int lower[1] = {(int8) input_byte(input)};

	while (input->left > 0 && dims[0] < KEYS)
	{
		text *key = server_next_text(input);

		nulls[dims[0]] = VARSIZE_ANY_EXHDR(key) == 1;
		keys[dims[0]++] = PointerGetDatum(key);
	}
	return construct_md_array(keys, nulls, 1, dims, lower, TEXTOID, -1, false,
							  TYPALIGN_INT);
}

void
fuzz_one(Input *input)
{
	char *json = text_to_cstring(server_next_text(input));
	Jsonb *object = DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	ArrayType *order;

	if (!JB_ROOT_IS_OBJECT(object))
		return;
	order = cust_keyorder_complete(object, read_order(input));
	PROMISE(ArrayGetNItems(ARR_NDIM(order), ARR_DIMS(order)) ==
			JB_ROOT_COUNT(object));
	PROMISE(!array_contains_nulls(order));
	PROMISE(list_length(cust_json_pairs(object)) == JB_ROOT_COUNT(object));
	PROMISE(list_length(cust_json_keys(object)) == JB_ROOT_COUNT(object));
	(void) cust_json_has_empty_key(object);
	(void) cust_json_null_keys(object);
}
