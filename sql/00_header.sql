\echo Use "CREATE EXTENSION customers" to load this file. \quit

-- Functions only: the tables of a store are made by create_store.  Everybody
-- may call them, since they work with the caller's privileges on a store.
GRANT USAGE ON SCHEMA customers TO PUBLIC;

