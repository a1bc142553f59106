\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(120);

CREATE SCHEMA h;
-- The events made since the last call: "type payload", one a line.  Which
-- columns a created or deleted row lists is left to the reference.
CREATE TABLE h.seen (id bigint PRIMARY KEY);
CREATE FUNCTION h.news() RETURNS text LANGUAGE sql AS $$
	WITH fresh AS (SELECT e.* FROM shop.event e WHERE NOT EXISTS (SELECT FROM h.seen s WHERE s.id = e.id)),
		noted AS (INSERT INTO h.seen SELECT id FROM fresh)
	SELECT coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), 'none')
	FROM (SELECT f.type || ' ' || CASE WHEN f.type LIKE '%.updated' THEN f.payload ELSE f.payload - 'changed' END AS line
		  FROM fresh f) l
$$;
-- Whether the last events' columns say the same as their payloads.
CREATE FUNCTION h.ids_agree() RETURNS boolean LANGUAGE sql AS $$
	SELECT bool_and(e.customer_id IS NOT DISTINCT FROM (e.payload ->> 'customer_id')::bigint
					AND e.order_id IS NOT DISTINCT FROM (e.payload ->> 'order_id')::bigint)
	FROM shop.event e
$$;

-- customers --------------------------------------------------------------------
INSERT INTO shop.customer (email, first_name, last_name, company_name, phone, metadata) VALUES
	('anna.private@example.com', 'Annaprivate', 'Lastprivate', 'Companyprivate', '555private', '{"keyprivate": "valueprivate"}'),
	('bea.private@example.com', 'Beaprivate', NULL, NULL, NULL, '{}'),
	('cora.private@example.com', NULL, NULL, NULL, NULL, '{}');
SELECT is(h.news(), E'customer.created {"customer_id": 1}\ncustomer.created {"customer_id": 2}\ncustomer.created {"customer_id": 3}',
	'customer.created: INSERT of three rows makes three events');
SELECT is((SELECT jsonb_typeof(payload -> 'changed') FROM shop.event WHERE customer_id = 1), 'array',
	'customer.created: lists columns');
SELECT ok((SELECT payload -> 'changed' @> '["email", "first_name", "last_name", "company_name", "phone", "metadata"]'
	FROM shop.event WHERE customer_id = 1), 'customer.created: all that were given');
SELECT is(customers.create_customer('dora.private@example.com', 'Doraprivate'), 4::bigint, 'customer.created: by function');
SELECT is(h.news(), 'customer.created {"customer_id": 4}', 'customer.created: by function, one event');
SELECT is(customers.find_or_create_guest('dora.private@example.com'), 4::bigint, 'customer.created: found, not created');
SELECT is(h.news(), 'none', 'customer.created: a guest who was found makes no event');

UPDATE shop.customer SET phone = '1' WHERE id = 1;
SELECT is(h.news(), 'customer.updated {"changed": ["phone"], "customer_id": 1}', 'customer.updated: the changed column');
UPDATE shop.customer SET phone = phone, first_name = first_name WHERE id = 1;
SELECT is(h.news(), 'none', 'customer.updated: no event for an UPDATE that changes nothing');
UPDATE shop.customer SET phone = ' 1' WHERE id = 0;
SELECT is(h.news(), 'none', 'customer.updated: no event for no row');
UPDATE shop.customer SET version = 99, updated_at = '2001-01-01', created_by = 'me' WHERE id = 1;
SELECT is(h.news(), 'none', 'customer.updated: no event when only engine-kept columns were named');
UPDATE shop.customer SET company_name = '  ' WHERE id = 2;
SELECT is(h.news(), 'none', 'customer.updated: no event when blank becomes the NULL it was');
UPDATE shop.customer SET first_name = 'Twoprivate', last_name = 'Namesprivate' WHERE id IN (2, 3);
SELECT is(h.news(), E'customer.updated {"changed": ["first_name", "last_name"], "customer_id": 2}\ncustomer.updated {"changed": ["first_name", "last_name"], "customer_id": 3}',
	'customer.updated: one event a row');
