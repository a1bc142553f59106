/*
 * mail.c
 *		Mails made of deliveries.
 *
 * Each recipient gets a mail of his own, and its template can show no address
 * but his.  What comes from the database reaches a header only through
 * address.c and encode.c, and a text only through defang.c.  Pure functions.
 */
#include "mail.h"

#include <inttypes.h>
#include <string.h>

#include "address.h"
#include "encode.h"

/* what a link is made of */
#define PLACE_ACTION "{action}"
#define PLACE_ID "{id}"
#define PLACE_TOKEN "{token}"

/* behind a --link without places */
#define TRANSFER_LINK \
	"/" PLACE_ACTION "?transfer_id=" PLACE_ID "&token=" PLACE_TOKEN
#define RESET_LINK "/" PLACE_ACTION "?token=" PLACE_TOKEN

/* Why no mails can be made so, or NULL. */
const char *
mail_fault(const MailSetup *setup)
{
	Buffer sender = {0};
	bool good = setup->from == NULL ||
		address_add_sender(&sender, setup->from);

	buffer_free(&sender);
	if (!good)
		return "--from must be an address or \"Name <address>\"";
	if (setup->link == NULL)
		return NULL;
	for (const char *c = setup->link; *c != '\0'; c++)
	{
		if (*c <= ' ' || *c > '~')
			return "--link contains a space, a control or a character that "
				   "is not ASCII";
	}
	if (strstr(setup->link, PLACE_TOKEN) == NULL &&
		strpbrk(setup->link, "?#{") != NULL)
		return "--link with ?, # or a place needs the place " PLACE_TOKEN;
	return NULL;
}

/* ------------------------------------------------------------------------
 * Links
 * ------------------------------------------------------------------------
 */

/* If a place begins here, appends its value and returns the place's length. */
static size_t
add_place(Buffer *out, const char *text, const char *place, const char *value)
{
	if (strncmp(text, place, strlen(place)) != 0)
		return 0;
	encode_url(out, value ? value : "");
	return strlen(place);
}

static void
fill_link(Buffer *out, const char *text, const char *action, const char *id,
		  const char *token)
{
	while (*text != '\0')
	{
		size_t length = add_place(out, text, PLACE_ACTION, action);

		if (length == 0)
			length = add_place(out, text, PLACE_ID, id);
		if (length == 0)
			length = add_place(out, text, PLACE_TOKEN, token);
		if (length == 0)
		{
			buffer_char(out, *text);
			length = 1;
		}
		text += length;
	}
}

/* Makes a link; leaves it NULL when there is no token to carry. */
static void
make_link(Buffer *out, const char *link, const Delivery *delivery,
		  const char *action, const char *suffix, Field id)
{
	Buffer pattern = {0};

	if (link == NULL || delivery->token == NULL)
		return;
	buffer_text(&pattern, link);
	if (strstr(link, PLACE_TOKEN) == NULL)
	{
		while (pattern.length > 0 && pattern.data[pattern.length - 1] == '/')
			pattern.data[--pattern.length] = '\0';
		buffer_text(&pattern, suffix);
	}
	fill_link(out, pattern.data, action, delivery->fields[id],
			  delivery->token);
	buffer_free(&pattern);
}

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

static void
add_date(Buffer *mail, time_t now)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
									   "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
										 "May", "Jun", "Jul", "Aug",
										 "Sep", "Oct", "Nov", "Dec"};
	struct tm utc;

	gmtime_r(&now, &utc);
	buffer_print(mail, "Date: %s, %d %s %d %02d:%02d:%02d +0000\n",
				 days[utc.tm_wday], utc.tm_mday, months[utc.tm_mon],
				 utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

static uint64_t
hash(uint64_t start, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		start = (start ^ (unsigned char) *text) * 0x100000001B3;
	return start;
}

/*
 * The same for a mail that is sent again, so that mailboxes can tell; another
 * for every other one.  Without --from the mail program makes one.
 */
static void
add_message_id(Buffer *mail, const char *from, const Delivery *delivery,
			   const char *recipient)
{
	uint64_t mark = hash(0xCBF29CE484222325, recipient);
	size_t length;
	const char *domain;

	if (from == NULL)
		return;
	mark = hash(mark, delivery->fields[FIELD_STORE]);
	mark = hash(mark, delivery->fields[FIELD_CREATED_AT]);
	domain = address_domain(from, &length);
	buffer_print(mail,
				 "Message-ID: <customers.%" PRId64 ".%016" PRIx64 "@%.*s>\n",
				 delivery->id, mark, (int) length, domain);
}

static void
add_headers(Buffer *mail, const MailSetup *setup, const Delivery *delivery,
			const char *recipient, time_t now)
{
	if (setup->from != NULL)
	{
		buffer_text(mail, "From: ");
		address_add_sender(mail, setup->from);
		buffer_char(mail, '\n');
	}
	buffer_text(mail, "To: ");
	address_add(mail, recipient);
	buffer_char(mail, '\n');
	add_date(mail, now);
	add_message_id(mail, setup->from, delivery, recipient);
	buffer_text(mail,
				"Auto-Submitted: auto-generated\n"
				"MIME-Version: 1.0\n"
				"Content-Type: text/plain; charset=UTF-8\n");
}

/* Appends the subject, which ends the headers, and the body. */
static void
add_texts(Buffer *mail, const char *subject, const char *body)
{
	bool encoded = encode_needed(body);

	buffer_text(mail, "Subject: ");
	encode_header(mail, subject);
	buffer_print(mail, "\nContent-Transfer-Encoding: %s\n\n",
				 encoded ? "quoted-printable" : "7bit");
	if (encoded)
		encode_body(mail, body);
	else
		buffer_text(mail, body);
}

/*
 * Appends the mail to one of the addresses of a delivery, with a setup that
 * has no fault.  Returns NULL, or why it cannot be made.
 */
const char *
mail_compose(const MailSetup *setup, const Template *template,
			 const Delivery *delivery, int recipient, time_t now, Buffer *mail)
{
	const char *to = delivery->to[recipient];
	const char *values[ALL_FIELDS];
	Buffer accept = {0};
	Buffer decline = {0};
	Buffer reset = {0};
	Buffer subject = {0};
	Buffer body = {0};

	if (address_fault(to) != NULL)
		return "the address is not valid";
	make_link(&accept, setup->link, delivery, "accept", TRANSFER_LINK,
			  FIELD_TRANSFER_ID);
	make_link(&decline, setup->link, delivery, "decline", TRANSFER_LINK,
			  FIELD_TRANSFER_ID);
	make_link(&reset, setup->link, delivery, "reset-password", RESET_LINK,
			  FIELD_CUSTOMER_ID);
	for (int i = 0; i < CLAIMED_FIELDS; i++)
		values[i] = delivery->fields[i];
	values[FIELD_RECIPIENT] = to;
	values[FIELD_ACCEPT_LINK] = accept.data;
	values[FIELD_DECLINE_LINK] = decline.data;
	values[FIELD_RESET_LINK] = reset.data;
	template_render(template, values, &subject, &body);
	add_headers(mail, setup, delivery, to, now);
	add_texts(mail, subject.data, body.data);
	buffer_free(&accept);
	buffer_free(&decline);
	buffer_free(&reset);
	buffer_free(&subject);
	buffer_free(&body);
	return NULL;
}
