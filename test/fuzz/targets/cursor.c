/* cursor.c: what is given as the cursor of a page. */
#include "server.h"

#include "rows/page.h"
#include "utils/builtins.h"

#define KIND "customers -id"

static PageStart
start_of(Datum cursor)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = cursor;
	fcinfo->args[0].isnull = false;
	return cust_page_start(fcinfo, 0, KIND);
}

/* A cursor of ours with any key comes back as it was. */
static void
check_round_trip(Input *input)
{
	int64 id = 0;
	char *key;
	PageStart start;

	for (int i = 0; i < 8; i++)
		id = (int64) ((uint64) id << 8 | input_byte(input));
	key = text_to_cstring(server_next_text(input));
	start = start_of(cust_page_cursor(KIND, key, id));
	PROMISE(start.given && start.id == id && strcmp(start.key, key) == 0);
}

void
fuzz_one(Input *input)
{
	check_round_trip(input);
	(void) start_of(PointerGetDatum(server_next_text(input)));
}
