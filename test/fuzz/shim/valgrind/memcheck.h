/*
 * memcheck.h
 *		What the server tells valgrind of its memory, told to ASan instead.
 *
 * The server's allocators are compiled with this in the place of valgrind's
 * header, so that a byte behind a chunk of palloc, or one that was freed, is
 * as forbidden as one of malloc.
 */
#ifndef FUZZ_MEMCHECK_H
#define FUZZ_MEMCHECK_H

#include <sanitizer/asan_interface.h>

#define VALGRIND_MAKE_MEM_NOACCESS(start, size) \
	ASAN_POISON_MEMORY_REGION(start, size)
#define VALGRIND_MAKE_MEM_DEFINED(start, size) \
	ASAN_UNPOISON_MEMORY_REGION(start, size)
#define VALGRIND_MAKE_MEM_UNDEFINED(start, size) \
	ASAN_UNPOISON_MEMORY_REGION(start, size)

#define VALGRIND_CHECK_MEM_IS_DEFINED(start, size) ((void) (start), 0)
#define VALGRIND_CREATE_MEMPOOL(pool, redzone, zeroed) ((void) (pool))
#define VALGRIND_DESTROY_MEMPOOL(pool) ((void) (pool))
#define VALGRIND_MEMPOOL_ALLOC(pool, start, size) \
	ASAN_UNPOISON_MEMORY_REGION(start, size)
#define VALGRIND_MEMPOOL_FREE(pool, start) ((void) (start))
#define VALGRIND_MEMPOOL_CHANGE(pool, from, to, size) \
	ASAN_UNPOISON_MEMORY_REGION(to, size)
#define VALGRIND_MEMPOOL_TRIM(pool, start, size) ((void) (start))

#endif
