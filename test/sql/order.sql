\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(86);

-- customers 1 to 5, orders 1 to 8: a fresh store counts from 1
INSERT INTO shop.customer (email, first_name, last_name, has_account, external_id) VALUES
	('ann@example.com', 'Ann', 'Guest', false, NULL),
	('ann@example.com', 'Ann', 'Member', true, 'ext-2'),
	('bob@example.com', 'Bob', NULL, true, 'ext-3'),
	('carl@example.com', NULL, NULL, false, NULL),
	('dora@example.com', 'Dora', 'Dee', true, 'ext-5');
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at, external_id) VALUES
	(1, 'ann@example.com', 'pending', 'EUR', 30.50, '2026-01-01 10:00', 'o-1'),
	(1, 'ann@example.com', 'completed', 'EUR', 12, '2026-01-02 10:00', 'o-2'),
	(1, 'ann@example.com', 'draft', 'EUR', 99, '2026-01-03 10:00', 'o-3'),
	(1, 'ann@example.com', 'canceled', 'USD', 7, '2026-01-02 10:00', 'o-4'),
	(NULL, 'Carl@Example.COM', 'pending', 'EUR', 5, '2026-01-05 10:00', 'o-5'),
	(NULL, NULL, 'pending', 'EUR', 6, '2026-01-06 10:00', 'o-6'),
	(3, 'bob@example.com', 'pending', 'EUR', 70, '2026-01-07 10:00', 'o-7'),
	(NULL, 'ann@example.com', 'pending', 'EUR', 8, '2026-01-08 10:00', 'o-8');
INSERT INTO shop.order_item (order_id, line_no, title, sku, quantity, unit_price) VALUES
	(1, 1, 'Tea pot', 'T-1', 1, 20.50),
	(1, 2, 'Cup', 'C-1', 4, 2.50),
	(2, 1, 'Kettle', 'K-1', 1, 12);
UPDATE shop.orders SET shipping_address = '{"city": "Oslo"}',
	billing_address = '{"city": "Bergen"}' WHERE id = 1;
SET CONSTRAINTS ALL IMMEDIATE;

SELECT is((SELECT string_agg(format('%s:%s', id, email), ' ' ORDER BY id) FROM shop.customer),
	'1:ann@example.com 2:ann@example.com 3:bob@example.com 4:carl@example.com 5:dora@example.com',
	'fixture: customers 1 to 5');
SELECT is((SELECT string_agg(format('%s:%s', id, external_id), ' ' ORDER BY id) FROM shop.orders),
	'1:o-1 2:o-2 3:o-3 4:o-4 5:o-5 6:o-6 7:o-7 8:o-8', 'fixture: orders 1 to 8');

-- customer_orders ----------------------------------------------------------
SELECT is((SELECT string_agg(format('%s %s %s %s %s %s', id, status, currency_code, total,
		items_count, coalesce(open_transfer_id::text, '-')), ', ' ORDER BY ordinality)
	FROM customers.customer_orders(1) WITH ORDINALITY),
	'4 canceled USD 7 0 -, 2 completed EUR 12 1 -, 1 pending EUR 30.50 2 -',
	'customer_orders: newest first, ties by higher id, drafts left out');
SELECT is((SELECT count(*) FROM customers.customer_orders(5)), 0::bigint,
	'customer_orders: no orders, no rows');
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY ordinality)
	FROM customers.customer_orders(1, 2) WITH ORDINALITY), '4 2',
	'customer_orders: the first page');
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY ordinality)
	FROM customers.customer_orders(1, 2,
		(SELECT cursor FROM customers.customer_orders(1, 2) WHERE id = 2)) WITH ORDINALITY), '1',
	'customer_orders: the page after a cursor has the rest');
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY ordinality)
	FROM customers.customer_orders(1, 1,
		(SELECT cursor FROM customers.customer_orders(1, 1))) WITH ORDINALITY), '2',
	'customer_orders: a page may end between two orders of the same time');
