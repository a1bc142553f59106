/*
 * defang.h
 *		What customers and admins typed, as it may stand in a mail: a pure
 *		function of a text.
 */
#ifndef NOTIFYD_DEFANG_H
#define NOTIFYD_DEFANG_H

#include <stdbool.h>

#include "buffer.h"

extern void defang_add(Buffer *out, const char *text, size_t most,
					   bool show_addresses);

#endif
