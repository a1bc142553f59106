/*
 * templates.h
 *		The folder of templates.
 */
#ifndef NOTIFYD_TEMPLATES_H
#define NOTIFYD_TEMPLATES_H

#include <stdbool.h>

#include "template.h"

extern void templates_load(const char *folder, bool have_link);
extern const Template *templates_find(const char *type);

#endif
