/* mail.c: mails made of what stands in the database. */
#include "daemon.h"

#include "notifyd/mail.h"
#include "notifyd/templates.h"

/* the templates that are installed */
#define TEMPLATES "src/notifyd/templates"

/* where the shop's own links lead */
#define LINK "https://shop.example.com/"

static const char *const types[] = {"order.transfer_requested",
									"order.transfer_accepted",
									"account.password_reset_requested",
									"account.registered",
									"customer.email_changed"};
#define TYPES (sizeof(types) / sizeof(*types))

static const char *const headers[] =
	{"From: ",		   "To: ",			 "Subject: ",
	 "Date: ",		   "Message-ID: ",	 "Auto-Submitted: ",
	 "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: "};

static bool
is_header(const char *line)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
	{
		if (strncmp(line, headers[i], strlen(headers[i])) == 0)
			return true;
	}
	return false;
}

/* The mail has our headers, each once, and lines that pass everywhere. */
static void
judge(const char *mail)
{
	int n = 0;

	for (; *mail != '\n'; mail += strcspn(mail, "\n") + 1)
	{
		PROMISE(strchr(mail, '\n') != NULL);
		PROMISE(strcspn(mail, "\n") <= 998);
		if (*mail == ' ' && n > 0)
			continue;
		PROMISE(is_header(mail));
		n++;
	}
	PROMISE(n == sizeof(headers) / sizeof(*headers));
	for (; *mail != '\0'; mail++)
	{
		PROMISE(strcspn(mail, "\n") <= 998);
		mail += strcspn(mail, "\n");
		if (*mail == '\0')
			break;
	}
}

/* No text that somebody typed became a link. */
static void
judge_links(const char *mail)
{
	for (const char *c = mail; (c = strstr(c, "://")) != NULL; c++)
		PROMISE(c - mail >= 5 && strncmp(c - 5, LINK, sizeof(LINK) - 1) == 0);
}

void
fuzz_one(Input *input)
{
	static const MailSetup setup = {
		.from = "Shop <shop@example.com>",
		.link = LINK "{action}?t={token}&id={id}",
	};
	static bool loaded = false;
	Delivery delivery = {.id = 1, .n_to = 1};
	Buffer mail = {0};

	if (!loaded)
	{
		PROMISE(mail_fault(&setup) == NULL);
		templates_load(TEMPLATES, true);
		loaded = true;
	}
	delivery.type = (char *) types[input_byte(input) % TYPES];
	delivery.token = input_byte(input) % 4 == 0 ? NULL : input_string(input);
	delivery.to = (char *[]){input_string(input)};
	for (int i = 0; i < CLAIMED_FIELDS; i++)
		delivery.fields[i] = input->left > 0 ? input_string(input) : NULL;
	/* the shop's own, which its owner chose */
	free(delivery.fields[FIELD_STORE]);
	delivery.fields[FIELD_STORE] = NULL;
	if (mail_compose(&setup, templates_find(delivery.type), &delivery, 0, 0,
					 &mail) == NULL)
	{
		judge(mail.data);
		if (strstr(mail.data, "quoted-printable") == NULL)
			judge_links(mail.data);
	}
	buffer_free(&mail);
	free(delivery.token);
	free(delivery.to[0]);
	for (int i = 0; i < CLAIMED_FIELDS; i++)
		free(delivery.fields[i]);
}
