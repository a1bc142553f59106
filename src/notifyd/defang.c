/*
 * defang.c
 *		What customers and admins typed, as it may stand in a mail.
 *
 * A mail of the shop is believed.  So what somebody else put into it must not
 * become a link, which mail programs make of anything that looks like a URL,
 * a host or an address, nor look like more lines of the shop's own text:
 *
 * - A space is put behind each dot, and behind each colon that is not between
 *   digits, unless there is one, and between two slashes or backslashes.
 *   "evil.example" becomes "evil. example", "J.R. King" becomes "J. R. King".
 * - Words with an @ become "[..]", which also keeps the other side's address
 *   secret where addresses serve as names.
 * - All is on one line.  Controls and blanks of any kind, however many, become
 *   one space; invisible characters, and those that turn the direction of
 *   text, are left out.
 * - What is too long ends with "[..]".
 *
 * The same is true of what browsers and mail programs take for a dot, colon,
 * slash or @.  People can read the result, and tell that it is no link.
 */
#include "defang.h"

#include <string.h>

#include "utf8.h"

/* in the place of what is left out */
#define OMITTED "[..]"

/* what ends a sentence or a part of it, and begins no host behind a dot */
#define CLOSING ")]},;!?\"'"

/* marks on one letter; more of them run over the lines around */
#define MOST_MARKS 3

typedef struct Range
{
	unsigned int first;
	unsigned int last;
} Range;

/* spaces that are not ASCII, and letters that look like one */
static const Range blanks[] = {
	{0xA0, 0xA0},	  {0x115F, 0x1160}, {0x1680, 0x1680}, {0x2000, 0x200A},
	{0x202F, 0x202F}, {0x205F, 0x205F}, {0x2800, 0x2800}, {0x3000, 0x3000},
	{0x3164, 0x3164}, {0xFFA0, 0xFFA0},
};

