\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(265);

-- The token of a transfer, read where its only copy is, as the owner may.
CREATE SCHEMA h;
CREATE FUNCTION h.token(transfer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT d.confidential ->> 'token'
	FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
	WHERE e.type = 'order.transfer_requested' AND (e.payload ->> 'transfer_id')::bigint = transfer
$$;
CREATE FUNCTION h.transfer(transfer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s->%s', status, coalesce(from_customer_id::text, '-'), coalesce(to_customer_id::text, '-'))
	FROM shop.order_transfer WHERE id = transfer
$$;
CREATE FUNCTION h.owner(order_id bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT customer_id FROM shop.orders o WHERE o.id = order_id
$$;
-- Types and numbers of the events made since the last call.
CREATE TABLE h.seen (id bigint);
CREATE FUNCTION h.news() RETURNS text LANGUAGE sql AS $$
	WITH fresh AS (SELECT e.id, e.type FROM shop.event e WHERE e.id NOT IN (SELECT s.id FROM h.seen s)),
		noted AS (INSERT INTO h.seen SELECT id FROM fresh)
	SELECT coalesce(string_agg(type || ' ' || n, ', ' ORDER BY type COLLATE "C"), 'none')
	FROM (SELECT type, count(*) AS n FROM fresh GROUP BY type) f
$$;

-- customers 1 to 6, orders 1 to 20
INSERT INTO shop.customer (email, first_name, last_name, has_account, external_id) VALUES
	('owner@example.com', 'Olga', 'Owner', false, NULL),
	('nina@example.com', 'Nina', 'New', true, 'ext-2'),
	('third@example.com', NULL, NULL, true, 'ext-3'),
	('gus@example.com', 'Gus', NULL, false, NULL),
	('lea@example.com', 'Lea', NULL, true, 'ext-5'),
	('mia@example.com', 'Mia', NULL, true, 'ext-6');
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT 1, 'owner@example.com', 'pending', 'EUR', n, '2026-01-01' FROM generate_series(1, 10) n;	-- 1 to 10
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at) VALUES
	(1, 'owner@example.com', 'draft', 'EUR', 1, '2026-01-01'),			-- 11
	(1, 'owner@example.com', 'canceled', 'EUR', 1, '2026-01-01'),		-- 12
	(NULL, 'gus@example.com', 'completed', 'EUR', 1, '2026-01-01'),		-- 13
	(NULL, NULL, 'pending', 'EUR', 1, '2026-01-01'),					-- 14
	(3, 'third@example.com', 'pending', 'EUR', 1, '2026-01-01'),		-- 15
	(5, 'lea@example.com', 'archived', 'EUR', 1, '2026-01-01'),			-- 16
	(5, NULL, 'requires_action', 'EUR', 1, '2026-01-01'),				-- 17
	(NULL, 'gus@example.com', 'pending', 'EUR', 1, '2026-01-01'),		-- 18
	(6, 'mia@example.com', 'pending', 'EUR', 1, '2026-01-01'),			-- 19
	(NULL, 'old@example.com', 'pending', 'EUR', 1, '2026-01-01');		-- 20
SET CONSTRAINTS ALL IMMEDIATE;
SELECT is((SELECT format('%s %s', (SELECT max(id) FROM shop.customer), (SELECT max(id) FROM shop.orders))), '6 20',
	'fixture: six customers, twenty orders');
SELECT lives_ok('SELECT h.news()', 'fixture: its events are read');

-- a request -------------------------------------------------------------------
SELECT customers.request_order_transfer(1, 2, 'a gift', true) AS t1 \gset
SELECT is(h.news(), 'order.transfer_requested 1', 'request_order_transfer: one event');
SELECT is((SELECT to_jsonb(t) - 'token_hash' - 'requested_at' - 'expires_at' FROM shop.order_transfer t WHERE id = :t1),
	jsonb_build_object('id', :t1, 'order_id', 1, 'to_customer_id', 2, 'description', 'a gift',
		'update_order_email', true, 'from_customer_id', 1, 'approver_email', 'owner@example.com',
		'status', 'requested', 'requested_by', 'customers_owner', 'resolved_at', NULL, 'resolved_by', NULL,
		'decline_reason', NULL, 'approval_token', NULL),
	'request_order_transfer: the row, with nothing but NULL in the write-only column');
SELECT ok((SELECT expires_at - requested_at BETWEEN '7 days' AND '7 days 1 minute' FROM shop.order_transfer WHERE id = :t1),
	'request_order_transfer: expires after 7 days');
SELECT ok((SELECT requested_at BETWEEN now() - '1 minute'::interval AND clock_timestamp() FROM shop.order_transfer WHERE id = :t1),
	'request_order_transfer: requested now');
SELECT is((SELECT to_jsonb(o) FROM customers.order_transfers(1) o) - 'requested_at' - 'expires_at',
	jsonb_build_object('id', :t1, 'status', 'requested', 'from_customer_id', 1, 'to_customer_id', 2,
		'approver_email', 'owner@example.com', 'update_order_email', true, 'description', 'a gift',
		'requested_by', 'customers_owner', 'resolved_at', NULL, 'resolved_by', NULL, 'decline_reason', NULL),
	'order_transfers: one row per transfer, without token and hash');
SELECT matches(h.token(:t1), '^[A-Za-z0-9_-]{43}$', 'request_order_transfer: a token of 43 base64url characters, in the delivery');
SELECT is((SELECT token_hash FROM shop.order_transfer WHERE id = :t1), sha256(convert_to(h.token(:t1), 'UTF8')),
	'request_order_transfer: the row keeps the SHA-256 of the token''s text');
SELECT is((SELECT jsonb_object_agg(k, d.confidential -> k) FROM shop.delivery d, jsonb_object_keys(d.confidential) k
		WHERE k NOT IN ('token', 'expires_at')),
	'{"to": ["owner@example.com"], "approver_email": "owner@example.com", "new_owner_name": "Nina New", "description": "a gift"}'::jsonb,
	'request_order_transfer: what the notification must know');
SELECT is((SELECT (confidential ->> 'expires_at')::timestamptz FROM shop.delivery),
	(SELECT expires_at FROM shop.order_transfer WHERE id = :t1), 'request_order_transfer: and until when');
SELECT is((SELECT expires_at FROM shop.delivery),
	(SELECT expires_at FROM shop.order_transfer WHERE id = :t1), 'request_order_transfer: the delivery expires with the token');
SELECT is((SELECT payload FROM shop.event WHERE type = 'order.transfer_requested'),
	jsonb_build_object('transfer_id', :t1, 'order_id', 1, 'customer_id', 1, 'to_customer_id', 2),
	'request_order_transfer: the event''s payload is ids');
SELECT is((SELECT count(*) FROM (SELECT t::text FROM shop.order_transfer t UNION ALL SELECT e::text FROM shop.event e
		UNION ALL SELECT o::text FROM shop.orders o UNION ALL SELECT c::text FROM shop.customer c) r(line)
		WHERE strpos(line, h.token(:t1)) > 0), 0::bigint,
	'request_order_transfer: the token is in no table but delivery');
SELECT is(h.owner(1), 1::bigint, 'request_order_transfer: moves nothing');

-- unknown and missing arguments
SELECT is(t.error('SELECT customers.request_order_transfer(999, 2)'), '23503', 'request_order_transfer: unknown order');
SELECT matches(t.message('SELECT customers.request_order_transfer(999, 2)'), '^order 999 does not exist', 'request_order_transfer: names the order');
SELECT is(t.error('SELECT customers.request_order_transfer(2, 999)'), '23503', 'request_order_transfer: unknown customer');
SELECT matches(t.message('SELECT customers.request_order_transfer(2, 999)'), '^customer 999 does not exist', 'request_order_transfer: names the customer');
SELECT is(t.error('SELECT customers.request_order_transfer(NULL, 2)'), '22023', 'request_order_transfer: NULL order');
SELECT is(t.error('SELECT customers.request_order_transfer(2, NULL)'), '22023', 'request_order_transfer: NULL customer');
SELECT is(t.error('SELECT customers.accept_order_transfer(999, ''x'')'), '23503', 'accept_order_transfer: unknown transfer');
SELECT is(t.error('SELECT customers.decline_order_transfer(999, ''x'')'), '23503', 'decline_order_transfer: unknown transfer');
SELECT is(t.error('SELECT customers.cancel_order_transfer(999)'), '23503', 'cancel_order_transfer: unknown transfer');
SELECT is(t.error('SELECT customers.accept_order_transfer(NULL, ''x'')'), '22023', 'accept_order_transfer: NULL transfer');
SELECT is(t.error('SELECT customers.cancel_order_transfer(NULL)'), '22023', 'cancel_order_transfer: NULL transfer');
SELECT is(t.error('SELECT customers.order_transfers(999)'), '23503', 'order_transfers: unknown order');
SELECT is(t.error('SELECT customers.order_transfers(NULL)'), '22023', 'order_transfers: NULL order');
SELECT matches(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (999, 2)'), '^23503', 'order_transfer: unknown order by INSERT');
SELECT matches(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 999)'), '^23503', 'order_transfer: unknown customer by INSERT');

-- each rule of a request, by function and by INSERT ----------------------------------
SELECT is(t.error('SELECT customers.request_order_transfer(2, 4)'), '23514 order_transfer_target_registered',
	'order_transfer_target_registered: a guest, by function');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 4)'), '23514 order_transfer_target_registered',
	'order_transfer_target_registered: a guest, by INSERT');
SELECT is(t.error('SELECT customers.request_order_transfer(15, 3)'), '23514 order_transfer_not_to_owner',
	'order_transfer_not_to_owner: by function');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (15, 3)'), '23514 order_transfer_not_to_owner',
	'order_transfer_not_to_owner: by INSERT');
