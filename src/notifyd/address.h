/*
 * address.h
 *		Addresses of mails.
 */
#ifndef NOTIFYD_ADDRESS_H
#define NOTIFYD_ADDRESS_H

#include <stdbool.h>

#include "buffer.h"

extern bool address_is_usable(const char *address);
extern bool address_add_sender(Buffer *out, const char *sender);
extern const char *address_domain(const char *sender, size_t *length);

#endif
