/* template.c: templates that somebody wrote, and values shown in them. */
#include "daemon.h"

#include "notifyd/template.h"

/* Shows the values in the template. */
static void
show(const Template *template, Input *input)
{
	char *values[ALL_FIELDS];
	Buffer subject = {0};
	Buffer body = {0};

	for (int i = 0; i < ALL_FIELDS; i++)
		values[i] = input->left > 0 ? input_string(input) : NULL;
	template_render(template, (const char *const *) values, &subject, &body);
	PROMISE(strlen(body.data) == body.length);
	PROMISE(strchr(subject.data, '\n') == NULL);
	buffer_free(&subject);
	buffer_free(&body);
	for (int i = 0; i < ALL_FIELDS; i++)
		free(values[i]);
}

void
fuzz_one(Input *input)
{
	size_t length;
	bool have_link = input_byte(input) % 2;
	const uint8_t *piece = input_piece(input, &length);
	Buffer fault = {0};
	char *text = malloc(length + 1);
	Template *template;

	/* a file's text has a zero byte behind it */
	memcpy(text, piece, length);
	text[length] = '\0';
	template = template_parse(text, length, have_link, &fault);
	PROMISE((template == NULL) == (fault.length > 0));
	free(text);
	if (template != NULL)
	{
		show(template, input);
		template_free(template);
	}
	buffer_free(&fault);
}
