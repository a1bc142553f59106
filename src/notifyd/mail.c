/*
 * mail.c
 *		Mails made of deliveries.
 *
 * Each recipient gets a mail of his own, and its template can show no address
 * but his.  What comes from the database reaches a header only through
 * address.c and encode.c.
 */
#include "mail.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "complain.h"
#include "encode.h"
#include "template.h"

/* what a link is made of */
#define PLACE_ACTION "{action}"
#define PLACE_ID "{id}"
#define PLACE_TOKEN "{token}"

/* behind a --link without places */
#define TRANSFER_LINK \
	"/" PLACE_ACTION "?transfer_id=" PLACE_ID "&token=" PLACE_TOKEN
#define RESET_LINK "/" PLACE_ACTION "?token=" PLACE_TOKEN

static const Options *options;
static Buffer sender;

/* Checks what belongs to mails and reads the templates; exits on errors. */
void
mail_begin(const Options *given)
{
	const char *link = given->link;

	options = given;
	if (given->from != NULL && !address_add_sender(&sender, given->from))
		complain(EXIT_BAD_USAGE,
				 "--from must be an address or \"Name <address>\"");
	if (link != NULL)
	{
		for (const char *c = link; *c != '\0'; c++)
		{
			if (*c <= ' ' || *c > '~')
				complain(EXIT_BAD_USAGE,
						 "--link contains a space, a control "
						 "or a character that is not ASCII");
		}
		if (strstr(link, PLACE_TOKEN) == NULL && strpbrk(link, "?#{") != NULL)
			complain(EXIT_BAD_USAGE,
					 "--link with ?, # or a place needs "
					 "the place " PLACE_TOKEN);
	}
	template_load_all(given->templates, link != NULL);
}

/* Is there a template for the event? */
bool
mail_is_wanted(const Delivery *delivery)
{
	return template_find(delivery->type) != NULL;
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
make_link(Buffer *out, const Delivery *delivery, const char *action,
		  const char *suffix, Field id)
{
	Buffer pattern = {0};

	if (options->link == NULL || delivery->token == NULL)
		return;
	buffer_text(&pattern, options->link);
	if (strstr(options->link, PLACE_TOKEN) == NULL)
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
 * Texts
 * ------------------------------------------------------------------------
 */

/*
 * Appends what somebody typed, without addresses: the other side's may be
 * among them, since there are shops where it serves as a name.
 */
static void
add_without_addresses(Buffer *out, const char *text)
{
	while (text != NULL && *text != '\0')
	{
		size_t blank = strspn(text, " \t\r\n");
		size_t length = strcspn(text + blank, " \t\r\n");

		buffer_add(out, text, blank);
		text += blank;
		if (memchr(text, '@', length) != NULL)
			buffer_text(out, "[..]");
		else
			buffer_add(out, text, length);
		text += length;
	}
}

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

static void
add_date(Buffer *mail)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
									   "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
										 "May", "Jun", "Jul", "Aug",
										 "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
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
add_message_id(Buffer *mail, const Delivery *delivery, const char *recipient)
{
	uint64_t mark = hash(0xCBF29CE484222325, recipient);
	size_t length;
	const char *domain;

	if (options->from == NULL)
		return;
	mark = hash(mark, delivery->fields[FIELD_STORE]);
	mark = hash(mark, delivery->fields[FIELD_CREATED_AT]);
	domain = address_domain(options->from, &length);
	buffer_print(mail,
				 "Message-ID: <customers.%" PRId64 ".%016" PRIx64 "@%.*s>\n",
				 delivery->id, mark, (int) length, domain);
}

static void
add_headers(Buffer *mail, const Delivery *delivery, const char *recipient,
			const char *subject, bool encoded)
{
	if (sender.length > 0)
		buffer_print(mail, "From: %s\n", sender.data);
	buffer_print(mail, "To: %s\nSubject: ", recipient);
	encode_header(mail, subject);
	buffer_char(mail, '\n');
	add_date(mail);
	add_message_id(mail, delivery, recipient);
	buffer_print(mail,
				 "Auto-Submitted: auto-generated\n"
				 "MIME-Version: 1.0\n"
				 "Content-Type: text/plain; charset=UTF-8\n"
				 "Content-Transfer-Encoding: %s\n\n",
				 encoded ? "quoted-printable" : "7bit");
}

/*
 * Appends the mail to one of the addresses of a delivery that is wanted.
 * Returns NULL, or why it cannot be made.
 */
const char *
mail_compose(const Delivery *delivery, int recipient, Buffer *mail)
{
	const char *to = delivery->to[recipient];
	const char *values[ALL_FIELDS];
	Buffer accept = {0};
	Buffer decline = {0};
	Buffer reset = {0};
	Buffer name = {0};
	Buffer description = {0};
	Buffer subject = {0};
	Buffer body = {0};
	bool encoded;

	if (!address_is_usable(to))
		return "the address contains what cannot be sent safely to a mail "
			   "program";
	make_link(&accept, delivery, "accept", TRANSFER_LINK, FIELD_TRANSFER_ID);
	make_link(&decline, delivery, "decline", TRANSFER_LINK, FIELD_TRANSFER_ID);
	make_link(&reset, delivery, "reset-password", RESET_LINK,
			  FIELD_CUSTOMER_ID);
	add_without_addresses(&name, delivery->fields[FIELD_NEW_OWNER_NAME]);
	add_without_addresses(&description, delivery->fields[FIELD_DESCRIPTION]);
	for (int i = 0; i < CLAIMED_FIELDS; i++)
		values[i] = delivery->fields[i];
	values[FIELD_NEW_OWNER_NAME] = name.data;
	values[FIELD_DESCRIPTION] = description.data;
	values[FIELD_RECIPIENT] = to;
	values[FIELD_ACCEPT_LINK] = accept.data;
	values[FIELD_DECLINE_LINK] = decline.data;
	values[FIELD_RESET_LINK] = reset.data;
	template_render(template_find(delivery->type), values, &subject, &body);
	encoded = encode_needed(body.data);
	add_headers(mail, delivery, to, subject.data, encoded);
	if (encoded)
		encode_body(mail, body.data);
	else
		buffer_text(mail, body.data);
	buffer_free(&accept);
	buffer_free(&decline);
	buffer_free(&reset);
	buffer_free(&name);
	buffer_free(&description);
	buffer_free(&subject);
	buffer_free(&body);
	return NULL;
}
