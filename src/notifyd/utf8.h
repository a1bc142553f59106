/*
 * utf8.h
 *		Characters of texts that others made.
 */
#ifndef NOTIFYD_UTF8_H
#define NOTIFYD_UTF8_H

#include "buffer.h"

extern size_t utf8_length(const char *text);
extern void utf8_add_clean(Buffer *buffer, const char *text);

#endif
