/*
 * module.c
 *		The library: magic block and initialisation.
 */
#include "postgres.h"

#include <sodium.h>

#include "fmgr.h"
#include "guc.h"
#include "shared.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	if (sodium_init() < 0)
		elog(ERROR, "could not initialize libsodium");
	cust_guc_define();
	cust_shared_request();
}

PG_FUNCTION_INFO_V1(customers_version);

/* version() returns text: the version of the library */
Datum
customers_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(CUSTOMERS_VERSION));
}
