/*
 * grams.c
 *		Search: which words a text holds, ignoring case, and the trigrams by
 *		which a GIN index finds them.
 *
 * search_grams is the expression of the index customer_search_idx, and
 * search_matches the test that decides; list.c prepares a search for both.
 * An index holds what these functions said when it was made, so they depend
 * on nothing but the bytes and the encoding of the database, never on a
 * locale, and a version of the library that changes fold.c or the
 * limits below must have its users rebuild the index.
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_type_d.h"
#include "lists/grams.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "report.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "values/fold.h"

/* email, first_name, last_name, company_name, phone */
#define FIELDS 5

/* how much of a field is searched, so that a huge one costs no more */
#define FIELD_BYTES 2048

/* room for all fields, each followed by a separator */
#define FIELDS_BYTES (FIELDS * (FIELD_BYTES + 1))

/* no text contains it, so neither a word nor a gram spans two fields */
#define SEPARATOR '\0'

/* what a search may ask for */
#define SEARCH_BYTES 10000
#define SEARCH_WORDS 100

/* how many grams the index is asked for: more narrow a search no further */
#define SEARCH_GRAMS 32

/* and for so many words of two bytes */
#define SEARCH_SHORT_WORDS 4

/* ------------------------------------------------------------------------
 * The fields of a customer
 * ------------------------------------------------------------------------
 */

/* The text, of which only as much is fetched as is searched. */
static text *
fetch_field(Datum value)
{
	text *stored = (text *) DatumGetPointer(value);

	if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored))
		return (text *) PG_DETOAST_DATUM_SLICE(value, 0,
											   FIELD_BYTES +
												   MAX_MULTIBYTE_CHAR_LEN);
	return stored;
}

/*
 * The fields that are arguments of the call, from number first on: folded,
 * each with a separator behind it.  buffer has FIELDS_BYTES; returns the
 * length.  All are folded at once, since most are short.
 */
static int
fold_fields(FunctionCallInfo fcinfo, int first, char *buffer)
{
	int used = 0;

	for (int i = first; i < first + FIELDS; i++)
	{
		text *field;
		int length;

		if (PG_ARGISNULL(i))
			continue;
		field = fetch_field(PG_GETARG_DATUM(i));
		length = VARSIZE_ANY_EXHDR(field);
		if (length > FIELD_BYTES)
			length = pg_mbcliplen(VARDATA_ANY(field), length, FIELD_BYTES);
		memcpy(buffer + used, VARDATA_ANY(field), length);
		used += length;
		buffer[used++] = SEPARATOR;
	}
	return cust_fold_case(buffer, used, buffer);
}

/* ------------------------------------------------------------------------
 * Grams
 * ------------------------------------------------------------------------
 */

/* Three bytes; the last may be the separator. */
static int32
trigram(const char *s)
{
	const unsigned char *b = (const unsigned char *) s;

	return b[0] << 16 | b[1] << 8 | b[2];
}

static int
compare_grams(const void *a, const void *b)
{
	int32 x = *(const int32 *) a;
	int32 y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/* Sorts the grams and drops the doubles; returns how many are left. */
static int
sort_grams(int32 *grams, int count)
{
	int kept = 0;

	qsort(grams, count, sizeof(int32), compare_grams);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || grams[i] != grams[i - 1])
			grams[kept++] = grams[i];
	}
	return kept;
}

static Datum
make_array(const int32 *grams, int count)
{
	Size size = ARR_OVERHEAD_NONULLS(1) + count * sizeof(int32);
	ArrayType *array;

	if (count == 0)
		return PointerGetDatum(construct_empty_array(INT4OID));
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = INT4OID;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), grams, count * sizeof(int32));
	return PointerGetDatum(array);
}

PG_FUNCTION_INFO_V1(customers_search_grams);

/*
 * search_grams(email, first_name, last_name, company_name, phone) returns
 * int4[]: the trigrams of the folded fields, ascending, each once.  Each two
 * bytes begin one: behind the last two of a field stands its end.
 */
Datum
customers_search_grams(PG_FUNCTION_ARGS)
{
	char buffer[FIELDS_BYTES];
	int length = fold_fields(fcinfo, 0, buffer);
	int32 *grams = palloc(Max(length, 1) * sizeof(int32));
	int count = 0;

	for (int i = 0; i + 1 < length; i++)
	{
		/* the last byte is a separator, so there are three */
		if (buffer[i] != SEPARATOR && buffer[i + 1] != SEPARATOR)
			grams[count++] = trigram(buffer + i);
	}
	PG_RETURN_DATUM(make_array(grams, sort_grams(grams, count)));
}

