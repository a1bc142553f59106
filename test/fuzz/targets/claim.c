/* claim.c: rows that the server gives to a claim, whatever is in them. */
#include "daemon.h"

/* what it makes of a result is its own affair */
#include "notifyd/claim.c"

#define COLUMNS (COLUMN_FIELDS + CLAIMED_FIELDS)
#define ROWS 20

static PGresult *
make_result(Input *input, int columns)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[COLUMNS] = {0};

	for (int i = 0; i < columns; i++)
		attributes[i].name = (char *) "column";
	PROMISE(PQsetResultAttrs(result, columns, attributes));
	for (int row = 0; row < ROWS && input->left > 0; row++)
	{
		for (int i = 0; i < columns; i++)
		{
			char *value = input_string(input);
			int length = value[0] == '~' ? -1 : (int) strlen(value);

			PROMISE(
				PQsetvalue(result, row, i, length < 0 ? NULL : value, length));
			free(value);
		}
	}
	return result;
}

void
fuzz_one(Input *input)
{
	Options given = {.mode = input_byte(input) % 2 ? MODE_MAIL : MODE_EXEC};
	Delivery *deliveries[ROWS];
	PGresult *result;
	int n;

	options = &given;
	result = make_result(input,
						 given.mode == MODE_MAIL ? COLUMNS : COLUMN_FIELDS);
	n = read_deliveries(result, ROWS, 0, deliveries);
	PROMISE(n <= PQntuples(result));
	PQclear(result);
	for (int i = 0; i < n; i++)
		delivery_free(deliveries[i]);
}
