/*
 * failures.c
 *		Wrong passwords that outlive the transaction that counted them.
 *
 * The row of the account has the count; a caller that rolls back takes it
 * back.  So what was counted is noted here as well, in the memory that all
 * sessions share, or in the session's own where there is none.  A note says
 * more than the row only after a rollback.
 *
 * The memory is bounded, and store owners who fill it are strangers to each
 * other: notes are spread over buckets by a keyed hash, and a full bucket
 * loses a note of the owner who has most in it, one of few failures first.
 */
#include "postgres.h"

#include "accounts/failures.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "shared.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#define NOTES_PER_BUCKET 16
#define SHARED_BUCKETS 1024
#define OWN_BUCKETS 32

typedef struct NoteKey
{
	Oid database;
	Oid table;
	int64 customer_id;
} NoteKey;

typedef struct Note
{
	NoteKey key;
	Oid owner;
	int failures; /* 0: the place is free */
	TimestampTz last;
} Note;

/* The lock is held for a walk over the notes, without any call. */
typedef struct Bucket
{
	slock_t lock;
	Note notes[NOTES_PER_BUCKET];
} Bucket;

typedef struct Notes
{
	uint64 seed;
	uint32 nbuckets;
	Bucket buckets[FLEXIBLE_ARRAY_MEMBER];
} Notes;

#define NOTES_SIZE(nbuckets) \
	(offsetof(Notes, buckets) + (nbuckets) * sizeof(Bucket))

StaticAssertDecl(NOTES_SIZE(SHARED_BUCKETS) <= CUST_SHARED_BYTES,
				 "shared memory must hold the notes");

/* ------------------------------------------------------------------------
 * Where notes are
 * ------------------------------------------------------------------------
 */

static void
initialize_notes(Notes *notes, uint32 nbuckets)
{
	memset(notes, 0, NOTES_SIZE(nbuckets));
	if (!pg_strong_random(&notes->seed, sizeof(notes->seed)))
		elog(ERROR, "could not generate random bits");
	notes->nbuckets = nbuckets;
	for (uint32 i = 0; i < nbuckets; i++)
		SpinLockInit(&notes->buckets[i].lock);
}

static void
initialize_shared(void *memory)
{
	initialize_notes(memory, SHARED_BUCKETS);
}

static Notes *
all_notes(void)
{
	static Notes *own = NULL;
	Notes *shared = cust_shared_memory(initialize_shared);

	if (shared != NULL)
		return shared;
	if (own == NULL)
	{
		Notes *notes = MemoryContextAlloc(TopMemoryContext,
										  NOTES_SIZE(OWN_BUCKETS));

		initialize_notes(notes, OWN_BUCKETS);
		own = notes;
	}
	return own;
}

static NoteKey
note_key(const FailureKey *key)
{
	NoteKey result;

	memset(&result, 0, sizeof(result));
	result.database = MyDatabaseId;
	result.table = key->table;
	result.customer_id = key->customer_id;
	return result;
}

static Bucket *
bucket_of(const NoteKey *key)
{
	Notes *notes = all_notes();
	uint64 hash = hash_bytes_extended((const unsigned char *) key,
									  sizeof(NoteKey), notes->seed);

	return &notes->buckets[hash % notes->nbuckets];
}

/* ------------------------------------------------------------------------
 * A bucket, which is locked
 * ------------------------------------------------------------------------
 */

/* The note of that key; NULL if there is none. */
static Note *
find_note(Bucket *bucket, const NoteKey *key)
{
	for (int i = 0; i < NOTES_PER_BUCKET; i++)
	{
		Note *note = &bucket->notes[i];

		if (note->failures > 0 && note->key.customer_id == key->customer_id &&
			note->key.table == key->table &&
			note->key.database == key->database)
			return note;
	}
	return NULL;
}

/* How many notes has the owner of this one? */
static int
share_of_owner(const Bucket *bucket, const Note *of)
{
	int share = 0;

	for (int i = 0; i < NOTES_PER_BUCKET; i++)
	{
		const Note *note = &bucket->notes[i];

		if (note->owner == of->owner && note->key.database == of->key.database)
			share++;
	}
	return share;
}

/* A place for one more: a free one, or that of the note to be lost. */
static Note *
find_place(Bucket *bucket)
{
	Note *place = NULL;
	int share = 0;

	for (int i = 0; i < NOTES_PER_BUCKET; i++)
	{
		Note *note = &bucket->notes[i];
		int other;

		if (note->failures == 0)
			return note;
		other = share_of_owner(bucket, note);
		if (place == NULL || other > share ||
			(other == share &&
			 (note->failures < place->failures ||
			  (note->failures == place->failures &&
			   note->last < place->last))))
		{
			place = note;
			share = other;
		}
	}
	return place;
}

/* ------------------------------------------------------------------------
 * For those who count
 * ------------------------------------------------------------------------
 */

/* How many failures were noted, and when the last was; 0: none. */
int
cust_failures_of(const FailureKey *key, TimestampTz *last)
{
	NoteKey wanted = note_key(key);
	Bucket *bucket = bucket_of(&wanted);
	int failures = 0;
	Note *note;

	SpinLockAcquire(&bucket->lock);
	note = find_note(bucket, &wanted);
	if (note != NULL)
	{
		failures = note->failures;
		*last = note->last;
	}
	SpinLockRelease(&bucket->lock);
	return failures;
}

/* Notes that so many failures were counted. */
void
cust_failures_note(const FailureKey *key, int failures, TimestampTz now)
{
	NoteKey wanted = note_key(key);
	Bucket *bucket = bucket_of(&wanted);
	Note *note;

	Assert(failures > 0);
	SpinLockAcquire(&bucket->lock);
	note = find_note(bucket, &wanted);
	if (note == NULL)
	{
		note = find_place(bucket);
		note->key = wanted;
	}
	note->owner = key->owner;
	note->failures = failures;
	note->last = now;
	SpinLockRelease(&bucket->lock);
}

/* Forgets the failures. */
void
cust_failures_forget(const FailureKey *key)
{
	NoteKey wanted = note_key(key);
	Bucket *bucket = bucket_of(&wanted);
	Note *note;

	SpinLockAcquire(&bucket->lock);
	note = find_note(bucket, &wanted);
	if (note != NULL)
		note->failures = 0;
	SpinLockRelease(&bucket->lock);
}
