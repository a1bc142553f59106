/* email.c: addresses as they are typed. */
#include "server.h"

#include "mb/pg_wchar.h"
#include "values/address.h"
#include "values/email.h"

/* The core, which takes any bytes; the daemon compiles it, too. */
static void
check_core(const Input *input)
{
	char *bytes = palloc(Max(input->left, 1));

	memcpy(bytes, input->data, input->left);
	if (cust_address_fault(bytes, input->left, CUST_ADDRESS_PUBLIC) != NULL)
		return;
	PROMISE(input->left <= CUST_ADDRESS_MAX);
	PROMISE(cust_address_fault(bytes, input->left, CUST_ADDRESS_LOCAL) ==
			NULL);
	(void) cust_address_needs_quotes(bytes, input->left);
}

void
fuzz_one(Input *input)
{
	text *typed;
	text *other;
	text *normal;
	const char *fault = NULL;

	check_core(input);
	/* other encodings are converted, which needs the catalog */
	if (GetDatabaseEncoding() != PG_UTF8 &&
		GetDatabaseEncoding() != PG_SQL_ASCII)
		return;
	typed = server_next_text(input);
	other = server_next_text(input);
	normal = cust_email_normalize(typed, &fault);
	(void) cust_email_equal(typed, other);
	(void) cust_email_sought(other);
	PROMISE(cust_email_equal(typed, typed));
	if (normal == NULL)
	{
		PROMISE(fault != NULL);
		(void) cust_email_message(typed, fault);
		(void) cust_email_valid("shop", "customer", typed);
		return;
	}
	PROMISE(VARSIZE_ANY_EXHDR(normal) <= CUST_ADDRESS_MAX);
	PROMISE(cust_email_normalize(normal, &fault) == normal);
	PROMISE(cust_email_same(typed, normal, &other));
}
