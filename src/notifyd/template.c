/*
 * template.c
 *		Texts of mails with places for values.
 *
 * The first line is "Subject: ..", the rest, after an empty line, the body.
 * {{name}} is replaced by a value; what stands between {{#name}} and {{/name}}
 * is shown if there is such a value, between {{^name}} and {{/name}} if there
 * is none.  Pure functions of texts; templates.c reads the files.
 */
#include "template.h"

#include <stdlib.h>
#include <string.h>

#include "defang.h"
#include "utf8.h"

#define SUBJECT "Subject:"

/* parts of a template in each other */
#define MAX_DEPTH 8

/* characters of a value that are shown */
#define MOST_OF_NAME 100
#define MOST_OF_TEXT 300
#define MOST_OF_ADDRESS 254
#define MOST_OF_OTHERS 60

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
	char *source;
	Pieces subject;
	Pieces body;
};

/* where the parser is, and what it has to say */
typedef struct Place
{
	int line;
	bool have_link;
	Buffer *fault;
} Place;

/*
 * The values: most is how many characters of one that others made are shown;
 * 0 are the shop's own, which can be clicked.
 */
static const struct
{
	const char *name;
	size_t most;
} fields[ALL_FIELDS] = {
	[FIELD_STORE] = {"store", 0},
	[FIELD_TYPE] = {"type", MOST_OF_OTHERS},
	[FIELD_CUSTOMER_ID] = {"customer_id", MOST_OF_OTHERS},
	[FIELD_ORDER_ID] = {"order_id", MOST_OF_OTHERS},
	[FIELD_TRANSFER_ID] = {"transfer_id", MOST_OF_OTHERS},
	[FIELD_NEW_OWNER_NAME] = {"new_owner_name", MOST_OF_NAME},
	[FIELD_DESCRIPTION] = {"description", MOST_OF_TEXT},
	[FIELD_CREATED_AT] = {"created_at", MOST_OF_OTHERS},
	[FIELD_EXPIRES_AT] = {"expires_at", MOST_OF_OTHERS},
	[FIELD_RECIPIENT] = {"recipient", MOST_OF_ADDRESS},
	[FIELD_ACCEPT_LINK] = {"accept_link", 0},
	[FIELD_DECLINE_LINK] = {"decline_link", 0},
	[FIELD_RESET_LINK] = {"reset_link", 0},
};

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/* Notes the first thing that is wrong; always false. */
static bool
fail(Place *place, const char *text, const char *name, size_t length)
{
	if (place->fault->length == 0)
	{
		buffer_print(place->fault, "%d: ", place->line);
		buffer_print(place->fault, text, (int) length, name);
	}
	return false;
}

static bool
find_field(Place *place, const char *name, size_t length, Field *field)
{
	for (int i = 0; i < ALL_FIELDS; i++)
	{
		if (strlen(fields[i].name) != length ||
			strncmp(fields[i].name, name, length) != 0)
			continue;
		*field = (Field) i;
		if (i >= FIELD_ACCEPT_LINK && !place->have_link)
			return fail(place, "{{%.*s}} needs --link", name, length);
		return true;
	}
	return fail(place, "there is no value \"%.*s\"", name, length);
}

static void
add_piece(Pieces *pieces, Piece piece)
{
	size_t n = (size_t) pieces->n;

	/* full at each power of two */
	if ((n & (n - 1)) == 0)
	{
		Piece *grown = memory_get((n > 0 ? 2 * n : 1) * sizeof(Piece));

		if (n > 0)
			memcpy(grown, pieces->piece, n * sizeof(Piece));
		free(pieces->piece);
		pieces->piece = grown;
	}
	pieces->piece[pieces->n++] = piece;
}

/*
 * Takes what begins with {{ at *text, and moves *text behind it.  One that
 * begins or ends a part and has its line for itself takes the whole line.
 */
static bool
take_tag(Place *place, const char *start, const char **text, Piece *piece)
{
	const char *tag = *text;
	const char *end = strstr(tag, "}}");
	bool at_line_start = tag == start || tag[-1] == '\n';

	if (end == NULL || memchr(tag, '\n', (size_t) (end - tag)) != NULL)
		return fail(place, "{{ without }}", "", 0);
	tag += 2;
	*piece = (Piece){.kind = PIECE_VALUE};
	if (*tag == PIECE_IF || *tag == PIECE_UNLESS || *tag == PIECE_END)
		piece->kind = (PieceKind) *tag++;
	if (!find_field(place, tag, (size_t) (end - tag), &piece->field))
		return false;
	*text = end + 2;
	if (piece->kind != PIECE_VALUE && at_line_start && **text == '\n')
	{
		(*text)++;
		place->line++;
	}
	return true;
}

