-- ---------------------------------------------------------------------------
-- Metadata
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.metadata_rows(customer_id bigint)
RETURNS TABLE (row_no integer, key text, value jsonb)
LANGUAGE c STABLE PARALLEL SAFE ROWS 10
AS 'MODULE_PATHNAME', 'customers_metadata_rows';
COMMENT ON FUNCTION customers.metadata_rows(bigint) IS
	'Shows the metadata of a customer as rows, in the order that was given to them.
Example: SELECT * FROM customers.metadata_rows(1);';

CREATE FUNCTION customers.save_metadata(
	customer_id bigint,
	rows jsonb,
	expected_version bigint = NULL
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_save_metadata';
COMMENT ON FUNCTION customers.save_metadata(bigint, jsonb, bigint) IS
	'Replaces all metadata rows of a customer, in that order, and returns the new version.
Example: SELECT customers.save_metadata(1, ''[{"key": "tier", "value": "gold"}]'');';

CREATE FUNCTION customers.insert_metadata_row(
	customer_id bigint,
	key text,
	value jsonb,
	above text = NULL,
	below text = NULL
) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_insert_metadata_row';
COMMENT ON FUNCTION customers.insert_metadata_row(bigint, text, jsonb, text, text) IS
	'Inserts a metadata row above or below another one, or at the end.
Example: SELECT customers.insert_metadata_row(1, ''since'', ''2024'', above => ''tier'');';

CREATE FUNCTION customers.set_metadata(customer_id bigint, key text, value jsonb)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_set_metadata';
COMMENT ON FUNCTION customers.set_metadata(bigint, text, jsonb) IS
	'Sets the value of a metadata key, which keeps its place; a new key goes to the end.
Example: SELECT customers.set_metadata(1, ''tier'', ''"platinum"'');';

CREATE FUNCTION customers.delete_metadata_row(customer_id bigint, key text)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_delete_metadata_row';
COMMENT ON FUNCTION customers.delete_metadata_row(bigint, text) IS
	'Deletes one metadata row of a customer.
Example: SELECT customers.delete_metadata_row(1, ''since'');';

