/*
 * handover.c
 *		Tokens on their way from a row's guard to the delivery of its
 *		statement.
 *
 * A guard runs before it is known whether its row will be inserted, so the
 * clear text waits here, found by its hash in the row that was.  What nobody
 * takes is cleared with the transaction.
 */
#include "postgres.h"

#include "compat.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "values/handover.h"
#include "values/token.h"

typedef struct HandedToken
{
	char hash[CUST_TOKEN_HASH_LENGTH];
	char clear[CUST_TOKEN_LENGTH + 1];
} HandedToken;

/* in TopTransactionContext, whose end clears it once handed_ends */
static List *handed = NIL;
static bool handed_ends = false;
static MemoryContextCallback handed_end;

/* Clears the tokens of rows that were never inserted. */
static void
forget_handed(void *arg)
{
	ListCell *cell;

	foreach(cell, handed)
	{
		explicit_bzero(lfirst(cell), sizeof(HandedToken));
	}
	handed = NIL;
	handed_ends = false;
}

/* Keeps the clear text of a token until it is taken. */
static void
hand_over(const bytea *hash, const char *clear)
{
	MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
	HandedToken *token = palloc(sizeof(HandedToken));

	/* a callback that is registered twice would follow itself */
	if (!handed_ends)
	{
		handed_end.func = forget_handed;
		MemoryContextRegisterResetCallback(TopTransactionContext, &handed_end);
		handed_ends = true;
	}
	memcpy(token->hash, VARDATA_ANY(hash), CUST_TOKEN_HASH_LENGTH);
	strlcpy(token->clear, clear, sizeof(token->clear));
	handed = lappend(handed, token);
	MemoryContextSwitchTo(before);
}

/*
 * Makes a token for a row about to be inserted and returns its hash, for the
 * row.  The statement's trigger puts the clear text into the delivery, if the
 * row was inserted; otherwise it is cleared with the transaction.
 */
bytea *
cust_handover_make(void)
{
	char clear[CUST_TOKEN_LENGTH + 1];
	bytea *hash;

	cust_token_make(clear);
	hash = cust_token_hash(clear, CUST_TOKEN_LENGTH);
	hand_over(hash, clear);
	explicit_bzero(clear, sizeof(clear));
	return hash;
}

/*
 * The clear text of a token by its hash, which is then forgotten; or NULL.
 * The hash comes from a table, so that it may be anything.
 */
char *
cust_handover_take(const bytea *hash)
{
	ListCell *cell;

	if (VARSIZE_ANY_EXHDR(hash) != CUST_TOKEN_HASH_LENGTH)
		return NULL;
	foreach(cell, handed)
	{
		HandedToken *token = lfirst(cell);
		char *clear;

		if (memcmp(token->hash, VARDATA_ANY(hash), CUST_TOKEN_HASH_LENGTH) !=
			0)
			continue;
		clear = pstrdup(token->clear);
		explicit_bzero(token, sizeof(HandedToken));
		pfree(token);
		handed = foreach_delete_current(handed, cell);
		return clear;
	}
	return NULL;
}
