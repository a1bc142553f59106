/*
 * write.c
 *		Inserts or changes one row of a table of a store.
 *
 * Called by nouns, whose functions write one row most of the time: by the
 * INSERT or UPDATE of the columns that are given, and no others; without a
 * statement, by write_row, where that serves.  Knows no table of ours.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "rows/write.h"
#include "rows/write_row.h"

/* Adds a column with its value. */
void
cust_write_set(WriteRow *row, int column, NullableDatum value)
{
	Assert(row->n < PLAN_MAX_ARGS);
	row->columns[row->n++] = (WriteColumn){
		.column = column,
		.value = value,
	};
}

/* Adds a jsonb column of a row that is changed, see WriteColumn. */
void
cust_write_merge(WriteRow *row, int column, Datum added, Datum removed)
{
	Assert(row->n < PLAN_MAX_ARGS);
	row->columns[row->n++] = (WriteColumn){
		.column = column,
		.value = {added, false},
		.merges = true,
		.removed = removed,
	};
}

static PlanQuery
make_query(const WriteTo *to)
{
	return (PlanQuery){
		.made = true,
		.as_owner = to->as_owner,
		.unique = to->unique,
		.hint = to->hint,
	};
}

/* ------------------------------------------------------------------------
 * Without a statement
 * ------------------------------------------------------------------------
 */

/*
 * Writes the row directly, if it can be: false: nothing was done.  Errors are
 * those that the statement would have.
 */
static bool
write_directly(const WriteTo *to, const WriteWhere *where, const WriteRow *row,
			   bool *written, int64 *returned)
{
	PlanQuery query = make_query(to);
	MemoryContext context = CurrentMemoryContext;
	Rights caller = cust_rights_take(to->target,
									 to->as_owner ? RIGHTS_OF_OWNER :
													RIGHTS_OF_CALLER,
									 true);
	volatile bool done = false;

	PG_TRY();
	{
		done = cust_write_row(to, where, row, written, returned);
	}
	PG_CATCH();
	{
		cust_plan_rethrow(&query, context);
	}
	PG_END_TRY();
	cust_rights_restore(to->target, &caller);
	return done;
}

/* ------------------------------------------------------------------------
 * By a statement
 * ------------------------------------------------------------------------
 */

/* A statement under construction. */
typedef struct Statement
{
	const WriteTo *to;
	PlanQuery query;
	NullableDatum args[PLAN_MAX_ARGS];
	StringInfoData text;
} Statement;

static void
begin_statement(Statement *statement, const WriteTo *to, const char *verb)
{
	statement->to = to;
	statement->query = make_query(to);
	initStringInfo(&statement->text);
	appendStringInfo(&statement->text, "%s @store@.%s", verb, to->shape->name);
}

static const char *
column_name(const Statement *statement, int column)
{
	return statement->to->shape->columns[column].name;
}

/* Makes the value a parameter and returns its number. */
static int
add_argument(Statement *statement, Oid type, NullableDatum value)
{
	int place = statement->query.nargs++;

	Assert(place < PLAN_MAX_ARGS);
	statement->query.argtypes[place] = type;
	statement->args[place] = value;
	return place + 1;
}

static int
add_given(Statement *statement, const WriteColumn *given)
{
	return add_argument(statement,
						statement->to->shape->columns[given->column].type,
						given->value);
}

static PlanRows
run_statement(Statement *statement)
{
	statement->query.text = statement->text.data;
	return cust_plan_run(&statement->query, statement->to->target,
						 statement->args, 0);
}

static void
run_insert(const WriteTo *to, const WriteRow *row)
{
	Statement statement;

	begin_statement(&statement, to, "INSERT INTO");
	for (int i = 0; i < row->n; i++)
		appendStringInfo(&statement.text, "%s%s", i == 0 ? " (" : ", ",
						 column_name(&statement, row->columns[i].column));
	for (int i = 0; i < row->n; i++)
		appendStringInfo(&statement.text, "%s$%d",
						 i == 0 ? ") VALUES (" : ", ",
						 add_given(&statement, &row->columns[i]));
	appendStringInfoChar(&statement.text, ')');
	run_statement(&statement);
}

/* Adds "column = what it becomes". */
static void
append_change(Statement *statement, const WriteColumn *given)
{
	const char *name = column_name(statement, given->column);
	int value = add_given(statement, given);

	if (!given->merges)
		appendStringInfo(&statement->text, "%s = $%d", name, value);
	else
		appendStringInfo(&statement->text, "%s = (%s" CAT "$%d)" MINUS "$%d",
						 name, name, value,
						 add_argument(statement, TEXTARRAYOID,
									  (NullableDatum){given->removed, false}));
}

/* Adds "column is that bigint". */
static void
append_condition(Statement *statement, const char *before, int column,
				 int64 value)
{
	appendStringInfo(&statement->text, "%s%s" EQ "$%d", before,
					 column_name(statement, column),
					 add_argument(statement, INT8OID,
								  (NullableDatum){Int64GetDatum(value),
												  false}));
}

static bool
run_update(const WriteTo *to, const WriteWhere *where, const WriteRow *changes,
		   int64 *returned)
{
	Statement statement;
	PlanRows rows;

	begin_statement(&statement, to, "UPDATE");
	for (int i = 0; i < changes->n; i++)
	{
		appendStringInfoString(&statement.text, i == 0 ? " SET " : ", ");
		append_change(&statement, &changes->columns[i]);
	}
	append_condition(&statement, " WHERE ", 0, where->id);
	if (where->column != 0)
		append_condition(&statement, " AND ", where->column, where->value);
	if (where->returning != 0)
		appendStringInfo(&statement.text, " RETURNING %s",
						 column_name(&statement, where->returning));
	rows = run_statement(&statement);
	if (rows.count > 0 && where->returning != 0)
		*returned = cust_plan_int64(&rows, 0, 1);
	return rows.count > 0;
}

/* ------------------------------------------------------------------------
 * What nouns call
 * ------------------------------------------------------------------------
 */

/*
 * Inserts a row, its id included, whose other columns get their defaults.
 * Needs an open SPI connection.
 */
void
cust_write_insert(const WriteTo *to, const WriteRow *row)
{
	bool written;

	if (!write_directly(to, NULL, row, &written, NULL))
		run_insert(to, row);
}

/*
 * Changes columns of a row, at least one.  Returns whether there was such a
 * row, and sets *returned if that was asked for.  Needs an open SPI connection.
 */
bool
cust_write_update(const WriteTo *to, const WriteWhere *where,
				  const WriteRow *changes, int64 *returned)
{
	bool written;

	if (!write_directly(to, where, changes, &written, returned))
		return run_update(to, where, changes, returned);
	return written;
}
