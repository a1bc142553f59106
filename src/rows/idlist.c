/*
 * idlist.c
 *		Ids in ascending order, each once: the form in which statements take
 *		many of them and rows are locked.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "rows/idlist.h"
#include "utils/array.h"

static int
compare_ids(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static int
compare_ids_with(const void *a, const void *b, void *unused)
{
	return compare_ids(a, b);
}

static bool
is_ascending(const int64 *ids, int n)
{
	for (int i = 1; i < n; i++)
	{
		if (ids[i - 1] >= ids[i])
			return false;
	}
	return true;
}

/* The list of the n ids, whose array becomes part of it. */
IdList
cust_idlist_make(int64 *ids, int n)
{
	IdList list = {n, ids, {0, false}};
	ArrayType *array;

	if (!is_ascending(ids, n))
	{
		qsort_interruptible(ids, n, sizeof(int64), compare_ids_with, NULL);
		list.n = 1;
		for (int i = 1; i < n; i++)
		{
			if (ids[list.n - 1] != ids[i])
				ids[list.n++] = ids[i];
		}
	}
	Assert(is_ascending(ids, list.n));
	if (list.n == 0)
		array = construct_empty_array(INT8OID);
	else
	{
		array = palloc(ARR_OVERHEAD_NONULLS(1) + list.n * sizeof(int64));
		SET_VARSIZE(array, ARR_OVERHEAD_NONULLS(1) + list.n * sizeof(int64));
		array->ndim = 1;
		array->dataoffset = 0;
		array->elemtype = INT8OID;
		ARR_DIMS(array)[0] = list.n;
		ARR_LBOUND(array)[0] = 1;
		memcpy(ARR_DATA_PTR(array), ids, list.n * sizeof(int64));
	}
	list.array.value = PointerGetDatum(array);
	return list;
}

/* The ids in a column of a result. */
IdList
cust_idlist_column(const PlanRows *rows, int column)
{
	int64 *ids = palloc(Max(rows->count, 1) * sizeof(int64));

	for (uint64 i = 0; i < rows->count; i++)
		ids[i] = cust_plan_int64(rows, i, column);
	return cust_idlist_make(ids, (int) rows->count);
}

bool
cust_idlist_contains(const IdList *list, int64 id)
{
	return list->n > 0 &&
		bsearch(&id, list->ids, list->n, sizeof(int64), compare_ids) != NULL;
}
