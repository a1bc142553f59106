/*
 * trigger.c
 *		The trigger protocol: what fired, the old and the new row.
 *
 * Called first by every trigger function.  Since trigger functions can be
 * called and attached by anybody, nothing is read before the protocol and the
 * table's columns were checked.  Knows no table of ours; raises no rule.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "report.h"
#include "rows/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

static TriggerOperation
operation_of(const TriggerData *data)
{
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		return TRIGGER_INSERT;
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return TRIGGER_UPDATE;
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		return TRIGGER_DELETE;
	return TRIGGER_TRUNCATE;
}

static bool
kind_matches(const TriggerData *data, TriggerKind kind,
			 TriggerOperation operation)
{
	TriggerEvent event = data->tg_event;

	switch (kind)
	{
		case TRIGGER_BEFORE_ROW:
			return TRIGGER_FIRED_BEFORE(event) &&
				(TRIGGER_FIRED_FOR_ROW(event) ||
				 operation == TRIGGER_TRUNCATE);
		case TRIGGER_AFTER_ROW:
			return TRIGGER_FIRED_AFTER(event) && TRIGGER_FIRED_FOR_ROW(event);
		case TRIGGER_AFTER_STATEMENT:
			return TRIGGER_FIRED_AFTER(event) &&
				TRIGGER_FIRED_FOR_STATEMENT(event) &&
				(operation == TRIGGER_INSERT || data->tg_oldtable != NULL) &&
				(operation == TRIGGER_DELETE || data->tg_newtable != NULL);
	}
	return false;
}

/* The values of a tuple, each found once however often they are asked for. */
static void
deform(HeapTuple tuple, TupleDesc desc, Datum **values, bool **nulls)
{
	*values = palloc(desc->natts * (sizeof(Datum) + sizeof(bool)));
	*nulls = (bool *) (*values + desc->natts);
	heap_deform_tuple(tuple, desc, *values, *nulls);
}

/* Takes the old and the new row, those that there are. */
static void
open_rows(TriggerRow *row)
{
	row->old = NULL;
	row->new = NULL;
	row->replaced = false;
	if (!TRIGGER_FIRED_FOR_ROW(row->data->tg_event))
		return;
	if (row->operation != TRIGGER_INSERT)
		row->old = row->data->tg_trigtuple;
	if (row->operation == TRIGGER_INSERT)
		row->new = row->data->tg_trigtuple;
	else if (row->operation == TRIGGER_UPDATE)
		row->new = row->data->tg_newtuple;
	if (row->old != NULL)
		deform(row->old, row->desc, &row->old_values, &row->old_nulls);
	if (row->new != NULL)
		deform(row->new, row->desc, &row->new_values, &row->new_nulls);
}

/*
 * Raises 22023 unless the table has the name of the shape: of two guards on
 * one table, each would take the other's rows for its own.
 */
static void
expect_table(Relation rel, const TableShape *shape)
{
	if (strcmp(RelationGetRelationName(rel), shape->name) == 0)
		return;
	cust_report_argument(
		"The triggers of customers belong on the tables of a store, see customers.create_store.",
		"table \"%s\" is not \"%s\", which this trigger serves",
		RelationGetRelationName(rel), shape->name);
}

/*
 * Checks that the function was fired as it must be, on a table with this name
 * and these columns, and fills *row.  Raises 22023 otherwise.
 */
void
cust_trigger_open(FunctionCallInfo fcinfo, const TableShape *shape,
				  TriggerKind kind, int operations, TriggerRow *row)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		cust_report_argument(NULL,
							 "function %s can only be called as a trigger",
							 get_func_name(fcinfo->flinfo->fn_oid));
	row->data = data;
	row->operation = operation_of(data);
	if ((row->operation & operations) == 0 ||
		!kind_matches(data, kind, row->operation))
		cust_report_argument(
			"customers.check_store shows the statement that attaches it rightly.",
			"trigger \"%s\" on table \"%s\" is attached in a way that its function %s does not serve",
			data->tg_trigger->tgname,
			RelationGetRelationName(data->tg_relation),
			get_func_name(fcinfo->flinfo->fn_oid));
	row->shape = shape;
	expect_table(data->tg_relation, shape);
	row->map = cust_shape_map(data->tg_relation, shape);
	row->desc = RelationGetDescr(data->tg_relation);
	row->schema = get_namespace_name(RelationGetNamespace(data->tg_relation));
	row->context = CurrentMemoryContext;
	open_rows(row);
}

/* Where a column of the shape is in the row, from 0. */
static int
place_of(const TriggerRow *row, int column)
{
	Assert(column >= 0 && column < row->shape->ncolumns);
	return row->map.attnums[column] - 1;
}

/* A value of the row as it was. */
Datum
cust_trigger_old(const TriggerRow *row, int column, bool *isnull)
{
	int place = place_of(row, column);

	Assert(row->old != NULL);
	*isnull = row->old_nulls[place];
	return row->old_values[place];
}

/* A value of the row as it shall be. */
Datum
cust_trigger_new(const TriggerRow *row, int column, bool *isnull)
{
	int place = place_of(row, column);

	Assert(row->new != NULL);
	*isnull = row->new_nulls[place];
	return row->new_values[place];
}

