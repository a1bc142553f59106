/*
 * space.h
 *		White space: ASCII's, the same in every locale.
 */
#ifndef CUSTOMERS_SPACE_H
#define CUSTOMERS_SPACE_H

static inline bool
cust_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Is there nothing but white space in s[0..length)? */
static inline bool
cust_is_blank(const char *s, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (!cust_is_space(s[i]))
			return false;
	}
	return true;
}

#endif /* CUSTOMERS_SPACE_H */
