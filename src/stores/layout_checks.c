/*
 * layout_checks.c
 *		CHECK constraints of the layout in C, for rows that are written without
 *		a statement.
 *
 * Called through rows/asmade, for tables whose CHECKs are the layout's.  Each
 * is true only of rows that keep the constraint; where one says false, the
 * executor is asked, and has the last word.  NOT NULL is looked at before.
 */
#include "postgres.h"

#include "compat.h"
#include "stores/layout.h"
#include "stores/layout_checks.h"
#include "values/json.h"

static bool
is_null(const ShapeMap *map, const TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[map->attnums[column] - 1];
}

static Datum
value_of(const ShapeMap *map, const TupleTableSlot *slot, int column)
{
	return slot->tts_values[map->attnums[column] - 1];
}

/* Is the text this one? */
static bool
is_text(Datum value, const char *expected)
{
	text *given = DatumGetTextPP(value);
	size_t length = strlen(expected);

	return VARSIZE_ANY_EXHDR(given) == length &&
		memcmp(VARDATA_ANY(given), expected, length) == 0;
}

static bool
is_metadata(const ShapeMap *map, const TupleTableSlot *slot, int column)
{
	return !is_null(map, slot, column) &&
		cust_json_is_metadata(value_of(map, slot, column));
}

bool
cust_check_customer_metadata(const ShapeMap *map, const TupleTableSlot *slot)
{
	return is_metadata(map, slot, CUSTOMER_METADATA);
}

bool
cust_check_group_metadata(const ShapeMap *map, const TupleTableSlot *slot)
{
	return is_metadata(map, slot, GROUP_METADATA);
}

bool
cust_check_group_name(const ShapeMap *map, const TupleTableSlot *slot)
{
	return !is_null(map, slot, GROUP_NAME) &&
		!is_text(value_of(map, slot, GROUP_NAME), "");
}

bool
cust_check_orders_metadata(const ShapeMap *map, const TupleTableSlot *slot)
{
	return is_metadata(map, slot, ORDERS_METADATA);
}

/* Three capitals. */
bool
cust_check_orders_currency(const ShapeMap *map, const TupleTableSlot *slot)
{
	text *code;

	if (is_null(map, slot, ORDERS_CURRENCY_CODE))
		return false;
	code = DatumGetTextPP(value_of(map, slot, ORDERS_CURRENCY_CODE));
	if (VARSIZE_ANY_EXHDR(code) != 3)
		return false;
	for (int i = 0; i < 3; i++)
	{
		if (VARDATA_ANY(code)[i] < 'A' || VARDATA_ANY(code)[i] > 'Z')
			return false;
	}
	return true;
}

static bool
is_one_of(const ShapeMap *map, const TupleTableSlot *slot, int column,
		  const char *const *words, int n)
{
	if (is_null(map, slot, column))
		return false;
	for (int i = 0; i < n; i++)
	{
		if (is_text(value_of(map, slot, column), words[i]))
			return true;
	}
	return false;
}

bool
cust_check_orders_status(const ShapeMap *map, const TupleTableSlot *slot)
{
	static const char *const statuses[] = {"draft",			  "pending",
										   "requires_action", "completed",
										   "archived",		  "canceled"};

	return is_one_of(map, slot, ORDERS_STATUS, statuses, lengthof(statuses));
}

bool
cust_check_transfer_status(const ShapeMap *map, const TupleTableSlot *slot)
{
	static const char *const statuses[] = {"requested", "accepted", "declined",
										   "canceled", "expired"};

	return is_one_of(map, slot, TRANSFER_STATUS, statuses, lengthof(statuses));
}

/* A token is there as long as it is waited for, and evidence never. */
bool
cust_check_transfer_token(const ShapeMap *map, const TupleTableSlot *slot)
{
	return is_null(map, slot, TRANSFER_APPROVAL_TOKEN) &&
		!is_null(map, slot, TRANSFER_STATUS) &&
		!is_null(map, slot, TRANSFER_TOKEN_HASH) ==
		is_text(value_of(map, slot, TRANSFER_STATUS), "requested");
}
