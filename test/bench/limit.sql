-- The limit: tables with the columns, constraints and indexes of a store and
-- no triggers.  What writes here are the statements *.limit.pgbench, prepared,
-- each all that one piece of work writes.
CREATE SCHEMA limit_;
\set peer limit_
\ir peer.sql
