/*
 * keyorder.c
 *		An order of the keys of a jsonb object, which has none of its own.
 *
 * Used by the guard of customers to keep metadata_order in step with
 * metadata.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "values/json.h"
#include "values/keyorder.h"

static bool
has_key(Jsonb *object, text *key)
{
	return getKeyJsonValueFromContainer(&object->root, VARDATA_ANY(key),
										VARSIZE_ANY_EXHDR(key), NULL) != NULL;
}

static bool
is_listed(const Datum *keys, int n, text *key)
{
	for (int i = 0; i < n; i++)
	{
		text *other = DatumGetTextPP(keys[i]);

		if (VARSIZE_ANY_EXHDR(other) == VARSIZE_ANY_EXHDR(key) &&
			memcmp(VARDATA_ANY(other), VARDATA_ANY(key),
				   VARSIZE_ANY_EXHDR(key)) == 0)
			return true;
	}
	return false;
}

/* Is one of the object's keys empty? */
bool
cust_keyorder_has_blank(Jsonb *object)
{
	return getKeyJsonValueFromContainer(&object->root, "", 0, NULL) != NULL;
}

/*
 * The object's keys, each once: those of order first, as they stand there,
 * then the others in the object's own order.
 */
ArrayType *
cust_keyorder_complete(Jsonb *object, ArrayType *order)
{
	int nkeys = JB_ROOT_COUNT(object);
	Datum *keys = palloc(Max(nkeys, 1) * sizeof(Datum));
	int n = 0;
	Datum *given;
	bool *nulls;
	int ngiven;
	List *others;
	ListCell *cell;
	int nordered;

	deconstruct_array(order, TEXTOID, -1, false, TYPALIGN_INT, &given, &nulls,
					  &ngiven);
	for (int i = 0; i < ngiven && n < nkeys; i++)
	{
		text *key = nulls[i] ? NULL : DatumGetTextPP(given[i]);

		if (key && has_key(object, key) && !is_listed(keys, n, key))
			keys[n++] = given[i];
	}
	/* the usual case: nothing to append */
	others = n < nkeys ? cust_json_keys(object) : NIL;
	nordered = n;
	foreach(cell, others)
	{
		text *key = lfirst(cell);

		if (!is_listed(keys, nordered, key))
			keys[n++] = PointerGetDatum(key);
	}
	return construct_array(keys, n, TEXTOID, -1, false, TYPALIGN_INT);
}
