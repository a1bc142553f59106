/*
 * sent.h
 *		Which mails of unfinished deliveries were sent already.
 */
#ifndef NOTIFYD_SENT_H
#define NOTIFYD_SENT_H

#include <stdbool.h>
#include <stdint.h>

/* addresses of a delivery; ours have two at most */
#define MAX_RECIPIENTS 64

extern bool sent_before(int64_t delivery_id, int recipient);
extern void sent_note(int64_t delivery_id, int recipient);
extern void sent_forget(int64_t delivery_id);

#endif
