-- ---------------------------------------------------------------------------
-- Lists of customers
-- ---------------------------------------------------------------------------

-- Everybody may execute search_grams and search_matches: the index of a store
-- and the queries on it do so as whoever writes and reads.  An index depends
-- on them, so what they return for the same arguments changes only together
-- with a rebuild of all indexes.

CREATE FUNCTION customers.search_grams(
	email text,
	first_name text,
	last_name text,
	company_name text,
	phone text
) RETURNS int4[]
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'customers_search_grams';
COMMENT ON FUNCTION customers.search_grams(text, text, text, text, text) IS
	'What the search index of a store holds: each three bytes in a row, ignoring case.
Example: SELECT customers.search_grams(''ada@example.com'', ''Ada'', NULL, NULL, NULL);';

CREATE FUNCTION customers.search_matches(
	words text[],
	email text,
	first_name text,
	last_name text,
	company_name text,
	phone text
) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'customers_search_matches';
COMMENT ON FUNCTION customers.search_matches(text[], text, text, text, text, text) IS
	'Tells whether every word occurs in one of the fields, ignoring case.
Example: SELECT customers.search_matches(''{ada, love}'', ''ada@example.com'', ''Ada'', ''Lovelace'', NULL, NULL);';

CREATE FUNCTION customers.list_customers(
	search text = NULL,
	filter jsonb = NULL,
	sort text = '-created_at',
	page_size integer = 50,
	after text = NULL
) RETURNS TABLE (
	id bigint,
	email text,
	type text,
	full_name text,
	first_name text,
	last_name text,
	company_name text,
	phone text,
	groups text[],
	orders_count bigint,
	metadata jsonb,
	external_id text,
	created_by text,
	created_at timestamptz,
	updated_at timestamptz,
	version bigint,
	cursor text
)
LANGUAGE c STABLE PARALLEL SAFE COST 1000 ROWS 50
AS 'MODULE_PATHNAME', 'customers_list_customers';
COMMENT ON FUNCTION customers.list_customers(text, jsonb, text, integer, text) IS
	'Lists customers page by page: those that a search and a filter find, in the order of a sort.
Example: SELECT id, email, type, cursor FROM customers.list_customers(''lovelace'', ''{"type": "guest"}'', ''last_name'', 20);';

CREATE FUNCTION customers.count_customers(
	search text = NULL,
	filter jsonb = NULL
) RETURNS bigint
LANGUAGE c STABLE PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'customers_count_customers';
COMMENT ON FUNCTION customers.count_customers(text, jsonb) IS
	'Counts the customers that a search and a filter find.
Example: SELECT customers.count_customers(''lovelace'', ''{"created_from": "2024-01-01"}'');';