SELECT lives_ok($$SELECT customers.update_customer(2, '{"phone": "2"}')$$, 'customer.updated: by function');
SELECT is(h.news(), 'customer.updated {"changed": ["phone"], "customer_id": 2}', 'customer.updated: by function, one event');
SELECT lives_ok($$SELECT customers.update_customer(2, '{"phone": "2"}')$$, 'customer.updated: by function, the same value again');
SELECT is(h.news(), 'none', 'customer.updated: by function, the same value makes no event');
SELECT lives_ok($$SELECT customers.set_metadata(2, 'tierprivate', '"gold"')$$, 'customer.updated: metadata');
SELECT alike(h.news(), 'customer.updated {"changed": ["metadata"%], "customer_id": 2}', 'customer.updated: metadata is a column, its keys are nobody''s business');
UPDATE shop.customer c SET phone = v.phone FROM (VALUES (1, '11'), (2, '2'), (3, '33')) v(id, phone) WHERE c.id = v.id;
SELECT is(h.news(), E'customer.updated {"changed": ["phone"], "customer_id": 1}\ncustomer.updated {"changed": ["phone"], "customer_id": 3}',
	'customer.updated: of three rows touched, the two that changed');

UPDATE shop.customer SET email = 'anna2.private@example.com' WHERE id = 1;
SELECT matches(h.news(), '^customer\.email_changed {"customer_id": 1}\ncustomer\.updated {"changed": \[.*"email".*\], "customer_id": 1}$',
	'customer.email_changed: beside customer.updated');
SELECT is((SELECT confidential FROM shop.delivery),
	'{"to": ["anna.private@example.com", "anna2.private@example.com"], "old_email": "anna.private@example.com", "new_email": "anna2.private@example.com"}'::jsonb,
	'customer.email_changed: old and new address are told');
UPDATE shop.customer SET email = 'ANNA2.private@example.com' WHERE id = 1;
SELECT matches(h.news(), '^customer\.updated {"changed": \["email"\], "customer_id": 1}$', 'customer.email_changed: not for another case');

-- every client's statement
MERGE INTO shop.customer c USING (VALUES ('bea.private@example.com', '77'), ('emma.private@example.com', '88')) v(email, phone)
	ON c.email = v.email
	WHEN MATCHED THEN UPDATE SET phone = v.phone
	WHEN NOT MATCHED THEN INSERT (email, phone) VALUES (v.email, v.phone);
SELECT is(h.news(), E'customer.created {"customer_id": 5}\ncustomer.updated {"changed": ["phone"], "customer_id": 2}',
	'customer.created: MERGE, with what it updated');
COPY shop.customer (email, first_name) FROM stdin;
fay.private@example.com	Fayprivate
gia.private@example.com	Giaprivate
\.
SELECT is(h.news(), E'customer.created {"customer_id": 6}\ncustomer.created {"customer_id": 7}', 'customer.created: COPY');
INSERT INTO shop.customer (email) VALUES ('FAY.private@example.com') ON CONFLICT DO NOTHING;
SELECT is(h.news(), 'none', 'customer.created: ON CONFLICT DO NOTHING with 0 rows makes no event');
INSERT INTO shop.customer (email, phone) VALUES ('FAY.private@example.com', '99'), ('hana.private@example.com', '00')
	ON CONFLICT (lower(email COLLATE "C"), has_account) DO UPDATE SET phone = excluded.phone;
SELECT matches(h.news(), E'^customer\\.created {"customer_id": [0-9]+}\ncustomer\\.updated {"changed": \\["phone"\\], "customer_id": 6}$',
	'customer.created: ON CONFLICT DO UPDATE, one created and one updated');
INSERT INTO shop.customer (email, phone) VALUES ('FAY.private@example.com', '99')
	ON CONFLICT (lower(email COLLATE "C"), has_account) DO UPDATE SET phone = excluded.phone;
SELECT is(h.news(), 'none', 'customer.updated: ON CONFLICT DO UPDATE to the same value makes no event');
WITH a AS (INSERT INTO shop.customer (email) VALUES ('iris.private@example.com') RETURNING id),
	b AS (UPDATE shop.customer SET phone = '12' WHERE id = 7 RETURNING id),
	c AS (INSERT INTO shop.customer (email) VALUES ('jana.private@example.com') RETURNING id)
	SELECT count(*) AS n FROM a, b, c \gset
SELECT is((SELECT string_agg(split_part(line, ' ', 1), ' ') FROM regexp_split_to_table(h.news(), E'\n') line),
	'customer.created customer.created customer.updated', 'customer.created: several statements in one WITH');
