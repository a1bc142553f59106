/*
 * secret.c
 *		Passwords and tokens on their way through a call.
 *
 * A function that hands a secret to the guard of a table does so by a
 * statement, whose values the log may show (auto_explain prints them in plans
 * and as parameters).  Therefore the statement carries a seal: random text
 * that stands for the secret in this session until the function breaks it, or
 * its (sub)transaction ends.  A guard that finds a seal opens it; everything
 * else that it finds is taken as it is.
 */
#include "postgres.h"

#include "compat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "values/secret.h"
#include "values/token.h"

/* in a context of its own, which is a child of the (sub)transaction's */
typedef struct Sealed
{
	char seal[CUST_TOKEN_LENGTH + 1];
	text *secret;
	MemoryContext context;
	MemoryContextCallback end;
	struct Sealed *next;
} Sealed;

static Sealed *sealed = NULL;

/* ------------------------------------------------------------------------
 * Copies
 * ------------------------------------------------------------------------
 */

static void
clear(void *arg)
{
	text *secret = arg;

	explicit_bzero(VARDATA(secret), VARSIZE(secret) - VARHDRSZ);
}

static text *
copy_text(text *secret)
{
	return cstring_to_text_with_len(VARDATA_ANY(secret),
									VARSIZE_ANY_EXHDR(secret));
}

/*
 * A copy of a secret that is cleared when the current memory context is reset
 * or deleted, after an error too.  It is not to be freed before.
 */
text *
cust_secret_copy(text *secret)
{
	MemoryContextCallback *end = palloc(sizeof(MemoryContextCallback));

	end->func = clear;
	end->arg = copy_text(secret);
	MemoryContextRegisterResetCallback(CurrentMemoryContext, end);
	return end->arg;
}

/* ------------------------------------------------------------------------
 * Seals
 * ------------------------------------------------------------------------
 */

/* Forgets a seal whose context goes. */
static void
forget(void *arg)
{
	Sealed *item = arg;
	Sealed **link = &sealed;

	clear(item->secret);
	while (*link != NULL && *link != item)
		link = &(*link)->next;
	if (*link == item)
		*link = item->next;
}

/* What stands for the secret until cust_secret_break. */
text *
cust_secret_seal(text *secret)
{
	MemoryContext context = AllocSetContextCreate(CurTransactionContext,
												  "customers secret",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Sealed *item = palloc(sizeof(Sealed));

	item->context = context;
	item->secret = copy_text(secret);
	item->end.func = forget;
	item->end.arg = item;
	item->next = sealed;
	MemoryContextRegisterResetCallback(context, &item->end);
	sealed = item;
	MemoryContextSwitchTo(before);
	cust_token_make(item->seal);
	return cstring_to_text_with_len(item->seal, CUST_TOKEN_LENGTH);
}

static Sealed *
find_sealed(text *value)
{
	if (VARSIZE_ANY_EXHDR(value) != CUST_TOKEN_LENGTH)
		return NULL;
	for (Sealed *item = sealed; item != NULL; item = item->next)
	{
		if (memcmp(item->seal, VARDATA_ANY(value), CUST_TOKEN_LENGTH) == 0)
			return item;
	}
	return NULL;
}

/* From now on the seal stands for nothing. */
void
cust_secret_break(text *seal)
{
	Sealed *item = find_sealed(seal);

	if (item != NULL)
		MemoryContextDelete(item->context);
}

/*
 * The secret that a value stands for, as a copy; the value itself if it is no
 * seal.
 */
text *
cust_secret_open(text *value)
{
	Sealed *item = find_sealed(value);

	return item == NULL ? value : cust_secret_copy(item->secret);
}
