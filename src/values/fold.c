/*
 * fold.c
 *		Texts without upper case, the same in every locale.
 *
 * Called by grams.c, whose index depends on it: nothing here asks a locale,
 * and a change of the table is one of the index (see there).
 *
 * Characters are folded to lower case one by one: ASCII in every encoding; in
 * UTF-8 also every character from U+0080 to U+058F (Latin, Greek, Cyrillic,
 * Armenian), U+1C90 to U+1CBF (Georgian), U+1E00 to U+1EFF (Latin,
 * Vietnamese) and U+FF21 to U+FF3A (full width) that has a simple lower-case
 * mapping in Unicode 14.  Besides, the final sigma U+03C2 becomes a sigma.
 * U+023A and U+023E, of which the lower case is longer in bytes, stay.
 * Nothing is normalised: composed and decomposed accents differ.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "values/fold.h"

/* Every step-th character from first to last becomes the one delta further. */
typedef struct CaseRange
{
	uint16 first;
	uint16 last;
	int16 step;
	int16 delta;
} CaseRange;

/* Ascending.  No result is longer in UTF-8 than its character. */
static const CaseRange upper_case[] =
	{{0x00C0, 0x00D6, 1, 32},	 {0x00D8, 0x00DE, 1, 32},
	 {0x0100, 0x012E, 2, 1},	 {0x0130, 0x0130, 1, -199},
	 {0x0132, 0x0136, 2, 1},	 {0x0139, 0x0147, 2, 1},
	 {0x014A, 0x0176, 2, 1},	 {0x0178, 0x0178, 1, -121},
	 {0x0179, 0x017D, 2, 1},	 {0x0181, 0x0181, 1, 210},
	 {0x0182, 0x0184, 2, 1},	 {0x0186, 0x0186, 1, 206},
	 {0x0187, 0x0187, 1, 1},	 {0x0189, 0x018A, 1, 205},
	 {0x018B, 0x018B, 1, 1},	 {0x018E, 0x018E, 1, 79},
	 {0x018F, 0x018F, 1, 202},	 {0x0190, 0x0190, 1, 203},
	 {0x0191, 0x0191, 1, 1},	 {0x0193, 0x0193, 1, 205},
	 {0x0194, 0x0194, 1, 207},	 {0x0196, 0x0196, 1, 211},
	 {0x0197, 0x0197, 1, 209},	 {0x0198, 0x0198, 1, 1},
	 {0x019C, 0x019C, 1, 211},	 {0x019D, 0x019D, 1, 213},
	 {0x019F, 0x019F, 1, 214},	 {0x01A0, 0x01A4, 2, 1},
	 {0x01A6, 0x01A6, 1, 218},	 {0x01A7, 0x01A7, 1, 1},
	 {0x01A9, 0x01A9, 1, 218},	 {0x01AC, 0x01AC, 1, 1},
	 {0x01AE, 0x01AE, 1, 218},	 {0x01AF, 0x01AF, 1, 1},
	 {0x01B1, 0x01B2, 1, 217},	 {0x01B3, 0x01B5, 2, 1},
	 {0x01B7, 0x01B7, 1, 219},	 {0x01B8, 0x01B8, 1, 1},
	 {0x01BC, 0x01BC, 1, 1},	 {0x01C4, 0x01C4, 1, 2},
	 {0x01C5, 0x01C5, 1, 1},	 {0x01C7, 0x01C7, 1, 2},
	 {0x01C8, 0x01C8, 1, 1},	 {0x01CA, 0x01CA, 1, 2},
	 {0x01CB, 0x01DB, 2, 1},	 {0x01DE, 0x01EE, 2, 1},
	 {0x01F1, 0x01F1, 1, 2},	 {0x01F2, 0x01F4, 2, 1},
	 {0x01F6, 0x01F6, 1, -97},	 {0x01F7, 0x01F7, 1, -56},
	 {0x01F8, 0x021E, 2, 1},	 {0x0220, 0x0220, 1, -130},
	 {0x0222, 0x0232, 2, 1},	 {0x023B, 0x023B, 1, 1},
	 {0x023D, 0x023D, 1, -163},	 {0x0241, 0x0241, 1, 1},
	 {0x0243, 0x0243, 1, -195},	 {0x0244, 0x0244, 1, 69},
	 {0x0245, 0x0245, 1, 71},	 {0x0246, 0x024E, 2, 1},
	 {0x0370, 0x0372, 2, 1},	 {0x0376, 0x0376, 1, 1},
	 {0x037F, 0x037F, 1, 116},	 {0x0386, 0x0386, 1, 38},
	 {0x0388, 0x038A, 1, 37},	 {0x038C, 0x038C, 1, 64},
	 {0x038E, 0x038F, 1, 63},	 {0x0391, 0x03A1, 1, 32},
	 {0x03A3, 0x03AB, 1, 32},	 {0x03C2, 0x03C2, 1, 1},
	 {0x03CF, 0x03CF, 1, 8},	 {0x03D8, 0x03EE, 2, 1},
	 {0x03F4, 0x03F4, 1, -60},	 {0x03F7, 0x03F7, 1, 1},
	 {0x03F9, 0x03F9, 1, -7},	 {0x03FA, 0x03FA, 1, 1},
	 {0x03FD, 0x03FF, 1, -130},	 {0x0400, 0x040F, 1, 80},
	 {0x0410, 0x042F, 1, 32},	 {0x0460, 0x0480, 2, 1},
	 {0x048A, 0x04BE, 2, 1},	 {0x04C0, 0x04C0, 1, 15},
	 {0x04C1, 0x04CD, 2, 1},	 {0x04D0, 0x052E, 2, 1},
	 {0x0531, 0x0556, 1, 48},	 {0x1C90, 0x1CBA, 1, -3008},
	 {0x1CBD, 0x1CBF, 1, -3008}, {0x1E00, 0x1E94, 2, 1},
	 {0x1E9E, 0x1E9E, 1, -7615}, {0x1EA0, 0x1EFE, 2, 1},
	 {0xFF21, 0xFF3A, 1, 32}};