PREPARE touch AS UPDATE shop.customer SET phone = $1 WHERE id = 7;
EXECUTE touch('a');
EXECUTE touch('b');
SELECT is(h.news(), E'customer.updated {"changed": ["phone"], "customer_id": 7}\ncustomer.updated {"changed": ["phone"], "customer_id": 7}',
	'customer.updated: a prepared statement, each time');
SELECT is(t.error($$INSERT INTO shop.customer (email) VALUES ('kim.private@example.com'), ('not an address')$$), '23514 customer_email_valid',
	'customer.created: a statement that fails');
SELECT is(h.news(), 'none', 'customer.created: a statement that failed makes no event');

-- groups
INSERT INTO shop.customer_group (name) VALUES ('Vipprivate'), ('Staffprivate');
SELECT is(h.news(), E'group.created {"group_id": 1}\ngroup.created {"group_id": 2}', 'group.created: one a row');
UPDATE shop.customer_group SET name = 'Goldprivate' WHERE id = 1;
SELECT is(h.news(), 'group.updated {"changed": ["name"], "group_id": 1}', 'group.updated: the changed column');
UPDATE shop.customer_group SET name = ' Goldprivate ' WHERE id = 1;
SELECT is(h.news(), 'none', 'group.updated: no event for an UPDATE that changes nothing');
SELECT is(customers.add_to_groups(1, '{1,2}'), 2, 'group.customer_added: by function');
SELECT is(h.news(), E'group.customer_added {"group_id": 1, "customer_id": 1}\ngroup.customer_added {"group_id": 2, "customer_id": 1}',
	'group.customer_added: one a membership');
SELECT is(customers.add_to_groups(1, '{1,2}'), 0, 'group.customer_added: again');
SELECT is(h.news(), 'none', 'group.customer_added: again makes no event');
INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (1, 2), (1, 3), (1, 1) ON CONFLICT DO NOTHING;
SELECT is(h.news(), E'group.customer_added {"group_id": 1, "customer_id": 2}\ngroup.customer_added {"group_id": 1, "customer_id": 3}',
	'group.customer_added: ON CONFLICT DO NOTHING, those that were added');
SELECT is(customers.remove_from_groups(2, '{1}'), 1, 'group.customer_removed: by function');
SELECT is(h.news(), 'group.customer_removed {"group_id": 1, "customer_id": 2}', 'group.customer_removed: one event');
DELETE FROM shop.customer_group_member WHERE customer_group_id = 2;
SELECT is(h.news(), 'group.customer_removed {"group_id": 2, "customer_id": 1}', 'group.customer_removed: by DELETE');
SELECT lives_ok('SELECT customers.delete_group(1)', 'group.deleted: a group with members');
SELECT is(h.news(), 'group.deleted {"group_id": 1}', 'group.deleted: its members make no further events');

-- deletion
INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (2, 3);
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT lives_ok($$SELECT customers.delete_customer(3, 'cora.private@example.com')$$, 'customer.deleted: by function');
SELECT is((SELECT string_agg(line, E'\n') FROM regexp_split_to_table(h.news(), E'\n') line WHERE line LIKE 'customer.%'),
	'customer.deleted {"customer_id": 3}', 'customer.deleted: one event');
SELECT is(t.error('DELETE FROM shop.customer WHERE id = 2'), '23514 customer_delete_confirmed', 'customer.deleted: refused without confirmation');
SELECT is(h.news(), 'none', 'customer.deleted: a refused deletion makes no event');
SET customers.confirm_delete = '2:bea.private@example.com';
DELETE FROM shop.customer WHERE id = 2;
RESET customers.confirm_delete;
SELECT is(h.news(), 'customer.deleted {"customer_id": 2}', 'customer.deleted: by DELETE');
SELECT lives_ok($$SELECT customers.subscribe('mail', ARRAY['customer.deleted'])$$, 'customer.deleted: somebody subscribes');
SELECT lives_ok($$SELECT customers.delete_customer(4, 'dora.private@example.com')$$, 'customer.deleted: with a subscription');
SELECT is((SELECT confidential FROM shop.delivery WHERE subscription = 'mail'),
	'{"to": ["dora.private@example.com"], "email": "dora.private@example.com"}'::jsonb, 'customer.deleted: the former address is told');
