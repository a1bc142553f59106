\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(154);

CREATE SCHEMA h;
-- "subscription type" of the waiting deliveries.
CREATE FUNCTION h.waiting() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(d.subscription || ' ' || e.type, ', ' ORDER BY d.subscription COLLATE "C", e.type COLLATE "C", d.id), 'none')
	FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
$$;
-- Brings back what is scheduled or leased, as time would.
CREATE FUNCTION h.later() RETURNS void LANGUAGE sql AS $$
	UPDATE shop.delivery SET available_at = now() - '1 hour'::interval WHERE failed_at IS NULL
$$;

-- subscriptions --------------------------------------------------------------
SELECT is((SELECT to_jsonb(s) - 'created_at' FROM shop.subscription s),
	'{"name": "notifier", "event_types": ["order.transfer_*", "account.*", "*.email_changed"], "doorbell": true}'::jsonb,
	'create_store: makes the subscription notifier');
SELECT lives_ok($$SELECT customers.subscribe('all', ARRAY['*'])$$, 'subscribe: everything');
SELECT lives_ok($$SELECT customers.subscribe('crm', ARRAY['customer.created', 'group.*'], false)$$, 'subscribe: a type and a pattern, without doorbell');
SELECT is((SELECT string_agg(format('%s %s %s', name, event_types, doorbell), ', ' ORDER BY name COLLATE "C") FROM shop.subscription WHERE name <> 'notifier'),
	'all {*} t, crm {customer.created,group.*} f', 'subscribe: the rows');
SELECT is(customers.create_customer('a@example.com'), 1::bigint, 'subscribe: a customer is created');
SELECT is(h.waiting(), 'all customer.created, crm customer.created', 'subscribe: a delivery for each subscription whose patterns match');
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "1"}')$$, 'subscribe: a customer is updated');
SELECT is(h.waiting(), 'all customer.created, all customer.updated, crm customer.created', 'subscribe: a type is not a prefix');
SELECT is(customers.create_group('g'), 1::bigint, 'subscribe: a group is created');
SELECT is(h.waiting(), 'all customer.created, all customer.updated, all group.created, crm customer.created, crm group.created', 'subscribe: a pattern');
SELECT lives_ok($$SELECT customers.subscribe('crm', ARRAY['customer.upd*'])$$, 'subscribe: again');
SELECT is((SELECT format('%s %s', event_types, doorbell) FROM shop.subscription WHERE name = 'crm'), '{customer.upd*} t', 'subscribe: again replaces');
SELECT is((SELECT count(*) FROM shop.delivery WHERE subscription = 'crm'), 2::bigint, 'subscribe: again keeps what waits');
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "2"}')$$, 'subscribe: a customer is updated again');
SELECT is((SELECT count(*) FROM shop.delivery WHERE subscription = 'crm'), 3::bigint, 'subscribe: the new patterns count');
SELECT lives_ok($$SELECT customers.subscribe('odd', ARRAY['*%', 'customer_updated', 'customer.update_', 'CUSTOMER.*'])$$, 'subscribe: % and _ are no wildcards, case counts');
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "3"}')$$, 'subscribe: a customer is updated once more');
SELECT is((SELECT count(*) FROM shop.delivery WHERE subscription = 'odd'), 0::bigint, 'subscribe: nothing matches these');
SELECT is(t.error($$SELECT customers.subscribe(NULL, ARRAY['*'])$$), '22023', 'subscribe: NULL name');
SELECT is(t.error($$SELECT customers.subscribe('x', NULL)$$), '22023', 'subscribe: NULL types');
SELECT is(t.error($$SELECT customers.subscribe('x', ARRAY['*', NULL])$$), '22023', 'subscribe: a NULL among the types');
SELECT is(t.error($$SELECT customers.subscribe('x', ARRAY['*'], NULL)$$), '22023', 'subscribe: NULL doorbell');
SELECT is(customers.unsubscribe('crm'), 4::bigint, 'unsubscribe: how many deliveries were dropped');
SELECT is((SELECT count(*) FROM shop.delivery WHERE subscription = 'crm'), 0::bigint, 'unsubscribe: they are gone');
SELECT is((SELECT count(*) FROM shop.subscription WHERE name = 'crm'), 0::bigint, 'unsubscribe: and so is the subscription');
SELECT is(t.error($$SELECT customers.unsubscribe('crm')$$), '23503', 'unsubscribe: unknown name');
SELECT is(t.error($$SELECT customers.unsubscribe(NULL)$$), '22023', 'unsubscribe: NULL name');
SELECT is(customers.unsubscribe('odd'), 0::bigint, 'unsubscribe: nothing waited');