SELECT is((SELECT count(*) FROM customers.customer_orders(1, 5,
		(SELECT cursor FROM customers.customer_orders(1) WHERE id = 1))), 0::bigint,
	'customer_orders: nothing after the last row');
SELECT is(t.error('SELECT customers.customer_orders(999)'), '23503', 'customer_orders: unknown customer');
SELECT matches(t.message('SELECT customers.customer_orders(999)'), '^customer 999 does not exist',
	'customer_orders: names the unknown customer');
SELECT is(t.error('SELECT customers.customer_orders(NULL)'), '22023', 'customer_orders: NULL id');
SELECT is(t.error('SELECT customers.customer_orders(1, 0)'), '22023', 'customer_orders: page size 0');
SELECT is(t.error('SELECT customers.customer_orders(1, 1001)'), '22023', 'customer_orders: page size 1001');
SELECT is(t.error('SELECT customers.customer_orders(1, -5)'), '22023', 'customer_orders: negative page size');
SELECT is(t.error('SELECT customers.customer_orders(1, NULL)'), '22023', 'customer_orders: NULL page size');
SELECT is(t.error($$SELECT customers.customer_orders(1, 5, 'rubbish')$$), '22023', 'customer_orders: bad cursor');
SELECT is(t.error($$SELECT customers.customer_orders(1, 5, cursor) FROM customers.list_customers() LIMIT 1$$),
	'22023', 'customer_orders: a cursor of another list');

-- order_details --------------------------------------------------------------
SELECT is(customers.order_details(1) - 'transfers' - 'placed_at',
	'{"id": 1, "customer_id": 1, "email": "ann@example.com", "status": "pending",
	  "currency_code": "EUR", "total": 30.50, "shipping_address": {"city": "Oslo"},
	  "billing_address": {"city": "Bergen"}, "metadata": {},
	  "items": [{"line_no": 1, "title": "Tea pot", "sku": "T-1", "quantity": 1, "unit_price": 20.50},
				{"line_no": 2, "title": "Cup", "sku": "C-1", "quantity": 4, "unit_price": 2.50}],
	  "customer": {"id": 1, "email": "ann@example.com", "full_name": "Ann Guest", "type": "guest"}}'::jsonb,
	'order_details: the order, its items by line, its customer');
SELECT is((customers.order_details(1) ->> 'placed_at')::timestamptz, '2026-01-01 10:00'::timestamptz,
	'order_details: placed_at');
SELECT is(customers.order_details(1) -> 'transfers', '[]'::jsonb, 'order_details: no transfers, an empty list');
SELECT is(customers.order_details(5) -> 'customer', 'null'::jsonb, 'order_details: no customer is null');
SELECT is(customers.order_details(5) -> 'items', '[]'::jsonb, 'order_details: no items, an empty list');
SELECT is(customers.order_details(3) ->> 'status', 'draft', 'order_details: a draft too');
SELECT is(t.error('SELECT customers.order_details(999)'), '23503', 'order_details: unknown order');
SELECT matches(t.message('SELECT customers.order_details(999)'), '^order 999 does not exist',
	'order_details: names the unknown order');
SELECT is(t.error('SELECT customers.order_details(NULL)'), '22023', 'order_details: NULL id');

-- orders: columns and rules ----------------------------------------------------
SELECT is(t.error($$UPDATE shop.orders SET email = 'no at sign' WHERE id = 1$$),
	'23514 orders_email_valid', 'orders_email_valid: UPDATE');
SELECT is(t.error($$INSERT INTO shop.orders (email, status, currency_code, total, placed_at)
	VALUES ('a@b', 'pending', 'EUR', 1, '2026-01-01')$$),
	'23514 orders_email_valid', 'orders_email_valid: INSERT of an address without a second label');
SELECT is(t.error($$UPDATE shop.orders SET email = 'a b@example.com' WHERE id = 1$$),
	'23514 orders_email_valid', 'orders_email_valid: a space inside');
SELECT lives_ok($$UPDATE shop.orders SET email = E' \t ann@Example.com \n' WHERE id = 2$$,
	'orders_email_valid: white space around it is taken off');
