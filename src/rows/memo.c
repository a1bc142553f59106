/*
 * memo.c
 *		What is remembered of a table under a shape, until the table changes.
 *
 * Called by shape and asmade, which copy what they find at once: code of the
 * table's owner that runs later may come here again.
 */
#include "postgres.h"

#include "rows/memo.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

/* tables come and go: with more of them, those that changed are forgotten */
#define ENOUGH 100

/* in CacheMemoryContext, for the session */
static HTAB *memos = NULL;

static uint64 invalidations = 0;

static void
invalidate(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Memo *memo;

	invalidations++;
	hash_seq_init(&status, memos);
	while ((memo = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || memo->key.relid == relid)
			memo->has_map = memo->has_as_made = false;
	}
}

static void
create_memos(void)
{
	HASHCTL ctl = {
		.keysize = sizeof(MemoKey),
		.entrysize = sizeof(Memo),
		.hcxt = CacheMemoryContext,
	};

	memos = hash_create("customers tables", 32, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
}

static void
forget_changed(void)
{
	HASH_SEQ_STATUS status;
	Memo *memo;

	hash_seq_init(&status, memos);
	while ((memo = hash_seq_search(&status)) != NULL)
	{
		if (!memo->has_map && !memo->has_as_made)
			hash_search(memos, &memo->key, HASH_REMOVE, NULL);
	}
}

/*
 * The memo of a table, which the caller has open and locked: a place to look
 * and to note, good until anything else is called.
 */
Memo *
cust_memo_of(Relation rel, const TableShape *shape)
{
	MemoKey key;
	Memo *memo;
	bool found;

	Assert(CheckRelationLockedByMe(rel, AccessShareLock, true));
	if (memos == NULL)
		create_memos();
	/* there may be padding */
	memset(&key, 0, sizeof(key));
	key.relid = RelationGetRelid(rel);
	key.shape = shape;
	memo = hash_search(memos, &key, HASH_FIND, NULL);
	if (memo != NULL)
		return memo;
	if (hash_get_num_entries(memos) > ENOUGH)
		forget_changed();
	memo = hash_search(memos, &key, HASH_ENTER, &found);
	if (!found)
		memo->has_map = memo->has_as_made = false;
	return memo;
}

/* How many there were: more than before, and what was found out may be old. */
uint64
cust_memo_invalidations(void)
{
	return invalidations;
}