-- claim ------------------------------------------------------------------------
SELECT is((SELECT string_agg(format('%s %s %s', type, attempt, customer_id), ', ' ORDER BY event_id) FROM customers.claim_deliveries('all', 2)),
	'customer.created 1 1, customer.updated 1 1', 'claim_deliveries: the oldest first, as many as asked');
SELECT is((SELECT string_agg(format('%s %s', type, attempt), ', ' ORDER BY event_id) FROM customers.claim_deliveries('all')),
	'group.created 1, customer.updated 1, customer.updated 1', 'claim_deliveries: what is leased is not claimed again');
SELECT is((SELECT count(*) FROM customers.claim_deliveries('all')), 0::bigint, 'claim_deliveries: nothing left');
SELECT is((SELECT bool_and(available_at BETWEEN now() + '50 s' AND clock_timestamp() + '1 minute') FROM shop.delivery WHERE subscription = 'all'), true,
	'claim_deliveries: the lease is a minute');
SELECT lives_ok('SELECT h.later()', 'the leases end');
SELECT is((SELECT string_agg(attempt::text, ' ') FROM customers.claim_deliveries('all', 10, '5 minutes')), '2 2 2 2 2', 'claim_deliveries: a lease that ended is claimed again, attempt 2');
SELECT is((SELECT bool_and(available_at BETWEEN now() + '290 s' AND clock_timestamp() + '5 minutes') FROM shop.delivery WHERE subscription = 'all'), true,
	'claim_deliveries: the lease asked for');
SELECT is(t.error($$SELECT customers.claim_deliveries('nobody')$$), '23503', 'claim_deliveries: unknown subscription');
SELECT is(t.error($$SELECT customers.claim_deliveries(NULL)$$), '22023', 'claim_deliveries: NULL subscription');
SELECT is(t.error($$SELECT customers.claim_deliveries('all', 0)$$), '22023', 'claim_deliveries: batch 0');
SELECT is(t.error($$SELECT customers.claim_deliveries('all', 1001)$$), '22023', 'claim_deliveries: batch 1001');
SELECT is(t.error($$SELECT customers.claim_deliveries('all', NULL)$$), '22023', 'claim_deliveries: NULL batch');
SELECT is(t.error($$SELECT customers.claim_deliveries('all', 1, NULL)$$), '22023', 'claim_deliveries: NULL lease');
SELECT is(t.error($$SELECT customers.claim_deliveries('all', 1, '-1 s')$$), '22023', 'claim_deliveries: a negative lease');
SELECT is((SELECT count(*) FROM customers.claim_deliveries()), 0::bigint, 'claim_deliveries: notifier when nothing is said, and nothing waits');

-- acknowledge ------------------------------------------------------------------
SELECT id AS d1 FROM shop.delivery ORDER BY id LIMIT 1 \gset
SELECT is(customers.acknowledge_deliveries(ARRAY[:d1, :d1, 999999]::bigint[]), 1, 'acknowledge_deliveries: how many there were');
SELECT is((SELECT count(*) FROM shop.delivery WHERE id = :d1), 0::bigint, 'acknowledge_deliveries: the delivery is gone');
SELECT is((SELECT count(*) FROM shop.event), 5::bigint, 'acknowledge_deliveries: the event stays');
SELECT is(customers.acknowledge_deliveries(ARRAY[:d1]::bigint[]), 0, 'acknowledge_deliveries: again');
SELECT is(customers.acknowledge_deliveries('{}'), 0, 'acknowledge_deliveries: nothing');
SELECT is(t.error('SELECT customers.acknowledge_deliveries(NULL)'), '22023', 'acknowledge_deliveries: NULL');
SELECT is(customers.acknowledge_deliveries(ARRAY(SELECT id FROM shop.delivery)), 4, 'acknowledge_deliveries: several');

