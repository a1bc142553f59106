/*
 * address.c
 *		Addresses in the headers of mails.
 *
 * Mail programs read the recipient from a header, and each has its own idea
 * of quotes, comments and lists there.  values/address.c says what a valid
 * address is, for the database and for us: nothing in one means anything to
 * mail programs.
 */
#include "address.h"

#include <string.h>

#include "encode.h"
#include "values/address.h"

/* Why nothing can be sent to the address, as a clause, or NULL. */
const char *
address_fault(const char *address)
{
	return cust_address_fault(address, strlen(address), CUST_ADDRESS_PUBLIC);
}

/* Appends a valid address as mail programs read it. */
void
address_add(Buffer *out, const char *address)
{
	size_t length = strlen(address);
	size_t local = strcspn(address, "@");

	if (!cust_address_needs_quotes(address, length))
	{
		buffer_text(out, address);
		return;
	}
	/* what would need a \ between quotes is in no valid address */
	buffer_char(out, '"');
	buffer_add(out, address, local);
	buffer_char(out, '"');
	buffer_text(out, address + local);
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
	if (strncmp(encoded.data, "=?", 2) == 0)
		buffer_text(out, encoded.data);
	else
	{
		buffer_char(out, '"');
		for (const char *c = encoded.data; *c != '\0'; c++)
		{
			if (*c == '"' || *c == '\\')
				buffer_char(out, '\\');
			buffer_char(out, *c);
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
	usable = cust_address_fault(address.data, length, CUST_ADDRESS_LOCAL) ==
			NULL &&
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
		buffer_text(out, "\n <");
		address_add(out, address.data);
		buffer_char(out, '>');
	}
	else if (usable)
		address_add(out, address.data);
	buffer_free(&address);
	buffer_free(&name);
	return usable;
}