SELECT is(t.error('SELECT customers.request_order_transfer(12, 2)'), '23514 order_transfer_order_active',
	'order_transfer_order_active: canceled, by function');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (12, 2)'), '23514 order_transfer_order_active',
	'order_transfer_order_active: canceled, by INSERT');
SELECT is(t.error('SELECT customers.request_order_transfer(11, 2)'), '23514 order_transfer_order_active',
	'order_transfer_order_active: draft, by function');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (11, 2)'), '23514 order_transfer_order_active',
	'order_transfer_order_active: draft, by INSERT');
SELECT is(t.error('SELECT customers.request_order_transfer(16, 2), customers.request_order_transfer(17, 2), customers.request_order_transfer(13, 2)'),
	'no error', 'order_transfer_order_active: archived, requires_action and completed are active');
SELECT is(t.error('SELECT customers.request_order_transfer(1, 3)'), '23505 order_transfer_open_key',
	'order_transfer_open_key: by function');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (1, 3)'), '23505 order_transfer_open_key',
	'order_transfer_open_key: by INSERT');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 3), (2, 2)'), '23505 order_transfer_open_key',
	'order_transfer_open_key: twice in one INSERT');
SELECT is(t.error('SELECT customers.request_order_transfer(14, 2)'), '23514 order_transfer_approver_known',
	'order_transfer_approver_known: by function');
SELECT is(t.error('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (14, 2)'), '23514 order_transfer_approver_known',
	'order_transfer_approver_known: by INSERT');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, approver_email) VALUES (14, 2, 'me@example.com')$$),
	'23514 order_transfer_approver_known', 'order_transfer_approver_known: a statement does not name the approver');
SELECT is(t.error($$UPDATE shop.customer SET email = 'thief@example.com' WHERE id = 1; SELECT customers.request_order_transfer(2, 2)$$),
	'23514 order_transfer_email_settled', 'order_transfer_email_settled: the owner''s e-mail changed, by function');
SELECT is(t.error($$SELECT customers.update_customer(1, '{"email": "thief@example.com"}');
	INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 2)$$),
	'23514 order_transfer_email_settled', 'order_transfer_email_settled: the owner''s e-mail changed, by INSERT');
SELECT is(t.error($$UPDATE shop.orders SET email = 'thief@example.com' WHERE id = 13; SELECT customers.request_order_transfer(13, 2)$$),
	'23514 order_transfer_email_settled', 'order_transfer_email_settled: an order without customer, its e-mail changed');
SELECT is(t.error($$UPDATE shop.orders SET email = 'thief@example.com' WHERE id = 14;
	INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (14, 2)$$),
	'23514 order_transfer_email_settled', 'order_transfer_email_settled: an order without customer, its e-mail set');
SELECT is(t.error($$UPDATE shop.customer SET email = 'thief@example.com' WHERE id = 1;
	UPDATE shop.customer SET email_changed_at = NULL WHERE id = 1; SELECT customers.request_order_transfer(2, 2)$$),
	'23514 order_transfer_email_settled', 'order_transfer_email_settled: email_changed_at is not written by a statement');
SELECT is(t.error($$UPDATE shop.customer SET email = 'thief@example.com', email_changed_at = '2020-01-01' WHERE id = 1;
	SELECT customers.request_order_transfer(2, 2)$$),
	'23514 order_transfer_email_settled', 'order_transfer_email_settled: nor by the statement that changes the e-mail');
SELECT is(t.error($$UPDATE shop.customer SET email = 'thief@example.com' WHERE id = 1;
	SELECT set_config('customers.email_change_hold', '0', true); SELECT customers.request_order_transfer(2, 2)$$),
	'42501', 'order_transfer_email_settled: the hold is a superuser''s setting');
SELECT is(t.error($$UPDATE shop.customer SET email = 'OWNER@example.com' WHERE id = 1; SELECT customers.request_order_transfer(2, 2)$$),
	'no error', 'order_transfer_email_settled: another case is the same e-mail');
SELECT is(t.error($$UPDATE shop.customer SET phone = '1' WHERE id = 1; UPDATE shop.orders SET email = 'x@example.com' WHERE id = 2;
	SELECT customers.request_order_transfer(2, 2)$$),
	'no error', 'order_transfer_email_settled: an order with a customer asks him, whatever its own e-mail');
RESET SESSION AUTHORIZATION;
SET customers.email_change_hold = 0;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error($$UPDATE shop.customer SET email = 'moved@example.com' WHERE id = 1; SELECT customers.request_order_transfer(2, 2)$$),
	'no error', 'order_transfer_email_settled: no hold when the superuser sets it to 0');
RESET SESSION AUTHORIZATION;
RESET customers.email_change_hold;
SET SESSION AUTHORIZATION customers_owner;

-- order of checks: each case breaks the named rule and the ones behind it
SELECT matches(t.message('SELECT customers.request_order_transfer(999, 999)'), '^order 999', 'request_order_transfer: the order is checked before the target');
SELECT is(t.error('SELECT customers.request_order_transfer(12, 999)'), '23503', 'request_order_transfer: the target before the order''s status');
SELECT is(t.error('SELECT customers.request_order_transfer(12, 4)'), '23514 order_transfer_order_active', 'request_order_transfer: status before registration');
SELECT is(t.error('SELECT customers.request_order_transfer(2, 1)'), '23514 order_transfer_target_registered',
	'request_order_transfer: registration before ownership');
SELECT is(t.error('SELECT customers.request_order_transfer(15, 2); SELECT customers.request_order_transfer(15, 3)'),
	'23514 order_transfer_not_to_owner', 'request_order_transfer: ownership before an open transfer');