/* Keeps account of the parts that are open; they must end in order. */
static bool
check_nesting(Place *place, const Piece *piece, Field *open, int *depth)
{
	const char *name = fields[piece->field].name;

	if (piece->kind == PIECE_IF || piece->kind == PIECE_UNLESS)
	{
		if (*depth >= MAX_DEPTH)
			return fail(place, "too many parts in each other", "", 0);
		open[(*depth)++] = piece->field;
	}
	else if (piece->kind == PIECE_END &&
			 (*depth == 0 || open[--*depth] != piece->field))
		return fail(place, "{{/%.*s}} ends nothing", name, strlen(name));
	return true;
}

/* Appends the pieces of a text; false if it has a fault. */
static bool
parse(Place *place, const char *text, Pieces *pieces)
{
	const char *start = text;
	Field open[MAX_DEPTH];
	int depth = 0;

	while (*text != '\0')
	{
		const char *tag = strstr(text, "{{");
		size_t length = tag ? (size_t) (tag - text) : strlen(text);
		Piece piece = {.kind = PIECE_TEXT, .text = text, .length = length};

		if (length > 0)
			add_piece(pieces, piece);
		for (size_t i = 0; i < length; i++)
			place->line += text[i] == '\n';
		text += length;
		if (tag == NULL)
			break;
		if (!take_tag(place, start, &text, &piece) ||
			!check_nesting(place, &piece, open, &depth))
			return false;
		add_piece(pieces, piece);
	}
	if (depth > 0)
	{
		const char *name = fields[open[depth - 1]].name;

		return fail(place, "{{/%.*s}} is missing", name, strlen(name));
	}
	return true;
}

/* Parts the source, and makes pieces of both parts. */
static bool
parse_all(Template *template, Place *place)
{
	char *subject = template->source;
	char *body = strchr(subject, '\n');

	if (strncmp(subject, SUBJECT, strlen(SUBJECT)) != 0 || body == NULL)
		return fail(place, "the first line must be \"" SUBJECT " ..\"", "", 0);
	*body++ = '\0';
	subject += strlen(SUBJECT);
	subject += strspn(subject, " \t");
	if (!parse(place, subject, &template->subject))
		return false;
	place->line = 2;
	if (*body == '\n')
	{
		body++;
		place->line++;
	}
	return parse(place, body, &template->body);
}

/*
 * Reads text[0..length), with any ends of line.  Returns NULL if something is
 * wrong in it, and appends the line and what it is to fault.
 */
Template *
template_parse(const char *text, size_t length, bool have_link, Buffer *fault)
{
	Template *template = memory_get(sizeof(Template));
	Place place = {.line = 1, .have_link = have_link, .fault = fault};
	Buffer source = {0};
	bool good;

	buffer_text(&source, "");
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] != '\r')
			buffer_char(&source, text[i]);
	}
	template->source = source.data;
	if (length > TEMPLATE_MAX || strlen(source.data) != source.length)
		good = fail(&place, "it is not a text of at most 65536 bytes", "", 0);
	else
		good = parse_all(template, &place);
	if (good)
		return template;
	template_free(template);
	return NULL;
}

void
template_free(Template *template)
{
	free(template->subject.piece);
	free(template->body.piece);
	free(template->source);
	free(template);
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
		else if (given && fields[piece->field].most > 0)
			defang_add(out, value, fields[piece->field].most,
					   piece->field == FIELD_RECIPIENT);
		else if (given)
			utf8_add_clean(out, value);
	}
}

/*
 * Appends subject and body.  values has ALL_FIELDS entries, NULL for those
 * without a value; each is put on one line, whatever is in it, and none but
 * the shop's own can be clicked.
 */
void
template_render(const Template *template, const char *const *values,
				Buffer *subject, Buffer *body)
{
	render(&template->subject, values, subject);
	render(&template->body, values, body);
}
