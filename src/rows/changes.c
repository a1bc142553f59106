/*
 * changes.c
 *		Changes of a row that a function is given as a JSON object.
 *
 * Called by update_customer and update_group.  Only the columns that the object
 * names are written, so that the owner's column privileges and UPDATE OF
 * triggers mean what they say.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "report.h"
#include "rows/changes.h"

/*
 * The pairs of the argument "changes"; raises 22023 unless it is an object,
 * which looks like the example.
 */
List *
cust_changes_argument(FunctionCallInfo fcinfo, int argument,
					  const char *example)
{
	Jsonb *changes;

	if (PG_ARGISNULL(argument))
		cust_report_null("changes");
	changes = PG_GETARG_JSONB_P(argument);
	if (!JB_ROOT_IS_OBJECT(changes))
		cust_report_argument(psprintf("Changes look like %s.", example),
							 "changes must be a JSON object");
	return cust_json_pairs(changes);
}

/* A null value of its keys removes them, null all. */
static void
add_object(WriteRow *row, int column, const JsonPair *change)
{
	const JsonbValue *value = &change->value;
	Jsonb *object;

	if (value->type == jbvNull)
	{
		cust_write_set(row, column,
					   (NullableDatum){JsonbPGetDatum(cust_json_empty()),
									   false});
		return;
	}
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		cust_report_argument(NULL,
							 "key \"%s\" of changes must be an object or null",
							 change->key);
	object = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	cust_write_merge(row, column, JsonbPGetDatum(object),
					 cust_json_null_keys(object));
}

/* Adds the change of a column, which is a text or a jsonb. */
void
cust_changes_add(WriteRow *row, const TableShape *shape, int column,
				 const JsonPair *change)
{
	NullableDatum value = {(Datum) 0, true};

	if (shape->columns[column].type == JSONBOID)
	{
		add_object(row, column, change);
		return;
	}
	if (change->value.type == jbvString)
		value = (NullableDatum){
			PointerGetDatum(cust_json_string(&change->value)),
			false,
		};
	else if (change->value.type != jbvNull)
		cust_report_argument(NULL,
							 "key \"%s\" of changes must be a string or null",
							 change->key);
	cust_write_set(row, column, value);
}

/* The version of a row that nothing changes. */
static bool
find_version(const WriteTo *to, const WriteWhere *where, int64 *version)
{
	PlanQuery query = {
		.made = true,
		.text = psprintf("SELECT %s FROM @store@.%s WHERE id" EQ "$1",
						 to->shape->columns[where->returning].name,
						 to->shape->name),
		.nargs = 1,
		.argtypes = {INT8OID},
	};
	NullableDatum id = {Int64GetDatum(where->id), false};
	PlanRows rows = cust_plan_run(&query, to->target, &id, 1);

	if (rows.count == 0)
		return false;
	*version = cust_plan_int64(&rows, 0, 1);
	return where->column == 0 || *version == where->value;
}

/*
 * Makes the changes, if there are any; where->returning is the version, which
 * *version is set to.  False if there is no such row.  Needs an open SPI
 * connection.
 */
bool
cust_changes_write(const WriteTo *to, const WriteWhere *where,
				   const WriteRow *row, int64 *version)
{
	return row->n == 0 ? find_version(to, where, version) :
						 cust_write_update(to, where, row, version);
}
