/*
 * phc.c
 *		Takes stored hashes of passwords apart.
 *
 * Reads what the owner of a store may have written, so it trusts nothing, and
 * takes one spelling only: the one that libsodium writes.  Needs no server, so
 * that it can be tested without one.
 */
#include <sodium.h>
#include <string.h>

#include "values/phc.h"

/* the version of argon2, and as many lanes as libsodium has */
#define PREFIX "$argon2id$v=19$m="
#define PASSES ",t="
#define LANES ",p=1$"
#define SEPARATOR "$"

/* What was not read yet. */
typedef struct Reader
{
	const char *s;
	size_t length;
} Reader;

static bool
read_word(Reader *reader, const char *word)
{
	size_t length = strlen(word);

	if (reader->length < length || memcmp(reader->s, word, length) != 0)
		return false;
	reader->s += length;
	reader->length -= length;
	return true;
}

/* A number above 0, without leading zeros. */
static bool
read_number(Reader *reader, uint32_t *number)
{
	uint64_t value = 0;

	while (reader->length > 0 && *reader->s >= '0' && *reader->s <= '9')
	{
		value = value * 10 + (uint64_t) (*reader->s - '0');
		if (value == 0 || value > UINT32_MAX)
			return false;
		reader->s++;
		reader->length--;
	}
	*number = (uint32_t) value;
	return value > 0;
}

/* So many bytes in base64 without padding. */
static bool
read_bytes(Reader *reader, unsigned char *bytes, size_t n)
{
	size_t length = (n * 4 + 2) / 3;
	size_t written;

	if (reader->length < length ||
		sodium_base642bin(bytes, n, reader->s, length, NULL, &written, NULL,
						  sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
		written != n)
		return false;
	reader->s += length;
	reader->length -= length;
	return true;
}

/* Is s a hash?  Then *phc is what it says, however much that may be. */
bool
cust_phc_parse(const char *s, size_t length, CustPhc *phc)
{
	Reader reader = {s, length};

	return read_word(&reader, PREFIX) && read_number(&reader, &phc->memory) &&
		read_word(&reader, PASSES) && read_number(&reader, &phc->passes) &&
		read_word(&reader, LANES) &&
		read_bytes(&reader, phc->salt, CUST_PHC_SALT_LENGTH) &&
		read_word(&reader, SEPARATOR) &&
		read_bytes(&reader, phc->hash, CUST_PHC_HASH_LENGTH) &&
		reader.length == 0;
}