SELECT is(t.error('SELECT customers.request_order_transfer(13, 2); UPDATE shop.orders SET email = NULL WHERE id = 13;
	SELECT customers.request_order_transfer(13, 3)'), '23505 order_transfer_open_key', 'request_order_transfer: an open transfer before the approver');
SELECT is(t.error('UPDATE shop.orders SET email = NULL WHERE id = 13; SELECT customers.request_order_transfer(13, 3)'),
	'23514 order_transfer_approver_known', 'request_order_transfer: the approver before his e-mail''s age');
SELECT is(h.news(), 'none', 'request_order_transfer: refused requests leave no event');
SELECT is((SELECT count(*) FROM shop.delivery), 1::bigint, 'request_order_transfer: and no delivery');

-- ON CONFLICT, engine-kept columns, columns of a request
SELECT lives_ok('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (1, 3) ON CONFLICT DO NOTHING',
	'order_transfer_open_key: ON CONFLICT DO NOTHING is no error');
SELECT is((SELECT format('%s %s %s', (SELECT count(*) FROM shop.order_transfer), (SELECT count(*) FROM shop.delivery), h.news())), '1 1 none',
	'order_transfer_open_key: and leaves no row, no delivery, no event');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, token_hash) VALUES (2, 2, sha256('mine'))$$),
	'23514 order_transfer_state', 'order_transfer_state: token_hash named in an INSERT');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET token_hash = sha256('mine') WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: token_hash named in an UPDATE');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET token_hash = NULL WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: token_hash taken away');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET to_customer_id = 3 WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: another target');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET to_customer_id = 3, status = 'accepted', approval_token = %L WHERE id = %s$$, h.token(:t1), :t1)),
	'23514 order_transfer_state', 'order_transfer_state: another target in the accepting statement');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET to_customer_id = NULL WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: no target while he exists');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET from_customer_id = NULL WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: no owner while he exists');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET approver_email = 'me@example.com' WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: another approver');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET update_order_email = false WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: update_order_email');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET description = 'x' WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: description');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET expires_at = now() + '1 year' WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: expires_at');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET order_id = 2 WHERE id = %s$$, :t1)),
	'23514 order_transfer_id_fixed', 'order_transfer_id_fixed: order_id');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET id = 900 WHERE id = %s$$, :t1)),
	'23514 order_transfer_id_fixed', 'order_transfer_id_fixed: id');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET requested_at = '2020-01-01' WHERE id = %s$$, :t1)),
	'23514 order_transfer_id_fixed', 'order_transfer_id_fixed: requested_at');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'expired' WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: expired before it is due');
SELECT matches(t.error(format($$UPDATE shop.order_transfer SET status = 'approved' WHERE id = %s$$, :t1)),
	'^23514', 'order_transfer_state: an unknown status');
SELECT is(t.error('TRUNCATE shop.order_transfer'), '23514 order_transfer_state', 'order_transfer_state: TRUNCATE');
SELECT is(t.error('TRUNCATE shop.orders CASCADE'), '23514 order_transfer_state', 'order_transfer_state: TRUNCATE of orders, cascading');
SELECT is((SELECT format('%s %s %s %s', h.transfer(id), approver_email, justify_hours(date_trunc('day', expires_at - requested_at)), token_hash = sha256(convert_to(h.token(id), 'UTF8')))
	FROM shop.order_transfer WHERE id = :t1), 'requested 1->2 owner@example.com 7 days t',
	'order_transfer_state: after all these attempts the request is as it was');

-- order_transfer_approved -----------------------------------------------------------
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, NULL)', :t1)), '23514 order_transfer_approved',
	'order_transfer_approved: accepted without a token, by function');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, 'wrong')), '28P01 order_transfer_approved',
	'order_transfer_approved: accepted with a wrong token, by function');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, '')), '28P01 order_transfer_approved',
	'order_transfer_approved: an empty token is a wrong one');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, upper(h.token(:t1)))), '28P01 order_transfer_approved',
	'order_transfer_approved: a token has its case');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, h.token(:t1) || ' ')), '28P01 order_transfer_approved',
	'order_transfer_approved: a token with something behind it');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, (SELECT encode(token_hash, ''hex'') FROM shop.order_transfer WHERE id = %s))', :t1, :t1)),
	'28P01 order_transfer_approved', 'order_transfer_approved: the hash is not the token');
SELECT is(t.error(format('SELECT customers.decline_order_transfer(%s, NULL)', :t1)), '23514 order_transfer_approved',
	'order_transfer_approved: declined without a token, by function');
SELECT is(t.error(format('SELECT customers.decline_order_transfer(%s, %L)', :t1, 'wrong')), '28P01 order_transfer_approved',
	'order_transfer_approved: declined with a wrong token, by function');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'accepted' WHERE id = %s$$, :t1)), '23514 order_transfer_approved',
	'order_transfer_approved: accepted without a token, by UPDATE');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'accepted', approval_token = 'wrong' WHERE id = %s$$, :t1)),
	'28P01 order_transfer_approved', 'order_transfer_approved: accepted with a wrong token, by UPDATE');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'declined' WHERE id = %s$$, :t1)), '23514 order_transfer_approved',
	'order_transfer_approved: declined without a token, by UPDATE');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'declined', approval_token = 'wrong' WHERE id = %s$$, :t1)),
	'28P01 order_transfer_approved', 'order_transfer_approved: declined with a wrong token, by UPDATE');
SELECT is(t.error(format($$MERGE INTO shop.order_transfer t USING (VALUES (%s::bigint)) v(id) ON t.id = v.id
	WHEN MATCHED THEN UPDATE SET status = 'accepted'$$, :t1)), '23514 order_transfer_approved', 'order_transfer_approved: by MERGE');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (1, 3)
	ON CONFLICT (order_id) WHERE status = 'requested' DO UPDATE SET status = 'accepted'$$),
	'23514 order_transfer_approved', 'order_transfer_approved: by ON CONFLICT DO UPDATE');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status) VALUES (2, 2, 'accepted')$$),
	'23514 order_transfer_state', 'order_transfer_state: a new row does not start accepted');
SELECT is(t.error(format('UPDATE shop.order_transfer SET approval_token = %L WHERE id = %s', h.token(:t1), :t1)),
	'23514 order_transfer_state', 'order_transfer_approved: a token without an answer is not kept');
SELECT customers.request_order_transfer(3, 2) AS t3 \gset
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, h.token(:t3))), '28P01 order_transfer_approved',
	'order_transfer_approved: another transfer''s token');
SELECT isnt(h.token(:t1), h.token(:t3), 'order_transfer_approved: two requests, two tokens');
SELECT is(t.error(format('UPDATE shop.order_transfer SET status = ''accepted'', approval_token = %L WHERE id IN (%s, %s)', h.token(:t1), :t1, :t3)),
	'28P01 order_transfer_approved', 'order_transfer_approved: one token does not answer two requests');
SELECT unalike(t.message(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, h.token(:t3))), '%' || h.token(:t3) || '%',
	'order_transfer_approved: the refusal does not repeat what was typed');
SELECT lives_ok(format($$DO $do$
	DECLARE
		refused int := 0;
		word text;
	BEGIN
		FOREACH word IN ARRAY ARRAY['wrong', '', 'x'] LOOP
			BEGIN
				PERFORM customers.accept_order_transfer(%s, word);
			EXCEPTION WHEN invalid_password THEN
				refused := refused + 1;
			END;
			BEGIN
				UPDATE shop.order_transfer SET status = 'accepted' WHERE id = %s;
			EXCEPTION WHEN check_violation THEN
				refused := refused + 1;
			END;
		END LOOP;
		BEGIN
			UPDATE shop.orders SET customer_id = 2 WHERE id = 1;
		EXCEPTION WHEN check_violation THEN
			refused := refused + 1;
		END;
		IF refused <> 7 THEN
			RAISE EXCEPTION 'refused %% of 7', refused;
		END IF;
	END $do$ $$, :t1, :t1), 'order_transfer_approved: inside EXCEPTION blocks every attempt is refused, and the next starts anew');
