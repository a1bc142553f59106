/*
 * words.c
 *		Commands as they are typed, and as they are run.
 *
 * A command is split into words without a shell, so that nothing in it is
 * expanded: blanks separate, '..' keeps all, ".." and \ quote as in a shell.
 */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/*
 * Appends what the quotes at *text hold, and moves *text to the closing one;
 * false if there is none.
 */
static bool
take_quoted(const char **text, Buffer *word)
{
	char quote = **text;

	for ((*text)++; **text != quote; (*text)++)
	{
		if (quote == '"' && **text == '\\' && (*text)[1] != '\0' &&
			strchr("\"\\$`", (*text)[1]) != NULL)
			(*text)++;
		if (**text == '\0')
			return false;
		buffer_char(word, **text);
	}
	return true;
}

/* Takes the word at *text; NULL if a quote in it is not closed. */
static char *
take_word(const char **text)
{
	Buffer word = {0};

	buffer_text(&word, "");
	for (; **text != '\0' && !is_blank(**text); (*text)++)
	{
		if (**text == '\'' || **text == '"')
		{
			if (!take_quoted(text, &word))
			{
				buffer_free(&word);
				return NULL;
			}
			continue;
		}
		if (**text == '\\' && (*text)[1] != '\0')
			(*text)++;
		buffer_char(&word, **text);
	}
	return word.data;
}

/* Returns the words and a NULL, or NULL if a quote is not closed. */
char **
words_split(const char *text)
{
	/* each word but the last is followed by a blank */
	char **words = memory_get((strlen(text) / 2 + 2) * sizeof(char *));
	size_t n = 0;

	for (;;)
	{
		while (is_blank(*text))
			text++;
		if (*text == '\0')
			return words;
		words[n] = take_word(&text);
		if (words[n++] == NULL)
		{
			free(words);
			return NULL;
		}
	}
}

static bool
is_program(const char *path)
{
	struct stat found;

	if (stat(path, &found) != 0)
		return false;
	if (!S_ISREG(found.st_mode))
	{
		errno = EACCES;
		return false;
	}
	return access(path, X_OK) == 0;
}

/* Would exec find the program?  Sets errno if not. */
bool
words_runnable(const char *program)
{
	const char *path = getenv("PATH");
	int error = ENOENT;

	if (strchr(program, '/') != NULL)
		return is_program(program);
	for (path = path ? path : "/bin:/usr/bin"; *path != '\0';)
	{
		size_t length = strcspn(path, ":");
		Buffer candidate = {0};
		bool found;

		buffer_add(&candidate, path, length);
		buffer_text(&candidate, length > 0 ? "/" : "./");
		buffer_text(&candidate, program);
		found = is_program(candidate.data);
		if (!found && errno != ENOENT && errno != ENOTDIR)
			error = errno;
		buffer_free(&candidate);
		if (found)
			return true;
		path += length;
		path += *path == ':';
	}
	errno = error;
	return false;
}