SELECT is(customers.unsubscribe('mail'), 1::bigint, 'customer.deleted: one delivery waited');
SELECT is(h.news(), 'customer.deleted {"customer_id": 4}', 'customer.deleted: one event, whoever subscribes');

-- orders
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at, shipping_address) VALUES
	(1, 'anna2.private@example.com', 'pending', 'EUR', 1, '2026-01-01', '{"street": "streetprivate"}'),
	(NULL, NULL, 'pending', 'EUR', 1, '2026-01-01', NULL);
INSERT INTO shop.customer (email, has_account, external_id, first_name) VALUES ('target.private@example.com', true, 'ext-t', 'Targetprivate');
SELECT id AS target FROM shop.customer WHERE external_id = 'ext-t' \gset
SELECT is(h.news(), format('customer.created {"customer_id": %s}', :target), 'account.registered: never for an imported row');
UPDATE shop.orders SET email = 'moved.private@example.com' WHERE id = 1;
UPDATE shop.orders SET email = 'first.private@example.com' WHERE id = 2;
SELECT is((SELECT string_agg(split_part(line, ' ', 1), ' ') FROM regexp_split_to_table(h.news(), E'\n') line), 'order.email_changed order.email_changed',
	'order.email_changed: one a row');
SELECT is((SELECT payload FROM shop.event WHERE type = 'order.email_changed' AND order_id = 1), '{"order_id": 1, "customer_id": 1}'::jsonb,
	'order.email_changed: the payload is ids');
SELECT is((SELECT d.confidential FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'order.email_changed' AND e.order_id = 1),
	'{"to": ["anna2.private@example.com", "moved.private@example.com"], "old_email": "anna2.private@example.com", "new_email": "moved.private@example.com"}'::jsonb,
	'order.email_changed: old and new address are told');
SELECT is((SELECT d.confidential -> 'to' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'order.email_changed' AND e.order_id = 2),
	'["first.private@example.com"]'::jsonb, 'order.email_changed: those there are');
INSERT INTO shop.order_item (order_id, line_no, title, quantity, unit_price) VALUES (1, 1, 'titleprivate', 1, 1);
UPDATE shop.orders SET total = 2 WHERE id = 1;
SELECT is(h.news(), 'none', 'order.email_changed: other changes of orders and items make no event');
-- a transfer's events: the ids
RESET SESSION AUTHORIZATION;
SET customers.email_change_hold = 0;
SET SESSION AUTHORIZATION customers_owner;
SELECT customers.request_order_transfer(1, :target, 'wordprivate') AS transfer \gset
SELECT is(h.news(), 'order.transfer_requested ' || jsonb_build_object('transfer_id', :transfer, 'order_id', 1, 'customer_id', 1, 'to_customer_id', :target)::text,
	'order.transfer_requested: the payload is ids');
SELECT lives_ok(format('SELECT customers.cancel_order_transfer(%s)', :transfer), 'order.transfer_canceled: by function');
SELECT matches(h.news(), '^order\.transfer_canceled {[^\n]*}$', 'order.transfer_canceled: one event');
SELECT ok((SELECT payload @> jsonb_build_object('transfer_id', :transfer, 'order_id', 1, 'to_customer_id', :target) FROM shop.event
	WHERE type = 'order.transfer_canceled'), 'order.transfer_canceled: with its ids');
INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (1, :target), (2, :target);
SELECT is((SELECT string_agg(split_part(line, ' ', 1), ' ') FROM regexp_split_to_table(h.news(), E'\n') line), 'order.transfer_requested order.transfer_requested',
	'order.transfer_requested: INSERT of two rows makes two events');
SELECT is((SELECT count(DISTINCT confidential ->> 'token') FROM shop.delivery WHERE confidential ->> 'token' IS NOT NULL
		AND confidential ->> 'expires_at' IS NOT NULL AND event_id IN (SELECT id FROM shop.event WHERE type = 'order.transfer_requested'
		AND (payload ->> 'transfer_id')::bigint > :transfer)), 2::bigint,
	'order.transfer_requested: each with a token of its own');
RESET SESSION AUTHORIZATION;
RESET customers.email_change_hold;
SET SESSION AUTHORIZATION customers_owner;

