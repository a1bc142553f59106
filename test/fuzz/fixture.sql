-- A store with something in each table, owned by a role that is no superuser,
-- and a role for each profile.  As a superuser, again and again.  Where weak is
-- 1, the owner has taken all CHECKs and NOT NULLs away that he can.
SET client_min_messages = warning;
RESET SESSION AUTHORIZATION;
DROP SCHEMA IF EXISTS shop, other, fuzz CASCADE;
CREATE EXTENSION IF NOT EXISTS customers;
SELECT format('CREATE ROLE %I LOGIN', r) FROM unnest(ARRAY['fuzz_owner', 'fuzz_nobody', 'fuzz_reader', 'fuzz_admin',
	'fuzz_checkout', 'fuzz_storefront', 'fuzz_orders', 'fuzz_notifier']) r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec
SELECT format('GRANT CREATE ON DATABASE %I TO fuzz_owner', current_database()) \gexec
SET SESSION AUTHORIZATION fuzz_owner;
SELECT customers.create_store('shop');
SELECT format('SELECT customers.grant_access(%L, %L)', 'fuzz_' || profile, profile)
FROM (SELECT DISTINCT profile FROM customers.profile_privileges()) p
WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'fuzz_' || profile) \gexec
INSERT INTO shop.customer (email, first_name, last_name, has_account, external_id, metadata)
	SELECT format('c%s@example.com', n), 'Name' || n, 'Müller', n % 2 = 0, 'x' || n, jsonb_build_object('tier', n)
	FROM generate_series(1, 20) n;
SELECT customers.create_group('Group ' || n) FROM generate_series(1, 3) n;
INSERT INTO shop.customer_group_member (customer_group_id, customer_id) SELECT 1 + n % 3, n FROM generate_series(1, 15) n;
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT n, format('c%s@example.com', n), 'pending', 'EUR', n, '2026-01-01' FROM generate_series(1, 10) n;
INSERT INTO shop.order_item (order_id, line_no, title, quantity, unit_price) SELECT n, 1, 'tea', 1, 2 FROM generate_series(1, 10) n;
SELECT customers.request_order_transfer(n, 4) FROM generate_series(1, 3) n;
SELECT customers.register_customer('reg@example.com', 'correct horse');
SELECT customers.request_password_reset('reg@example.com');
SELECT customers.subscribe('all', '{*}');
SELECT customers.update_customer(1, '{"phone": "1"}');
CREATE SCHEMA fuzz;
RESET SESSION AUTHORIZATION;
GRANT CREATE, USAGE ON SCHEMA fuzz TO PUBLIC;
\if :weak
SET SESSION AUTHORIZATION fuzz_owner;
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND contype = 'c' \gexec
SELECT format('ALTER TABLE %s ALTER %I DROP NOT NULL', attrelid::regclass, attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND attnum > 0 AND attnotnull
	AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary AND attnum = ANY (indkey)) \gexec
RESET SESSION AUTHORIZATION;
\endif
