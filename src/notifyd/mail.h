/*
 * mail.h
 *		Mails made of deliveries: pure functions of what they are given.
 */
#ifndef NOTIFYD_MAIL_H
#define NOTIFYD_MAIL_H

#include <time.h>

#include "buffer.h"
#include "delivery.h"
#include "template.h"

/* What the shop says about its mails; both can be NULL. */
typedef struct MailSetup
{
	const char *from; /* the sender */
	const char *link; /* where links lead */
} MailSetup;

extern const char *mail_fault(const MailSetup *setup);
extern const char *mail_compose(const MailSetup *setup,
								const Template *template,
								const Delivery *delivery, int recipient,
								time_t now, Buffer *mail);

#endif
