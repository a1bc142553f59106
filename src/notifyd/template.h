/*
 * template.h
 *		Texts of mails with places for values: pure functions of texts.
 */
#ifndef NOTIFYD_TEMPLATE_H
#define NOTIFYD_TEMPLATE_H

#include <stdbool.h>

#include "buffer.h"
#include "field.h"

/* bytes of a template */
#define TEMPLATE_MAX 65536

typedef struct Template Template;

extern Template *template_parse(const char *text, size_t length,
								bool have_link, Buffer *fault);
extern void template_free(Template *template);
extern void template_render(const Template *template,
							const char *const *values, Buffer *subject,
							Buffer *body);

#endif
