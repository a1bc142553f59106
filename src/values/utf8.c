/*
 * utf8.c
 *		Characters of UTF-8.
 */
#include "values/utf8.h"

/*
 * The length of the character that starts s[0..left), which is not empty, and
 * its code point; 0 if it is none in its shortest form.  A byte is read only
 * when those before it are part of a character, so that no zero byte is passed.
 */
size_t
cust_utf8_decode(const char *s, size_t left, unsigned int *c)
{
	static const unsigned int smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char) s[0];
	size_t length;

	*c = first;
	if (first < 0x80)
		return 1;
	if (first < 0xC0 || first > 0xF7)
		return 0;
	length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	if (length > left)
		return 0;
	*c = first & (0x7F >> length);
	for (size_t i = 1; i < length; i++)
	{
		unsigned char next = (unsigned char) s[i];

		if ((next & 0xC0) != 0x80)
			return 0;
		*c = *c << 6 | (next & 0x3F);
	}
	if (*c < smallest[length] || *c > 0x10FFFF ||
		(*c >= 0xD800 && *c <= 0xDFFF))
		return 0;
	return length;
}
