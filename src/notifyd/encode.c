/*
 * encode.c
 *		Texts as mails and links must carry them.
 */
#include "encode.h"

#include <string.h>

#include "utf8.h"

/* RFC 2047: 75 characters a word, "=?UTF-8?B?" and "?=" among them */
#define WORD_BYTES 45

/* an ASCII header up to this length fits on a line with its name */
#define PLAIN_HEADER 66

/* RFC 5322: bytes of a line; RFC 2045: of a quoted-printable one */
#define MAX_LINE 998
#define QUOTED_LINE 76

/* ------------------------------------------------------------------------
 * Headers
 * ------------------------------------------------------------------------
 */

static void
add_base64(Buffer *out, const char *bytes, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3)
	{
		size_t n = length - i < 3 ? length - i : 3;
		unsigned long group = 0;

		for (size_t k = 0; k < 3; k++)
			group = group << 8 | (k < n ? (unsigned char) bytes[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buffer_char(out,
						k <= n ? digits[group >> (18 - 6 * k) & 63] : '=');
	}
}

static bool
is_plain(const char *text)
{
	if (strlen(text) > PLAIN_HEADER || strstr(text, "=?") != NULL)
		return false;
	for (; *text != '\0'; text++)
	{
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

/*
 * Appends a text as the value of a header (RFC 2047), without the end of the
 * line.  Whatever is in it, no header begins in it.
 */
void
encode_header(Buffer *out, const char *text)
{
	Buffer clean = {0};
	size_t start = 0;
	size_t length;

	buffer_text(&clean, "");
	utf8_add_clean(&clean, text);
	if (is_plain(clean.data))
	{
		buffer_text(out, clean.data);
		buffer_free(&clean);
		return;
	}
	for (size_t end = 0; start < clean.length; end = start)
	{
		while ((length = utf8_length(clean.data + end)) > 0 &&
			   end + length - start <= WORD_BYTES)
			end += length;
		buffer_text(out, start > 0 ? "\n =?UTF-8?B?" : "=?UTF-8?B?");
		add_base64(out, clean.data + start, end - start);
		buffer_text(out, "?=");
		start = end;
	}
	buffer_free(&clean);
}

/* ------------------------------------------------------------------------
 * Bodies
 * ------------------------------------------------------------------------
 */

static bool
begins_with_from(const char *line)
{
	return strncmp(line, "From ", 5) == 0;
}

/*
 * Must the body be encoded?  ASCII in short lines passes everywhere, but for
 * lines that mail programs have a use of their own for.
 */
bool
encode_needed(const char *body)
{
	while (*body != '\0')
	{
		size_t length = strcspn(body, "\n");

		if (length > MAX_LINE || *body == '.' || begins_with_from(body))
			return true;
		for (size_t i = 0; i < length; i++)
		{
			if (body[i] != '\t' && (body[i] < ' ' || body[i] > '~'))
				return true;
		}
		body += length;
		body += *body == '\n';
	}
	return false;
}

/* Must the byte be encoded where it stands? */
static bool
is_quoted(const char *byte, bool line_start)
{
	if (*byte == ' ' || *byte == '\t')
		return byte[1] == '\n' || byte[1] == '\0';
	if (*byte < ' ' || *byte > '~' || *byte == '=')
		return true;
	return line_start && (*byte == '.' || begins_with_from(byte));
}

/* Appends the body in quoted-printable. */
void
encode_body(Buffer *out, const char *body)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t column = 0;

	for (; *body != '\0'; body++)
	{
		bool quoted = is_quoted(body, column == 0);

		if (*body == '\n')
		{
			buffer_char(out, '\n');
			column = 0;
			continue;
		}
		/* room for the byte and the = of a soft end of line */
		if (column + (quoted ? 3 : 1) > QUOTED_LINE - 1)
		{
			buffer_text(out, "=\n");
			column = 0;
			quoted = is_quoted(body, true);
		}
		if (quoted)
		{
			buffer_char(out, '=');
			buffer_char(out, digits[(unsigned char) *body >> 4]);
			buffer_char(out, digits[*body & 15]);
		}
		else
			buffer_char(out, *body);
		column += quoted ? 3 : 1;
	}
}

/* ------------------------------------------------------------------------
 * Links
 * ------------------------------------------------------------------------
 */

/* Appends a text as a part of a URL. */
void
encode_url(Buffer *out, const char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			(*text >= '0' && *text <= '9') || strchr("-_.~", *text) != NULL)
			buffer_char(out, *text);
		else
			buffer_print(out, "%%%02X", (unsigned char) *text);
	}
}
