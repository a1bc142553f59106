\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Profiles: what each may, by every function of the contract (it works or it
-- is 42501, nothing in between), by the privileges themselves, and what an
-- admin tries who wants to get at an account or at an order.

SELECT plan(1137);

RESET SESSION AUTHORIZATION;
SET customers.password_memory = 64;
SET customers.password_passes = 1;
CREATE ROLE p_none;
CREATE ROLE p_reader;
CREATE ROLE p_admin;
CREATE ROLE p_storefront;
CREATE ROLE p_notifier;
CREATE ROLE p_service;		-- reader, storefront and notifier
CREATE ROLE p_changing;		-- what a test gives and takes
CREATE ROLE p_partner;		-- a member of the store's owner
CREATE ROLE p_holder;		-- has an admin among its members
GRANT customers_owner TO p_partner;
GRANT p_none, p_reader, p_admin, p_storefront, p_notifier, p_service, p_changing, p_holder, p_partner TO customers_dba;
CREATE FUNCTION t.passes(person bigint, much interval) RETURNS interval
LANGUAGE plpgsql SECURITY DEFINER
SET session_replication_role = replica SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE shop.customer SET created_at = created_at - much, registered_at = registered_at - much,
		email_changed_at = email_changed_at - much, updated_at = updated_at - much WHERE id = person;
	UPDATE shop.account_token SET created_at = created_at - much, expires_at = expires_at - much WHERE customer_id = person;
	UPDATE shop.event SET created_at = created_at - much WHERE customer_id = person;
	RETURN much;
END $$;
-- SET ROLE of any of them, from inside a plain session.
GRANT p_none, p_reader, p_admin, p_storefront, p_notifier, p_service, p_changing, p_holder TO customers_owner;
SET SESSION AUTHORIZATION customers_owner;