SELECT is((SELECT email FROM shop.orders WHERE id = 2), 'ann@Example.com',
	'orders_email_valid: stored trimmed, as typed');
SELECT is(t.error('UPDATE shop.orders SET id = 77 WHERE id = 1'), '23514 orders_id_fixed', 'orders_id_fixed: id');
SELECT is(t.error($$UPDATE shop.orders SET created_at = '2020-01-01' WHERE id = 1$$),
	'23514 orders_id_fixed', 'orders_id_fixed: created_at');
SELECT is(t.error('UPDATE shop.order_item SET order_id = 2, line_no = 9 WHERE order_id = 1 AND line_no = 1'),
	'23514 order_item_id_fixed', 'order_item_id_fixed: order_id');
SELECT is(t.error('UPDATE shop.order_item SET line_no = 9 WHERE order_id = 1 AND line_no = 1'),
	'23514 order_item_id_fixed', 'order_item_id_fixed: line_no');
SELECT is(t.error($$UPDATE shop.orders SET metadata = '[]' WHERE id = 1$$),
	'23514 orders_metadata_object', 'orders_metadata_object: an array');
SELECT is(t.error($$UPDATE shop.orders SET metadata = '{"": 1}' WHERE id = 1$$),
	'23514 orders_metadata_object', 'orders_metadata_object: an empty key');
SELECT lives_ok('UPDATE shop.orders SET metadata = NULL WHERE id = 1', 'orders_metadata_object: NULL is taken');
SELECT is((SELECT metadata FROM shop.orders WHERE id = 1), '{}'::jsonb, 'orders_metadata_object: NULL becomes {}');
SELECT matches(t.error($$UPDATE shop.orders SET status = 'lost' WHERE id = 1$$), '^23514', 'orders: an unknown status');
SELECT matches(t.error($$UPDATE shop.orders SET currency_code = 'eur' WHERE id = 1$$), '^23514',
	'orders: a currency in small letters');
SELECT matches(t.error($$UPDATE shop.orders SET currency_code = 'EURO' WHERE id = 1$$), '^23514',
	'orders: a currency of four letters');
SELECT matches(t.error($$UPDATE shop.orders SET external_id = 'o-2' WHERE id = 1$$), '^23505', 'orders: external_id is unique');
SELECT matches(t.error($$INSERT INTO shop.orders (customer_id, status, currency_code, total, placed_at)
	VALUES (999, 'pending', 'EUR', 1, '2026-01-01')$$), '^23503', 'orders: an unknown customer');
SELECT is((SELECT version FROM shop.orders WHERE id = 3), 1::bigint, 'orders: version starts at 1');
UPDATE shop.orders SET total = total WHERE id = 3;
SELECT is((SELECT version FROM shop.orders WHERE id = 3), 1::bigint, 'orders: an UPDATE that changes nothing keeps the version');
UPDATE shop.orders SET total = 98, version = 50, updated_at = '2001-01-01', email_changed_at = '2001-01-01' WHERE id = 3;
SELECT is((SELECT format('%s %s %s', version, updated_at = now(), email_changed_at) FROM shop.orders WHERE id = 3),
	'2 t ', 'orders: version, updated_at, email_changed_at are kept by the engine, whatever an UPDATE says');
INSERT INTO shop.orders (email, status, currency_code, total, placed_at, version, email_changed_at, created_at)
	VALUES ('zoe@example.com', 'pending', 'EUR', 1, '2026-01-01', 50, '2001-01-01', '2019-05-05');
SELECT is((SELECT format('%s %s %s', version, email_changed_at, created_at = '2019-05-05')
	FROM shop.orders WHERE email = 'zoe@example.com'), '1  t',
	'orders: an INSERT gives created_at, not the other engine-kept columns');