-- fail: back-off ------------------------------------------------------------------
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "4"}')$$, 'fail_delivery: something to deliver');
SELECT delivery_id AS d FROM customers.claim_deliveries('all') \gset
SELECT lives_ok(format('SELECT customers.fail_delivery(%s, ''mail server away'')', :d), 'fail_delivery: the first time');
SELECT ok((SELECT available_at - now() BETWEEN '29 s' AND '45 s' FROM shop.delivery WHERE id = :d), 'fail_delivery: back in 30 s');
SELECT is((SELECT format('%s %s %s', last_error, attempts, failed_at) FROM shop.delivery WHERE id = :d), 'mail server away 1 ', 'fail_delivery: the error is kept');
SELECT is((SELECT count(*) FROM customers.claim_deliveries('all')), 0::bigint, 'fail_delivery: not claimed before');
SELECT lives_ok(format('SELECT h.later(), customers.claim_deliveries(''all''), customers.fail_delivery(%s, ''again'')', :d), 'fail_delivery: the second time');
SELECT ok((SELECT available_at - now() BETWEEN '59 s' AND '75 s' FROM shop.delivery WHERE id = :d), 'fail_delivery: back in 60 s');
SELECT lives_ok(format('SELECT h.later(), customers.claim_deliveries(''all''), customers.fail_delivery(%s, ''again'', ''10 minutes'')', :d), 'fail_delivery: with a time');
SELECT ok((SELECT available_at - now() BETWEEN '9 min 59 s' AND '10 min 15 s' FROM shop.delivery WHERE id = :d), 'fail_delivery: back when asked');
SELECT lives_ok(format($$DO $do$
	BEGIN
		FOR n IN 4..11 LOOP
			PERFORM h.later();
			PERFORM customers.claim_deliveries('all');
			PERFORM customers.fail_delivery(%s, 'failure ' || n);
		END LOOP;
	END $do$ $$, :d), 'fail_delivery: up to the eleventh');
SELECT is((SELECT format('%s %s %s', attempts, last_error, failed_at) FROM shop.delivery WHERE id = :d), '11 failure 11 ', 'fail_delivery: eleven are not the end');
SELECT ok((SELECT available_at - now() BETWEEN '59 min 59 s' AND '60 min 15 s' FROM shop.delivery WHERE id = :d), 'fail_delivery: the back-off ends at an hour');
SELECT lives_ok(format('SELECT h.later(), customers.claim_deliveries(''all''), customers.fail_delivery(%s, ''the end'')', :d), 'fail_delivery: the twelfth');
SELECT is((SELECT format('%s %s %s', attempts, last_error, failed_at IS NOT NULL) FROM shop.delivery WHERE id = :d), '12 the end t',
	'fail_delivery: the twelfth keeps it as failed');
SELECT lives_ok('SELECT h.later()', 'time passes');
SELECT is((SELECT count(*) FROM customers.claim_deliveries('all')), 0::bigint, 'fail_delivery: a failed one is not claimed');
SELECT is(t.error('SELECT customers.fail_delivery(999999, ''x'')'), '23503', 'fail_delivery: unknown delivery');
SELECT is(t.error('SELECT customers.fail_delivery(NULL, ''x'')'), '22023', 'fail_delivery: NULL delivery');
SELECT is(t.error(format('SELECT customers.fail_delivery(%s, ''x'', ''-1 s'')', :d)), '22023', 'fail_delivery: a negative time');
SELECT is((SELECT format('%s %s %s %s %s %s', subscription, waiting, scheduled, leased, failed, last_error) FROM customers.delivery_status() WHERE subscription = 'all'),
	'all 0 0 0 1 the end', 'delivery_status: one has failed');
