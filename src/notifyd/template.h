/*
 * template.h
 *		Texts of mails with places for values.
 */
#ifndef NOTIFYD_TEMPLATE_H
#define NOTIFYD_TEMPLATE_H

#include <stdbool.h>

#include "buffer.h"
#include "delivery.h"

typedef struct Template Template;

extern void template_load_all(const char *folder, bool have_link);
extern const Template *template_find(const char *type);
extern void template_render(const Template *template,
							const char *const *values, Buffer *subject,
							Buffer *body);

#endif
