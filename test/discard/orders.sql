-- Orders and their transfers while no cache lasts.
\ir walk.psql
SELECT plan(7);

\o /dev/null
-- the token of a transfer, read where its only copy is, as the owner may
CREATE FUNCTION pg_temp.token(transfer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT d.confidential ->> 'token'
	FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
	WHERE e.type = 'order.transfer_requested' AND (e.payload ->> 'transfer_id')::bigint = transfer
$$;
:discard
INSERT INTO shop.customer (email, has_account, external_id) VALUES
	('owner@example.com', false, NULL), ('nina@example.com', true, 'x2'), ('tom@example.com', true, 'x3');
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT 1, 'owner@example.com', 'pending', 'EUR', n, '2026-01-01' FROM generate_series(1, 4) n;
INSERT INTO shop.order_item (order_id, line_no, title, quantity, unit_price) VALUES (1, 1, 'tea', 2, 3), (1, 2, 'cup', 1, 4);
UPDATE shop.orders SET total = total + 1 WHERE id <= 2;
SELECT customers.request_order_transfer(1, 2, 'a gift', true) AS first \gset
SELECT customers.accept_order_transfer(:first, pg_temp.token(:first));
SELECT customers.request_order_transfer(2, 2) AS second \gset
SELECT customers.decline_order_transfer(:second, pg_temp.token(:second), 'no');
SELECT customers.request_order_transfer(3, 3) AS third \gset
SELECT customers.cancel_order_transfer(:third);
INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (4, 3);
UPDATE shop.orders SET status = 'canceled' WHERE id = 4;
:keep
\o
SELECT is((SELECT string_agg(order_id || ' ' || status, ', ' ORDER BY order_id) FROM shop.order_transfer),
	'1 accepted, 2 declined, 3 canceled, 4 canceled', 'transfers: what became of each');
SELECT is((SELECT customer_id || ' ' || email FROM shop.orders WHERE id = 1), '2 nina@example.com', 'accept_order_transfer: the new owner');
SELECT is((SELECT string_agg(customer_id::text, ' ') FROM shop.orders WHERE id > 1), '1 1 1', 'transfers: no other order moved');

\o /dev/null
:discard
SELECT string_agg(id || ':' || items_count, ' ') AS orders, max(cursor) AS cursor FROM customers.customer_orders(2) \gset
SELECT count(*) AS further FROM customers.customer_orders(2, 1, :'cursor') \gset
SELECT customers.order_details(1) AS details \gset
SELECT string_agg(status, ' ') AS transfers FROM customers.order_transfers(1) \gset
SELECT customers.expire_order_transfers() AS expired \gset
:keep
\o
SELECT is(:'orders'::text || ' ' || :further, '1:2 0', 'customer_orders: one with two items');
SELECT is(jsonb_array_length(:'details'::jsonb -> 'items'), 2, 'order_details: the items');
SELECT is(:'transfers'::text, 'accepted', 'order_transfers: the one that was accepted');
SELECT is(:expired, 0, 'expire_order_transfers: none is overdue');
SELECT finish();
ROLLBACK;