-- what stands in events and payloads
SELECT ok(h.ids_agree(), 'event: customer_id and order_id say what the payload says');
SELECT is((SELECT count(*) FROM shop.event e WHERE e::text LIKE '%private%'), 0::bigint, 'event: no personal data, in no column');
SELECT is((SELECT count(*) FROM shop.event e, jsonb_each(e.payload) p WHERE (p.key LIKE '%\_id' AND jsonb_typeof(p.value) <> 'number')
	OR p.key NOT IN ('customer_id', 'order_id', 'transfer_id', 'to_customer_id', 'group_id', 'changed')), 0::bigint,
	'event: nothing but ids and column names');
SELECT is((SELECT count(*) FROM shop.event e, jsonb_array_elements_text(e.payload -> 'changed') c
	WHERE c NOT IN (SELECT attname FROM pg_attribute WHERE attrelid IN ('shop.customer'::regclass, 'shop.customer_group'::regclass))), 0::bigint,
	'event: changed lists columns');
SELECT is((SELECT count(*) FROM shop.event WHERE created_at IS NULL OR role <> 'customers_owner' OR actor <> 'customers_owner'), 0::bigint,
	'event: role and actor are the current role');

-- role and actor
GRANT USAGE ON SCHEMA shop TO customers_clerk;
GRANT SELECT, INSERT, UPDATE ON shop.customer TO customers_clerk;
GRANT USAGE ON SEQUENCE shop.customer_id_seq TO customers_clerk;
SELECT t.run_as('customers_clerk', $$INSERT INTO shop.customer (email) VALUES ('clerk1@example.com') RETURNING id$$) AS id \gset
SELECT is((SELECT role || ' ' || actor FROM shop.event WHERE customer_id = :id), 'customers_clerk customers_clerk',
	'event: role is who wrote, a role without any right on event');
SELECT t.run_as('customers_clerk', $$SELECT customers.create_customer('clerk2@example.com')$$) AS id \gset
SELECT is((SELECT role || ' ' || actor FROM shop.event WHERE customer_id = :id), 'customers_clerk customers_clerk', 'event: the same by function');
SET customers.actor = 'anna@desk';
SELECT t.run_as('customers_clerk', $$SELECT customers.create_customer('clerk3@example.com')$$) AS id \gset
SELECT is((SELECT role || ' ' || actor FROM shop.event WHERE customer_id = :id), 'customers_clerk anna@desk', 'event: actor is the setting');
RESET customers.actor;
CREATE FUNCTION h.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
	$$INSERT INTO shop.customer (email) VALUES ('definer@example.com') RETURNING id$$;
GRANT USAGE ON SCHEMA h TO customers_clerk;
SELECT t.run_as('customers_clerk', 'SELECT h.definer()') AS id \gset
SELECT is((SELECT role FROM shop.event WHERE customer_id = :id), 'customers_clerk', 'event: role is the outermost level''s, not a definer''s');
RESET SESSION AUTHORIZATION;
INSERT INTO shop.customer (email) VALUES ('dba@example.com') RETURNING id \gset
SELECT is((SELECT role FROM shop.event WHERE customer_id = :id), current_user::text, 'event: a superuser''s statement names him');

-- record_events
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SET customers.record_events = off'), '42501', 'record_events: a superuser''s setting');
RESET SESSION AUTHORIZATION;
SET customers.record_events = off;
SET customers.email_change_hold = 0;
SET SESSION AUTHORIZATION customers_owner;
INSERT INTO shop.customer (email) VALUES ('quiet@example.com') RETURNING id AS quiet \gset
UPDATE shop.customer SET phone = '5' WHERE id = :quiet;
INSERT INTO shop.customer_group (name) VALUES ('quiet');
SELECT is(h.news(), 'none', 'record_events: off silences recording');
UPDATE shop.customer SET email = 'quiet2@example.com' WHERE id = :quiet;
SELECT is(h.news(), format('customer.email_changed {"customer_id": %s}', :quiet), 'record_events: off never silences customer.email_changed');
UPDATE shop.orders SET email = 'quiet3@example.com' WHERE id = 2;
SELECT matches(h.news(), '^order\.email_changed {[^\n]*}$', 'record_events: off never silences order.email_changed');
SELECT id AS transfer FROM shop.order_transfer WHERE order_id = 1 AND status = 'requested' \gset
SELECT lives_ok(format('SELECT customers.cancel_order_transfer(%s)', :transfer), 'record_events: off, a cancellation');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT lives_ok(format('SELECT customers.request_order_transfer(1, %s)', :target), 'record_events: off, a request');
SELECT matches(h.news(), '^order\.transfer_requested {[^\n]*}$', 'record_events: off never silences an event with a token');
RESET SESSION AUTHORIZATION;
RESET customers.record_events;
RESET customers.email_change_hold;
SET SESSION AUTHORIZATION customers_owner;
UPDATE shop.customer SET phone = '6' WHERE id = :quiet;
SELECT is(h.news(), format('customer.updated {"changed": ["phone"], "customer_id": %s}', :quiet), 'record_events: on again');

