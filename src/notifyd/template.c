/*
 * template.c
 *		Texts of mails with places for values.
 *
 * A template is a file <type of event>.txt.  Its first line is "Subject: ..",
 * the rest, after an empty line, the body.  {{name}} is replaced by a value;
 * what stands between {{#name}} and {{/name}} is shown if there is such a
 * value, between {{^name}} and {{/name}} if there is none.  All templates are
 * read and checked at the start.
 */
#include "template.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "utf8.h"

#define SUFFIX ".txt"
#define SUBJECT "Subject:"

/* bytes of a template, and parts of it in each other */
#define MAX_TEMPLATE 65536
#define MAX_DEPTH 8

typedef enum PieceKind
{
	PIECE_TEXT,
	PIECE_VALUE = ' ',
	PIECE_IF = '#',
	PIECE_UNLESS = '^',
	PIECE_END = '/',
} PieceKind;

typedef struct Piece
{
	PieceKind kind;
	Field field;
	const char *text; /* of a PIECE_TEXT, in the template's source */
	size_t length;
} Piece;

typedef struct Pieces
{
	Piece *piece;
	int n;
} Pieces;

struct Template
{
	char *type;
	char *source;
	Pieces subject;
	Pieces body;
	struct Template *next;
};

/* where an error is, for messages */
typedef struct Place
{
	const char *path;
	int line;
	bool have_link;
} Place;

static const char *const field_names[ALL_FIELDS] = {
	[FIELD_STORE] = "store",
	[FIELD_TYPE] = "type",
	[FIELD_CUSTOMER_ID] = "customer_id",
	[FIELD_ORDER_ID] = "order_id",
	[FIELD_TRANSFER_ID] = "transfer_id",
	[FIELD_NEW_OWNER_NAME] = "new_owner_name",
	[FIELD_DESCRIPTION] = "description",
	[FIELD_CREATED_AT] = "created_at",
	[FIELD_EXPIRES_AT] = "expires_at",
	[FIELD_RECIPIENT] = "recipient",
	[FIELD_ACCEPT_LINK] = "accept_link",
	[FIELD_DECLINE_LINK] = "decline_link",
	[FIELD_RESET_LINK] = "reset_link",
};

static Template *templates;

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static Field
find_field(const Place *place, const char *name, size_t length)
{
	for (int i = 0; i < ALL_FIELDS; i++)
	{
		if (strlen(field_names[i]) != length ||
			strncmp(field_names[i], name, length) != 0)
			continue;
		if (i >= FIELD_ACCEPT_LINK && !place->have_link)
			complain(EXIT_BAD_CONFIG, "%s:%d: {{%s}} needs --link",
					 place->path, place->line, field_names[i]);
		return (Field) i;
	}
	complain(EXIT_BAD_CONFIG, "%s:%d: there is no value \"%.*s\"", place->path,
			 place->line, (int) length, name);
}

static Piece *
add_piece(Pieces *pieces, Piece piece)
{
	Piece *grown = realloc(pieces->piece,
						   ((size_t) pieces->n + 1) * sizeof(Piece));

	if (grown == NULL)
		complain(EXIT_INTERNAL, "out of memory");
	pieces->piece = grown;
	pieces->piece[pieces->n] = piece;
	return &pieces->piece[pieces->n++];
}

/*
 * Takes what begins with {{ at *text, and moves *text behind it.  One that
 * begins or ends a part and has its line for itself takes the whole line.
 */
static const Piece *
take_tag(Place *place, const char *start, const char **text, Pieces *pieces)
{
	const char *tag = *text;
	const char *end = strstr(tag, "}}");
	bool at_line_start = tag == start || tag[-1] == '\n';
	Piece piece = {.kind = PIECE_VALUE};

	if (end == NULL || memchr(tag, '\n', (size_t) (end - tag)) != NULL)
		complain(EXIT_BAD_CONFIG, "%s:%d: {{ without }}", place->path,
				 place->line);
	tag += 2;
	if (strchr("#^/", *tag) != NULL)
		piece.kind = (PieceKind) *tag++;
	piece.field = find_field(place, tag, (size_t) (end - tag));
	*text = end + 2;
	if (piece.kind != PIECE_VALUE && at_line_start && **text == '\n')
	{
		(*text)++;
		place->line++;
	}
	return add_piece(pieces, piece);
}