SELECT is(t.error('SELECT customers.retry_failed(''nobody'')'), '23503', 'retry_failed: unknown subscription');
SELECT is(t.error('SELECT customers.retry_failed(NULL)'), '22023', 'retry_failed: NULL');
SELECT is(customers.retry_failed('all'), 1, 'retry_failed: how many');
SELECT is(customers.retry_failed('all'), 0, 'retry_failed: none left');
SELECT is((SELECT count(*) FROM customers.claim_deliveries('all') WHERE delivery_id = :d), 1::bigint, 'retry_failed: it is claimed again');
SELECT is(customers.acknowledge_deliveries(ARRAY[:d]::bigint[]), 1, 'retry_failed: and acknowledged');

-- delivery_status --------------------------------------------------------------------
SELECT lives_ok($$DO $do$ BEGIN
	FOR n IN 1..6 LOOP
		PERFORM customers.update_customer(1, jsonb_build_object('phone', 'n' || n));
	END LOOP;
END $do$ $$, 'delivery_status: six events');
SELECT lives_ok($$SELECT customers.claim_deliveries('all', 3)$$, 'delivery_status: three are claimed');
SELECT lives_ok('SELECT customers.fail_delivery((SELECT min(id) FROM shop.delivery WHERE attempts = 1), ''later'')', 'delivery_status: one of them fails');
SELECT is((SELECT format('%s %s %s %s %s', waiting, scheduled, leased, failed, last_error) FROM customers.delivery_status() WHERE subscription = 'all'),
	'3 1 2 0 later', 'delivery_status: waiting, scheduled, leased, failed');
SELECT is((SELECT format('%s %s %s %s %s %s', waiting, scheduled, leased, failed, oldest_waiting, last_error) FROM customers.delivery_status() WHERE subscription = 'notifier'),
	'0 0 0 0  ', 'delivery_status: a subscription without deliveries');
SELECT ok((SELECT oldest_waiting BETWEEN '0 s' AND '1 hour' FROM customers.delivery_status() WHERE subscription = 'all'), 'delivery_status: how long the oldest waits');
SELECT is(customers.acknowledge_deliveries(ARRAY(SELECT id FROM shop.delivery)), 6, 'delivery_status: all are acknowledged');

-- expiry -------------------------------------------------------------------------------
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "x1"}'), customers.update_customer(1, '{"phone": "x2"}')$$, 'claim_deliveries: two events');
SELECT ok((SELECT bool_and(expires_at BETWEEN now() + '29 days 23 hours' AND clock_timestamp() + '30 days 1 hour') FROM shop.delivery), 'claim_deliveries: a delivery expires after 30 days');
SELECT min(id) AS d FROM shop.delivery \gset
UPDATE shop.delivery SET expires_at = now() - '1 s'::interval WHERE id = :d;
SELECT is((SELECT count(*) FROM customers.claim_deliveries('all')), 1::bigint, 'claim_deliveries: an expired one is not claimed');
SELECT is((SELECT count(*) FROM shop.delivery WHERE id = :d), 0::bigint, 'claim_deliveries: and is gone');
SELECT is(t.error('SET customers.delivery_ttl = 1'), '42501', 'claim_deliveries: customers.delivery_ttl is a superuser setting');
RESET SESSION AUTHORIZATION;
SET customers.delivery_ttl = '1 d';
SET SESSION AUTHORIZATION customers_owner;
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "x3"}')$$, 'claim_deliveries: an event with another time to live');
SELECT ok((SELECT expires_at BETWEEN now() + '23 hours' AND now() + '25 hours' FROM shop.delivery ORDER BY id DESC LIMIT 1), 'claim_deliveries: customers.delivery_ttl counts');
-- what warns somebody lives as long as the hold, at least
RESET SESSION AUTHORIZATION;
SET customers.delivery_ttl = '1s';
SET SESSION AUTHORIZATION customers_owner;
SELECT customers.register_customer('w@example.com', 'a long password') AS w \gset
INSERT INTO shop.orders (id, customer_id, email, status, currency_code, total, placed_at) VALUES (901, :w, 'w@example.com', 'pending', 'EUR', 1, '2026-01-01');
DELETE FROM shop.delivery WHERE id <= :d;
UPDATE shop.orders SET email = 'w2@example.com' WHERE id = 901;
SELECT lives_ok(format($$SELECT customers.update_customer(%s, '{"email": "w2@example.com"}')$$, :w), 'delivery: an address is changed while deliveries live a second');
SELECT lives_ok(format($$SELECT customers.change_password(%s, 'a long password', 'another password')$$, :w), 'delivery: and so is a password');
SELECT is((SELECT string_agg(DISTINCT format('%s %s', e.type, CASE WHEN d.expires_at BETWEEN now() + '72 hours' AND clock_timestamp() + '72 hours' THEN 'hold'
		WHEN d.expires_at BETWEEN now() + '1 s' AND clock_timestamp() + '1 s' THEN 'second' END), ', ') FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
		WHERE e.customer_id = :w),
	'account.password_changed hold, account.registered hold, customer.created second, customer.email_changed hold, customer.updated second, order.email_changed hold',
	'delivery: of a changed address or an account it lives as long as the hold');