-- an event belongs to the store of the table, whatever the setting says
SELECT is(customers.create_store('second'), 'created', 'event: another store');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
INSERT INTO second.customer (email) VALUES ('s@example.com');
UPDATE second.customer SET email = 's2@example.com';
SELECT is((SELECT string_agg(type, ' ' ORDER BY type COLLATE "C") FROM second.event), 'customer.created customer.email_changed customer.updated',
	'event: a table''s events are in its own store');
SELECT is((SELECT count(*) FROM second.delivery), 1::bigint, 'event: so are its deliveries');
SELECT is(h.news(), 'none', 'event: and not in the store of the setting');
SELECT is(t.error('INSERT INTO second.orders (customer_id, status, currency_code, total, placed_at) VALUES (1, ''pending'', ''EUR'', 1, ''2026-01-01'');
	INSERT INTO second.customer (email, has_account, external_id) VALUES (''r@example.com'', true, ''r'');
	INSERT INTO second.orders (email, status, currency_code, total, placed_at) VALUES (''o@example.com'', ''pending'', ''EUR'', 1, ''2026-01-01'');
	INSERT INTO second.order_transfer (order_id, to_customer_id) VALUES (2, 2)'), 'no error', 'event: a request in the other store');

-- requests by COPY
SELECT is(customers.create_store('third'), 'created', 'event: a third store');
INSERT INTO third.customer (email, has_account, external_id) VALUES ('c1@example.com', false, NULL), ('c2@example.com', true, 'c-2');
INSERT INTO third.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT 1, 'c1@example.com', 'pending', 'EUR', 1, '2026-01-01' FROM generate_series(1, 2);
COPY third.order_transfer (order_id, to_customer_id, description) FROM stdin;
1	2	by copy
2	2	by copy
\.
SELECT is((SELECT string_agg(e.payload ->> 'order_id', ' ' ORDER BY e.payload ->> 'order_id') FROM third.event e WHERE type = 'order.transfer_requested'),
	'1 2', 'order.transfer_requested: COPY of two rows makes two events');
SELECT is((SELECT count(DISTINCT confidential ->> 'token') FROM third.delivery), 2::bigint, 'order.transfer_requested: with a token each');
SELECT ok((SELECT bool_and(t.token_hash = sha256(convert_to(d.confidential ->> 'token', 'UTF8'))) FROM third.order_transfer t JOIN third.event e
	ON (e.payload ->> 'transfer_id')::bigint = t.id JOIN third.delivery d ON d.event_id = e.id), 'order.transfer_requested: each delivery has its own row''s token');

-- event_append_only
SELECT is(t.error('UPDATE shop.event SET actor = ''somebody'''), '23514 event_append_only', 'event_append_only: UPDATE');
SELECT is(t.error('UPDATE shop.event SET payload = ''{}'' WHERE id = (SELECT min(id) FROM shop.event)'), '23514 event_append_only',
	'event_append_only: UPDATE of one row');
SELECT is(t.error('TRUNCATE shop.event'), '23514 event_append_only', 'event_append_only: TRUNCATE');
SELECT is(t.error('DELETE FROM shop.event'), '23514 event_append_only', 'event_append_only: DELETE');
SELECT is(t.error($$SELECT set_config('customers.purge_before', (now() - '1 day'::interval)::text, true); DELETE FROM shop.event WHERE customer_id = 5$$),
	'23514 event_append_only', 'event_append_only: DELETE of an event younger than the setting');
SELECT is(t.error($$SELECT set_config('customers.purge_before', (now() + '1 day'::interval)::text, true); DELETE FROM shop.event WHERE customer_id = 5$$),
	'no error', 'event_append_only: DELETE of an event older than the setting');
SELECT is(t.error($$SELECT set_config('customers.purge_before', (now() + '1 day'::interval)::text, true); DELETE FROM shop.event WHERE type = 'order.email_changed'$$),
	'23514 event_append_only', 'event_append_only: DELETE of an event still to be delivered');
SELECT is(t.error($$SELECT set_config('customers.purge_before', 'rubbish', true); DELETE FROM shop.event WHERE customer_id = 5$$) = 'no error',
	false, 'event_append_only: a setting that is no time lets nothing go');
SELECT lives_ok($$DO $do$
	BEGIN
		FOR n IN 1..2 LOOP
			BEGIN
				DELETE FROM shop.event;
				RAISE EXCEPTION 'the rule did not hold' USING ERRCODE = 'ZZ001';
			EXCEPTION WHEN check_violation THEN
				NULL;
			END;
		END LOOP;
	END $do$ $$, 'event_append_only: inside EXCEPTION blocks');
GRANT SELECT, UPDATE, DELETE ON shop.event TO customers_clerk;
SELECT is(t.error('UPDATE shop.event SET actor = ''somebody''', 'customers_clerk'), '23514 event_append_only', 'event_append_only: as a role with rights on event');
SELECT is(t.error('DELETE FROM shop.event', 'customers_clerk'), '23514 event_append_only', 'event_append_only: DELETE as a role with rights on event');

-- customer_timeline
SELECT is((SELECT string_agg(type, ' ' ORDER BY ordinality) FROM customers.customer_timeline(:quiet) WITH ORDINALITY),
	'customer.updated customer.email_changed', 'customer_timeline: newest first');
SELECT is((SELECT string_agg(event_id::text, ' ' ORDER BY ordinality) FROM customers.customer_timeline(1) WITH ORDINALITY),
	(SELECT string_agg(id::text, ' ' ORDER BY id DESC) FROM shop.event WHERE customer_id = 1), 'customer_timeline: all events of the customer');
SELECT is((SELECT to_jsonb(e) - 'cursor' - 'created_at' FROM customers.customer_timeline(:quiet, 1) e),
	jsonb_build_object('event_id', (SELECT max(id) FROM shop.event WHERE customer_id = :quiet), 'type', 'customer.updated', 'actor', 'customers_owner',
		'payload', jsonb_build_object('customer_id', :quiet, 'changed', jsonb_build_array('phone'))), 'customer_timeline: a row');
SELECT is((SELECT string_agg(type, ' ') FROM customers.customer_timeline(:quiet, 1, (SELECT cursor FROM customers.customer_timeline(:quiet, 1)))),
	'customer.email_changed', 'customer_timeline: the next page');
SELECT is((WITH RECURSIVE p(n, event_id, cursor) AS (
		SELECT 1, (customers.customer_timeline(1, 1)).event_id, (customers.customer_timeline(1, 1)).cursor
		UNION ALL SELECT n + 1, t.event_id, t.cursor FROM p, LATERAL customers.customer_timeline(1, 1, p.cursor) t WHERE n < 100)
	SELECT string_agg(event_id::text, ' ' ORDER BY n) FROM p),
	(SELECT string_agg(id::text, ' ' ORDER BY id DESC) FROM shop.event WHERE customer_id = 1), 'customer_timeline: page by page, the same');
SELECT is(t.error('SELECT customers.customer_timeline(NULL)'), '22023', 'customer_timeline: NULL id');
SELECT is(t.error('SELECT customers.customer_timeline(1, 0)'), '22023', 'customer_timeline: page size 0');
SELECT is(t.error('SELECT customers.customer_timeline(1, 1001)'), '22023', 'customer_timeline: page size 1001');
SELECT is(t.error('SELECT customers.customer_timeline(1, 50, ''rubbish'')'), '22023', 'customer_timeline: bad cursor');
SELECT is(t.error('SELECT customers.customer_timeline(1, 50, cursor) FROM customers.list_customers() LIMIT 1'), '22023',
	'customer_timeline: a cursor of another list');
SELECT is((SELECT count(*) FROM customers.customer_timeline(2)), (SELECT count(*) FROM shop.event WHERE customer_id = 2),
	'customer_timeline: a deleted customer''s events outlive him');

SELECT * FROM finish();
ROLLBACK;
