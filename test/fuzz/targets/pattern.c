/* pattern.c: patterns of a subscription beside types of events. */
#include "server.h"

#include "events/subscribed.h"
#include "utils/builtins.h"

#define LONGEST 200

/* The same question, answered slowly: a row of the table for each byte. */
static bool
matches_slowly(const char *pattern, const char *s)
{
	bool row[LONGEST + 1] = {true};
	size_t length = strlen(s);

	for (; *pattern != '\0'; pattern++)
	{
		bool before = row[0];

		row[0] = before && *pattern == '*';
		for (size_t i = 1; i <= length; i++)
		{
			bool here = row[i];

			if (*pattern == '*')
				row[i] = here || row[i - 1];
			else
				row[i] = before && s[i - 1] == *pattern;
			before = here;
		}
	}
	return row[length];
}

void
fuzz_one(Input *input)
{
	char *type = text_to_cstring(server_next_text(input));
	char *patterns[] = {text_to_cstring(server_next_text(input))};
	Subscription subscription = {.npatterns = 1, .patterns = patterns};
	bool wants;

	if (strlen(type) > LONGEST)
		return;
	wants = cust_subscribed_wants(&subscription, type);
	PROMISE(wants == matches_slowly(patterns[0], type));
}