/* formats, fillers, selectors of variants, marks of direction, tags */
static const Range invisible[] = {
	{0xAD, 0xAD},		{0x34F, 0x34F},		{0x61C, 0x61C},
	{0x17B4, 0x17B5},	{0x180B, 0x180F},	{0x200B, 0x200F},
	{0x202A, 0x202E},	{0x2060, 0x206F},	{0xFE00, 0xFE0F},
	{0xFEFF, 0xFEFF},	{0xFFF0, 0xFFFB},	{0x1BCA0, 0x1BCA3},
	{0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

static const Range marks[] = {
	{0x300, 0x36F},	  {0x483, 0x489},	{0x1AB0, 0x1AFF},
	{0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE20, 0xFE2F},
};

/* what stands for one of . : / @ once a program has looked at it closer */
static const Range dots[] = {
	{'.', '.'},		  {0x2024, 0x2024}, {0x2488, 0x249B},
	{0x3002, 0x3002}, {0xFE12, 0xFE12}, {0xFE52, 0xFE52},
	{0xFF0E, 0xFF0E}, {0xFF61, 0xFF61}, {0x1F100, 0x1F100},
};

static const Range colons[] = {
	{':', ':'},		  {0x2236, 0x2236}, {0xA789, 0xA789},
	{0xFE13, 0xFE13}, {0xFE55, 0xFE55}, {0xFF1A, 0xFF1A},
};

static const Range slashes[] = {
	{'/', '/'},		  {'\\', '\\'},		{0x2044, 0x2044}, {0x2215, 0x2216},
	{0xFE68, 0xFE68}, {0xFF0F, 0xFF0F}, {0xFF3C, 0xFF3C},
};

static const Range ats[] = {{'@', '@'}, {0xFE6B, 0xFE6B}, {0xFF20, 0xFF20}};

static bool
is_among(unsigned int c, const Range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

#define IS_AMONG(c, ranges) \
	is_among(c, ranges, sizeof(ranges) / sizeof((ranges)[0]))

/* ------------------------------------------------------------------------
 * What can be seen
 * ------------------------------------------------------------------------
 */

/*
 * Joiners belong to the spelling of some languages, and to pictures, but only
 * there: behind a character beyond Latin letters and before another one.
 */
static bool
is_joiner(unsigned int c, unsigned int before, const char *behind)
{
	unsigned int next;

	return (c == 0x200C || c == 0x200D) && before > 0x24F &&
		!IS_AMONG(before, invisible) && utf8_decode(behind, &next) > 0 &&
		next > 0x24F && !IS_AMONG(next, invisible) && !IS_AMONG(next, blanks);
}

/*
 * Appends what can be seen of the text, with one space wherever there are
 * blanks or controls, and none around it.
 */
static void
add_visible(Buffer *out, const char *text)
{
	unsigned int before = ' ';
	bool space = false;
	int nmarks = 0;
	size_t length;

	for (; *text != '\0'; text += length)
	{
		unsigned int c;

		length = utf8_decode(text, &c);
		if (length == 0)
		{
			length = 1;
			c = 0xFFFD;
		}
		if (c == ' ' || utf8_is_control(c) || IS_AMONG(c, blanks))
		{
			space = out->length > 0;
			before = ' ';
			continue;
		}
		nmarks = IS_AMONG(c, marks) ? nmarks + 1 : 0;
		if (nmarks > MOST_MARKS ||
			(IS_AMONG(c, invisible) && !is_joiner(c, before, text + length)))
			continue;
		if (space)
			buffer_char(out, ' ');
		space = false;
		if (c == 0xFFFD)
			buffer_char(out, '?');
		else
			buffer_add(out, text, length);
		before = c;
	}
}

/* ------------------------------------------------------------------------
 * What cannot be clicked
 * ------------------------------------------------------------------------
 */

static bool
is_digit(unsigned int c)
{
	return c >= '0' && c <= '9';
}

/* Does a space belong behind c, which stands between two others of a word? */
static bool
is_parted(unsigned int before, unsigned int c, unsigned int next)
{
	if (IS_AMONG(c, dots))
		return !IS_AMONG(next, dots) &&
			(next >= 0x80 || strchr(CLOSING, (int) next) == NULL);
	if (IS_AMONG(c, colons))
		return !is_digit(before) || !is_digit(next);
	if (IS_AMONG(c, slashes))
		return IS_AMONG(next, slashes);
	return IS_AMONG(c, ats);
}

/* The bytes of the word that starts here; does it have an @? */
static size_t
word_length(const char *text, bool *has_at)
{
	size_t length = 0;
	size_t bytes;
	unsigned int c;

	*has_at = false;
	while ((bytes = utf8_decode(text + length, &c)) > 0 && c != ' ')
	{
		*has_at = *has_at || IS_AMONG(c, ats);
		length += bytes;
	}
	return length;
}

/* Appends a word, or so many characters of it; was that all? */
static bool
add_word(Buffer *out, const char *word, size_t length, size_t *left)
{
	unsigned int before = ' ';
	size_t bytes;

	for (size_t i = 0; i < length; i += bytes)
	{
		unsigned int next = ' ';
		unsigned int c;

		if (*left == 0)
			return false;
		(*left)--;
		bytes = utf8_decode(word + i, &c);
		buffer_add(out, word + i, bytes);
		if (i + bytes < length)
		{
			utf8_decode(word + i + bytes, &next);
			if (is_parted(before, c, next))
				buffer_char(out, ' ');
		}
		before = c;
	}
	return true;
}

/*
 * Appends a text that somebody else typed, at most so many characters of it.
 * Addresses are shown, without becoming links, or left out.
 */
void
defang_add(Buffer *out, const char *text, size_t most, bool show_addresses)
{
	Buffer visible = {0};
	bool complete = true;
	size_t length;

	buffer_text(&visible, "");
	add_visible(&visible, text);
	for (const char *word = visible.data; *word != '\0' && complete;
		 word += length)
	{
		bool has_at;

		if (*word == ' ')
		{
			buffer_char(out, ' ');
			word++;
		}
		length = word_length(word, &has_at);
		if (has_at && !show_addresses)
			complete = add_word(out, OMITTED, strlen(OMITTED), &most);
		else
			complete = add_word(out, word, length, &most);
	}
	if (!complete)
		buffer_text(out, " " OMITTED);
	buffer_free(&visible);
}
