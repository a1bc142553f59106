/*
 * mail.h
 *		Mails made of deliveries.
 */
#ifndef NOTIFYD_MAIL_H
#define NOTIFYD_MAIL_H

#include "buffer.h"
#include "delivery.h"
#include "options.h"

extern void mail_begin(const Options *options);
extern bool mail_is_wanted(const Delivery *delivery);
extern const char *mail_compose(const Delivery *delivery, int recipient,
								Buffer *mail);

#endif