RESET SESSION AUTHORIZATION;
RESET customers.delivery_ttl;
SET SESSION AUTHORIZATION customers_owner;
SELECT ok((SELECT pg_sleep(0.01) IS NOT NULL), 'delivery: time passes');
SELECT lives_ok(format($$SELECT customers.update_customer(%s, '{"phone": "w"}')$$, :w), 'delivery: an event late in a transaction');
SELECT ok((SELECT expires_at > now() + '30 days' + '10 ms' FROM shop.delivery ORDER BY id DESC LIMIT 1), 'delivery: its expiry counts from the clock, not from the transaction''s start');
DELETE FROM shop.delivery;

-- values that only somebody with rights on the table can have put there -----------------------
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "v1"}'), customers.update_customer(1, '{"phone": "v2"}'), customers.update_customer(1, '{"phone": "v3"}')$$,
	'claim_deliveries: three events');
SELECT min(id) AS d FROM shop.delivery \gset
UPDATE shop.delivery SET attempts = CASE id - :d WHEN 0 THEN 2147483647 WHEN 1 THEN -2147483648 ELSE 5 END,
	available_at = CASE id - :d WHEN 1 THEN '-infinity' ELSE available_at END;
SELECT is((SELECT format('%s %s', waiting, oldest_waiting IS NOT NULL) FROM customers.delivery_status() WHERE subscription = 'all'), '3 t',
	'delivery_status: since the beginning of time');
SELECT is((SELECT string_agg(attempt::text, ' ' ORDER BY delivery_id) FROM customers.claim_deliveries('all')), '1000001 1 6',
	'claim_deliveries: no number of attempts stops the queue');
UPDATE shop.delivery SET attempts = CASE id - :d WHEN 0 THEN 2147483647 ELSE 12 END,
	confidential = CASE id - :d WHEN 0 THEN '"token"' WHEN 1 THEN '["token", "t"]' ELSE '{"to": [], "token": "t"}' END::jsonb;
SELECT is(t.error(format('SELECT customers.fail_delivery(%s, ''x''), customers.fail_delivery(%s + 1, ''x''), customers.fail_delivery(%s + 2, ''x'')', :d, :d, :d)), 'no error',
	'fail_delivery: any confidential data');
SELECT lives_ok(format('SELECT customers.fail_delivery(%s, ''x''), customers.fail_delivery(%s + 1, ''x''), customers.fail_delivery(%s + 2, ''x'')', :d, :d, :d),
	'fail_delivery: any confidential data, kept');