-- an acceptance that was rolled back is no evidence
SELECT lives_ok(format($$DO $do$
	BEGIN
		BEGIN
			PERFORM customers.accept_order_transfer(%s, %L);
			RAISE EXCEPTION 'undo' USING ERRCODE = 'ZZ001';
		EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
			NULL;
		END;
		BEGIN
			UPDATE shop.orders SET customer_id = 2 WHERE id = 1;
			RAISE EXCEPTION 'the order moved' USING ERRCODE = 'ZZ002';
		EXCEPTION WHEN check_violation THEN
			NULL;
		END;
	END $do$ $$, :t1, h.token(:t1)), 'order_owner_by_transfer: an acceptance that was rolled back is no evidence');
SELECT is((SELECT format('%s %s %s', h.transfer(:t1), h.owner(1), h.news())), 'requested 1->2 1 order.transfer_requested 1',
	'order_transfer_approved: nothing changed');

-- acceptance ---------------------------------------------------------------------------
CREATE TABLE h.before AS SELECT to_jsonb(o) AS row FROM shop.orders o WHERE id = 1;
SELECT h.token(:t1) AS token \gset
SELECT lives_ok(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, :'token'), 'accept_order_transfer: with the token');
SELECT is(h.owner(1), 2::bigint, 'accept_order_transfer: the order has its new owner');
SELECT is((SELECT email FROM shop.orders WHERE id = 1), 'nina@example.com', 'accept_order_transfer: and the new owner''s e-mail, as asked');
SELECT is((SELECT to_jsonb(o) - 'customer_id' - 'email' - 'email_changed_at' - 'version' - 'updated_at' FROM shop.orders o WHERE id = 1),
	(SELECT row - 'customer_id' - 'email' - 'email_changed_at' - 'version' - 'updated_at' FROM h.before),
	'accept_order_transfer: nothing else of the order changes');
SELECT is((SELECT to_jsonb(t) - 'token_hash' - 'requested_at' - 'expires_at' - 'resolved_at' FROM shop.order_transfer t WHERE id = :t1),
	jsonb_build_object('id', :t1, 'order_id', 1, 'to_customer_id', 2, 'description', 'a gift',
		'update_order_email', true, 'from_customer_id', 1, 'approver_email', 'owner@example.com',
		'status', 'accepted', 'requested_by', 'customers_owner', 'resolved_by', 'customers_owner',
		'decline_reason', NULL, 'approval_token', NULL),
	'accept_order_transfer: the row is history, the token is not in it');
SELECT ok((SELECT resolved_at IS NOT NULL FROM shop.order_transfer WHERE id = :t1), 'accept_order_transfer: resolved_at is set');
SELECT is(h.news(), 'order.email_changed 1, order.transfer_accepted 1', 'accept_order_transfer: its events');
SELECT is((SELECT d.confidential FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'order.transfer_accepted'),
	'{"to": ["owner@example.com", "nina@example.com"], "approver_email": "owner@example.com", "new_owner_email": "nina@example.com"}'::jsonb,
	'accept_order_transfer: both are told');
SELECT is((SELECT payload FROM shop.event WHERE type = 'order.transfer_accepted') - 'customer_id',
	jsonb_build_object('transfer_id', :t1, 'order_id', 1, 'to_customer_id', 2), 'accept_order_transfer: the event''s payload is ids');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t1, :'token')), '23514 order_transfer_state',
	'order_transfer_state: not accepted twice');
SELECT is(t.error(format('SELECT customers.decline_order_transfer(%s, %L)', :t1, :'token')), '23514 order_transfer_state',
	'order_transfer_state: not declined afterwards');
SELECT is(t.error(format('SELECT customers.cancel_order_transfer(%s)', :t1)), '23514 order_transfer_state',
	'order_transfer_state: not canceled afterwards');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, ''wrong'')', :t1)), '23514 order_transfer_state',
	'order_transfer_state: is checked before the token');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'requested' WHERE id = %s$$, :t1)), '23514 order_transfer_state',
	'order_transfer_state: not reopened');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'declined', approval_token = %L WHERE id = %s$$, :'token', :t1)),
	'23514 order_transfer_state', 'order_transfer_state: by UPDATE neither');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET description = 'x' WHERE id = %s$$, :t1)), '23514 order_transfer_state',
	'order_transfer_state: history does not change');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET to_customer_id = NULL, from_customer_id = NULL, approver_email = NULL WHERE id = %s$$, :t1)),
	'23514 order_transfer_state', 'order_transfer_state: its people stay while they exist');
SELECT is(t.error(format($$DELETE FROM shop.order_transfer WHERE id = %s$$, :t1)), '23514 order_transfer_state',
	'order_transfer_state: history does not disappear');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 1 WHERE id = 1'), '23514 order_owner_by_transfer',
	'order_owner_by_transfer: not back to the old owner without a transfer');
SELECT is(t.error('UPDATE shop.orders SET customer_id = 3 WHERE id = 1'), '23514 order_owner_by_transfer',
	'order_owner_by_transfer: nor on to a third, in the transaction of the acceptance');
-- on to a third with approval: the first acceptance, of the same transaction, does not bring it back
SELECT customers.request_order_transfer(1, 3) AS t1b \gset
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L); UPDATE shop.orders SET customer_id = 2 WHERE id = 1', :t1b, h.token(:t1b))),
	'23514 order_owner_by_transfer', 'order_owner_by_transfer: an acceptance counts once');
SELECT is((SELECT string_agg(id::text || ' ' || status, ', ' ORDER BY ordinality) FROM customers.order_transfers(1) WITH ORDINALITY),
	:t1b || ' requested, ' || :t1 || ' accepted', 'order_transfers: newest first');
SELECT is((SELECT string_agg(o.x ->> 'id', ' ' ORDER BY n) FROM jsonb_array_elements(customers.order_details(1) -> 'transfers')
	WITH ORDINALITY o(x, n)), :t1b || ' ' || :t1, 'order_details: has the same transfers');
SELECT is((SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(customers.order_details(1) -> 'transfers' -> 0) k),
	'{approver_email,decline_reason,description,expires_at,from_customer_id,id,requested_at,requested_by,resolved_at,resolved_by,status,to_customer_id,update_order_email}',
	'order_details: a transfer''s keys');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');

-- by plain UPDATE, e-mail not asked for
SELECT lives_ok(format($$UPDATE shop.order_transfer SET status = 'accepted', approval_token = %L WHERE id = %s$$, h.token(:t3), :t3),
	'order_transfer_approved: by UPDATE with the token');
SELECT is((SELECT format('%s %s %s', h.transfer(:t3), customer_id, email) FROM shop.orders WHERE id = 3), 'accepted 1->2 2 owner@example.com',
	'order_transfer_approved: moves the order, keeps its e-mail');
SELECT is((SELECT approval_token FROM shop.order_transfer WHERE id = :t3), NULL, 'order_transfer_approved: the token is not kept');
SELECT is(h.news(), 'order.transfer_accepted 1', 'order_transfer_approved: the same event');

