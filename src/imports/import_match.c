/*
 * import_match.c
 *		Finds the customers that the rows of an import are about: by their
 *		external_id, else by their e-mail.
 *
 * Whoever has an external_id or e-mail of a row is locked, by ascending id, and
 * stays as he is found until the transaction ends.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "imports/import.h"
#include "utils/array.h"
#include "utils/builtins.h"

/*
 * One look into an index for each key, whatever the planner thinks of many.
 * More than two have no key in common: a guest and a registered customer.
 */
#define IDS_BY(expression, keys)                                         \
	"SELECT x.id FROM pg_catalog.unnest(" keys ") AS k(key),"            \
	" LATERAL (SELECT i.id FROM @store@.customer i WHERE " expression EQ \
	"k.key LIMIT 2) x"

static const PlanQuery lock_known = {
	.text = "SELECT c.id, c.has_account, c.email, c.first_name, c.last_name,"
			" c.company_name, c.phone, c.external_id, c.metadata"
			" FROM @store@.customer c WHERE c.id" EQ
			"ANY (ARRAY(" IDS_BY("i.external_id", "$1") " UNION ALL " IDS_BY(
				LOWER_C("i.email"),
				"$2") "))"
					  " ORDER BY c.id FOR NO KEY UPDATE OF c",
	.custom = true,
	.nargs = 2,
	.argtypes = {TEXTARRAYOID, TEXTARRAYOID},
};

/* the place of the first of the changeable columns in that result */
#define FIRST_VALUE 3

static int
compare_keys(const void *a, const void *b)
{
	const struct ImportKey *x = a;
	const struct ImportKey *y = b;
	int result = strcmp(x->key, y->key);

	return result != 0 ? result : x->place - y->place;
}

static ImportKeys
make_keys(int capacity)
{
	return (ImportKeys){0,
						palloc(Max(capacity, 1) * sizeof(struct ImportKey))};
}

static void
add_key(ImportKeys *keys, const char *key, int place)
{
	keys->keys[keys->n++] = (struct ImportKey){key, place};
}

static void
sort_keys(ImportKeys *keys)
{
	qsort(keys->keys, keys->n, sizeof(struct ImportKey), compare_keys);
}

