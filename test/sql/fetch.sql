\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(13);

-- A transfer's rows are found and locked by their index as long as the tables
-- are plain; whatever their owner made of them, the result is a SELECT's.
INSERT INTO shop.customer (id, email, has_account, external_id) VALUES
	(1, 'old@example.com', false, NULL), (2, 'new@example.com', true, 'x2'), (3, 'guest@example.com', false, NULL);
INSERT INTO shop.orders (id, customer_id, status, currency_code) VALUES
	(10, 1, 'pending', 'EUR'), (11, 1, 'canceled', 'EUR'), (12, 2, 'pending', 'EUR');
SET CONSTRAINTS ALL IMMEDIATE;	-- what is pending forbids ALTER TABLE

-- Requests and accepts the transfer of order 10 to customer 2: its new owner.
CREATE SCHEMA h;
CREATE FUNCTION h.transfer() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	transfer bigint := customers.request_order_transfer(10, 2);
BEGIN
	PERFORM customers.accept_order_transfer(transfer, d.confidential ->> 'token')
	FROM shop.delivery d WHERE d.confidential ? 'token';
	RETURN (SELECT customer_id FROM shop.orders WHERE id = 10);
END $$;
-- The refusals that need other rows, one after the other.
CREATE FUNCTION h.refusals() RETURNS text LANGUAGE sql AS $$
	SELECT t.error('SELECT customers.request_order_transfer(99, 2)')
		|| ', ' || t.error('SELECT customers.request_order_transfer(10, 99)')
		|| ', ' || t.error('SELECT customers.request_order_transfer(11, 2)')
		|| ', ' || t.error('SELECT customers.request_order_transfer(10, 3)')
		|| ', ' || t.error('SELECT customers.request_order_transfer(12, 2)')
		|| ', ' || t.error('SELECT customers.accept_order_transfer(99, ''x'')')
$$;
CREATE TABLE h.plain AS SELECT h.refusals() AS refusals;
SELECT is((SELECT refusals FROM h.plain),
	'23503, 23503, 23514 order_transfer_order_active, 23514 order_transfer_target_registered, 23514 order_transfer_not_to_owner, 23503',
	'plain tables: what is refused');

SAVEPOINT before;
SELECT is(h.transfer(), 2::bigint, 'plain tables: the order moves');
ROLLBACK TO before;

CREATE TABLE h.more_customers () INHERITS (shop.customer);
CREATE TABLE h.more_orders () INHERITS (shop.orders);
SELECT is(h.transfer(), 2::bigint, 'tables with children: the order moves');
ROLLBACK TO before;
CREATE TABLE h.more_customers () INHERITS (shop.customer);
SELECT is(h.refusals(), (SELECT refusals FROM h.plain), 'tables with children: the same is refused');
ROLLBACK TO before;

ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.order_transfer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT isnt(customers.request_order_transfer(10, 2), NULL, 'forced row security of the owner hides nothing from the rules');
ROLLBACK TO before;

REVOKE SELECT ON shop.customer FROM customers_owner;
SELECT is(t.error('SELECT customers.request_order_transfer(10, 2)'), '42501', 'an owner without SELECT on customer is refused');
ROLLBACK TO before;
REVOKE UPDATE ON shop.orders FROM customers_owner;
SELECT is(t.error('SELECT customers.request_order_transfer(10, 2)'), '42501', 'an owner without UPDATE, whom PostgreSQL lets lock nothing');
ROLLBACK TO before;

ALTER TABLE shop.customer ADD COLUMN gone text, ADD COLUMN extra text DEFAULT 'x';
ALTER TABLE shop.customer DROP COLUMN gone;
SELECT is(h.transfer(), 2::bigint, 'columns that came and went');
ROLLBACK TO before;

ALTER TABLE shop.order_transfer DROP CONSTRAINT order_transfer_pkey;
SELECT is(t.error('SELECT h.transfer()'), '3F000', 'a store without one of its primary keys is not used');
ROLLBACK TO before;

-- an open transfer is seen, a closed one is not
SELECT customers.request_order_transfer(10, 2);
SELECT is(t.error('SELECT customers.request_order_transfer(10, 2)'), '23505 order_transfer_open_key', 'the open transfer is found');
UPDATE shop.order_transfer SET status = 'canceled';
SELECT isnt(customers.request_order_transfer(10, 2), NULL, 'a canceled one is not in the way');
SELECT is((SELECT count(*) FROM shop.order_transfer WHERE status = 'requested'), 1::bigint, 'one is open');
ROLLBACK TO before;

SET LOCAL transaction_read_only = on;
SELECT is(t.error('SELECT customers.request_order_transfer(10, 2)'), '25006', 'a read-only transaction');

SELECT * FROM finish();
ROLLBACK;