-- decline --------------------------------------------------------------------------------
SELECT customers.request_order_transfer(4, 2) AS t4 \gset
SELECT lives_ok(format('SELECT customers.decline_order_transfer(%s, %L, ''not mine to give'')', :t4, h.token(:t4)), 'decline_order_transfer: with the token');
SELECT is((SELECT format('%s %s %s %s', h.transfer(:t4), h.owner(4), decline_reason, resolved_by) FROM shop.order_transfer WHERE id = :t4),
	'declined 1->2 1 not mine to give customers_owner', 'decline_order_transfer: the order stays, the reason is kept');
SELECT is(h.news(), 'order.transfer_declined 1, order.transfer_requested 1', 'decline_order_transfer: its event');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t4, h.token(:t4))), '23514 order_transfer_state',
	'order_transfer_state: a declined one is not accepted');
SELECT lives_ok('INSERT INTO shop.order_transfer (order_id, to_customer_id, description) VALUES (4, 3, ''by hand'')',
	'order_transfer_open_key: a declined one frees the order');
SELECT id AS t4b FROM shop.order_transfer WHERE description = 'by hand' \gset
SELECT is((SELECT format('%s %s %s', h.transfer(:t4b), approver_email, requested_by) FROM shop.order_transfer WHERE id = :t4b),
	'requested 1->3 owner@example.com customers_owner', 'order_transfer: an INSERT is a request, engine-kept columns and all');
SELECT matches(h.token(:t4b), '^[A-Za-z0-9_-]{43}$', 'order_transfer: an INSERT makes the token''s delivery');
SELECT lives_ok(format($$UPDATE shop.order_transfer SET status = 'declined', approval_token = %L, decline_reason = 'no' WHERE id = %s$$, h.token(:t4b), :t4b),
	'order_transfer_approved: declined by UPDATE with the token');
SELECT is((SELECT format('%s %s %s', h.transfer(:t4b), decline_reason, h.owner(4)) FROM shop.order_transfer WHERE id = :t4b), 'declined 1->3 no 1',
	'order_transfer_approved: declined by UPDATE moves nothing');

-- cancel -----------------------------------------------------------------------------------
SELECT customers.request_order_transfer(5, 2) AS t5 \gset
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT lives_ok(format('SELECT customers.cancel_order_transfer(%s)', :t5), 'cancel_order_transfer: no token needed');
SELECT is((SELECT format('%s %s %s %s', h.transfer(:t5), h.owner(5), resolved_by, h.news()) FROM shop.order_transfer WHERE id = :t5),
	'canceled 1->2 1 customers_owner order.transfer_canceled 1', 'cancel_order_transfer: status, order and event');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t5, h.token(:t5))), '23514 order_transfer_state',
	'order_transfer_state: a canceled one is not accepted');
SELECT is(t.error(format('SELECT customers.cancel_order_transfer(%s)', :t5)), '23514 order_transfer_state', 'order_transfer_state: nor canceled twice');
SELECT customers.request_order_transfer(5, 2) AS t5b \gset
SELECT lives_ok(format($$UPDATE shop.order_transfer SET status = 'canceled' WHERE id = %s$$, :t5b), 'order_transfer_state: canceled by UPDATE');
SELECT is(h.transfer(:t5b), 'canceled 1->2', 'order_transfer_state: is canceled');
-- canceling the order
SELECT customers.request_order_transfer(6, 2) AS t6 \gset
SELECT lives_ok($$SELECT h.news(); UPDATE shop.orders SET status = 'canceled' WHERE id = 6$$, 'order_transfer_order_active: an order with a transfer is canceled');
SELECT is((SELECT h.transfer(:t6) || ', ' || h.news()), 'canceled 1->2, order.transfer_canceled 1', 'order_transfer_order_active: and so is its open transfer');
SELECT is((SELECT resolved_at IS NOT NULL FROM shop.order_transfer WHERE id = :t6), true, 'order_transfer_order_active: with the time');
-- an order that became a draft
SELECT customers.request_order_transfer(7, 2) AS t7 \gset
SELECT is(t.error(format($$UPDATE shop.orders SET status = 'draft' WHERE id = 7; SELECT customers.accept_order_transfer(%s, %L)$$, :t7, h.token(:t7))),
	'23514 order_transfer_order_active', 'order_transfer_order_active: a draft is not transferred at acceptance either');
-- an order deleted
SELECT lives_ok('DELETE FROM shop.orders WHERE id = 7', 'order_transfer_state: an order is deleted with its transfers');
SELECT is((SELECT count(*) FROM shop.order_transfer WHERE id = :t7), 0::bigint, 'order_transfer_state: they go with it');
SELECT lives_ok('DELETE FROM shop.orders WHERE id = 4', 'order_transfer_state: history goes with its order');
SELECT is((SELECT count(*) FROM shop.order_transfer WHERE order_id = 4), 0::bigint, 'order_transfer_state: with all of it');

-- at acceptance ------------------------------------------------------------------------------
-- an order without customer, given to the guest with its e-mail while a request is open
SELECT customers.request_order_transfer(18, 2) AS t18 \gset
SELECT is((SELECT format('%s %s', h.transfer(:t18), approver_email) FROM shop.order_transfer WHERE id = :t18), 'requested -->2 gus@example.com',
	'order_transfer_approver_known: the order''s e-mail when it has no customer');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t18, h.token(:t18))), 'no error',
	'accept_order_transfer: an order without customer');
UPDATE shop.orders SET customer_id = 4 WHERE id = 18;
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t18, h.token(:t18))), '23514 order_transfer_owner_unchanged',
	'order_transfer_owner_unchanged: by function');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'accepted', approval_token = %L WHERE id = %s$$, h.token(:t18), :t18)),
	'23514 order_transfer_owner_unchanged', 'order_transfer_owner_unchanged: by UPDATE');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, ''wrong'')', :t18)), '28P01 order_transfer_approved',
	'order_transfer_owner_unchanged: who has no token learns nothing of it');
SELECT is(h.owner(18), 4::bigint, 'order_transfer_owner_unchanged: the order stays');
-- a target that is no longer registered: only with the owner's triggers switched off
ALTER TABLE shop.customer DISABLE TRIGGER USER;
UPDATE shop.customer SET has_account = false WHERE id = 6;
ALTER TABLE shop.customer ENABLE TRIGGER USER;
SELECT customers.request_order_transfer(8, 3) AS t8 \gset
ALTER TABLE shop.customer DISABLE TRIGGER USER;
UPDATE shop.customer SET has_account = false WHERE id = 3;
ALTER TABLE shop.customer ENABLE TRIGGER USER;
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t8, h.token(:t8))), '23514 order_transfer_target_registered',
	'order_transfer_target_registered: again at acceptance, by function');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'accepted', approval_token = %L WHERE id = %s$$, h.token(:t8), :t8)),
	'23514 order_transfer_target_registered', 'order_transfer_target_registered: again at acceptance, by UPDATE');
ALTER TABLE shop.customer DISABLE TRIGGER USER;
UPDATE shop.customer SET has_account = true WHERE id IN (3, 6);
ALTER TABLE shop.customer ENABLE TRIGGER USER;

-- deletion of the people -----------------------------------------------------------------------
SELECT customers.request_order_transfer(9, 6) AS t9 \gset
SELECT customers.request_order_transfer(19, 5) AS t19 \gset
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT lives_ok($$SELECT customers.delete_customer(6, 'mia@example.com')$$, 'delete_customer: the target of one transfer, the owner of another');
SELECT is(h.transfer(:t9), 'canceled 1->-', 'delete_customer: a transfer to the deleted customer is canceled');
SELECT is(h.transfer(:t19), 'canceled -->5', 'delete_customer: a transfer from the deleted customer is canceled');
SELECT is((SELECT approver_email FROM shop.order_transfer WHERE id = :t19), NULL, 'order_transfer_state: a deleted customer''s e-mail becomes NULL');
SELECT is((SELECT approver_email FROM shop.order_transfer WHERE id = :t9), 'owner@example.com', 'order_transfer_state: the other''s stays');
SELECT is(h.news(), 'customer.deleted 1, order.transfer_canceled 2', 'delete_customer: one event each');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, ''wrong'')', :t19)), '23514 order_transfer_state',
	'order_transfer_state: a transfer canceled by a deletion stays canceled');