CREATE SCHEMA h;
GRANT USAGE ON SCHEMA h TO PUBLIC;
-- Fails unless true.
CREATE FUNCTION h.must(what boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF what IS NOT TRUE THEN
		RAISE EXCEPTION 'it is not so' USING ERRCODE = 'ZZ999';
	END IF;
END $$;

-- fixture: one of everything, made by the owner
SELECT customers.create_customer('guest@example.com', 'Gus') AS guest \gset
SELECT customers.register_customer('victim@example.com', 'victim''s own', 'Vera') AS victim \gset
SELECT customers.register_customer('mallory@example.com', 'mallory''s own', 'Mallory') AS mallory \gset
INSERT INTO shop.customer (email, has_account, external_id) VALUES ('imported@example.com', true, 'crm-1') RETURNING id AS imported \gset
SELECT customers.create_group('first') AS g1 \gset
SELECT customers.create_group('second') AS g2 \gset
SELECT customers.add_to_groups(:victim, ARRAY[:g1]) AS added \gset
SELECT customers.set_metadata(:victim, 'old', '1') \gset x
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT :victim, 'victim@example.com', 'pending', 'EUR', n, '2026-01-01' FROM generate_series(1, 5) n;
INSERT INTO shop.order_item (order_id, line_no, title) SELECT id, 1, 'thing' FROM shop.orders;
SELECT customers.request_order_transfer(1, :mallory) AS transfer \gset
SELECT customers.request_password_reset('victim@example.com') \gset x
SELECT confidential ->> 'token' AS transfer_token FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'order.transfer_requested' \gset
SELECT confidential ->> 'token' AS reset_token FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'account.password_reset_requested' \gset
SELECT id AS delivery FROM shop.delivery ORDER BY id LIMIT 1 \gset
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;

-- grant_access -----------------------------------------------------------------------------------------

CREATE TABLE h.profile (profile text, role name);
INSERT INTO h.profile VALUES ('reader', 'p_reader'), ('admin', 'p_admin'), ('storefront', 'p_storefront'), ('notifier', 'p_notifier');
SELECT lives_ok(format('SELECT customers.grant_access(%L, %L)', role, profile), 'grant_access: ' || profile) FROM h.profile;
SELECT lives_ok(format('SELECT customers.grant_access(''p_service'', %L)', profile), 'grant_access: profiles add up, ' || profile)
FROM unnest(ARRAY['reader', 'storefront', 'notifier']) profile;
SELECT is(t.error(sql), expected, 'grant_access, revoke_access: ' || why)
FROM (VALUES
	(1, 'SELECT customers.grant_access(''p_changing'', ''owner'')', '22023', 'an unknown profile'),
	(2, 'SELECT customers.grant_access(''p_changing'', '''')', '22023', 'an empty profile'),
	(3, 'SELECT customers.grant_access(''p_changing'', ''Reader'')', '22023', 'a profile in another case'),
	(4, 'SELECT customers.grant_access(''p_changing'', NULL)', '22023', 'NULL profile'),
	(5, 'SELECT customers.grant_access(NULL, ''reader'')', '22023', 'NULL role'),
	(6, 'SELECT customers.revoke_access(''p_changing'', ''owner'')', '22023', 'an unknown profile to revoke'),
	(7, 'SELECT customers.revoke_access(''p_changing'', NULL)', '22023', 'NULL profile to revoke'),
	(8, 'SELECT customers.revoke_access(NULL, ''reader'')', '22023', 'NULL role to revoke from'),
	(9, 'SELECT customers.grant_access(''no_such_role'', ''reader'')', '42704', 'an unknown role'),
	(10, 'SELECT customers.grant_access(4000000000::oid, ''reader'')', '22023', 'an unknown role''s id'),
	(11, 'SELECT h.must(count(*) = 0) FROM customers.profile_privileges(''owner'')', 'no error', 'an unknown profile stands for nothing'),
	(12, 'SELECT customers.revoke_access(''p_none'', ''admin'')', 'no error', 'nothing to revoke'),
	(13, 'SELECT customers.grant_access(''p_reader'', ''reader'')', 'no error', 'granted again'),
	(14, 'SET LOCAL customers.store = ''nowhere''; SELECT customers.grant_access(''p_reader'', ''reader'')', '3F000', 'no such store'),
	(15, 'SET LOCAL customers.store = ''nowhere''; SELECT customers.revoke_access(''p_reader'', ''reader'')', '3F000', 'no such store to revoke in')
) v(n, sql, expected, why) ORDER BY n;
SELECT matches(t.message('SELECT customers.grant_access(''p_changing'', ''owner'')'), '"owner".*reader.*storefront', 'grant_access: names the profile, and which there are');

-- every function under every profile ----------------------------------------------------------------------

CREATE TABLE h.call (n serial, may text, call text);
-- may: n nobody special, r reader, a admin, s storefront, o notifier
INSERT INTO h.call (may, call) VALUES
	('nraso', 'version()'), ('nraso', 'help()'), ('nraso', 'stores()'), ('nraso', 'profile_privileges()'), ('nraso', 'profile_privileges(''reader'')'),
	('', 'create_store(''shop'')'), ('', 'create_store(''theirs'')'), ('', 'check_store(''shop'')'), ('', 'drop_store(''shop'', ''shop'')'),
	('', 'grant_access(''p_none'', ''reader'')'), ('', 'grant_access(current_user::regrole, ''admin'')'), ('', 'revoke_access(''p_reader'', ''reader'')'),
	('as', 'create_customer(''new@example.com'', ''New'', NULL, NULL, NULL, ''{"a": 1}'')'),
	('a', 'import_customers(''[{"email": "new@example.com", "external_id": "i-1"}]'')'),
	('as', 'find_or_create_guest(''new@example.com'')'), ('ras', 'find_or_create_guest(''guest@example.com'')'),
	('ra', 'customer_details({VICTIM})'),
	('a', 'update_customer({VICTIM}, ''{"phone": "1", "email": "other@example.com", "metadata": {"k": 1}}'', 2)'),
	('a', 'delete_customer({VICTIM}, ''victim@example.com'')'), ('a', 'delete_customer({VICTIM}, ''victim@example.com'', true)'),
	('ra', 'list_customers(''vera'', ''{"groups": [1], "type": "registered", "metadata": {}}'', ''last_name'')'), ('ra', 'list_customers()'), ('ra', 'count_customers(''vera'')'),
	('ra', 'metadata_rows({VICTIM})'), ('a', 'save_metadata({VICTIM}, ''[{"key": "k", "value": 1}]'')'), ('a', 'insert_metadata_row({VICTIM}, ''k'', ''1'')'),
	('a', 'delete_metadata_row({VICTIM}, ''old'')'), ('a', 'set_metadata({VICTIM}, ''old'', ''2'')'),
	('a', 'create_group(''third'')'), ('a', 'update_group({G1}, ''{"name": "renamed", "metadata": {"k": 1}}'')'), ('a', 'delete_group({G1})'), ('ra', 'list_groups()'),
	('a', 'add_to_groups({VICTIM}, ARRAY[{G1}, {G2}])'), ('a', 'remove_from_groups({VICTIM}, ARRAY[{G1}])'), ('a', 'set_groups({VICTIM}, ARRAY[{G2}])'),
	('a', 'add_customers_to_group({G2}, ARRAY[{VICTIM}, {GUEST}])'), ('a', 'remove_customers_from_group({G1}, ARRAY[{VICTIM}])'),
	('ra', 'customer_groups({VICTIM})'), ('ra', 'group_customers({G1})'), ('ra', 'in_group({VICTIM}, ''first'')'), ('ra', 'in_group({VICTIM}, ''first'', ''shop'')'),
	('ra', 'customer_orders({VICTIM})'), ('ra', 'order_details(1)'), ('ra', 'order_transfers(1)'),
	('as', 'request_order_transfer(2, {MALLORY}, ''a gift'', true)'), ('as', 'accept_order_transfer({TRANSFER}, ''{TRANSFER_TOKEN}'')'),
	('as', 'decline_order_transfer({TRANSFER}, ''{TRANSFER_TOKEN}'', ''no'')'), ('as', 'cancel_order_transfer({TRANSFER})'), ('aso', 'expire_order_transfers()'),
	('s', 'register_customer(''new@example.com'', ''long enough'', ''New'')'), ('s', 'authenticate(''victim@example.com'', ''victim''''s own'')'),
	('s', 'authenticate(''victim@example.com'', ''wrong'')'), ('s', 'change_password({VICTIM}, ''victim''''s own'', ''long enough'')'),
	('s', 'change_password({VICTIM}, ''wrong'', ''long enough'')'), ('s', 'request_password_reset(''victim@example.com'')'), ('s', 'request_password_reset(''mallory@example.com'')'),
	('s', 'request_password_reset(''nobody@example.com'')'), ('s', 'reset_password(''{RESET_TOKEN}'', ''long enough'')'),
	('', 'subscribe(''crm'', ARRAY[''*''])'), ('', 'unsubscribe(''notifier'')'),
	('o', 'claim_deliveries()'), ('o', 'claim_deliveries(''notifier'', 100, ''1 hour'')'), ('o', 'acknowledge_deliveries(ARRAY[{DELIVERY}])'), ('o', 'fail_delivery({DELIVERY}, ''down'')'),
	('o', 'retry_failed(''notifier'')'), ('a', 'delivery_status()'), ('ra', 'customer_timeline({VICTIM})'), ('', 'purge_events(''2020-01-01'')');
SELECT is((SELECT string_agg(p.proname, ', ' ORDER BY p.proname) FROM pg_proc p WHERE p.pronamespace = 'customers'::regnamespace AND p.proname NOT LIKE '\_%'
		AND p.prorettype <> 'trigger'::regtype AND p.proname NOT IN ('email_fault', 'password_hash_fault', 'search_grams', 'search_matches')	-- for checks and the search index
		AND NOT EXISTS (SELECT FROM h.call c WHERE c.call LIKE p.proname || '(%')), NULL, 'profiles: this file calls every public function');
SELECT set_config('test.ids', json_build_object('{VICTIM}', :'victim', '{MALLORY}', :'mallory', '{GUEST}', :'guest', '{IMPORTED}', :'imported', '{G1}', :'g1', '{G2}', :'g2', '{TRANSFER}', :'transfer',
	'{TRANSFER_TOKEN}', :'transfer_token', '{RESET_TOKEN}', :'reset_token', '{DELIVERY}', :'delivery')::text, true) AS ids \gset
CREATE FUNCTION h.filled(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT key, value FROM json_each_text(current_setting('test.ids')::json) LOOP
		call := replace(call, r.key, r.value);
	END LOOP;
	RETURN call;
END $$;
CREATE TABLE h.under (letter text, role name, name text);
INSERT INTO h.under VALUES ('n', 'p_none', 'no profile'), ('r', 'p_reader', 'reader'), ('a', 'p_admin', 'admin'), ('s', 'p_storefront', 'storefront'), ('o', 'p_notifier', 'notifier');
-- the fixture is a request of this transaction: a minute must pass
SELECT is(t.passes(:victim, '2 minutes'), '2 minutes'::interval, 'time passes');
SELECT is(t.passes(:imported, '2 minutes'), '2 minutes'::interval, 'time passes for all');
SELECT is(t.error('SELECT * FROM customers.' || h.filled(call)), 'no error', 'fixture: works for the owner, ' || call) FROM h.call
WHERE call NOT LIKE 'create_store(''theirs%' AND call NOT LIKE '%current_user%' ORDER BY n;
SELECT is(t.error('SELECT * FROM customers.' || h.filled(call), role), CASE WHEN strpos(may, letter) > 0 THEN 'no error' ELSE '42501' END, name || ': ' || call)
FROM h.call, h.under ORDER BY strpos('nraso', letter), n;
SELECT is(t.error('SELECT * FROM customers.' || h.filled(call), 'p_service'), CASE WHEN may ~ '[rso]' THEN 'no error' ELSE '42501' END, 'reader, storefront and notifier: ' || call)
FROM h.call ORDER BY n;
-- calls that are refused leave nothing behind and say nothing
SELECT is(string_agg(DISTINCT m.message, '; '), NULL, 'refusals: no values in a message without privilege')
FROM h.call c, h.under u, LATERAL t.message('SELECT * FROM customers.' || h.filled(c.call), u.role) m(message)
WHERE m.message ~ '(example\.com|argon2|victim''s own|long enough)' OR strpos(m.message, current_setting('test.ids')::json ->> '{RESET_TOKEN}') > 0
	OR strpos(m.message, current_setting('test.ids')::json ->> '{TRANSFER_TOKEN}') > 0;

SELECT is(t.error('SELECT customers.' || call, 'p_storefront'), expected, 'storefront: refused by a rule, ' || call)
FROM (VALUES (1, 'register_customer(''new@example.com'', ''long enough'', ''Firstname'', metadata => ''[]'')', '23514 customer_metadata_object'),
	(2, 'register_customer(''nonsense'', ''long enough'', ''Firstname'')', '23514 customer_email_valid'), (3, 'register_customer(''VICTIM@example.com'', ''long enough'')', '23505 customer_email_key'),
	(4, 'register_customer(''new@example.com'', ''short'', ''Firstname'')', '23514 credential_password_length'), (5, 'reset_password(''guess'', ''long enough'')', '28P01 credential_password_not_editable'),
	(6, 'reset_password(NULL, ''long enough'')', '23514 credential_password_not_editable')) v(n, call, expected) ORDER BY n;
SELECT is(string_agg(m.message, '; '), NULL, 'storefront: errors from inside the functions that run as the owner carry no row')
FROM unnest(ARRAY['register_customer(''new@example.com'', ''long enough'', ''Firstname'', metadata => ''[]'')', 'register_customer(''VICTIM@example.com'', ''long enough'', ''Firstname'')',
	'register_customer(''new@example.com'', ''short'', ''Firstname'')', 'reset_password(''guess'', ''long enough'')']) call, LATERAL t.message('SELECT customers.' || call, 'p_storefront') m(message)
WHERE m.message ~ '(Failing row|Firstname|victim@|long enough|guess|Key \()';

-- plain SQL of the profiles ---------------------------------------------------------------------------------

CREATE TABLE h.plain (n serial, may text, sql text);
INSERT INTO h.plain (may, sql) VALUES
	('ra', 'SELECT * FROM shop.customer'), ('ra', 'SELECT * FROM shop.customer_group'), ('ra', 'SELECT * FROM shop.customer_group_member'), ('ra', 'SELECT * FROM shop.orders'),
	('ra', 'SELECT * FROM shop.order_item'), ('ra', 'SELECT * FROM shop.event'), ('ra', 'SELECT * FROM shop.subscription'), ('ra', 'SELECT * FROM shop.store_info'),
	('ra', 'SELECT id, order_id, status, approver_email, requested_at FROM shop.order_transfer'), ('', 'SELECT * FROM shop.order_transfer'), ('', 'SELECT token_hash FROM shop.order_transfer'),
	('', 'SELECT t FROM shop.order_transfer t'), ('', 'SELECT to_jsonb(t) FROM shop.order_transfer t'), ('', 'SELECT 1 FROM shop.order_transfer WHERE token_hash IS NOT NULL'),
	('', 'SELECT * FROM shop.credential'), ('', 'SELECT customer_id FROM shop.credential'), ('', 'SELECT count(*) FROM shop.credential'), ('', 'SELECT * FROM shop.account_token'), ('', 'SELECT count(*) FROM shop.account_token'),
	('', 'SELECT confidential FROM shop.delivery'), ('', 'SELECT * FROM shop.delivery'), ('', 'SELECT d FROM shop.delivery d'), ('', 'SELECT 1 FROM shop.delivery WHERE confidential ? ''token'''),
	('', 'SELECT id FROM shop.delivery ORDER BY confidential'), ('a', 'SELECT id, subscription, attempts, available_at, last_error FROM shop.delivery'),
	('ras', 'SELECT id, email, has_account FROM shop.customer'), ('ra', 'SELECT phone FROM shop.customer'), ('ra', 'SELECT metadata FROM shop.customer'),
	('s', 'INSERT INTO shop.orders (email, status, currency_code, total) VALUES (''new@example.com'', ''pending'', ''EUR'', 1)'),
	('s', 'INSERT INTO shop.orders (customer_id, email, status, currency_code, total) VALUES ({GUEST}, ''guest@example.com'', ''pending'', ''EUR'', 1) RETURNING id'),
	('s', 'WITH o AS (INSERT INTO shop.orders (customer_id, email, currency_code, total) VALUES ({GUEST}, ''guest@example.com'', ''EUR'', 1) RETURNING id) INSERT INTO shop.order_item (order_id, line_no, title, sku, quantity, unit_price) SELECT id, 1, ''t'', ''s'', 1, 1 FROM o'),
	('', 'UPDATE shop.orders SET customer_id = {MALLORY}'), ('', 'DELETE FROM shop.orders'), ('', 'DELETE FROM shop.order_item'), ('', 'UPDATE shop.order_item SET unit_price = 0'),
	('', 'UPDATE shop.orders SET total = 0'), ('', 'UPDATE shop.orders SET status = ''canceled'''),
	('', 'TRUNCATE shop.customer CASCADE'), ('', 'TRUNCATE shop.event'), ('', 'LOCK TABLE shop.credential IN ACCESS SHARE MODE'),
	('', 'INSERT INTO shop.event (type) VALUES (''account.registered'')'), ('', 'UPDATE shop.event SET type = ''x'''), ('', 'DELETE FROM shop.event'),
	('', 'INSERT INTO shop.delivery (subscription, event_id, expires_at) VALUES (''x'', 1, now())'), ('', 'DELETE FROM shop.delivery'), ('', 'UPDATE shop.delivery SET confidential = NULL'),
	('', 'INSERT INTO shop.subscription (name, event_types) VALUES (''spy'', ''{*}'')'), ('', 'UPDATE shop.subscription SET event_types = ''{*}'''), ('', 'DELETE FROM shop.subscription'),
	('', 'UPDATE shop.store_info SET layout_version = 0'), ('', 'DELETE FROM shop.order_transfer'), ('', 'UPDATE shop.order_transfer SET token_hash = sha256(''x'')'),
	('', 'UPDATE shop.order_transfer SET expires_at = ''infinity'''), ('', 'UPDATE shop.order_transfer SET to_customer_id = {MALLORY}'),
	('', 'UPDATE shop.credential SET failed_attempts = 0'), ('', 'DELETE FROM shop.credential'), ('', 'UPDATE shop.account_token SET expires_at = ''infinity'''), ('', 'DELETE FROM shop.account_token'),
	('', 'INSERT INTO shop.account_token (customer_id) VALUES ({VICTIM})'),
	('', 'CREATE TABLE shop.credential2 (LIKE shop.customer)'), ('', 'CREATE TRIGGER spy BEFORE INSERT ON shop.credential FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'),
	('', 'CREATE RULE spy AS ON UPDATE TO shop.credential DO INSTEAD NOTHING'), ('', 'CREATE POLICY spy ON shop.credential'), ('', 'ALTER TABLE shop.credential DISABLE TRIGGER ALL'),
	('', 'ALTER TABLE shop.credential OWNER TO p_admin'), ('', 'GRANT SELECT ON shop.credential TO p_admin'), ('', 'DROP TABLE shop.credential CASCADE'), ('', 'DROP SCHEMA shop CASCADE'),
	('', 'CREATE INDEX spy ON shop.credential (password_hash)'), ('', 'ALTER SCHEMA shop RENAME TO ship'),
	('', 'CREATE FUNCTION shop.spy() RETURNS int LANGUAGE sql AS ''SELECT 1'''), ('', 'CREATE FUNCTION customers.spy() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
	('', 'SET customers.email_change_hold = 0'), ('', 'SET customers.record_events = off'), ('', 'SET customers.password_passes = 1'), ('', 'SET customers.password_memory = 8'), ('', 'SET session_replication_role = replica');
SELECT is(t.error(h.filled(sql), role), CASE WHEN strpos(may, letter) > 0 THEN 'no error' ELSE '42501' END, name || ': ' || sql)
FROM h.plain, h.under ORDER BY strpos('nraso', letter), n;
SELECT is(t.error(h.filled(sql), 'p_service'), CASE WHEN may ~ '[rso]' THEN 'no error' ELSE '42501' END, 'reader, storefront and notifier: ' || sql)
FROM h.plain ORDER BY n;

-- the privileges themselves -------------------------------------------------------------------------------------

-- everything that a role was granted in the store, as the catalogs have it
CREATE FUNCTION h.granted(grantee name) RETURNS TABLE (privilege text, object text, column_name text, grantable boolean) LANGUAGE sql AS $$
	SELECT a.privilege_type, n.nspname::text, NULL, a.is_grantable FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'shop' AND a.grantee = $1::text::regrole
	UNION ALL SELECT a.privilege_type, c.relname, NULL, a.is_grantable FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee = $1::text::regrole
	UNION ALL SELECT a.privilege_type, c.relname, t.attname, a.is_grantable FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
		WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee = $1::text::regrole
	UNION ALL SELECT a.privilege_type, p.proname, NULL, a.is_grantable FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'customers'::regnamespace AND a.grantee = $1::text::regrole
$$;
CREATE FUNCTION h.grants(grantee name) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', privilege, object, column_name), ', ' ORDER BY object COLLATE "C", privilege COLLATE "C", column_name COLLATE "C"), 'none') FROM h.granted($1)
$$;
SELECT is(h.grants('p_none'), 'none', 'privileges: none without a profile');
SELECT is((SELECT count(*) FROM h.under, h.granted(role) WHERE grantable), 0::bigint, 'privileges: none with grant option');
SELECT is((SELECT string_agg(DISTINCT grantor::regrole::text, ' ') FROM pg_class c, aclexplode(c.relacl) WHERE c.relnamespace = 'shop'::regnamespace), 'customers_owner', 'privileges: granted by the owner of the store');
SELECT is((SELECT string_agg(concat_ws(' ', name, privilege, object, column_name), '; ') FROM h.under, h.granted(role) WHERE privilege IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'CREATE', 'MAINTAIN', 'EXECUTE')), NULL,
	'privileges: no TRUNCATE, REFERENCES, TRIGGER, CREATE, and none on functions');
SELECT is((SELECT string_agg(DISTINCT privilege, ' ') FROM h.granted('p_reader')), 'SELECT USAGE', 'privileges: reader only reads');
SELECT is((SELECT string_agg(object, ' ') FROM h.granted('p_reader') WHERE privilege = 'USAGE'), 'shop', 'privileges: reader has USAGE of the schema alone');
SELECT is((SELECT string_agg(DISTINCT object, ' ' ORDER BY object) FROM h.granted('p_reader') WHERE privilege = 'SELECT' AND object NOT LIKE '%\_seq'),
	'customer customer_group customer_group_member event order_item order_transfer orders store_info subscription', 'privileges: reader reads everything but credential, account_token, delivery');
SELECT is((SELECT string_agg(concat_ws(' ', name, privilege, object, column_name), '; ') FROM h.under, h.granted(role)
		WHERE object IN ('credential', 'account_token') AND NOT (letter = 's' AND privilege = 'INSERT' AND object = 'credential')), NULL,
	'privileges: on credential INSERT for the storefront alone, on account_token none');
SELECT is((SELECT string_agg(concat_ws(' ', name, privilege, object), '; ') FROM h.under, h.granted(role)
		WHERE column_name IN ('token_hash', 'password_hash', 'confidential', 'approval_token', 'proof', 'new_password')
		AND NOT (letter = 's' AND (privilege, column_name) IN (('INSERT', 'new_password'), ('INSERT', 'proof'), ('UPDATE', 'approval_token')))), NULL,
	'privileges: none on a column with a secret, but for the storefront''s to give evidence');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', name, privilege, object), '; ') FROM h.under, h.granted(role)
		WHERE object IN ('delivery', 'event', 'subscription', 'store_info') AND privilege <> 'SELECT'), 'notifier UPDATE delivery', 'privileges: only the notifier writes deliveries, nobody events');
