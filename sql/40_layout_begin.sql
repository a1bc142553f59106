-- The tables of a store.
--
-- The parts 41 to 58 are the body of this function: plain DDL, in which
-- @store@ stands for the quoted name of the store's schema.  create_store runs
-- the statements one by one with search_path pg_catalog; check_store compares
-- a store with them and offers them as repairs.  So: one object a statement,
-- built-in types, defaults and CHECK expressions only, no identity columns.
CREATE FUNCTION customers._layout() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$ SELECT $layout$
