/*
 * address.c
 *		Which e-mail addresses are valid: the one definition.
 *
 * email.c judges with it what is to be stored, and the daemon, which compiles
 * this file too, whom it sends to: so a mail can be sent to every address
 * that a table holds.  Pure functions of the bytes.
 */
#include "values/address.h"

#include <string.h>

#include "values/utf8.h"

#define LOCAL_PART_MAX 64 /* bytes, RFC 5321 */
#define LABEL_MAX 63	  /* characters */

/* what means something to mail programs where an address stands */
#define SPECIALS "()<>[]:;,\"\\"

static const char not_utf8[] = "it is not valid UTF-8";

/*
 * Non-ASCII code points that are not letters: controls, spaces, punctuation
 * and symbols of the blocks where an address could meet them.
 */
static bool
is_foreign_nonletter(unsigned int c)
{
	return c < 0xAA || (c > 0xAA && c < 0xB5) || (c > 0xB5 && c < 0xBA) ||
		(c > 0xBA && c < 0xC0) || c == 0xD7 || c == 0xF7 ||
		(c >= 0x2000 && c <= 0x206F) || (c >= 0x20A0 && c <= 0x20CF) ||
		(c >= 0x2190 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x3004) ||
		(c >= 0x3008 && c <= 0x3020) || (c >= 0xE000 && c <= 0xF8FF) ||
		(c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF ||
		(c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFFE0 && c <= 0xFFFF) ||
		(c >= 0x1F000 && c <= 0x1FAFF) || c >= 0xE0000;
}

/* Non-ASCII code points that are spaces, controls or invisible. */
static bool
is_foreign_blank(unsigned int c)
{
	return c <= 0xA0 || c == 0xAD || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) ||
		(c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0xFEFF ||
		(c >= 0xFFF0 && c <= 0xFFFB) || c >= 0xE0000;
}

/* The fault of the local part s[0..length), or NULL. */
static const char *
local_part_fault(const char *s, size_t length)
{
	size_t i = 0;

	if (length < 1)
		return "nothing stands before the @";
	if (length > LOCAL_PART_MAX)
		return "the part before the @ is longer than 64 bytes";
	while (i < length)
	{
		unsigned int c;
		size_t bytes = cust_utf8_decode(s + i, length - i, &c);

		if (bytes == 0)
			return not_utf8;
		if (c <= ' ' || c == 0x7F || (c > 0x7F && is_foreign_blank(c)))
			return "it contains a space or control character";
		if (c < 0x80 && strchr(SPECIALS, (int) c) != NULL)
			return "one of ( ) < > [ ] : ; , \" \\ stands before the @";
		i += bytes;
	}
	return NULL;
}

static bool
is_label_character(unsigned int c)
{
	if (c >= 0x80)
		return !is_foreign_nonletter(c);
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '-';
}

/* The fault of one label of the domain, or NULL. */
static const char *
label_fault(const char *s, size_t length)
{
	int characters = 0;
	size_t i = 0;

	if (length < 1)
		return "a label of its domain is empty";
	if (s[0] == '-' || s[length - 1] == '-')
		return "a label of its domain starts or ends with a hyphen";
	while (i < length)
	{
		unsigned int c;
		size_t bytes = cust_utf8_decode(s + i, length - i, &c);

		if (bytes == 0)
			return not_utf8;
		if (!is_label_character(c))
			return "its domain contains a character that is neither letter, "
				   "digit nor hyphen";
		i += bytes;
		characters++;
	}
	if (characters > LABEL_MAX)
		return "a label of its domain is longer than 63 characters";
	return NULL;
}

/* The fault of the domain s[0..length), or NULL. */
static const char *
domain_fault(const char *s, size_t length, int fewest_labels)
{
	int labels = 0;
	size_t start = 0;

	for (size_t i = 0; i <= length; i++)
	{
		if (i == length || s[i] == '.')
		{
			const char *fault = label_fault(s + start, i - start);

			if (fault)
				return fault;
			labels++;
			start = i + 1;
		}
	}
	return labels < fewest_labels ? "its domain has no dot" : NULL;
}

/*
 * Why s[0..length) is no valid address, as a clause such as "its domain has no
 * dot", or NULL.  Nothing around it is trimmed.
 */
const char *
cust_address_fault(const char *s, size_t length, int fewest_labels)
{
	const char *fault;
	const char *at;
	const char *domain;
	size_t domain_length;

	if (length == 0)
		return "it is empty";
	if (length > CUST_ADDRESS_MAX)
		return "it is longer than 254 bytes";
	at = memchr(s, '@', length);
	if (at == NULL)
		return "it has no @";
	domain = at + 1;
	domain_length = length - (size_t) (domain - s);
	if (memchr(domain, '@', domain_length) != NULL)
		return "it has more than one @";
	fault = local_part_fault(s, (size_t) (at - s));
	return fault ? fault : domain_fault(domain, domain_length, fewest_labels);
}

/*
 * Must the local part of the valid address s[0..length) be quoted where mail
 * programs read it?  Dots may stand between other characters only (RFC 5322).
 */
bool
cust_address_needs_quotes(const char *s, size_t length)
{
	char before = '.';

	for (size_t i = 0; i < length; i++)
	{
		bool ends = s[i] == '@';

		if ((ends || s[i] == '.') && before == '.')
			return true;
		if (ends)
			return false;
		before = s[i];
	}
	return false;
}