SELECT is((SELECT string_agg(format('%s %s', failed_at IS NOT NULL, confidential), ', ' ORDER BY id) FROM shop.delivery), 't , t , t {"to": []}',
	'fail_delivery: a dead letter has no token, nor what could be one');
UPDATE shop.delivery SET attempts = -2147483648, failed_at = NULL WHERE id = :d;
SELECT lives_ok(format('SELECT customers.fail_delivery(%s, ''x'')', :d), 'fail_delivery: less than no attempts');
SELECT ok((SELECT failed_at IS NULL AND available_at BETWEEN now() AND clock_timestamp() + '30 s' FROM shop.delivery WHERE id = :d), 'fail_delivery: are none');
DELETE FROM shop.delivery;
-- subscriptions: more dimensions, no patterns, NULLs, a CHECK that is gone
INSERT INTO shop.subscription (name, event_types, doorbell) VALUES ('deep', '{{customer.c*,x},{y,customer.u*}}', false), ('empty', '{}', true),
	('nulls', ARRAY[NULL, 'customer.updated', NULL], true), ('blank', '{""}', true), ('only', ARRAY[NULL::text], true),
	('many', ARRAY(SELECT 'type.' || n FROM generate_series(1, 100000) n), true), ('huge', ARRAY[repeat('*a', 500000), 'customer.updated'], true),
	('stars', ARRAY[repeat('*a', 1000)], true);
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "s1"}')$$, 'subscribe: odd subscriptions');
SELECT is(h.waiting(), 'all customer.updated, deep customer.updated, huge customer.updated, nulls customer.updated', 'subscribe: and what they want');
DELETE FROM shop.delivery;
UPDATE shop.subscription SET event_types = ARRAY[repeat('x', 1048577), '*'] WHERE name = 'huge';
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "s2"}')$$, 'subscribe: more than a megabyte of patterns');
SELECT is(h.waiting(), 'all customer.updated, deep customer.updated, nulls customer.updated', 'subscribe: which want nothing');
SELECT is(t.error($$SELECT customers.subscribe('huge', ARRAY[repeat('x', 1048577)])$$), '22023', 'subscribe: nor are they taken');
ALTER TABLE shop.subscription DROP CONSTRAINT subscription_name_given;
UPDATE shop.subscription SET name = repeat('n', 201) WHERE name = 'nulls';
UPDATE shop.subscription SET name = '  ' WHERE name = 'deep';
DELETE FROM shop.delivery;
SELECT is(t.error($$UPDATE shop.customer SET phone = 's3' WHERE id = 1$$), 'no error', 'subscribe: names that are none');
DELETE FROM shop.subscription WHERE name NOT IN ('notifier', 'all', 'crm', 'odd');
ALTER TABLE shop.subscription ADD CONSTRAINT subscription_name_given CHECK (btrim(name) <> '' AND octet_length(name) <= 200);
DELETE FROM shop.delivery;

-- a token's delivery -----------------------------------------------------------------------
INSERT INTO shop.customer (email, has_account, external_id) VALUES ('t@example.com', true, 'ext-t'), ('u@example.com', true, 'ext-u');
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT 1, 'a@example.com', 'pending', 'EUR', 1, '2026-01-01' FROM generate_series(1, 4);
SELECT (SELECT id FROM shop.customer WHERE external_id = 'ext-t') AS target, (SELECT id FROM shop.customer WHERE external_id = 'ext-u') AS other \gset
SELECT is(customers.unsubscribe('all'), 2::bigint, 'unsubscribe: two customers were created');
SELECT lives_ok(format('SELECT customers.request_order_transfer(1, %s)', :target), 'order.transfer_requested: for a delivery');
SELECT matches((SELECT confidential ->> 'token' FROM customers.claim_deliveries()), '^[A-Za-z0-9_-]{43}$', 'claim_deliveries: brings the token');
SELECT max(id) AS d FROM shop.delivery \gset
SELECT is((SELECT person_ids @> ARRAY[1, :target]::bigint[] FROM shop.delivery WHERE id = :d), true, 'delivery: names the people it is about');
SELECT lives_ok(format($$DO $do$ BEGIN
	FOR n IN 1..12 LOOP
		PERFORM customers.fail_delivery(%s, 'failure');
		PERFORM h.later();
		PERFORM customers.claim_deliveries();
	END LOOP;
END $do$ $$, :d), 'fail_delivery: twelve failures of a token''s delivery');
SELECT is((SELECT format('%s %s', failed_at IS NOT NULL, coalesce(confidential ? 'token', false)) FROM shop.delivery WHERE id = :d), 't f',
	'fail_delivery: the failed delivery is kept without its token');
INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (1, :other), (2, :target) ON CONFLICT DO NOTHING;
SELECT is((SELECT count(*) FROM shop.delivery WHERE id > :d), 1::bigint, 'delivery: ON CONFLICT DO NOTHING leaves no delivery of the row that was not inserted');
SELECT is((SELECT e.order_id FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE d.id > :d), 2::bigint, 'delivery: only of the one that was');
SET customers.transfer_ttl = '1s';
SELECT lives_ok(format('SELECT customers.request_order_transfer(3, %s)', :target), 'claim_deliveries: a token that lives a second');
RESET customers.transfer_ttl;
SELECT ok(pg_sleep(1.1) IS NOT NULL, 'time passes');
SELECT is((SELECT string_agg(order_id::text, ' ') FROM customers.claim_deliveries()), '2', 'claim_deliveries: a dead token''s delivery is not claimed');
SELECT is((SELECT count(*) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.order_id = 3 AND d.confidential ? 'token'), 0::bigint,
	'claim_deliveries: and is gone');

-- deletion of a customer -------------------------------------------------------------------------
DELETE FROM shop.delivery;
SELECT lives_ok($$SELECT customers.subscribe('crm', ARRAY['customer.*', 'group.*'])$$, 'delete_customer: a subscription');
SELECT lives_ok(format($$SELECT customers.update_customer(1, '{"email": "a2@example.com"}'), customers.update_customer(%s, '{"phone": "1"}')$$, :other),
	'delete_customer: pending deliveries of two customers');
RESET SESSION AUTHORIZATION;
SET customers.email_change_hold = 0;
SET SESSION AUTHORIZATION customers_owner;
SELECT lives_ok(format('SELECT customers.request_order_transfer(4, %s)', :target), 'delete_customer: and of a transfer from the first');
RESET SESSION AUTHORIZATION;
RESET customers.email_change_hold;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(h.waiting(), 'crm customer.email_changed, crm customer.updated, crm customer.updated, notifier customer.email_changed, notifier order.transfer_requested',
	'delete_customer: what waits before');
SELECT is(t.error('SELECT customers.delete_customer(1, ''typo@example.com'')'), '23514 customer_delete_confirmed', 'delete_customer: a refused deletion');
SELECT is((SELECT count(*) FROM shop.delivery), 5::bigint, 'delete_customer: drops nothing');
SELECT lives_ok($$SELECT customers.delete_customer(1, 'a2@example.com')$$, 'delete_customer: the customer goes');
-- two transfers of his are open: orders 2 and 4; that of order 3 is overdue
SELECT is((SELECT string_agg(d.subscription || ' ' || e.type, ', ' ORDER BY d.id) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
		WHERE e.type NOT LIKE 'order.transfer_%'), 'crm customer.updated, crm customer.deleted',
	'delete_customer: deliveries that name him are gone, another''s and the deletion''s own stay');
SELECT is((SELECT count(*) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'order.transfer_requested'), 0::bigint,
	'delete_customer: no token of his transfers waits any longer');
SELECT ok((SELECT count(*) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'order.transfer_canceled') >= 2,
	'delete_customer: the cancellations of this deletion are told');
SELECT is((SELECT confidential FROM shop.delivery WHERE subscription = 'crm' AND confidential ? 'email'),
	'{"to": ["a2@example.com"], "email": "a2@example.com"}'::jsonb, 'delete_customer: his former address is told');

