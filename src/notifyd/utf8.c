/*
 * utf8.c
 *		Characters of texts that others made.
 */
#include "utf8.h"

#include "values/utf8.h"

/*
 * Bytes of the character that starts here, and its code point; 0 at the end or
 * if it is none.
 */
size_t
utf8_decode(const char *text, unsigned int *c)
{
	/* the zero byte at the end stops it earlier */
	return *text == '\0' ? 0 : cust_utf8_decode(text, 4, c);
}

/* Bytes of the character that starts here; 0 at the end or if it is none. */
size_t
utf8_length(const char *text)
{
	unsigned int c;

	return utf8_decode(text, &c);
}

/* Is the character a control, or a separator of lines? */
bool
utf8_is_control(unsigned int c)
{
	return c < ' ' || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

/* Appends the text on one line: controls become spaces, bad bytes "?". */
void
utf8_add_clean(Buffer *buffer, const char *text)
{
	while (*text != '\0')
	{
		unsigned int c;
		size_t length = utf8_decode(text, &c);

		if (length == 0)
			buffer_char(buffer, '?');
		else if (utf8_is_control(c))
			buffer_char(buffer, ' ');
		else
			buffer_add(buffer, text, length);
		text += length > 0 ? length : 1;
	}
}
