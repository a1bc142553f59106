/*
 * import.h
 *		The rows of an import: what each says, and what became of it.
 */
#ifndef CUSTOMERS_IMPORT_H
#define CUSTOMERS_IMPORT_H

#include "stores/store.h"
#include "utils/jsonb.h"

typedef enum ImportColumn
{
	IMPORT_EMAIL,
	IMPORT_FIRST_NAME,
	IMPORT_LAST_NAME,
	IMPORT_COMPANY_NAME,
	IMPORT_PHONE,
	IMPORT_EXTERNAL_ID,
	IMPORT_METADATA,
	IMPORT_HAS_ACCOUNT,
	IMPORT_CREATED_AT
} ImportColumn;

/* those that an import can change of a customer who is there */
#define IMPORT_NCHANGEABLE (IMPORT_METADATA + 1)
#define IMPORT_NCOLUMNS (IMPORT_CREATED_AT + 1)

/* A customer who is there, locked. */
typedef struct KnownCustomer
{
	int64 id;
	bool has_account;
	NullableDatum values[IMPORT_NCHANGEABLE];
} KnownCustomer;

/*
 * A row.  Values are as the table would store them.  Those that are not given
 * are null.
 */
typedef struct ImportRow
{
	int number;	  /* its place in the array, from 1 */
	bool settled; /* written, nothing to write, or refused */
	bool given[IMPORT_NCOLUMNS];
	NullableDatum values[IMPORT_NCOLUMNS];
	int sqlstate; /* why it is refused; 0: it is not */
	const char *rule;
	const char *message;
	const char *email_key;		/* guest or registered, in lower case */
	const KnownCustomer *known; /* whom it is about; NULL: a new one */
	int64 id;					/* of the new one */
	NullableDatum written[IMPORT_NCHANGEABLE];
} ImportRow;

/* Keys of rows, or of customers, in ascending order. */
typedef struct ImportKeys
{
	int n;
	struct ImportKey
	{
		const char *key;
		int place;
	} * keys;
} ImportKeys;

typedef struct Import
{
	const Store *store;
	int nrows;
	ImportRow *rows;
	int nknown;
	KnownCustomer *known;
	uint64 imported;
	uint64 updated;
} Import;

/* import_row.c */
extern void cust_import_read(JsonbContainer *container, ImportRow *row);
extern void cust_import_refuse(ImportRow *row, int sqlstate, const char *rule,
							   const char *message);

/* import_match.c */
extern void cust_import_match(Import *import);
extern void cust_import_refuse_doubles(Import *import);

/* import_write.c */
extern bool cust_import_update(Import *import, bool last);
extern void cust_import_insert(Import *import);

#endif /* CUSTOMERS_IMPORT_H */
