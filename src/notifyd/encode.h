/*
 * encode.h
 *		Texts as mails and links must carry them.
 */
#ifndef NOTIFYD_ENCODE_H
#define NOTIFYD_ENCODE_H

#include <stdbool.h>

#include "buffer.h"

extern void encode_header(Buffer *out, const char *text);
extern bool encode_needed(const char *body);
extern void encode_body(Buffer *out, const char *body);
extern void encode_url(Buffer *out, const char *text);

#endif