/* A bigint of the row as it was; 0 for NULL. */
int64
cust_trigger_old_id(const TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_old(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* A bigint of the row as it shall be; 0 for NULL. */
int64
cust_trigger_new_id(const TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_new(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

bool
cust_trigger_is_null(const TriggerRow *row, int column)
{
	Assert(row->new != NULL);
	return row->new_nulls[place_of(row, column)];
}

bool
cust_trigger_was_null(const TriggerRow *row, int column)
{
	Assert(row->old != NULL);
	return row->old_nulls[place_of(row, column)];
}

static void
replace_value(TriggerRow *row, int column, Datum value, bool isnull)
{
	int place = place_of(row, column);
	Form_pg_attribute att = TupleDescAttr(row->desc, place);
	MemoryContext before;

	Assert(row->new != NULL);
	if (!cust_attribute_differs(row->desc, att->attnum, row->new_values[place],
								row->new_nulls[place], value, isnull))
		return;
	/* an SPI connection may be open, which would take the value along */
	before = MemoryContextSwitchTo(row->context);
	row->new_values[place] = isnull ?
		(Datum) 0 :
		datumCopy(value, att->attbyval, att->attlen);
	row->new_nulls[place] = isnull;
	row->replaced = true;
	MemoryContextSwitchTo(before);
}

/* Replaces a value of the new row. */
void
cust_trigger_set(TriggerRow *row, int column, Datum value)
{
	replace_value(row, column, value, false);
}

/* Makes a value of the new row NULL, if it is not. */
void
cust_trigger_set_null(TriggerRow *row, int column)
{
	replace_value(row, column, (Datum) 0, true);
}

/* Gives a value of the new row back what the old row has. */
void
cust_trigger_keep(TriggerRow *row, int column)
{
	bool isnull;
	Datum value = cust_trigger_old(row, column, &isnull);

	replace_value(row, column, value, isnull);
}

/* Of two rows of one table, is this attribute different, byte by byte? */
bool
cust_attribute_differs(TupleDesc desc, AttrNumber attnum, Datum a, bool a_null,
					   Datum b, bool b_null)
{
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);

	if (a_null || b_null)
		return a_null != b_null;
	return !datum_image_eq(a, b, att->attbyval, att->attlen);
}

static bool
attribute_changed(const TriggerRow *row, AttrNumber attnum)
{
	int place = attnum - 1;

	return cust_attribute_differs(row->desc, attnum, row->old_values[place],
								  row->old_nulls[place],
								  row->new_values[place],
								  row->new_nulls[place]);
}

/* Does the UPDATE give this column another value? */
bool
cust_trigger_changed(const TriggerRow *row, int column)
{
	return attribute_changed(row, row->map.attnums[column]);
}

/*
 * Does the UPDATE change anything?  Columns that the store's owner added
 * count; generated ones are not known yet.
 */
static bool
changed_at_all(const TriggerRow *row)
{
	for (int i = 0; i < row->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(row->desc, i);

		if (!att->attisdropped && att->attgenerated == '\0' &&
			attribute_changed(row, att->attnum))
			return true;
	}
	return false;
}

/*
 * Raises that the row breaks a rule of its table; column may be -1, hint
 * NULL.
 */
void
cust_trigger_refuse(const TriggerRow *row, const char *rule, int column,
					const char *hint, const char *message)
{
	cust_report(
		&(CustError){
			.rule = rule,
			.schema = row->schema,
			.table = row->shape->name,
			.column = column < 0 ? NULL : row->shape->columns[column].name,
			.hint = hint,
		},
		"%s", message);
}

/*
 * Raises 23502 if the new row has no value in the column, before the
 * constraint does, which would show the row with the evidence in it.
 */
void
cust_trigger_require(const TriggerRow *row, int column)
{
	if (cust_trigger_is_null(row, column))
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_NOT_NULL_VIOLATION,
				.schema = row->schema,
				.table = row->shape->name,
				.column = row->shape->columns[column].name,
			},
			"%s of %s must not be null", row->shape->columns[column].name,
			row->shape->row);
}

/* The first of these columns that the UPDATE changes; -1: none. */
int
cust_trigger_changed_of(const TriggerRow *row, const int *columns, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (cust_trigger_changed(row, columns[i]))
			return columns[i];
	}
	return -1;
}

/* Raises <table>_id_fixed, see cust_trigger_fix. */
void
cust_trigger_refuse_fixed(const TriggerRow *row, int column,
						  const char *described)
{
	const char *name = row->shape->columns[column].name;

	cust_report(
		&(CustError){
			.rule = psprintf("%s_id_fixed", row->shape->name),
			.schema = row->schema,
			.table = row->shape->name,
			.column = name,
			.hint = "Keys and created_at are given when the row is inserted.",
		},
		"%s of %s cannot be changed", name, described);
}

/*
 * Keeps updated_at and version: a row starts with version 1, which rises with
 * each UPDATE that changes anything.  To be called when the new row is
 * otherwise complete.
 */
void
cust_trigger_stamp(TriggerRow *row, int updated_at, int version)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	int64 number = 1;

	if (row->operation == TRIGGER_UPDATE)
	{
		cust_trigger_keep(row, updated_at);
		cust_trigger_keep(row, version);
		if (!changed_at_all(row))
			return;
		number = cust_trigger_old_id(row, version);
		number = number < PG_INT64_MAX ? number + 1 : 1;
	}
	cust_trigger_set(row, updated_at, TimestampTzGetDatum(now));
	cust_trigger_set(row, version, Int64GetDatum(number));
}

/* The new row with the values that it has now, in the place of the old one. */
static HeapTuple
form_new(const TriggerRow *row)
{
	HeapTuple tuple = heap_form_tuple(row->desc, row->new_values,
									  row->new_nulls);

	tuple->t_data->t_ctid = row->new->t_data->t_ctid;
	tuple->t_self = row->new->t_self;
	tuple->t_tableOid = row->new->t_tableOid;
	return tuple;
}

/* What a BEFORE ROW trigger returns so that the statement goes on. */
Datum
cust_trigger_result(const TriggerRow *row)
{
	if (row->operation == TRIGGER_DELETE)
		return PointerGetDatum(row->old);
	return PointerGetDatum(row->replaced ? form_new(row) : row->new);
}
