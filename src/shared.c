/*
 * shared.c
 *		Memory that all sessions of the server share, where it has some for
 *		extensions: from PostgreSQL 17 on, or when the library is in
 *		shared_preload_libraries.
 *
 * One piece, for one user; knows nothing of what is kept there.
 */
#include "postgres.h"

#include "compat.h"
#include "miscadmin.h"
#include "shared.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

typedef struct Shared
{
	bool initialized;					 /* under AddinShmemInitLock */
	int64 memory[FLEXIBLE_ARRAY_MEMBER]; /* as it must be aligned */
} Shared;

#define SHARED_SIZE (offsetof(Shared, memory) + CUST_SHARED_BYTES)

static Shared *shared = NULL;

#ifdef CUST_HAS_NAMED_SEGMENTS

static void
start_empty(void *memory CUST_SEGMENT_ARGUMENT)
{
	((Shared *) memory)->initialized = false;
}

void
cust_shared_request(void)
{
}

static void
find_shared(void)
{
	bool found;

	shared = cust_named_segment("customers", SHARED_SIZE, start_empty, &found);
}

#else

static shmem_request_hook_type next_request = NULL;
static shmem_startup_hook_type next_startup = NULL;

static void
request(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(SHARED_SIZE);
}

static void
start(void)
{
	bool found;

	if (next_startup)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("customers", SHARED_SIZE, &found);
	if (!found)
		shared->initialized = false;
	LWLockRelease(AddinShmemInitLock);
}

/* Asks for the memory while the server starts; called by _PG_init. */
void
cust_shared_request(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request = shmem_request_hook;
	shmem_request_hook = request;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = start;
}

/* what there is, start found */
static void
find_shared(void)
{
}

#endif

/*
 * The memory, which the first session to come has had initialized; NULL if
 * there is none.
 */
void *
cust_shared_memory(void (*initialize)(void *memory))
{
	static bool known = false;

	if (known)
		return shared->memory;
	if (shared == NULL)
		find_shared();
	if (shared == NULL)
		return NULL;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	if (!shared->initialized)
	{
		initialize(shared->memory);
		shared->initialized = true;
	}
	LWLockRelease(AddinShmemInitLock);
	known = true;
	return shared->memory;
}