SELECT is(t.error(format('UPDATE shop.order_transfer SET approver_email = ''x@example.com'' WHERE id = %s', :t19)), '23514 order_transfer_state',
	'order_transfer_state: nor does anybody fill the gap');

-- expiry: the wall clock ---------------------------------------------------------------------------
SET customers.transfer_ttl = '1s';
SELECT customers.request_order_transfer(2, 2) AS t2 \gset
SELECT customers.request_order_transfer(10, 2) AS t10 \gset
SELECT customers.request_order_transfer(20, 2) AS t20 \gset
SELECT h.token(:t2) AS token \gset
RESET customers.transfer_ttl;
SELECT customers.request_order_transfer(16, 2) AS t16 \gset
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT ok(pg_sleep(1.1) IS NOT NULL, 'time passes');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t2, :'token')), '23514 order_transfer_not_expired',
	'order_transfer_not_expired: accepted too late, by function');
SELECT is(t.error(format('SELECT customers.decline_order_transfer(%s, %L)', :t2, :'token')), '23514 order_transfer_not_expired',
	'order_transfer_not_expired: declined too late');
SELECT is(t.error(format('SELECT customers.cancel_order_transfer(%s)', :t2)), '23514 order_transfer_not_expired',
	'order_transfer_not_expired: canceled too late');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, NULL)', :t2)), '23514 order_transfer_not_expired',
	'order_transfer_not_expired: is checked before the token');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'accepted', approval_token = %L WHERE id = %s$$, :'token', :t2)),
	'23514 order_transfer_not_expired', 'order_transfer_not_expired: accepted too late, by UPDATE');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET expires_at = 'infinity', status = 'accepted', approval_token = %L WHERE id = %s$$, :'token', :t2)),
	'23514 order_transfer_state', 'order_transfer_not_expired: a statement does not prolong it');
SELECT is(h.owner(2), 1::bigint, 'order_transfer_not_expired: the order stays');
SELECT is((SELECT open_transfer_id FROM customers.customer_orders(1) WHERE id = 2), NULL, 'customer_orders: an overdue transfer is not open');
SELECT customers.request_order_transfer(10, 3) AS t10b \gset
SELECT is((SELECT format('%s, %s', h.transfer(:t10), h.transfer(:t10b))), 'expired 1->2, requested 1->3',
	'order_transfer_not_expired: an overdue one frees its order, by function');
SELECT is(h.news(), 'order.transfer_expired 1, order.transfer_requested 1', 'order_transfer_not_expired: with both events');
SELECT lives_ok('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (20, 3)',
	'order_transfer_not_expired: an overdue one frees its order, by INSERT');
SELECT is(h.transfer(:t20), 'expired -->2', 'order_transfer_not_expired: and is marked');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET status = 'expired' WHERE id = %s$$, :t2)), 'no error',
	'order_transfer_state: an overdue one may be set to expired by UPDATE');
SELECT is(customers.expire_order_transfers(), 1, 'expire_order_transfers: how many it changed');
SELECT is((SELECT h.transfer(:t2) || ', ' || h.transfer(:t16) || ', ' || h.news()), 'expired 1->2, requested 5->2, order.transfer_expired 1',
	'expire_order_transfers: the overdue, not the others, with an event each');
SELECT is((SELECT resolved_at IS NOT NULL FROM shop.order_transfer WHERE id = :t2), true, 'expire_order_transfers: resolved_at is set');
SELECT is(customers.expire_order_transfers(), 0, 'expire_order_transfers: nothing left to change');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t2, :'token')), '23514 order_transfer_state',
	'order_transfer_state: an expired one is not accepted');

-- history from another system ------------------------------------------------------------------------
SELECT lives_ok($$INSERT INTO shop.order_transfer (order_id, to_customer_id, from_customer_id, approver_email, status, description,
		requested_by, requested_at, expires_at, resolved_at, resolved_by) VALUES
	(12, 3, 1, 'former@example.com', 'accepted', 'old-1', 'legacy', '2020-01-01', '2020-01-08', '2020-01-02', 'legacy'),
	(12, 4, NULL, NULL, 'declined', 'old-2', 'legacy', '2020-02-01', '2020-02-08', '2020-02-02', 'legacy'),
	(11, 1, 1, NULL, 'canceled', 'old-3', 'legacy', '2020-03-01', '2020-03-08', '2020-03-02', 'legacy'),
	(14, 2, NULL, NULL, 'expired', 'old-4', NULL, '2020-04-01', '2020-04-08', '2020-04-08', NULL)$$,
	'order_transfer_state: history from another system, to which the rules of a request do not apply');
SELECT is((SELECT to_jsonb(t) - 'id' - 'token_hash' FROM shop.order_transfer t WHERE description = 'old-1'),
	'{"order_id": 12, "to_customer_id": 3, "from_customer_id": 1, "approver_email": "former@example.com", "status": "accepted",
	  "description": "old-1", "update_order_email": false, "requested_by": "legacy", "requested_at": "2020-01-01T00:00:00+00:00",
	  "expires_at": "2020-01-08T00:00:00+00:00", "resolved_at": "2020-01-02T00:00:00+00:00", "resolved_by": "legacy",
	  "decline_reason": null, "approval_token": null}'::jsonb, 'order_transfer_state: history brings its engine-kept columns');
SELECT is((SELECT h.news() || ', ' || h.owner(12)), 'none, 1', 'order_transfer_state: history makes no event and moves no order');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at)
	VALUES (2, 2, 'accepted', '2020-01-01', '2020-01-08', now() + '1 day')$$), '23514 order_transfer_state', 'order_transfer_state: no history of the future');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at)
	VALUES (2, 2, 'accepted', '2020-01-01', '2020-01-08', now())$$), '23514 order_transfer_state', 'order_transfer_state: no history of this transaction');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at)
	VALUES (2, 2, 'canceled', '2020-01-01', '2020-01-08')$$), '23514 order_transfer_state', 'order_transfer_state: no history without its time');
SELECT is(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at, token_hash)
	VALUES (2, 2, 'declined', '2020-01-01', '2020-01-08', '2020-01-02', sha256('x'))$$), '23514 order_transfer_state', 'order_transfer_state: no history with a token''s hash');
SELECT matches(t.error($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at, approval_token)
	VALUES (2, 2, 'declined', '2020-01-01', '2020-01-08', '2020-01-02', 'x')$$), '^23514', 'order_transfer_state: nor with a token');
SELECT is(t.error($$UPDATE shop.order_transfer SET resolved_by = 'me' WHERE description = 'old-1'$$), '23514 order_transfer_state',
	'order_transfer_state: imported history does not change');
SELECT is(t.error($$DELETE FROM shop.order_transfer WHERE description = 'old-1'$$), '23514 order_transfer_state',
	'order_transfer_state: imported history does not disappear');
SELECT is(t.error($$UPDATE shop.order_transfer SET status = 'requested' WHERE description = 'old-4'$$), '23514 order_transfer_state',
	'order_transfer_state: imported history is not reopened');

