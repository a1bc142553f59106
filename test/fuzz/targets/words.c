/* words.c: texts on their way into mails, links, commands and the log. */
#include "daemon.h"

#include "notifyd/address.h"
#include "notifyd/defang.h"
#include "notifyd/encode.h"
#include "notifyd/reason.h"
#include "notifyd/utf8.h"
#include "notifyd/words.h"

/* the longest line of quoted-printable, the longest reason that is stored */
#define QUOTED_LINE 76
#define MAX_REASON 900

static void
check_clean(const char *text)
{
	Buffer once = {0};
	Buffer again = {0};
	size_t at = 0;

	buffer_text(&once, "");
	buffer_text(&again, "");
	utf8_add_clean(&once, text);
	utf8_add_clean(&again, once.data);
	PROMISE(strcmp(once.data, again.data) == 0);
	while (at < once.length)
	{
		PROMISE(utf8_length(once.data + at) > 0);
		at += utf8_length(once.data + at);
	}
	buffer_free(&once);
	buffer_free(&again);
}

static void
check_encodings(const char *text)
{
	Buffer out = {0};

	encode_header(&out, text);
	for (const char *c = out.data; c != NULL && *c != '\0'; c++)
		PROMISE(*c != '\n' || c[1] == ' ');
	buffer_free(&out);

	encode_body(&out, text);
	for (const char *c = out.data; c != NULL && *c != '\0'; c++)
	{
		size_t length = strcspn(c, "\n");

		PROMISE(length <= QUOTED_LINE);
		c += length;
		if (*c == '\0')
			break;
	}
	buffer_free(&out);
	(void) encode_needed(text);

	encode_url(&out, text);
	for (const char *c = out.data; c != NULL && *c != '\0'; c++)
		PROMISE(*c > ' ' && *c <= '~');
	buffer_free(&out);
}

static void
check_reason(const char *text, const char *secret)
{
	LastLine *line = malloc(sizeof(LastLine));
	char *clean = reason_clean(text, secret);
	size_t half = strlen(text) / 2;

	PROMISE(strlen(clean) <= MAX_REASON);
	memory_forget(clean);
	reason_begin(line);
	reason_add(line, text, half);
	reason_add(line, text + half, strlen(text) - half);
	(void) reason_end(line);
	free(line);
}

static void
check_words(const char *text)
{
	char **words = words_split(text);

	for (int i = 0; words != NULL && words[i] != NULL; i++)
		memory_forget(words[i]);
	free(words);
}

static void
check_sender(const char *text)
{
	Buffer out = {0};
	size_t length;

	if (address_add_sender(&out, text))
	{
		const char *domain = address_domain(text, &length);

		PROMISE(length > 0 && domain >= text &&
				domain + length <= text + strlen(text));
	}
	buffer_free(&out);
	(void) address_fault(text);
}

static void
check_defang(const char *text)
{
	Buffer out = {0};

	buffer_text(&out, "");
	defang_add(&out, text, 200, false);
	PROMISE(strpbrk(out.data, "\r\n@") == NULL);
	PROMISE(strstr(out.data, "://") == NULL && strstr(out.data, "//") == NULL);
	buffer_free(&out);
}

void
fuzz_one(Input *input)
{
	char *text = input_string(input);
	char *secret = input_string(input);

	check_clean(text);
	check_encodings(text);
	check_reason(text, secret);
	check_words(text);
	check_sender(text);
	check_defang(text);
	free(text);
	free(secret);
}