/* ------------------------------------------------------------------------
 * Words
 * ------------------------------------------------------------------------
 */

typedef struct Word
{
	const char *start;
	int length;
} Word;

/* The words of the last call, since a query looks for the same in all rows. */
typedef struct WordCache
{
	MemoryContext context; /* of everything below */
	ArrayType *array;	   /* they are made from an equal one, or NULL */
	int count;
	Word *words; /* folded, the longest first */
} WordCache;

/* Few rows have the longest word, so it comes first. */
static int
compare_lengths(const void *a, const void *b)
{
	return ((const Word *) b)->length - ((const Word *) a)->length;
}

static void
read_words(WordCache *cache, const ArrayType *given)
{
	ArrayType *array = palloc(VARSIZE(given));
	Datum *values;
	bool *nulls;

	memcpy(array, given, VARSIZE(given));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &cache->count);
	cache->words = palloc(Max(cache->count, 1) * sizeof(Word));
	for (int i = 0; i < cache->count; i++)
	{
		text *word;
		int length;
		char *folded;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			cust_report_argument(NULL, "words must not contain null");
		word = DatumGetTextPP(values[i]);
		length = VARSIZE_ANY_EXHDR(word);
		folded = palloc(Max(length, 1));
		cache->words[i].start = folded;
		cache->words[i].length = cust_fold_case(VARDATA_ANY(word), length,
												folded);
	}
	qsort(cache->words, cache->count, sizeof(Word), compare_lengths);
	cache->array = array;
}

/* The words of the array, from the cache that stays with the call. */
static const WordCache *
cached_words(FmgrInfo *flinfo, const ArrayType *array)
{
	WordCache *cache = flinfo->fn_extra;
	MemoryContext old;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(WordCache));
		cache->context = AllocSetContextCreate(flinfo->fn_mcxt,
											   "customers search words",
											   ALLOCSET_SMALL_SIZES);
		flinfo->fn_extra = cache;
	}
	if (cache->array != NULL && VARSIZE(cache->array) == VARSIZE(array) &&
		memcmp(cache->array, array, VARSIZE(array)) == 0)
		return cache;
	cache->array = NULL;
	MemoryContextReset(cache->context);
	old = MemoryContextSwitchTo(cache->context);
	read_words(cache, array);
	MemoryContextSwitchTo(old);
	return cache;
}

/*
 * Does a character start at this place?  Only a question in encodings such as
 * EUC_JP, where a later byte looks like a first one.  from is a start in front
 * of it, and moves up to it, so that many such places cost no more than one.
 */
static bool
starts_character(const char **from, const char *place)
{
	if (pg_database_encoding_max_length() == 1 ||
		GetDatabaseEncoding() == PG_UTF8)
		return true;
	while (*from < place)
		*from += pg_mblen(*from);
	return *from == place;
}

static bool
has_word(const char *s, int length, const Word *word)
{
	const char *end = s + length;
	const char *start = s;
	const char *place = s;

	while ((place = memmem(place, end - place, word->start, word->length)) !=
		   NULL)
	{
		if (starts_character(&start, place))
			return true;
		place++;
	}
	return false;
}

PG_FUNCTION_INFO_V1(customers_search_matches);

/*
 * search_matches(words text[], email, first_name, last_name, company_name,
 * phone) returns boolean: does each word occur in one of the fields?
 */
Datum
customers_search_matches(PG_FUNCTION_ARGS)
{
	char buffer[FIELDS_BYTES];
	const WordCache *cache;
	int length;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	cache = cached_words(fcinfo->flinfo, PG_GETARG_ARRAYTYPE_P(0));
	length = fold_fields(fcinfo, 1, buffer);
	for (int i = 0; i < cache->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!has_word(buffer, length, &cache->words[i]))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}

/* ------------------------------------------------------------------------
 * A search as it was typed
 * ------------------------------------------------------------------------
 */

/* Adds the word unless it is there; more than SEARCH_WORDS raise 22023. */
static int
add_word(Word *words, int count, const Word *word)
{
	for (int i = 0; i < count; i++)
	{
		if (words[i].length == word->length &&
			memcmp(words[i].start, word->start, word->length) == 0)
			return count;
	}
	if (count == SEARCH_WORDS)
		cust_report_argument("Search for fewer words.",
							 "search must have at most %d different words",
							 SEARCH_WORDS);
	words[count] = *word;
	return count + 1;
}