-- One statement deletes a customer and rewrites the rows that name him: the
-- guard finds him gone, but that explains no change other than his id's.
INSERT INTO shop.customer (email) VALUES ('dummy@example.com') RETURNING id AS dummy \gset
INSERT INTO shop.order_transfer (order_id, to_customer_id, from_customer_id, status, description, requested_at, expires_at, resolved_at)
	VALUES (14, 2, :dummy, 'canceled', 'old-5', '2020-05-01', '2020-05-08', '2020-05-02');
SELECT is(t.error(format($$SELECT set_config('customers.confirm_delete', '%s:dummy@example.com', true);
	WITH d AS (DELETE FROM shop.customer WHERE id = %s RETURNING id)
	UPDATE shop.order_transfer t SET from_customer_id = NULL, status = 'accepted', resolved_at = now() FROM d WHERE t.from_customer_id = d.id$$, :dummy, :dummy)),
	'23514 order_transfer_state', 'order_transfer_state: history does not become an acceptance in the statement that deletes its customer');
SELECT is(t.error(format($$SELECT set_config('customers.confirm_delete', '%s:dummy@example.com', true);
	WITH d AS (DELETE FROM shop.customer WHERE id = %s RETURNING id)
	UPDATE shop.order_transfer t SET from_customer_id = NULL, status = 'accepted', resolved_at = now() FROM d WHERE t.from_customer_id = d.id;
	UPDATE shop.orders SET customer_id = 2 WHERE id = 14$$, :dummy, :dummy)) LIKE '23514 %',
	true, 'order_owner_by_transfer: nor does it move an order that has no customer');
SELECT is(t.error(format($$SELECT set_config('customers.confirm_delete', '%s:dummy@example.com', true);
	WITH d AS (DELETE FROM shop.customer WHERE id = %s RETURNING id)
	UPDATE shop.order_transfer t SET from_customer_id = NULL, description = 'rewritten', requested_by = 'nobody' FROM d WHERE t.from_customer_id = d.id$$, :dummy, :dummy)),
	'23514 order_transfer_state', 'order_transfer_state: nor is history rewritten in it');
INSERT INTO shop.orders (customer_id, status, currency_code, total, placed_at) VALUES (:dummy, 'pending', 'EUR', 1, '2026-01-01') RETURNING id AS o \gset
SELECT lives_ok(format('SELECT customers.request_order_transfer(%s, 2)', :o), 'order_transfer_state: a request of his');
SELECT is(t.error(format($$SELECT set_config('customers.confirm_delete', '%s:dummy@example.com', true);
	WITH d AS (DELETE FROM shop.customer WHERE id = %s RETURNING id)
	UPDATE shop.order_transfer t SET from_customer_id = NULL, to_customer_id = 3, description = 'rewritten' FROM d WHERE t.order_id = %s$$, :dummy, :dummy, :o)),
	'23514 order_transfer_state', 'order_transfer_state: nor a request, but for its end');
SELECT is(t.error(format($$SELECT set_config('customers.confirm_delete', '%s:dummy@example.com', true);
	DELETE FROM shop.customer WHERE id = %s$$, :dummy, :dummy)), 'no error', 'order_transfer_state: the deletion by itself is fine');

-- the one privilege -----------------------------------------------------------------------------------
GRANT USAGE ON SCHEMA shop TO customers_clerk;
SELECT is(t.error('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk'), '42501', 'request_order_transfer: needs INSERT on order_transfer');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t16, h.token(:t16)), 'customers_clerk'), '42501',
	'accept_order_transfer: needs UPDATE of status');
SELECT is(t.error(format('SELECT customers.decline_order_transfer(%s, %L)', :t16, h.token(:t16)), 'customers_clerk'), '42501',
	'decline_order_transfer: needs UPDATE of status');
SELECT is(t.error(format('SELECT customers.cancel_order_transfer(%s)', :t16), 'customers_clerk'), '42501', 'cancel_order_transfer: needs UPDATE of status');
GRANT INSERT ON shop.order_transfer TO customers_clerk;
SELECT is(t.error('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk'), 'no error', 'request_order_transfer: INSERT on order_transfer is enough');
SELECT is(t.error('SELECT customers.request_order_transfer(12, 2)', 'customers_clerk'), '23514 order_transfer_order_active', 'order_transfer_order_active: for a clerk too');
SELECT is(t.error('SELECT customers.request_order_transfer(2, 4)', 'customers_clerk'), '23514 order_transfer_target_registered',
	'order_transfer_target_registered: for a clerk too');
SELECT is(t.error(format('SELECT customers.cancel_order_transfer(%s)', :t16), 'customers_clerk'), '42501', 'cancel_order_transfer: INSERT is not enough');
GRANT UPDATE (status) ON shop.order_transfer TO customers_clerk;
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, ''wrong'')', :t16), 'customers_clerk'), '28P01 order_transfer_approved',
	'order_transfer_approved: a clerk has no token');
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :t16, h.token(:t16)), 'customers_clerk'), 'no error',
	'accept_order_transfer: UPDATE of status is enough');
SELECT is(t.error(format('SELECT customers.decline_order_transfer(%s, %L, ''no'')', :t16, h.token(:t16)), 'customers_clerk'), 'no error',
	'decline_order_transfer: UPDATE of status is enough');
SELECT is(t.error(format('SELECT customers.cancel_order_transfer(%s)', :t16), 'customers_clerk'), 'no error', 'cancel_order_transfer: UPDATE of status is enough');
SELECT is(t.error('SELECT confidential FROM shop.delivery', 'customers_clerk'), '42501', 'request_order_transfer: who requests cannot read the token');
-- resolved_by and requested_by are the actor
SET customers.actor = 'anna@desk';
SELECT t.run_as('customers_clerk', 'SELECT customers.request_order_transfer(2, 2)') AS t2b \gset
RESET customers.actor;
SELECT is((SELECT requested_by FROM shop.order_transfer WHERE id = :t2b), 'anna@desk', 'request_order_transfer: requested_by is the actor');
SELECT t.run_as('customers_clerk', format('SELECT customers.cancel_order_transfer(%s)', :t2b)) \gset
SELECT is((SELECT resolved_by FROM shop.order_transfer WHERE id = :t2b), 'customers_clerk', 'cancel_order_transfer: resolved_by is the role without an actor');

-- order_transfer_requested_rarely ------------------------------------------------------------------------
INSERT INTO shop.customer (email, has_account, external_id) VALUES ('rita@example.com', true, 'ext-r') RETURNING id AS rita \gset
INSERT INTO shop.orders (customer_id, status, currency_code, total, placed_at)
	SELECT :rita, 'pending', 'EUR', 1, '2026-01-01' FROM generate_series(1, 2);
SELECT min(id) AS o1, max(id) AS o2 FROM shop.orders WHERE customer_id = :rita \gset
-- Asks about the order so often, and takes each request back.
CREATE FUNCTION h.ask(bigint, int) RETURNS void LANGUAGE sql AS $$
	SELECT customers.cancel_order_transfer(customers.request_order_transfer($1, 2)) FROM generate_series(1, $2)
$$;
SELECT lives_ok(format('SELECT h.ask(%s, 5)', :o1), 'order_transfer_requested_rarely: five requests, canceled');
SELECT is(t.error(format('SELECT customers.request_order_transfer(%s, 2)', :o1)), '23514 order_transfer_requested_rarely',
	'order_transfer_requested_rarely: the sixth, by function');
SELECT is(t.error(format('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (%s, 2)', :o1)), '23514 order_transfer_requested_rarely',
	'order_transfer_requested_rarely: the sixth, by INSERT');
SELECT is(t.error(format('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (%s, 2) ON CONFLICT DO NOTHING', :o1)),
	'23514 order_transfer_requested_rarely', 'order_transfer_requested_rarely: the sixth, by INSERT .. ON CONFLICT');
