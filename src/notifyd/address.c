/*
 * address.c
 *		Addresses of mails.
 *
 * Mail programs read the recipient from a header, and each has its own idea
 * of quotes, comments and lists there.  So only addresses without a character
 * that means anything to them are written into one; others are refused, and
 * the delivery fails with a reason.
 */
#include "address.h"

#include <string.h>

#include "encode.h"
#include "utf8.h"

/* bytes, RFC 5321 */
#define MAX_ADDRESS 254

/* May the character stand in an address, outside of quotes? */
static bool
is_harmless(const char *text, size_t length)
{
	if (length != 1)
		return true;
	return (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
		(*text >= '0' && *text <= '9') ||
		strchr("!#$%&'*+-/=?^_`{|}~.@", *text) != NULL;
}

/* Is it one address that every mail program reads as that one? */
bool
address_is_usable(const char *address)
{
	const char *at = strchr(address, '@');
	size_t total = strlen(address);
	Buffer clean = {0};
	size_t length;
	bool same;

	if (at == NULL || at == address || at[1] == '\0' ||
		strchr(at + 1, '@') != NULL || total > MAX_ADDRESS)
		return false;
	utf8_add_clean(&clean, address);
	same = strcmp(clean.data, address) == 0;
	buffer_free(&clean);
	for (; same && *address != '\0'; address += length)
	{
		length = utf8_length(address);
		if (!is_harmless(address, length))
			return false;
	}
	return same;
}

/* The address in "Name <address>" or "address", and its length. */
static const char *
find_address(const char *sender, size_t *length)
{
	const char *start = strrchr(sender, '<');

	if (start == NULL)
	{
		*length = strlen(sender);
		return sender;
	}
	start++;
	*length = strcspn(start, ">");
	return start;
}

/* The domain of a sender that address_add_sender accepts. */
const char *
address_domain(const char *sender, size_t *length)
{
	const char *address = find_address(sender, length);
	const char *domain = strchr(address, '@') + 1;

	*length -= (size_t) (domain - address);
	return domain;
}

/* Appends the name before an address, quoted or encoded. */
static void
add_name(Buffer *out, const char *name)
{
	Buffer encoded = {0};

	encode_header(&encoded, name);
	if (strcmp(encoded.data, name) != 0)
		buffer_text(out, encoded.data);
	else
	{
		buffer_char(out, '"');
		for (; *name != '\0'; name++)
		{
			if (*name == '"' || *name == '\\')
				buffer_char(out, '\\');
			buffer_char(out, *name);
		}
		buffer_char(out, '"');
	}
	buffer_free(&encoded);
}

/*
 * Appends a sender, "Name <address>" or "address", as the value of a header;
 * false if it is not one.
 */
bool
address_add_sender(Buffer *out, const char *sender)
{
	size_t length;
	const char *start = find_address(sender, &length);
	const char *end = start + length;
	Buffer address = {0};
	Buffer name = {0};
	size_t name_length = start > sender ? (size_t) (start - 1 - sender) : 0;
	bool usable;

	buffer_add(&address, start, length);
	usable = address_is_usable(address.data) &&
		strcmp(end, start > sender ? ">" : "") == 0;
	while (name_length > 0 && sender[name_length - 1] == ' ')
		name_length--;
	/* quotes around it are ours to set */
	if (name_length > 1 && sender[0] == '"' && sender[name_length - 1] == '"')
	{
		sender++;
		name_length -= 2;
	}
	buffer_add(&name, sender, name_length);
	if (usable && name_length > 0)
	{
		add_name(out, name.data);
		buffer_print(out, "\n <%s>", address.data);
	}
	else if (usable)
		buffer_text(out, address.data);
	buffer_free(&address);
	buffer_free(&name);
	return usable;
}
