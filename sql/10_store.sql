-- ---------------------------------------------------------------------------
-- Stores
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.create_store(name text = 'shop', search boolean = true)
RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_create_store';
COMMENT ON FUNCTION customers.create_store(text, boolean) IS
	'Creates a store in the schema of that name, or brings back its missing triggers and indexes.
Example: SELECT customers.create_store(''shop'');';

CREATE FUNCTION customers.check_store(name text = NULL)
RETURNS TABLE (object text, finding text, repair text)
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'customers_check_store';
COMMENT ON FUNCTION customers.check_store(text) IS
	'Shows what is wrong with a store, and the statement that mends it; nothing when all is well.
Example: SELECT * FROM customers.check_store(''shop'');';

CREATE FUNCTION customers.drop_store(name text, confirm_name text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_drop_store';
COMMENT ON FUNCTION customers.drop_store(text, text) IS
	'Drops the tables of a store for good, confirmed by typing the name twice.
Example: SELECT customers.drop_store(''shop'', ''shop'');';

CREATE FUNCTION customers.stores()
RETURNS TABLE (
	name text,
	owner text,
	layout_version integer,
	layout_current boolean,
	customers bigint
)
LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 3
AS 'MODULE_PATHNAME', 'customers_stores';
COMMENT ON FUNCTION customers.stores() IS
	'Lists the stores of this database with an estimate of their customers.
Example: SELECT * FROM customers.stores();';

CREATE FUNCTION customers.version() RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'customers_version';
COMMENT ON FUNCTION customers.version() IS
	'Returns the version of the library.
Example: SELECT customers.version();';

CREATE FUNCTION customers.help(topic text = NULL)
RETURNS TABLE (function text, description text, example text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 60
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.proname || '('
			   || split_part(pg_get_function_arguments(p.oid), ', OUT ', 1) || ')',
		   split_part(d.description, E'\nExample: ', 1),
		   split_part(d.description, E'\nExample: ', 2)
	FROM pg_proc p
	JOIN pg_depend e ON e.classid = 'pg_proc'::regclass AND e.objid = p.oid
		AND e.deptype = 'e'
	JOIN pg_extension x ON e.refclassid = 'pg_extension'::regclass
		AND x.oid = e.refobjid AND x.extname = 'customers'
	JOIN pg_description d ON d.classoid = 'pg_proc'::regclass
		AND d.objoid = p.oid AND d.objsubid = 0
	WHERE strpos(d.description, E'\nExample: ') > 0
		AND (topic IS NULL OR strpos(p.proname, lower(topic)) > 0
			 OR strpos(lower(d.description), lower(topic)) > 0)
	ORDER BY p.proname
$$;
COMMENT ON FUNCTION customers.help(text) IS
	'Lists the functions whose name or description contains the topic; all without one.
Example: SELECT * FROM customers.help(''transfer'');';