SELECT is(t.error(format('SELECT customers.request_order_transfer(%s, 2)', :o1), 'customers_clerk'), '23514 order_transfer_requested_rarely',
	'order_transfer_requested_rarely: the sixth, by a clerk');
SELECT is(t.error(format('SELECT customers.request_order_transfer(%s, 3)', :o1)), '23514 order_transfer_requested_rarely',
	'order_transfer_requested_rarely: to somebody else');
SELECT is(t.message(format('SELECT customers.request_order_transfer(%s, 2)', :o1)),
	format('the transfer of order %s was asked for 5 times in the last 24 hours |  | Repeat the request when the first of these is a day old (customers.transfer_requests_per_day). | shop.order_transfer.order_id', :o1),
	'order_transfer_requested_rarely: message');
SELECT is(t.error(format('SELECT customers.request_order_transfer(%s, 2)', :o2)), 'no error', 'order_transfer_requested_rarely: another order of the same owner');
SELECT is(t.error(format('SELECT customers.request_order_transfer(%s, %s)', :o1, :rita)), '23514 order_transfer_not_to_owner',
	'order_transfer_requested_rarely: the other rules come first');
SELECT is(t.error(format('SELECT h.ask(%s, 4); SELECT customers.request_order_transfer(%s, 2); SELECT customers.request_order_transfer(%s, 2)', :o2, :o2, :o2)),
	'23505 order_transfer_open_key', 'order_transfer_requested_rarely: an open one comes first');
SELECT is(t.error(format('DELETE FROM shop.order_transfer WHERE order_id = %s', :o1)), '23514 order_transfer_state',
	'order_transfer_requested_rarely: requests do not disappear');
SELECT is(t.error(format($$UPDATE shop.order_transfer SET requested_at = '2020-01-01' WHERE order_id = %s$$, :o1)), '23514 order_transfer_id_fixed',
	'order_transfer_requested_rarely: nor become older');
SELECT is(t.error(format('UPDATE shop.order_transfer SET expires_at = NULL WHERE order_id = %s', :o1)), '23514 order_transfer_state',
	'order_transfer_requested_rarely: nor become something else');
SELECT ok((SELECT bool_and(requested_at > now()) FROM shop.order_transfer WHERE order_id = :o1),
	'order_transfer_requested_rarely: requested_at is by the clock, a transaction may be days old');
SELECT ok((SELECT bool_and(expires_at - requested_at = '7 days') FROM shop.order_transfer WHERE order_id = :o1),
	'order_transfer_requested_rarely: and so is expires_at');
SELECT is(t.error('SET customers.transfer_requests_per_day = 100'), '42501', 'order_transfer_requested_rarely: a superuser setting');
SELECT is(t.error($$SET customers.transfer_ttl = '91 d'$$), '22023', 'order_transfer_not_expired: 90 days at most');
SELECT is(t.error($$SET customers.transfer_ttl = '90 d'$$), 'no error', 'order_transfer_not_expired: which may be set');
RESET SESSION AUTHORIZATION;
SELECT is(t.error('SET LOCAL customers.transfer_requests_per_day = 100'), 'no error', 'order_transfer_requested_rarely: which a superuser sets');
SELECT is(t.error('SET LOCAL customers.transfer_requests_per_day = 0'), '22023', 'order_transfer_requested_rarely: one at least');
SET customers.transfer_requests_per_day = 6;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error(format('SELECT h.ask(%s, 1)', :o1)), 'no error', 'order_transfer_requested_rarely: the sixth, when six are allowed');
SELECT is(t.error(format('SELECT h.ask(%s, 2)', :o1)), '23514 order_transfer_requested_rarely', 'order_transfer_requested_rarely: but not the seventh');
RESET SESSION AUTHORIZATION;
RESET customers.transfer_requests_per_day;
SET SESSION AUTHORIZATION customers_owner;
-- a rolled back request asked nobody
SELECT lives_ok(format($$DO $do$ BEGIN
	FOR n IN 1..6 LOOP
		BEGIN
			PERFORM h.ask(%s, 1);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $do$ $$, :o2), 'order_transfer_requested_rarely: six requests that are rolled back');
SELECT is(t.error(format('SELECT h.ask(%s, 5)', :o2)), 'no error', 'order_transfer_requested_rarely: do not count');
-- history counts if it says that the owner was asked
INSERT INTO shop.order_transfer (order_id, to_customer_id, status, resolved_at) SELECT :o2, 2, 'canceled', now() - '1 hour'::interval FROM generate_series(1, 6);
INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at)
	SELECT :o2, 2, 'declined', now() - '25 hours'::interval, now(), now() - '1 hour'::interval FROM generate_series(1, 6);
SELECT is(t.error(format('SELECT h.ask(%s, 5)', :o2)), 'no error', 'order_transfer_requested_rarely: history that does not say when it was requested, or that is older, does not count');
SELECT is(t.error(format($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at)
	SELECT %s, 2, 'declined', now() - '23 hours'::interval, now(), now() - '1 hour'::interval FROM generate_series(1, 5);
	SELECT h.ask(%s, 1)$$, :o2, :o2)), '23514 order_transfer_requested_rarely', 'order_transfer_requested_rarely: history of this day does');
SELECT is(t.error(format($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, expires_at, resolved_at)
	VALUES (%s, 2, 'declined', now() + '1 day'::interval, now() + '2 days'::interval, now() - '1 hour'::interval)$$, :o2)), '23514 order_transfer_state',
	'order_transfer_state: history was not requested in the future');
SELECT is(t.error(format($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, requested_at, resolved_at)
	VALUES (%s, 2, 'declined', 'infinity', now() - '1 hour'::interval)$$, :o2)), '23514 order_transfer_state',
	'order_transfer_state: nor at the end of time');
SELECT is(t.error(format($$INSERT INTO shop.order_transfer (order_id, to_customer_id, status, resolved_at)
	VALUES (%s, 2, 'lost', now() - '1 hour'::interval)$$, :o2)), '23514 order_transfer_state', 'order_transfer_state: history has a status that there is');
-- a day later
ALTER TABLE shop.order_transfer DISABLE TRIGGER order_transfer_guard;
UPDATE shop.order_transfer SET requested_at = requested_at - '1 day'::interval WHERE order_id = :o1;
ALTER TABLE shop.order_transfer ENABLE TRIGGER order_transfer_guard;
SELECT is(t.error(format('SELECT h.ask(%s, 5)', :o1)), 'no error', 'order_transfer_requested_rarely: a day later five more');

-- values that only the table's owner can have put there
SELECT is(t.error(format($$SELECT customers.request_order_transfer(%s, 2); UPDATE shop.order_transfer SET status = 'lost' WHERE order_id = %s AND status = 'requested'$$, :o2, :o2)),
	'23514 order_transfer_state', 'order_transfer_state: a request ends with a status that there is');
SELECT customers.request_order_transfer(:o2, 2) AS odd \gset
SELECT h.token(:odd) AS token \gset
ALTER TABLE shop.order_transfer DISABLE TRIGGER order_transfer_guard;
UPDATE shop.order_transfer SET expires_at = NULL WHERE id = :odd;
ALTER TABLE shop.order_transfer ENABLE TRIGGER order_transfer_guard;
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :odd, :'token')), '23514 order_transfer_not_expired', 'order_transfer_not_expired: a request without an end is over');
SELECT is(t.error(format($$UPDATE shop.orders SET status = 'canceled' WHERE id = %s$$, :o2)), 'no error', 'order_transfer_not_expired: its order can be canceled');
SELECT is(t.error(format('SELECT customers.request_order_transfer(%s, 3)', :o2)), 'no error', 'order_transfer_not_expired: or asked about again');

SELECT * FROM finish();
ROLLBACK;