/* The different words of s, which lie in s; returns how many. */
static int
split_words(const char *s, int length, Word *words)
{
	const char *end = s + length;
	int count = 0;

	while (s < end)
	{
		int space = cust_fold_space(s, end - s);
		Word word = {s, 0};

		if (space > 0)
		{
			s += space;
			continue;
		}
		/* no white space starts with a later byte of a character */
		while (s < end && cust_fold_space(s, end - s) == 0)
			s++;
		word.length = s - word.start;
		count = add_word(words, count, &word);
	}
	return count;
}

/* The trigrams of all words, sorted; returns how many. */
static int
list_grams(const Word *words, int count, int32 *grams)
{
	int n = 0;

	for (int i = 0; i < count; i++)
	{
		for (int at = 0; at + 2 < words[i].length; at++)
			grams[n++] = trigram(words[i].start + at);
	}
	return sort_grams(grams, n);
}

/* A text[] of the words. */
static Datum
make_words(const Word *words, int count)
{
	Datum texts[SEARCH_WORDS];

	for (int i = 0; i < count; i++)
		texts[i] = PointerGetDatum(
			cstring_to_text_with_len(words[i].start, words[i].length));
	return PointerGetDatum(
		construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The grams of all long words together, SEARCH_GRAMS at most. */
static void
set_grams(SearchTerms *terms, const Word *words, int length)
{
	int32 *grams = palloc(Max(length, 1) * sizeof(int32));
	int count = list_grams(words, terms->count, grams);

	if (count > SEARCH_GRAMS)
	{
		for (int i = 0; i < SEARCH_GRAMS; i++)
			grams[i] = grams[i * count / SEARCH_GRAMS];
		count = SEARCH_GRAMS;
	}
	terms->has_grams = count > 0;
	terms->grams = make_array(grams, count);
}

/* A row for each short word: the two bytes, and whatever may follow them. */
static void
set_short_grams(SearchTerms *terms, const Word *words, int count)
{
	Datum *grams = palloc(Max(count, 1) * (UCHAR_MAX + 1) * sizeof(Datum));
	int dims[] = {count, UCHAR_MAX + 1};
	int bounds[] = {1, 1};
	int n = 0;

	for (int i = 0; i < count; i++)
	{
		for (int next = 0; next <= UCHAR_MAX; next++)
		{
			char bytes[] = {words[i].start[0], words[i].start[1], (char) next};

			grams[n++] = Int32GetDatum(trigram(bytes));
		}
	}
	terms->nshort = count;
	terms->short_grams = PointerGetDatum(
		construct_md_array(grams, NULL, 2, dims, bounds, INT4OID,
						   sizeof(int32), true, TYPALIGN_INT));
}

/* How an index finds the words, as far as it can. */
static void
set_index_terms(SearchTerms *terms, const Word *words, int length)
{
	Word indexed[SEARCH_WORDS];
	int count = 0;
	int nlong;

	for (int i = 0; i < terms->count; i++)
	{
		if (words[i].length > 2)
			indexed[count++] = words[i];
	}
	nlong = count;
	for (int i = 0; i < terms->count && count < nlong + SEARCH_SHORT_WORDS;
		 i++)
	{
		if (words[i].length == 2)
			indexed[count++] = words[i];
	}
	set_grams(terms, words, length);
	set_short_grams(terms, indexed + nlong, count - nlong);
	terms->indexed = make_words(indexed, count);
}

/*
 * Prepares a search, which may be NULL: its words are separated by white
 * space.  Raises 22023 for more than SEARCH_BYTES or SEARCH_WORDS.  The
 * result is allocated in the current context.
 */
SearchTerms
cust_grams_search(text *search)
{
	SearchTerms terms = {0};
	Word *words = palloc(SEARCH_WORDS * sizeof(Word));
	char *folded;
	int length;

	if (search == NULL)
		return terms;
	length = VARSIZE_ANY_EXHDR(search);
	if (length > SEARCH_BYTES)
		cust_report_argument("Search for fewer or shorter words.",
							 "search must have at most %d bytes, not %d",
							 SEARCH_BYTES, length);
	folded = palloc(Max(length, 1));
	length = cust_fold_case(VARDATA_ANY(search), length, folded);
	terms.count = split_words(folded, length, words);
	terms.words = make_words(words, terms.count);
	set_index_terms(&terms, words, length);
	return terms;
}
