/*
 * utf8.h
 *		Characters of texts that others made.
 */
#ifndef NOTIFYD_UTF8_H
#define NOTIFYD_UTF8_H

#include <stdbool.h>

#include "buffer.h"

extern size_t utf8_decode(const char *text, unsigned int *c);
extern size_t utf8_length(const char *text);
extern bool utf8_is_control(unsigned int c);
extern void utf8_add_clean(Buffer *buffer, const char *text);

#endif