/* Keeps account of the parts that are open; they must end in order. */
static void
check_nesting(const Place *place, const Piece *piece, Field *open, int *depth)
{
	if (piece->kind == PIECE_IF || piece->kind == PIECE_UNLESS)
	{
		if (*depth >= MAX_DEPTH)
			complain(EXIT_BAD_CONFIG, "%s:%d: too many parts in each other",
					 place->path, place->line);
		open[(*depth)++] = piece->field;
	}
	else if (piece->kind == PIECE_END &&
			 (*depth == 0 || open[--*depth] != piece->field))
		complain(EXIT_BAD_CONFIG, "%s:%d: {{/%s}} ends nothing", place->path,
				 place->line, field_names[piece->field]);
}

static Pieces
parse(Place *place, const char *text)
{
	const char *start = text;
	Pieces pieces = {0};
	Field open[MAX_DEPTH];
	int depth = 0;

	while (*text != '\0')
	{
		const char *tag = strstr(text, "{{");
		size_t length = tag ? (size_t) (tag - text) : strlen(text);

		if (length > 0)
			add_piece(&pieces,
					  (Piece){.kind = PIECE_TEXT,
							  .text = text,
							  .length = length});
		for (size_t i = 0; i < length; i++)
			place->line += text[i] == '\n';
		text += length;
		if (tag != NULL)
			check_nesting(place, take_tag(place, start, &text, &pieces), open,
						  &depth);
	}
	if (depth > 0)
		complain(EXIT_BAD_CONFIG, "%s: {{/%s}} is missing", place->path,
				 field_names[open[depth - 1]]);
	return pieces;
}

/* The file's text with \n as end of line. */
static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	Buffer text = {0};
	int c;

	if (file == NULL)
		complain(EXIT_BAD_CONFIG, "cannot open \"%s\": %s", path,
				 strerror(errno));
	buffer_text(&text, "");
	while ((c = getc(file)) != EOF && text.length < MAX_TEMPLATE)
	{
		if (c != '\r')
			buffer_char(&text, (char) c);
	}
	if (ferror(file))
		complain(EXIT_BAD_CONFIG, "cannot read \"%s\": %s", path,
				 strerror(errno));
	fclose(file);
	if (c != EOF || strlen(text.data) != text.length)
		complain(EXIT_BAD_CONFIG, "\"%s\" is not a text of at most %d bytes",
				 path, MAX_TEMPLATE);
	return text.data;
}

static void
load(const char *folder, const char *name, bool have_link)
{
	Template *template = memory_get(sizeof(Template));
	Buffer path = {0};
	Place place = {.line = 1, .have_link = have_link};
	char *subject;
	char *body;

	buffer_print(&path, "%s/%s", folder, name);
	place.path = path.data;
	template->type = memory_copy(name);
	template->type[strlen(name) - strlen(SUFFIX)] = '\0';
	template->source = read_file(path.data);
	subject = template->source;
	body = strchr(subject, '\n');
	if (strncmp(subject, SUBJECT, strlen(SUBJECT)) != 0 || body == NULL)
		complain(EXIT_BAD_CONFIG,
				 "%s:1: the first line must be \"" SUBJECT " ..\"", path.data);
	*body++ = '\0';
	subject += strlen(SUBJECT);
	subject += strspn(subject, " \t");
	template->subject = parse(&place, subject);
	place.line = 2;
	if (*body == '\n')
	{
		body++;
		place.line++;
	}
	template->body = parse(&place, body);
	template->next = templates;
	templates = template;
	buffer_free(&path);
}

/* Reads the templates of a folder; exits if one of them is wrong. */
void
template_load_all(const char *folder, bool have_link)
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
template_find(const char *type)
{
	for (const Template *t = templates; t != NULL; t = t->next)
	{
		if (strcmp(t->type, type) == 0)
			return t;
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * Rendering
 * ------------------------------------------------------------------------
 */

static void
render(const Pieces *pieces, const char *const *values, Buffer *out)
{
	int hidden = 0; /* parts around us that are not shown */

	buffer_text(out, "");
	for (int i = 0; i < pieces->n; i++)
	{
		const Piece *piece = &pieces->piece[i];
		const char *value = values[piece->field];
		bool given = value != NULL && *value != '\0';

		if (piece->kind == PIECE_END)
			hidden -= hidden > 0;
		else if (piece->kind == PIECE_IF || piece->kind == PIECE_UNLESS)
			hidden += hidden > 0 || given != (piece->kind == PIECE_IF);
		else if (hidden > 0)
			continue;
		else if (piece->kind == PIECE_TEXT)
			buffer_add(out, piece->text, piece->length);
		else if (given)
			utf8_add_clean(out, value);
	}
}

/*
 * Appends subject and body.  values has ALL_FIELDS entries, NULL for those
 * without a value; each is put on one line, whatever is in it.
 */
void
template_render(const Template *template, const char *const *values,
				Buffer *subject, Buffer *body)
{
	render(&template->subject, values, subject);
	render(&template->body, values, body);
}
