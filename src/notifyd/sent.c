/*
 * sent.c
 *		Which mails of unfinished deliveries were sent already.
 *
 * When one address of a delivery got its mail and another did not, the
 * delivery fails and comes back; the first must not get a second mail then.
 * This is known as long as the daemon runs.
 */
#include "sent.h"

#include <stddef.h>
#include <stdlib.h>

#include "buffer.h"

/* Deliveries that never come back to us are forgotten, oldest first. */
#define MAX_KNOWN 10000

typedef struct Sent
{
	int64_t delivery_id;
	uint64_t recipients;
	struct Sent *next;
} Sent;

static Sent *newest;

/* The link to what is known of a delivery; to NULL at the end if nothing. */
static Sent **
find(int64_t delivery_id)
{
	Sent **link = &newest;

	while (*link != NULL && (*link)->delivery_id != delivery_id)
		link = &(*link)->next;
	return link;
}

/* Has that address of the delivery got its mail? */
bool
sent_before(int64_t delivery_id, int recipient)
{
	Sent *known = *find(delivery_id);

	return known != NULL && (known->recipients >> recipient & 1) != 0;
}

static void
forget_oldest(void)
{
	Sent **link = &newest;
	int n = 0;

	for (; *link != NULL && ++n < MAX_KNOWN; link = &(*link)->next)
		continue;
	while (*link != NULL)
	{
		Sent *old = *link;

		*link = old->next;
		free(old);
	}
}

/* That address of the delivery has got its mail. */
void
sent_note(int64_t delivery_id, int recipient)
{
	Sent *known = *find(delivery_id);

	if (known == NULL)
	{
		forget_oldest();
		known = memory_get(sizeof(Sent));
		known->delivery_id = delivery_id;
		known->next = newest;
		newest = known;
	}
	known->recipients |= UINT64_C(1) << recipient;
}

/* The delivery is done. */
void
sent_forget(int64_t delivery_id)
{
	Sent **link = find(delivery_id);
	Sent *known = *link;

	if (known == NULL)
		return;
	*link = known->next;
	free(known);
}
