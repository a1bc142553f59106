/*
 * templates.c
 *		The folder of templates.
 *
 * A template is a file <type of event>.txt.  All are read and checked at the
 * start.
 */
#include "templates.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "complain.h"

#define SUFFIX ".txt"

typedef struct Named
{
	char *type;
	Template *template;
	struct Named *next;
} Named;

static Named *templates;

/* Appends the file, but not much more than a template may have. */
static void
read_file(const char *path, Buffer *text)
{
	FILE *file = fopen(path, "re");
	int c;

	if (file == NULL)
		complain(EXIT_BAD_CONFIG, "cannot open \"%s\": %s", path,
				 strerror(errno));
	buffer_text(text, "");
	while (text->length <= TEMPLATE_MAX && (c = getc(file)) != EOF)
		buffer_char(text, (char) c);
	if (ferror(file))
		complain(EXIT_BAD_CONFIG, "cannot read \"%s\": %s", path,
				 strerror(errno));
	fclose(file);
}

static void
load(const char *folder, const char *name, bool have_link)
{
	Named *named = memory_get(sizeof(Named));
	Buffer path = {0};
	Buffer text = {0};
	Buffer fault = {0};

	buffer_print(&path, "%s/%s", folder, name);
	read_file(path.data, &text);
	named->type = memory_copy(name);
	named->type[strlen(name) - strlen(SUFFIX)] = '\0';
	named->template = template_parse(text.data, text.length, have_link,
									 &fault);
	if (named->template == NULL)
		complain(EXIT_BAD_CONFIG, "%s:%s", path.data, fault.data);
	named->next = templates;
	templates = named;
	buffer_free(&path);
	buffer_free(&text);
}

/* Reads the templates of a folder; exits if one of them is wrong. */
void
templates_load(const char *folder, bool have_link)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (dir == NULL)
		complain(EXIT_BAD_CONFIG, "cannot open the folder \"%s\": %s", folder,
				 strerror(errno));
	while ((entry = readdir(dir)) != NULL)
	{
		size_t length = strlen(entry->d_name);

		if (length > strlen(SUFFIX) && entry->d_name[0] != '.' &&
			strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0)
			load(folder, entry->d_name, have_link);
	}
	closedir(dir);
	if (templates == NULL)
		complain(EXIT_BAD_CONFIG, "there is no template *" SUFFIX " in \"%s\"",
				 folder);
}

/* The template for a type of event, or NULL. */
const Template *
templates_find(const char *type)
{
	for (const Named *named = templates; named != NULL; named = named->next)
	{
		if (strcmp(named->type, type) == 0)
			return named->template;
	}
	return NULL;
}
