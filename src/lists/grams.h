/*
 * grams.h
 *		Search: the words that are looked for, and how an index finds them.
 */
#ifndef CUSTOMERS_GRAMS_H
#define CUSTOMERS_GRAMS_H

/* What a search asks for; every word must occur. */
typedef struct SearchTerms
{
	int count;		   /* of the words; 0: no search */
	Datum words;	   /* text[] for search_matches */
	Datum indexed;	   /* text[], the words that an index finds by these: */
	bool has_grams;	   /* of three bytes and more: */
	Datum grams;	   /* int4[], a hit has them all */
	int nshort;		   /* of two bytes: */
	Datum short_grams; /* int4[][], a hit has one of each row */
} SearchTerms;

extern SearchTerms cust_grams_search(text *search);

#endif /* CUSTOMERS_GRAMS_H */
