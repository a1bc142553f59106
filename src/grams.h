/*
 * grams.h
 *		Search: the words that are looked for, and how an index finds them.
 */
#ifndef CUSTOMERS_GRAMS_H
#define CUSTOMERS_GRAMS_H

/* How an index on search_grams finds rows. */
typedef enum SearchBy
{
	SEARCH_BY_NOTHING,	 /* all words are of one byte */
	SEARCH_BY_ALL_GRAMS, /* a hit has them all: @> */
	SEARCH_BY_ANY_GRAM	 /* a hit has one of them: && */
} SearchBy;

/* What a search asks for; every word must occur. */
typedef struct SearchTerms
{
	int count;	 /* of the words; 0: no search */
	Datum words; /* text[] for search_matches */
	SearchBy by;
	Datum grams;   /* int4[] */
	Datum indexed; /* text[], the words that these find */
} SearchTerms;

extern SearchTerms cust_grams_search(text *search);

#endif /* CUSTOMERS_GRAMS_H */
