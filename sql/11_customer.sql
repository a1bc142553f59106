-- ---------------------------------------------------------------------------
-- Customers
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.customer_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_customer_guard';
COMMENT ON FUNCTION customers.customer_guard() IS
	'Trigger of table customer: normalises rows and guards the rules.';

CREATE FUNCTION customers.email_fault(email text) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'customers_email_fault';
COMMENT ON FUNCTION customers.email_fault(text) IS
	'Returns why an e-mail address is refused, NULL if it is not.
Example: SELECT customers.email_fault(''ada@example'');';

CREATE FUNCTION customers.create_customer(
	email text,
	first_name text = NULL,
	last_name text = NULL,
	company_name text = NULL,
	phone text = NULL,
	metadata jsonb = NULL
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_create_customer';
COMMENT ON FUNCTION customers.create_customer(text, text, text, text, text, jsonb) IS
	'Creates a guest and returns the id.
Example: SELECT customers.create_customer(''ada@example.com'', ''Ada'', ''Lovelace'');';

CREATE FUNCTION customers.find_or_create_guest(
	email text,
	first_name text = NULL,
	last_name text = NULL,
	company_name text = NULL,
	phone text = NULL,
	metadata jsonb = NULL
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_find_or_create_guest';
COMMENT ON FUNCTION customers.find_or_create_guest(text, text, text, text, text, jsonb) IS
	'Returns the id of the guest with that e-mail, who is created if there is none.
Example: SELECT customers.find_or_create_guest(''ada@example.com'');';

CREATE FUNCTION customers.customer_details(
	customer_id bigint,
	OUT id bigint,
	OUT email text,
	OUT type text,
	OUT full_name text,
	OUT first_name text,
	OUT last_name text,
	OUT company_name text,
	OUT phone text,
	OUT groups text[],
	OUT orders_count bigint,
	OUT metadata jsonb,
	OUT external_id text,
	OUT created_by text,
	OUT created_at timestamptz,
	OUT updated_at timestamptz,
	OUT version bigint
) RETURNS record
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'customers_customer_details';
COMMENT ON FUNCTION customers.customer_details(bigint) IS
	'Shows one customer, with the names of the groups and the number of orders.
Example: SELECT * FROM customers.customer_details(1);';

CREATE FUNCTION customers.update_customer(
	customer_id bigint,
	changes jsonb,
	expected_version bigint = NULL
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_update_customer';
COMMENT ON FUNCTION customers.update_customer(bigint, jsonb, bigint) IS
	'Changes the named fields of a customer (null clears one) and returns the new version.
Example: SELECT customers.update_customer(1, ''{"phone": "+44 20 7946 0000"}'');';

CREATE FUNCTION customers.delete_customer(
	customer_id bigint,
	confirm_email text,
	anonymize_orders boolean = false
) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_delete_customer';
COMMENT ON FUNCTION customers.delete_customer(bigint, text, boolean) IS
	'Deletes a customer for good, confirmed by typing the e-mail; orders stay.
Example: SELECT customers.delete_customer(1, ''ada@example.com'');';

CREATE FUNCTION customers.import_customers(
	rows jsonb,
	OUT imported bigint,
	OUT updated bigint,
	OUT refused jsonb
) RETURNS record
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_import_customers';
COMMENT ON FUNCTION customers.import_customers(jsonb) IS
	'Creates or updates many customers, found by external_id or else by e-mail; rows that cannot be taken are refused and the others written.
Example: SELECT * FROM customers.import_customers(''[{"email": "ada@example.com", "external_id": "crm-1"}]'');';

