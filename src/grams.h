/*
 * grams.h
 *		Search: the words that are looked for, and how an index finds them.
 */
#ifndef CUSTOMERS_GRAMS_H
#define CUSTOMERS_GRAMS_H

/* What a search asks for; every word must occur. */
typedef struct SearchTerms
{
	int count;		/* of the words; 0: no search */
	Datum words;	/* text[] for search_matches */
	bool has_grams; /* false when all words are of one byte */
	Datum grams;	/* int4[], contained in search_grams of a hit */
	Datum indexed;	/* text[], the words of which these are grams */
} SearchTerms;

extern SearchTerms cust_grams_search(text *search);

#endif /* CUSTOMERS_GRAMS_H */