/* The first place of the key, -1 without. */
static int
find_key(const ImportKeys *keys, const char *key)
{
	int low = 0;
	int high = keys->n;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (strcmp(keys->keys[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < keys->n && strcmp(keys->keys[low].key, key) == 0)
		return keys->keys[low].place;
	return -1;
}

static char *
string_of(NullableDatum value)
{
	return value.isnull ? NULL : TextDatumGetCString(value.value);
}

/* An e-mail as the index compares it, with the kind in front. */
static char *
make_email_key(NullableDatum email, bool has_account)
{
	char *key = psprintf("%c%s", has_account ? 'r' : 'g', string_of(email));

	for (char *c = key + 1; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return key;
}

/* Of the same external_id, the first row counts. */
void
cust_import_refuse_doubles(Import *import)
{
	ImportKeys keys = make_keys(import->nrows);

	for (int i = 0; i < import->nrows; i++)
	{
		ImportRow *row = &import->rows[i];

		if (!row->settled && !row->values[IMPORT_EXTERNAL_ID].isnull)
			add_key(&keys, string_of(row->values[IMPORT_EXTERNAL_ID]), i);
	}
	sort_keys(&keys);
	for (int i = 1, first = 0; i < keys.n; i++)
	{
		if (strcmp(keys.keys[i].key, keys.keys[first].key) != 0)
			first = i;
		else
			cust_import_refuse(&import->rows[keys.keys[i].place],
							   ERRCODE_UNIQUE_VIOLATION,
							   "customer_external_id_key",
							   psprintf("row %d has the same external_id",
										import->rows[keys.keys[first].place]
											.number));
	}
}

static NullableDatum
text_array(Datum *values, int n)
{
	return (
		NullableDatum){PointerGetDatum(construct_array(values, n, TEXTOID, -1,
													   false, TYPALIGN_INT)),
					   false};
}

/* Locks and reads the customers who have a key of a row. */
static void
find_known(Import *import)
{
	Datum *ids = palloc(import->nrows * sizeof(Datum));
	Datum *emails = palloc(import->nrows * sizeof(Datum));
	int nids = 0;
	int nemails = 0;
	PlanRows rows;

	for (int i = 0; i < import->nrows; i++)
	{
		const ImportRow *row = &import->rows[i];
		NullableDatum email = row->values[IMPORT_EMAIL];

		if (row->settled)
			continue;
		if (!row->values[IMPORT_EXTERNAL_ID].isnull)
			ids[nids++] = row->values[IMPORT_EXTERNAL_ID].value;
		if (!email.isnull)
			emails[nemails++] = CStringGetTextDatum(
				make_email_key(email, false) + 1);
	}
	rows = cust_plan_run(&lock_known, &import->store->target,
						 (NullableDatum[]){text_array(ids, nids),
										   text_array(emails, nemails)},
						 0);
	import->nknown = (int) rows.count;
	import->known = palloc(Max(rows.count, 1) * sizeof(KnownCustomer));
	for (uint64 i = 0; i < rows.count; i++)
	{
		KnownCustomer *known = &import->known[i];

		known->id = cust_plan_int64(&rows, i, 1);
		known->has_account = cust_plan_bool(&rows, i, 2);
		for (int c = 0; c < IMPORT_NCHANGEABLE; c++)
			known->values[c].value = cust_plan_value(&rows, i, FIRST_VALUE + c,
													 &known->values[c].isnull);
	}
}

/* The keys of the customers who are there. */
static void
index_known(const Import *import, ImportKeys *external_ids, ImportKeys *emails)
{
	*external_ids = make_keys(import->nknown);
	*emails = make_keys(import->nknown);
	for (int i = 0; i < import->nknown; i++)
	{
		const KnownCustomer *known = &import->known[i];

		if (!known->values[IMPORT_EXTERNAL_ID].isnull)
			add_key(external_ids, string_of(known->values[IMPORT_EXTERNAL_ID]),
					i);
		if (!known->values[IMPORT_EMAIL].isnull)
			add_key(emails,
					make_email_key(known->values[IMPORT_EMAIL],
								   known->has_account),
					i);
	}
	sort_keys(external_ids);
	sort_keys(emails);
}

/* Is the row a guest's or a registered customer's? */
static bool
has_account(const ImportRow *row)
{
	if (row->known)
		return row->known->has_account;
	return !row->values[IMPORT_HAS_ACCOUNT].isnull &&
		DatumGetBool(row->values[IMPORT_HAS_ACCOUNT].value);
}

/* Whom the e-mail of the row belongs to, NULL: nobody.  Sets its key. */
static const KnownCustomer *
email_holder(const Import *import, ImportRow *row, const ImportKeys *emails)
{
	int place;

	row->email_key = make_email_key(row->values[IMPORT_EMAIL],
									has_account(row));
	place = find_key(emails, row->email_key);

	return place < 0 ? NULL : &import->known[place];
}

static void
refuse_taken(ImportRow *row, const KnownCustomer *holder)
{
	cust_import_refuse(row, ERRCODE_UNIQUE_VIOLATION, "customer_email_key",
					   psprintf("customer " INT64_FORMAT " has this e-mail%s",
								holder->id,
								row->known ? "" : " and another external_id"));
}

/* A row whose external_id is a customer's. */
static void
match_by_external_id(const Import *import, ImportRow *row,
					 const ImportKeys *emails)
{
	const KnownCustomer *holder;

	if (!row->values[IMPORT_HAS_ACCOUNT].isnull &&
		DatumGetBool(row->values[IMPORT_HAS_ACCOUNT].value) !=
			row->known->has_account)
		cust_import_refuse(row, ERRCODE_CHECK_VIOLATION,
						   "customer_account_fixed",
						   psprintf("has_account of customer " INT64_FORMAT
									" cannot be changed",
									row->known->id));
	if (row->values[IMPORT_EMAIL].isnull)
		return;
	holder = email_holder(import, row, emails);
	if (holder != NULL && holder != row->known)
		refuse_taken(row, holder);
}

/* A row without external_id, or with one that nobody has. */
static void
match_by_email(const Import *import, ImportRow *row, const ImportKeys *emails)
{
	const KnownCustomer *holder;

	if (row->values[IMPORT_EMAIL].isnull)
	{
		cust_import_refuse(row, ERRCODE_NOT_NULL_VIOLATION, NULL,
						   "email of a new customer must be given");
		return;
	}
	holder = email_holder(import, row, emails);
	if (holder == NULL)
	{
		if (has_account(row) && row->values[IMPORT_EXTERNAL_ID].isnull)
			cust_import_refuse(
				row, ERRCODE_CHECK_VIOLATION, "customer_account_registered",
				"a registered customer needs a password or an external_id");
	}
	else if (!row->values[IMPORT_EXTERNAL_ID].isnull &&
			 !holder->values[IMPORT_EXTERNAL_ID].isnull)
		refuse_taken(row, holder);
	else
		row->known = holder;
}

/* Of the rows about one customer, the first counts. */
static void
refuse_same_customer(Import *import)
{
	ImportRow **first = palloc0(Max(import->nknown, 1) * sizeof(ImportRow *));

	for (int i = 0; i < import->nrows; i++)
	{
		ImportRow *row = &import->rows[i];
		ImportRow **place;

		if (row->settled || row->known == NULL)
			continue;
		place = &first[row->known - import->known];
		if (*place == NULL)
			*place = row;
		else
			cust_import_refuse(row, ERRCODE_UNIQUE_VIOLATION,
							   "customer_email_key",
							   psprintf("row %d is about the same customer",
										(*place)->number));
	}
}

/* Of the rows with the same e-mail, the first counts. */
static void
refuse_same_email(Import *import)
{
	ImportKeys keys = make_keys(import->nrows);

	for (int i = 0; i < import->nrows; i++)
	{
		ImportRow *row = &import->rows[i];

		if (!row->settled && !row->values[IMPORT_EMAIL].isnull)
			add_key(&keys, row->email_key, i);
	}
	sort_keys(&keys);
	for (int i = 1, first = 0; i < keys.n; i++)
	{
		if (strcmp(keys.keys[i].key, keys.keys[first].key) != 0)
			first = i;
		else
			cust_import_refuse(&import->rows[keys.keys[i].place],
							   ERRCODE_UNIQUE_VIOLATION, "customer_email_key",
							   psprintf("row %d has the same e-mail",
										import->rows[keys.keys[first].place]
											.number));
	}
}

/*
 * Finds out whom each row that is not settled is about, and refuses those that
 * contradict who is there, or each other.
 */
void
cust_import_match(Import *import)
{
	ImportKeys external_ids;
	ImportKeys emails;

	find_known(import);
	index_known(import, &external_ids, &emails);
	for (int i = 0; i < import->nrows; i++)
	{
		ImportRow *row = &import->rows[i];
		int place = -1;

		if (row->settled)
			continue;
		if (!row->values[IMPORT_EXTERNAL_ID].isnull)
			place = find_key(&external_ids,
							 string_of(row->values[IMPORT_EXTERNAL_ID]));
		row->known = place < 0 ? NULL : &import->known[place];
		if (row->known)
			match_by_external_id(import, row, &emails);
		else
			match_by_email(import, row, &emails);
	}
	refuse_same_customer(import);
	refuse_same_email(import);
}
