/* search.c: texts that are folded, words that are searched, and their grams. */
#include "server.h"

#include "fmgr.h"
#include "lists/grams.h"
#include "mb/pg_wchar.h"
#include "values/fold.h"

#define FIELDS 5

/* how much of a field is searched */
#define FIELD_BYTES 2048

PGDLLEXPORT Datum customers_search_grams(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum customers_search_matches(PG_FUNCTION_ARGS);

static void
check_fold(text *t)
{
	int length = VARSIZE_ANY_EXHDR(t);
	char *folded = palloc(Max(length, 1));
	char *again = palloc(Max(length, 1));
	int n = cust_fold_case(VARDATA_ANY(t), length, folded);

	PROMISE(n <= length);
	PROMISE(pg_verify_mbstr(GetDatabaseEncoding(), folded, n, true));
	PROMISE(cust_fold_case(folded, n, again) == n);
	PROMISE(memcmp(folded, again, n) == 0);
	/* in place, as the search does it */
	PROMISE(cust_fold_case(VARDATA_ANY(t), length, VARDATA_ANY(t)) == n);
	PROMISE(memcmp(folded, VARDATA_ANY(t), n) == 0);
}

static Datum
call(PGFunction function, FmgrInfo *info, Datum words, const text *field)
{
	LOCAL_FCINFO(fcinfo, FIELDS + 1);
	int first = function == customers_search_matches ? 1 : 0;

	info->fn_mcxt = CurrentMemoryContext;
	InitFunctionCallInfoData(*fcinfo, info, FIELDS + first, InvalidOid, NULL,
							 NULL);
	fcinfo->args[0].value = words;
	fcinfo->args[0].isnull = false;
	for (int i = first; i < FIELDS + first; i++)
	{
		fcinfo->args[i].value = PointerGetDatum(field);
		fcinfo->args[i].isnull = i > first;
	}
	return function(fcinfo);
}

void
fuzz_one(Input *input)
{
	text *search = server_next_text(input);
	text *field = server_next_text(input);
	FmgrInfo info = {0};
	FmgrInfo none = {0};
	SearchTerms terms = cust_grams_search(search);

	(void) call(customers_search_grams, &none, 0, field);
	(void) call(customers_search_matches, &info, terms.words, field);
	/* what is searched for is found in itself */
	if (VARSIZE_ANY_EXHDR(search) <= FIELD_BYTES)
		PROMISE(DatumGetBool(
			call(customers_search_matches, &info, terms.words, search)));
	check_fold(field);
}
