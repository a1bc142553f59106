/*
 * server.c
 *		As much of a server as code needs that touches no table.
 *
 * The objects of a real server are linked, so that palloc, ereport, jsonb and
 * encodings are its own.  The first byte of an input says what encoding the
 * database has.
 */
#include "server.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "utils/guc_hooks.h"
#endif

/* what main.c of the server would define */
const char *progname = "fuzz";

static const pg_enc encodings[] = {PG_UTF8, PG_LATIN1, PG_EUC_JP,
								   PG_SQL_ASCII};

static MemoryContext per_input;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	MemoryContextInit();
	(void) set_stack_base();
	max_stack_depth = 4096;
	assign_max_stack_depth(max_stack_depth, NULL);
	per_input = AllocSetContextCreate(TopMemoryContext, "input",
									  ALLOCSET_DEFAULT_SIZES);
	CurrentMemoryContext = per_input;
	return 0;
}

/*
 * A text in memory of just its size.  Bytes that no text of the database could
 * hold become question marks.
 */
text *
server_text(const char *s, size_t length)
{
	text *result = palloc(VARHDRSZ + length);
	char *out = VARDATA(result);
	size_t at = 0;

	SET_VARSIZE(result, VARHDRSZ + length);
	while (at < length)
	{
		int size = pg_encoding_verifymbchar(GetDatabaseEncoding(), s + at,
											(int) (length - at));

		if (size < 1)
			out[at] = '?';
		else
			memcpy(out + at, s + at, size);
		at += Max(size, 1);
	}
	return result;
}

text *
server_next_text(Input *input)
{
	size_t length;
	const char *piece = (const char *) input_piece(input, &length);

	return server_text(piece, length);
}

/* An error that a user cannot cause is a finding. */
static void
judge_error(void)
{
	ErrorData *error;

	MemoryContextSwitchTo(per_input);
	error = CopyErrorData();
	FlushErrorState();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR)
	{
		fprintf(stderr, "internal error: %s\n", error->message);
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};

	SetDatabaseEncoding(encodings[input_byte(&input) % lengthof(encodings)]);
	PG_TRY();
	{
		fuzz_one(&input);
	}
	PG_CATCH();
	{
		judge_error();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(per_input);
	MemoryContextReset(per_input);
	return 0;
}