-- order_owner_by_transfer --------------------------------------------------------
SELECT is(t.error('UPDATE shop.orders SET customer_id = 3 WHERE id = 1'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: to a registered customer');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 2 WHERE id = 1'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: to the registered customer with the owner''s e-mail');
SELECT is(t.error('UPDATE shop.orders SET customer_id = NULL WHERE id = 1'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: to nobody while the owner exists');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 4 WHERE customer_id = 1'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: several rows');
SELECT is(t.error('UPDATE shop.orders o SET customer_id = c.id FROM shop.customer c WHERE c.id = 3 AND o.id = 1'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: UPDATE .. FROM');
SELECT is(t.error($$MERGE INTO shop.orders o USING (VALUES (1::bigint, 3::bigint)) v(o, c) ON o.id = v.o
	WHEN MATCHED THEN UPDATE SET customer_id = v.c$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: MERGE');
SELECT is(t.error($$INSERT INTO shop.orders (customer_id, status, currency_code, total, placed_at, external_id)
	VALUES (3, 'pending', 'EUR', 1, '2026-01-01', 'o-1')
	ON CONFLICT (external_id) DO UPDATE SET customer_id = excluded.customer_id$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: ON CONFLICT DO UPDATE');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 3 WHERE id = 6'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: an order without customer and e-mail, to a registered customer');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 1 WHERE id = 6'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: an order without e-mail, to a guest');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 1 WHERE id = 5'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: to a guest with another e-mail');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 2 WHERE id = 8'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: to the registered customer with the same e-mail');
SELECT is(t.error($$UPDATE shop.orders SET customer_id = 1, email = 'ann@example.com' WHERE id = 5$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: e-mail and owner changed in one statement');
SELECT is(t.error($$UPDATE shop.orders SET email = 'ann@example.com' WHERE id = 5;
	UPDATE shop.orders SET customer_id = 1 WHERE id = 5$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: the order''s e-mail changed within the hold');
SELECT is(t.error($$UPDATE shop.customer SET email = 'new-carl@example.com' WHERE id = 4;
	UPDATE shop.customer SET email = 'carl@example.com' WHERE id = 4;
	UPDATE shop.orders SET customer_id = 4 WHERE id = 5$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: the guest''s e-mail changed within the hold');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 999 WHERE id = 1'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: to a customer who does not exist');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, resolved_at)
	VALUES (1, 3, 'accepted', now());
	UPDATE shop.orders SET customer_id = 3 WHERE id = 1$$),
	'23514 order_transfer_state', 'order_owner_by_transfer: a history row resolved now is no evidence');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at)
	VALUES (1, 3, 'accepted', '2020-01-01', '2020-01-08', '2020-01-02');
	UPDATE shop.orders SET customer_id = 3 WHERE id = 1$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: a history row of this transaction is no evidence');
SELECT is(t.error($$SELECT set_config('customers.confirm_delete', '1:ann@example.com', true);
	UPDATE shop.orders SET customer_id = NULL WHERE id = 1$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: a typed confirmation without a deletion is no evidence');
GRANT USAGE ON SCHEMA shop TO customers_clerk;
GRANT SELECT, UPDATE ON shop.orders TO customers_clerk;
SELECT is(t.error('UPDATE shop.orders SET customer_id = 3 WHERE id = 1', 'customers_clerk'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: as a role with UPDATE on orders only');
-- ends without error: the block swallows the refusals
SELECT lives_ok($$DO $do$
	BEGIN
		FOR n IN 1..3 LOOP
			BEGIN
				UPDATE shop.orders SET customer_id = 3 WHERE id = 1;
				RAISE EXCEPTION 'the rule did not hold' USING ERRCODE = 'ZZ001';
			EXCEPTION WHEN check_violation THEN
				NULL;
			END;
		END LOOP;
	END $do$ $$, 'order_owner_by_transfer: inside EXCEPTION blocks, again and again');
SELECT is((SELECT customer_id FROM shop.orders WHERE id = 1), 1::bigint,
	'order_owner_by_transfer: after all these attempts the order is where it was');
SELECT matches(t.message('UPDATE shop.orders SET customer_id = 3 WHERE id = 1'), '\| shop\.orders(\.customer_id)?$',
	'order_owner_by_transfer: the error names schema and table');

SELECT lives_ok('UPDATE shop.orders SET customer_id = 4 WHERE id = 5',
	'order_owner_by_transfer: an order without customer goes to the guest with its e-mail, ignoring case');
SELECT is((SELECT customer_id FROM shop.orders WHERE id = 5), 4::bigint, 'order_owner_by_transfer: and is his now');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 1 WHERE id = 5'),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: once given it does not move on');

RESET SESSION AUTHORIZATION;
SET customers.email_change_hold = 0;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error($$UPDATE shop.orders SET email = 'ann@example.com' WHERE id = 6;
	UPDATE shop.orders SET customer_id = 1 WHERE id = 6$$),
	'no error', 'order_owner_by_transfer: without a hold a changed e-mail counts at once');
SELECT is(t.error($$UPDATE shop.orders SET email = 'ann@example.com' WHERE id = 6;
	UPDATE shop.orders SET customer_id = 2 WHERE id = 6$$),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: without a hold still no registered customer');
RESET SESSION AUTHORIZATION;
RESET customers.email_change_hold;
SET SESSION AUTHORIZATION customers_owner;

-- an accepted transfer is evidence for its own order, its own new owner, once
SELECT customers.request_order_transfer(7, 5) AS transfer \gset
SELECT is((SELECT open_transfer_id FROM customers.customer_orders(3)), :transfer::bigint,
	'customer_orders: shows the open transfer');
SELECT is(customers.order_details(7) -> 'transfers' -> 0 ->> 'status', 'requested', 'order_details: lists the transfer');
SELECT confidential ->> 'token' AS token FROM shop.delivery WHERE confidential ? 'token' \gset
SELECT is(t.error(format($$SELECT customers.accept_order_transfer(%s, %L);
	UPDATE shop.orders SET customer_id = 5 WHERE id = 1$$, :transfer, :'token')),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: the transfer of one order moves no other');
SELECT is(t.error(format($$SELECT customers.accept_order_transfer(%s, %L);
	UPDATE shop.orders SET customer_id = 3 WHERE id = 7$$, :transfer, :'token')),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: an accepted transfer does not move the order back');

-- deletion -----------------------------------------------------------------------
SELECT lives_ok($$SELECT customers.delete_customer(1, 'ann@example.com')$$, 'delete_customer: a customer with orders');
SELECT is((SELECT string_agg(format('%s:%s:%s', id, coalesce(customer_id::text, '-'), email), ' ' ORDER BY id)
	FROM shop.orders WHERE id < 5),
	'1:-:ann@example.com 2:-:ann@Example.com 3:-:ann@example.com 4:-:ann@example.com',
	'delete_customer: the orders stay, with their e-mail and without customer');
SELECT is((SELECT shipping_address FROM shop.orders WHERE id = 1), '{"city": "Oslo"}'::jsonb,
	'delete_customer: addresses stay unless asked');
UPDATE shop.orders SET shipping_address = '{"street": "X"}', billing_address = '{"street": "Y"}' WHERE id = 5;
SELECT lives_ok($$SELECT customers.delete_customer(4, ' CARL@example.com ', true)$$, 'delete_customer: with anonymize_orders');
SELECT is((SELECT to_jsonb(o) - 'updated_at' - 'version' - 'created_at' - 'email_changed_at' - 'placed_at'
	FROM shop.orders o WHERE id = 5),
	'{"id": 5, "customer_id": null, "email": null, "status": "pending", "currency_code": "EUR", "total": 5,
	  "shipping_address": null, "billing_address": null, "metadata": {}, "external_id": "o-5"}'::jsonb,
	'delete_customer: anonymize_orders takes e-mail and addresses, and nothing else');
SELECT is((SELECT format('%s %s', email, shipping_address) FROM shop.orders WHERE id = 1), 'ann@example.com {"city": "Oslo"}',
	'delete_customer: anonymize_orders touches no other order');
DELETE FROM shop.orders WHERE id = 2;
SELECT is((SELECT count(*) FROM shop.order_item WHERE order_id = 2), 0::bigint, 'orders: a deleted order takes its items along');

SELECT * FROM finish();
ROLLBACK;