-- purge_events ---------------------------------------------------------------------------------------
DELETE FROM shop.delivery;
SELECT is(customers.purge_events(now() - '1 day'::interval), 0::bigint, 'purge_events: nothing is that old');
SELECT lives_ok(format($$SELECT customers.update_customer(%s, '{"phone": "2"}')$$, :other), 'purge_events: an event still to be delivered');
SELECT count(*) - 1 AS purged FROM shop.event \gset
SELECT is(customers.purge_events(now() + '1 day'::interval), :purged::bigint, 'purge_events: how many went');
SELECT is((SELECT string_agg(type, ' ') FROM shop.event), 'customer.updated', 'purge_events: events still to be delivered stay');
SELECT is(t.error('DELETE FROM shop.event'), '23514 event_append_only', 'event_append_only: the purge''s setting is gone with it');
UPDATE shop.delivery SET expires_at = now() - '1 s'::interval;
SELECT is(customers.purge_events(now() + '1 day'::interval), 1::bigint, 'purge_events: an expired delivery holds no event');
SELECT is((SELECT format('%s %s', (SELECT count(*) FROM shop.event), (SELECT count(*) FROM shop.delivery))), '0 0', 'purge_events: and goes with it');
SELECT is(t.error('SELECT customers.purge_events(NULL)'), '22023', 'purge_events: NULL');

-- the one privilege -----------------------------------------------------------------------------------
SELECT lives_ok(format($$SELECT customers.update_customer(%s, '{"email": "u2@example.com"}')$$, :other), 'claim_deliveries: something for a clerk');
GRANT USAGE ON SCHEMA shop TO customers_clerk;
SELECT is(t.error('SELECT customers.claim_deliveries()', 'customers_clerk'), '42501', 'claim_deliveries: needs UPDATE of attempts');
SELECT is(t.error('SELECT customers.acknowledge_deliveries(''{1}'')', 'customers_clerk'), '42501', 'acknowledge_deliveries: needs UPDATE of attempts');
SELECT is(t.error('SELECT customers.fail_delivery(1, ''x'')', 'customers_clerk'), '42501', 'fail_delivery: needs UPDATE of attempts');
SELECT is(t.error('SELECT customers.retry_failed(''notifier'')', 'customers_clerk'), '42501', 'retry_failed: needs UPDATE of attempts');
SELECT is(t.error('SELECT customers.subscribe(''x'', ''{*}'')', 'customers_clerk'), '42501', 'subscribe: needs the rights on subscription');
SELECT is(t.error('SELECT customers.unsubscribe(''crm'')', 'customers_clerk'), '42501', 'unsubscribe: needs the rights on subscription');
SELECT is(t.error('SELECT customers.delivery_status()', 'customers_clerk'), '42501', 'delivery_status: needs SELECT on delivery');
SELECT is(t.error('SELECT customers.purge_events(now())', 'customers_clerk'), '42501', 'purge_events: needs DELETE on event');
GRANT UPDATE (attempts) ON shop.delivery TO customers_clerk;
SELECT is(t.run_as('customers_clerk', 'SELECT confidential ->> ''old_email'' FROM customers.claim_deliveries()'), 'u@example.com',
	'claim_deliveries: UPDATE of attempts is enough');
SELECT max(id) AS d FROM shop.delivery WHERE subscription = 'notifier' \gset
SELECT is(t.error(format('SELECT customers.fail_delivery(%s, ''x'')', :d), 'customers_clerk'), 'no error', 'fail_delivery: UPDATE of attempts is enough');
SELECT is(t.run_as('customers_clerk', format('SELECT customers.acknowledge_deliveries(''{%s}'')', :d)), '1', 'acknowledge_deliveries: UPDATE of attempts is enough');
SELECT is(t.error('SELECT confidential FROM shop.delivery', 'customers_clerk'), '42501', 'claim_deliveries: the table stays closed');

SELECT * FROM finish();
ROLLBACK;
