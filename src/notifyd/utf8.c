/*
 * utf8.c
 *		Characters of texts that others made.
 */
#include "utf8.h"

#include <stdbool.h>

/* Does a character of this length start here, in its shortest form? */
static bool
is_sequence(const unsigned char *s, size_t length)
{
	for (size_t i = 1; i < length; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return false;
	}
	switch (s[0])
	{
		case 0xE0:
			return s[1] >= 0xA0;
		case 0xED: /* no surrogates */
			return s[1] <= 0x9F;
		case 0xF0:
			return s[1] >= 0x90;
		case 0xF4: /* nothing beyond U+10FFFF */
			return s[1] <= 0x8F;
		default:
			return true;
	}
}

/* Bytes of the character that starts here; 0 at the end or if it is none. */
size_t
utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t length = 0;

	if (*s == '\0')
		return 0;
	if (*s < 0x80)
		return 1;
	if (*s >= 0xC2 && *s <= 0xDF)
		length = 2;
	else if (*s >= 0xE0 && *s <= 0xEF)
		length = 3;
	else if (*s >= 0xF0 && *s <= 0xF4)
		length = 4;
	return length > 0 && is_sequence(s, length) ? length : 0;
}

/* Is the character here a control, or a separator of lines? */
static bool
is_control(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *) text;

	if (length == 1)
		return *s < ' ' || *s == 0x7F;
	if (length == 2)
		return s[0] == 0xC2 && s[1] < 0xA0;
	return length == 3 && s[0] == 0xE2 && s[1] == 0x80 &&
		(s[2] == 0xA8 || s[2] == 0xA9);
}

/* Appends the text on one line: controls become spaces, bad bytes "?". */
void
utf8_add_clean(Buffer *buffer, const char *text)
{
	while (*text != '\0')
	{
		size_t length = utf8_length(text);

		if (length == 0)
			buffer_char(buffer, '?');
		else if (is_control(text, length))
			buffer_char(buffer, ' ');
		else
			buffer_add(buffer, text, length);
		text += length > 0 ? length : 1;
	}
}