SELECT is((SELECT string_agg(concat_ws(' ', privilege, object, column_name), '; ' ORDER BY object COLLATE "C") FROM h.granted('p_notifier')), 'UPDATE delivery attempts; USAGE shop', 'privileges: notifier, all of them');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', name, privilege, object, column_name), '; ') FROM h.under, h.granted(role) WHERE object = 'order_transfer' AND privilege IN ('UPDATE', 'DELETE') AND coalesce(column_name, '') NOT IN ('status', 'approval_token', 'decline_reason')), NULL,
	'privileges: of a transfer only its end is updated');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', privilege, object), '; ') FROM h.granted('p_storefront') WHERE privilege IN ('UPDATE', 'DELETE')), 'UPDATE order_transfer',
	'privileges: storefront updates nothing else, and deletes nothing');
SELECT is((SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM h.granted('p_storefront') WHERE privilege = 'SELECT' AND object = 'customer'), 'email has_account id', 'privileges: storefront reads id, e-mail and type of customers');
SELECT is((SELECT string_agg(concat_ws(' ', object, column_name), '; ') FROM h.granted('p_storefront') WHERE privilege = 'SELECT' AND object NOT IN ('customer', 'orders', 'order_item') AND object NOT LIKE '%\_seq'), NULL,
	'privileges: and no other table but the orders that it makes');
