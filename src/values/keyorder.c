/*
 * keyorder.c
 *		An order of the keys of a jsonb object, which has none of its own.
 *
 * Used by the guard of customers to keep metadata_order in step with
 * metadata.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "values/json.h"
#include "values/keyorder.h"

/* Keys in the order of jsonb: the shorter ones first. */
static int
compare_keys(const void *a, const void *b)
{
	const text *x = DatumGetTextPP(*(const Datum *) a);
	const text *y = DatumGetTextPP(*(const Datum *) b);
	size_t length = VARSIZE_ANY_EXHDR(x);

	if (length != VARSIZE_ANY_EXHDR(y))
		return length < VARSIZE_ANY_EXHDR(y) ? -1 : 1;
	return memcmp(VARDATA_ANY(x), VARDATA_ANY(y), length);
}

/* The keys of the object as texts, which compare_keys finds in order. */
static Datum *
keys_of(Jsonb *object)
{
	Datum *keys = palloc(Max(JB_ROOT_COUNT(object), 1) * sizeof(Datum));
	int n = 0;
	ListCell *cell;

	foreach(cell, cust_json_keys(object))
	{
		keys[n++] = PointerGetDatum(lfirst(cell));
	}
	Assert(n == (int) JB_ROOT_COUNT(object));
	return keys;
}

/*
 * The object's keys, each once: those of order first, as they stand there,
 * then the others in the object's own order.  What is in order is anybody's.
 */
ArrayType *
cust_keyorder_complete(Jsonb *object, ArrayType *order)
{
	int nkeys = JB_ROOT_COUNT(object);
	Datum *own = keys_of(object);
	bool *listed = palloc0(Max(nkeys, 1) * sizeof(bool));
	Datum *keys = palloc(Max(nkeys, 1) * sizeof(Datum));
	int n = 0;
	Datum *given;
	bool *nulls;
	int ngiven;

	deconstruct_array(order, TEXTOID, -1, false, TYPALIGN_INT, &given, &nulls,
					  &ngiven);
	for (int i = 0; i < ngiven && n < nkeys; i++)
	{
		Datum *found = NULL;

		CHECK_FOR_INTERRUPTS();
		if (!nulls[i])
			found = bsearch(&given[i], own, nkeys, sizeof(Datum),
							compare_keys);
		if (found == NULL || listed[found - own])
			continue;
		listed[found - own] = true;
		keys[n++] = *found;
	}
	for (int i = 0; i < nkeys && n < nkeys; i++)
	{
		if (!listed[i])
			keys[n++] = own[i];
	}
	return construct_array(keys, n, TEXTOID, -1, false, TYPALIGN_INT);
}
