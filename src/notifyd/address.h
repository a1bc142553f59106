/*
 * address.h
 *		Addresses in the headers of mails: pure functions of texts.
 */
#ifndef NOTIFYD_ADDRESS_H
#define NOTIFYD_ADDRESS_H

#include <stdbool.h>

#include "buffer.h"

extern const char *address_fault(const char *address);
extern void address_add(Buffer *out, const char *address);
extern bool address_add_sender(Buffer *out, const char *sender);
extern const char *address_domain(const char *sender, size_t *length);

#endif