SELECT is((SELECT string_agg(DISTINCT column_name, ' ') FROM h.granted('p_storefront') WHERE privilege = 'SELECT' AND object = 'orders'), 'id', 'privileges: of those the id');
SELECT is((SELECT string_agg(concat_ws(' ', r.privilege, r.object, r.column_name), '; ') FROM h.granted('p_reader') r
		WHERE NOT EXISTS (SELECT FROM h.granted('p_admin') a WHERE (a.privilege, a.object) = (r.privilege, r.object) AND a.column_name IS NOT DISTINCT FROM r.column_name)), NULL,
	'privileges: admin has what reader has');
SELECT is((SELECT string_agg(concat_ws(' ', privilege, object, column_name), '; ') FROM h.granted('p_admin') WHERE object IN ('customer', 'customer_group', 'customer_group_member') AND privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')), NULL,
	'privileges: admin edits customers, groups and memberships');
SELECT is((SELECT string_agg(format('%s: %s', x.profile, d.entry), '; ') FROM h.profile x, LATERAL (
		(SELECT concat_ws(' ', p.privilege, coalesce(p.object_name, 'shop'), p.column_name) FROM customers.profile_privileges(x.profile) p
			EXCEPT SELECT concat_ws(' ', privilege, object, column_name) FROM h.granted(x.role))
		UNION ALL (SELECT concat_ws(' ', privilege, object, column_name) FROM h.granted(x.role)
			EXCEPT SELECT concat_ws(' ', p.privilege, coalesce(p.object_name, 'shop'), p.column_name) FROM customers.profile_privileges(x.profile) p)) d(entry)), NULL,
	'profile_privileges: is what the catalogs have, no more and no less');
SELECT is((SELECT string_agg(DISTINCT profile, ' ' ORDER BY profile) FROM customers.profile_privileges()), 'admin notifier reader storefront', 'profile_privileges: of all profiles');
SELECT is((SELECT array_agg(p::text ORDER BY p::text COLLATE "C") FROM customers.profile_privileges() p WHERE profile = 'admin'), (SELECT array_agg(p::text ORDER BY p::text COLLATE "C") FROM customers.profile_privileges('admin') p),
	'profile_privileges: or of one');
SELECT is((SELECT string_agg(concat_ws(' ', privilege, object, column_name), '; ') FROM (SELECT privilege, object, column_name FROM h.granted('p_service') EXCEPT
		(SELECT privilege, object, column_name FROM h.granted('p_reader') UNION SELECT privilege, object, column_name FROM h.granted('p_storefront') UNION SELECT privilege, object, column_name FROM h.granted('p_notifier'))) d), NULL,
	'privileges: of three profiles are those of the three');
SELECT is((SELECT count(*) FROM pg_class c LEFT JOIN pg_attribute t ON t.attrelid = c.oid AND t.attacl IS NOT NULL, aclexplode(coalesce(t.attacl, c.relacl)) a
		WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee = 0), 0::bigint, 'privileges: PUBLIC has none');

-- revoke_access ------------------------------------------------------------------------------------------------

CREATE TABLE h.taken (n serial, given text[], taken text[], remain text[]);
INSERT INTO h.taken (given, taken, remain) VALUES
	('{reader}', '{reader}', '{}'), ('{admin}', '{admin}', '{}'), ('{storefront}', '{storefront}', '{}'), ('{notifier}', '{notifier}', '{}'),
	('{reader,admin}', '{admin}', '{}'),			-- reader is a part of admin
	('{reader,admin}', '{reader}', '{admin}'), ('{admin}', '{reader}', '{admin}'),
	('{admin,storefront}', '{admin}', '{storefront}'), ('{admin,storefront}', '{storefront}', '{admin}'),
	('{reader,storefront}', '{storefront}', '{reader}'), ('{reader,storefront}', '{reader}', '{storefront}'),
	('{reader,storefront,notifier}', '{storefront}', '{reader,notifier}'), ('{reader,storefront,notifier}', '{reader,notifier}', '{storefront}'),
	('{admin,storefront,notifier}', '{notifier}', '{admin,storefront}'), ('{admin,storefront,notifier}', '{admin,storefront,notifier}', '{}'),
	('{admin,notifier}', '{admin}', '{notifier}'),
	('{reader}', '{notifier}', '{reader}'), ('{reader,reader}', '{reader}', '{}'), ('{}', '{admin}', '{}');
-- Grants of a role after these were given and those taken, undone.
CREATE FUNCTION h.after(given text[], taken text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	p text;
	result text;
BEGIN
	FOREACH p IN ARRAY given LOOP PERFORM customers.grant_access('p_changing', p); END LOOP;
	FOREACH p IN ARRAY taken LOOP PERFORM customers.revoke_access('p_changing', p); END LOOP;
	result := h.grants('p_changing');
	RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = result;
EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
	RETURN SQLERRM;
END $$;
SELECT is(h.after(given, taken), h.after(remain, '{}'), format('revoke_access: %s without %s', given, taken)) FROM h.taken ORDER BY n;
SELECT is(h.grants('p_changing'), 'none', 'revoke_access: undone with its transaction');
-- what the owner granted himself and no profile gives stays
GRANT UPDATE (total) ON shop.orders TO p_changing;
SELECT customers.grant_access('p_changing', 'admin') \gset x
SELECT customers.revoke_access('p_changing', 'admin') \gset x
SELECT is(h.grants('p_changing') ~ 'UPDATE orders total', true, 'revoke_access: leaves what no profile gives');
REVOKE UPDATE (total) ON shop.orders FROM p_changing;
SELECT is(h.grants('p_reader'), h.after('{reader}', '{}'), 'revoke_access: others keep theirs');
SELECT customers.grant_access('p_changing', 'reader') \gset x
SELECT is(t.error('SELECT customers.list_customers()', 'p_changing'), 'no error', 'grant_access: takes effect in the same session');
SELECT customers.revoke_access('p_changing', 'reader') \gset x
SELECT is(t.error('SELECT customers.list_customers()', 'p_changing'), '42501', 'revoke_access: takes effect in the same session');
SELECT is(t.error('SELECT * FROM shop.customer', 'p_changing'), '42501', 'revoke_access: for tables, too');

-- by whom, and in which store -------------------------------------------------------------------------------------

SELECT is(t.error('SELECT customers.grant_access(''p_none'', ''reader'')', 'p_admin'), '42501', 'grant_access: not by an admin');
SELECT is(t.error('SELECT customers.revoke_access(''p_reader'', ''reader'')', 'p_admin'), '42501', 'revoke_access: not by an admin');
SELECT is(t.error('SELECT customers.grant_access(''p_none'', ''storefront'')', 'p_none'), '42501', 'grant_access: not by anybody');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION p_partner;
SELECT is(t.error('SELECT customers.grant_access(''p_none'', ''reader''); SELECT h.must(has_table_privilege(''p_none'', ''shop.customer'', ''SELECT''))'), 'no error', 'grant_access: by a member of the owner');
SELECT is(t.error('SELECT customers.revoke_access(''p_reader'', ''reader''); SELECT h.must(NOT has_table_privilege(''p_reader'', ''shop.customer'', ''SELECT''))'), 'no error', 'revoke_access: by a member of the owner');
RESET SESSION AUTHORIZATION;
SELECT is(t.error('SELECT customers.grant_access(''p_none'', ''reader''); SELECT h.must(has_table_privilege(''p_none'', ''shop.customer'', ''SELECT''))'), 'no error', 'grant_access: by a superuser');
SELECT is(t.error('SELECT customers.grant_access(''p_none'', ''reader''); SELECT h.must((SELECT bool_and(grantor = ''customers_owner''::regrole) FROM pg_class c, aclexplode(c.relacl) WHERE c.oid = ''shop.customer''::regclass))'),
	'no error', 'grant_access: by a superuser, as the owner''s grant');
SELECT is(t.error('SELECT customers.grant_access(''p_none'', ''admin''); SET LOCAL SESSION AUTHORIZATION customers_owner; SELECT customers.revoke_access(''p_none'', ''admin''); SELECT h.must(h.grants(''p_none'') = ''none'')'),
	'no error', 'revoke_access: the owner takes what a superuser gave');
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.grant_access(''customers_owner'', ''reader''); SELECT customers.revoke_access(''customers_owner'', ''admin''); SELECT customers.create_customer(''still@example.com'')') IN ('no error', '22023'), true,
	'revoke_access: the owner does not lock himself out');
SELECT customers.create_store('Second "shop"') AS created \gset
SET customers.store = 'Second "shop"';
SELECT lives_ok('SELECT customers.grant_access(''p_changing'', ''reader'')', 'grant_access: on the current store, with an awkward name');
SELECT is(h.grants('p_changing'), 'none', 'grant_access: nothing on another');
SELECT is(t.error('SELECT customers.list_customers()', 'p_changing'), 'no error', 'grant_access: reads the one');
SELECT is(t.error('SET LOCAL customers.store = ''shop''; SELECT customers.list_customers()', 'p_changing'), '42501', 'grant_access: not the other');
SELECT is(t.error('SELECT customers.list_customers()', 'p_admin'), '42501', 'grant_access: an admin of one store is none of the other');
RESET customers.store;
-- roles in roles
SELECT customers.grant_access('p_holder', 'reader') \gset x
RESET SESSION AUTHORIZATION;
GRANT p_holder TO p_none;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.list_customers()', 'p_none'), 'no error', 'grant_access: a role with a profile lends it to its members');
RESET SESSION AUTHORIZATION;
REVOKE p_holder FROM p_none;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.list_customers()', 'p_none'), '42501', 'grant_access: as long as they are');

-- an admin tries -------------------------------------------------------------------------------------------------------

CREATE TABLE h.attack (n serial, expected text, sql text, why text);
INSERT INTO h.attack (expected, sql, why) VALUES
	('42501', 'UPDATE shop.credential SET password_hash = ''x'' WHERE customer_id = {VICTIM}', 'UPDATE of the hash'),
	('42501', 'UPDATE shop.credential SET new_password = ''hijacked 1'', proof = ''x''', 'UPDATE of the password'),
	('42501', 'UPDATE shop.credential SET locked_until = ''infinity''', 'UPDATE of the wait'),
	('42501', 'INSERT INTO shop.credential (customer_id, new_password) VALUES ({IMPORTED}, ''hijacked 1'')', 'INSERT'),
	('42501', 'INSERT INTO shop.credential (customer_id, password_hash) VALUES ({VICTIM}, ''x'') ON CONFLICT (customer_id) DO UPDATE SET password_hash = ''x''', 'INSERT .. ON CONFLICT'),
	('42501', 'MERGE INTO shop.credential c USING (VALUES ({VICTIM})) v(id) ON c.customer_id = v.id WHEN MATCHED THEN UPDATE SET password_hash = ''x''', 'MERGE'),
	('42501', 'MERGE INTO shop.credential c USING (VALUES ({IMPORTED})) v(id) ON false WHEN NOT MATCHED THEN INSERT (customer_id, new_password) VALUES (v.id, ''hijacked 1'')', 'MERGE .. INSERT'),
	('42501', 'DELETE FROM shop.credential', 'DELETE'),
	('42501', 'SELECT password_hash FROM shop.credential', 'reading the hash'),
	('42501', 'SELECT token_hash FROM shop.account_token', 'a reset token from account_token'),
	('42501', 'INSERT INTO shop.account_token (customer_id) VALUES ({VICTIM})', 'a reset token of his own'),
	('42501', 'INSERT INTO shop.account_token (customer_id, token_hash) VALUES ({VICTIM}, sha256(''x''))', 'with a hash of his own'),
	('42501', 'SELECT confidential FROM shop.delivery', 'the delivery''s confidential'),
	('42501', 'SELECT customers.claim_deliveries()', 'claiming deliveries'),
	('42501', 'UPDATE shop.delivery SET subscription = ''mine''', 'redirecting deliveries'),
	('42501', 'SELECT customers.subscribe(''mine'', ''{*}'')', 'a subscription of his own'),
	('42501 or 23514 customer_account_fixed', 'UPDATE shop.customer SET has_account = true WHERE id = {GUEST}', 'has_account'),
	('42501 or 23514 customer_account_fixed', 'UPDATE shop.customer SET has_account = true, external_id = ''x'' WHERE id = {GUEST}', 'has_account, as if imported'),
	('42501 or 23514 customer_account_fixed', 'UPDATE shop.customer SET has_account = false WHERE id = {VICTIM}', 'no account any more'),
	('42501 or 23514 customer_account_registered', 'INSERT INTO shop.customer (email, has_account) VALUES (''new@example.com'', true); SET CONSTRAINTS ALL IMMEDIATE', 'an account without a password'),
	('42501 or 23514 customer_id_fixed', 'UPDATE shop.customer SET id = 4711 WHERE id = {VICTIM}', 'another id'),
	('23514 credential_password_not_editable', 'SELECT customers.update_customer({VICTIM}, ''{"password": "hijacked 1"}'')', 'a password among the changes'),
	('42501', 'SELECT customers.change_password({VICTIM}, ''victim''''s own'', ''hijacked 1'')', 'change_password'),
	('42501', 'SELECT customers.reset_password(''{RESET_TOKEN}'', ''hijacked 1'')', 'reset_password, even with a token'),
	('42501', 'SELECT customers.authenticate(''victim@example.com'', ''guess'')', 'guessing'),
	('42501', 'SELECT token_hash FROM shop.order_transfer', 'token_hash'),
	('42501', 'UPDATE shop.order_transfer SET token_hash = sha256(''x'') WHERE id = {TRANSFER}', 'a token_hash of his own'),
	('42501', 'UPDATE shop.order_transfer SET token_hash = sha256(''x''), status = status', 'beside what he may'),
	('42501 or 23514 order_transfer_state', 'INSERT INTO shop.order_transfer (order_id, to_customer_id, token_hash) VALUES (3, {MALLORY}, sha256(''x''))', 'a request with a token_hash of his own'),
	('42501', 'INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (3, {MALLORY}) RETURNING token_hash', 'RETURNING token_hash'),
	('42501', 'INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (3, {MALLORY}) RETURNING *', 'RETURNING everything'),
	('42501 or 23514 order_transfer_approved', 'UPDATE shop.order_transfer SET status = ''accepted'' WHERE id = {TRANSFER}', 'accepting without the token'),
	('42501 or 28P01 order_transfer_approved', 'UPDATE shop.order_transfer SET status = ''accepted'', approval_token = ''guess'' WHERE id = {TRANSFER}', 'accepting with a wrong token'),
	('28P01 order_transfer_approved', 'SELECT customers.accept_order_transfer({TRANSFER}, ''guess'')', 'guessing the token'),
	('42501 or 23514 order_owner_by_transfer', 'UPDATE shop.orders SET customer_id = {MALLORY} WHERE id = 2', 'moving the order'),
	('23514 order_transfer_email_settled', 'UPDATE shop.customer SET email = ''evil@example.com'' WHERE id = {VICTIM}; SELECT customers.request_order_transfer(2, {MALLORY})', 'an e-mail change followed by a transfer'),
	('23514 order_transfer_email_settled', 'SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); SELECT customers.request_order_transfer(2, {MALLORY})', 'by function'),
	('23514 order_transfer_email_settled', 'SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, {MALLORY})', 'followed by INSERT'),
	('23514 order_transfer_email_settled', 'MERGE INTO shop.customer c USING (VALUES ({VICTIM})) v(id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET email = ''evil@example.com''; SELECT customers.request_order_transfer(2, {MALLORY})', 'by MERGE'),
	('23514 order_transfer_email_settled or 42501', 'SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); UPDATE shop.customer SET email_changed_at = NULL WHERE id = {VICTIM}; SELECT customers.request_order_transfer(2, {MALLORY})', 'wiping its trace'),
	('23514 order_transfer_email_settled or 42501', 'UPDATE shop.customer SET email = ''evil@example.com'', email_changed_at = ''2001-01-01'' WHERE id = {VICTIM}; SELECT customers.request_order_transfer(2, {MALLORY})', 'in the same statement'),
	('23514 order_transfer_email_settled', 'SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); SELECT customers.update_customer({VICTIM}, ''{"email": "victim@example.com"}''); SELECT customers.request_order_transfer(2, {MALLORY})', 'to and fro'),
	('42501', 'SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); SELECT customers.request_password_reset(''evil@example.com'')', 'an e-mail change followed by a reset'),
	('42501', 'SET customers.email_change_hold = 0', 'ending the hold'),
	('42501', 'ALTER ROLE p_admin SET customers.email_change_hold = 0', 'ending the hold for his next session'),
	('42501 or 23514 event_append_only', 'UPDATE shop.event SET created_at = ''2001-01-01''', 'rewriting events'),
	('42501', 'SELECT customers.purge_events(''infinity'')', 'purging events'),
	('no error', 'SELECT customers.delivery_status()', 'what he may: see that deliveries wait');
SELECT is(CASE WHEN t.error(h.filled(sql), 'p_admin') = ANY (string_to_array(expected, ' or ')) THEN expected ELSE t.error(h.filled(sql), 'p_admin') END, expected, 'admin tries: ' || why)
FROM h.attack ORDER BY n;
-- the same by a role with every profile: the rules hold where privileges do not
SELECT customers.grant_access('p_changing', profile) FROM h.profile \g /dev/null
SELECT is(CASE WHEN t.error(h.filled(sql), 'p_changing') ~ '^(42501|23514 .*|28P01 .*)$' THEN 'refused' ELSE t.error(h.filled(sql), 'p_changing') END, 'refused', 'all profiles try: ' || why)
FROM h.attack WHERE expected <> 'no error' AND why NOT IN ('claiming deliveries', 'change_password', 'reset_password, even with a token', 'guessing', 'an e-mail change followed by a reset') ORDER BY n;
SELECT is(t.error(h.filled('SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); SELECT customers.request_password_reset(''evil@example.com'');
	SELECT h.must(NOT EXISTS (SELECT FROM customers.claim_deliveries(''notifier'', 1000) d WHERE d.confidential -> ''to'' ? ''evil@example.com'' AND d.confidential ? ''token''))'), 'p_changing'), 'no error',
	'all profiles try: an e-mail change followed by a reset sends no token to the new address');
SELECT is(t.error(h.filled('SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}''); SELECT customers.reset_password(''{RESET_TOKEN}'', ''hijacked 1'')'), 'p_changing'), '28P01 credential_password_not_editable',
	'all profiles try: and the token of before is dead');
-- two people: an admin changes the e-mail, the storefront asks for the reset
SELECT t.run_as('p_admin', h.filled('SELECT customers.update_customer({VICTIM}, ''{"email": "evil@example.com"}'')')) AS version \gset
SELECT t.run_as('p_storefront', 'SELECT customers.request_password_reset(''evil@example.com'')') AS said \gset
SELECT is((SELECT count(*) FROM shop.delivery WHERE confidential -> 'to' ? 'evil@example.com' AND confidential ? 'token'), 0::bigint, 'account_token_email_settled: through two roles, no token');
SELECT is(t.error(h.filled('SELECT customers.reset_password(''{RESET_TOKEN}'', ''hijacked 1'')'), 'p_storefront'), '28P01 credential_password_not_editable', 'account_token_email_settled: the token of before is dead');
SELECT is(t.error(h.filled('SELECT customers.request_order_transfer(2, {MALLORY})'), 'p_storefront'), '23514 order_transfer_email_settled', 'order_transfer_email_settled: through two roles');
SELECT is((SELECT confidential -> 'to' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'customer.email_changed' ORDER BY e.id DESC LIMIT 1), '["victim@example.com", "evil@example.com"]'::jsonb,
	'account_token_email_settled: the old address is told');
SELECT is(t.run_as('p_storefront', 'SELECT customers.authenticate(''evil@example.com'', ''victim''''s own'')'), :'victim', 'account_token_email_settled: the password is still the customer''s');
SELECT is((SELECT role || ' ' || actor FROM shop.event WHERE type = 'customer.email_changed' ORDER BY id DESC LIMIT 1), 'p_admin p_admin', 'actor: the event names the role');
SET customers.actor = 'anna@desk';
SELECT t.run_as('p_storefront', 'SELECT customers.register_customer(''actor@example.com'', ''long enough'')') AS actor \gset
RESET customers.actor;
SELECT is((SELECT string_agg(DISTINCT role || ' ' || actor, ', ') FROM shop.event WHERE customer_id = :actor) || ', ' || (SELECT created_by FROM shop.customer WHERE id = :actor), 'p_storefront anna@desk, anna@desk',
	'actor: customers.actor, beside the role, in what runs as the owner, too');

-- row security ---------------------------------------------------------------------------------------------------------

SET CONSTRAINTS ALL IMMEDIATE;
-- those that run as their caller obey it, the storefront's account functions, which run as the owner, do not
CREATE POLICY nobody ON shop.customer TO p_service USING (false) WITH CHECK (false);
ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
SELECT is(t.run_as('p_service', 'SELECT customers.count_customers()'), '0', 'row security: of the functions that run as their caller');
SELECT is(t.error('SELECT customers.create_customer(''rls@example.com'')', 'p_service'), '42501', 'row security: of writing ones, too');
SELECT is(t.run_as('p_service', 'SELECT customers.authenticate(''evil@example.com'', ''victim''''s own'')'), :'victim', 'row security: not of accounts, which run as the owner');
ALTER TABLE shop.customer DISABLE ROW LEVEL SECURITY;
SELECT is((SELECT string_agg(object || ': ' || finding, '; ') FROM customers.check_store('shop')), NULL, 'check_store: grants are nothing to report');

SELECT * FROM finish();
ROLLBACK;