/* The lower case of a character beyond ASCII. */
static pg_wchar
lower_case(pg_wchar c)
{
	int low = 0;
	int high = lengthof(upper_case) - 1;

	/* most Asian scripts */
	if (c > 0x1EFF && c < 0xFF21)
		return c;
	while (low <= high)
	{
		int middle = (low + high) / 2;
		const CaseRange *range = &upper_case[middle];

		if (c < range->first)
			high = middle - 1;
		else if (c > range->last)
			low = middle + 1;
		else
			return (c - range->first) % range->step == 0 ? c + range->delta :
														   c;
	}
	return c;
}

/*
 * The character of two or three bytes in UTF-8 that starts at s, and its size
 * in bytes.  For any other byte 0, and the size 1: they have no case.
 */
static pg_wchar
decode_utf8(const char *s, int left, int *size)
{
	unsigned char lead = s[0];

	*size = 1;
	if ((lead & 0xE0) == 0xC0 && left >= 2)
		*size = 2;
	else if ((lead & 0xF0) == 0xE0 && left >= 3)
		*size = 3;
	return *size == 1 ? 0 : utf8_to_unicode((const unsigned char *) s);
}

/* Eight bytes of the same value. */
#define EIGHT(byte) (UINT64CONST(0x0101010101010101) * (byte))

/*
 * Folds the ASCII characters that s starts with, eight at a time; returns how
 * many, which may be up to seven fewer than there are.  Rows are tested by
 * the thousand, and most are ASCII.
 */
static int
fold_ascii(const char *s, int length, char *out)
{
	int used = 0;

	while (used + (int) sizeof(uint64) <= length)
	{
		uint64 bytes;
		uint64 from_a;
		uint64 after_z;

		memcpy(&bytes, s + used, sizeof(bytes));
		if (bytes & EIGHT(0x80))
			break;
		/* neither sum carries into the next byte */
		from_a = bytes + EIGHT(0x80 - 'A');
		after_z = bytes + EIGHT(0x80 - 'Z' - 1);
		bytes += (from_a & ~after_z & EIGHT(0x80)) >> 2;
		memcpy(out + used, &bytes, sizeof(bytes));
		used += sizeof(bytes);
	}
	return used;
}

/*
 * Folds the character that s starts with, in UTF-8 and not ASCII; returns its
 * size, and adds that of the result to used.
 */
static int
fold_character(const char *s, int left, char *out, int *used)
{
	int size;
	pg_wchar c = decode_utf8(s, left, &size);
	pg_wchar lower = lower_case(c);

	if (c == lower)
	{
		/* out may be s, or in front of it */
		memmove(out + *used, s, size);
		*used += size;
		return size;
	}
	unicode_to_utf8(lower, (unsigned char *) out + *used);
	*used += pg_utf_mblen((unsigned char *) out + *used);
	return size;
}

/*
 * Folds s into out, which has room for as many bytes or is s itself; returns
 * how many.
 */
int
cust_fold_case(const char *s, int length, char *out)
{
	bool is_utf8 = GetDatabaseEncoding() == PG_UTF8;
	int used = fold_ascii(s, length, out);
	int at = used;

	while (at < length)
	{
		char c = s[at];

		if (IS_HIGHBIT_SET(c) && is_utf8)
			at += fold_character(s + at, length - at, out, &used);
		else
		{
			out[used++] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
			at++;
		}
	}
	return used;
}

/* The size of the white space (as Unicode has it) that s starts with, or 0. */
int
cust_fold_space(const char *s, int left)
{
	pg_wchar c;
	int size;

	if (!IS_HIGHBIT_SET(s[0]))
		return s[0] == ' ' || (s[0] >= '\t' && s[0] <= '\r') ? 1 : 0;
	if (GetDatabaseEncoding() != PG_UTF8)
		return 0;
	c = decode_utf8(s, left, &size);
	if (c == 0x85 || c == 0xA0 || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
		c == 0x202F || c == 0x205F || c == 0x3000)
		return size;
	return 0;
}
