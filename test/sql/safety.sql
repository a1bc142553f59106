\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(392);

-- Nobody's code runs with rights that are not his.  h.boom is the code that
-- must not run: it leaves a mark that no rollback takes away, and fails.
CREATE SCHEMA h;
GRANT USAGE ON SCHEMA h TO PUBLIC;
CREATE SEQUENCE h.boomed;
GRANT USAGE ON SEQUENCE h.boomed TO PUBLIC;
CREATE FUNCTION h.boom() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.nextval('h.boomed');
	RAISE EXCEPTION 'hijacked' USING ERRCODE = 'ZZ666';
END $$;
CREATE FUNCTION h.state() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	tab regclass;
	part text;
	whole text := '';
BEGIN
	FOR tab IN SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND relowner = 'customers_owner'::regrole
			ORDER BY relname COLLATE "C" LOOP
		EXECUTE format('SELECT count(*) || md5(string_agg(r::text, chr(10) ORDER BY r::text COLLATE "C")) FROM %s r', tab) INTO part;
		whole := whole || ' ' || coalesce(part, '-');
	END LOOP;
	RETURN md5(whole);
END $$;
-- The functions of the contract that touch a store, each with a call that
-- the store's owner may make.
CREATE TABLE h.calls (n serial, writes boolean, call text);
INSERT INTO h.calls (writes, call) VALUES
	(true, $$customers.create_customer('new@example.com')$$),
	(true, $$customers.find_or_create_guest('new@example.com')$$),
	(true, $$customers.import_customers('[{"email": "new@example.com"}, {"email": "a@example.com", "phone": "1"}]')$$),
	(false, 'customers.customer_details(1)'),
	(true, $$customers.update_customer(1, '{"phone": "1"}')$$),
	(true, $$customers.delete_customer(1, 'a@example.com')$$),
	(false, 'customers.list_customers()'),
	(false, $$customers.list_customers('a', '{"type": "guest", "email": "a@example.com"}', 'last_name')$$),
	(false, 'customers.count_customers()'),
	(false, 'customers.metadata_rows(1)'),
	(true, $$customers.save_metadata(1, '[{"key": "k", "value": 1}]')$$),
	(true, $$customers.insert_metadata_row(1, 'new', '1')$$),
	(true, $$customers.delete_metadata_row(1, 'old')$$),
	(true, $$customers.set_metadata(1, 'old', '2')$$),
	(true, $$customers.create_group('new group')$$),
	(true, $$customers.update_group(1, '{"name": "renamed"}')$$),
	(true, 'customers.delete_group(1)'),
	(false, 'customers.list_groups()'),
	(true, $$customers.add_to_groups(1, '{1,2}')$$),
	(true, $$customers.remove_from_groups(1, '{1,2}')$$),
	(true, $$customers.set_groups(1, '{2}')$$),
	(true, $$customers.add_customers_to_group(2, '{1,2}')$$),
	(true, $$customers.remove_customers_from_group(1, '{1,2}')$$),
	(false, 'customers.customer_groups(1)'),
	(false, 'customers.group_customers(1)'),
	(false, $$customers.in_group(1, 'first')$$),
	(false, $$customers.in_group(1, 'first', 'shop')$$),
	(false, 'customers.customer_orders(1)'),
	(false, 'customers.order_details(1)'),
	(true, 'customers.request_order_transfer(2, 2)'),
	(true, $$customers.accept_order_transfer(1, 'wrong')$$),
	(true, $$customers.decline_order_transfer(1, 'wrong')$$),
	(true, 'customers.cancel_order_transfer(1)'),
	(true, 'customers.expire_order_transfers()'),
	(false, 'customers.order_transfers(1)'),
	(true, $$customers.register_customer('account@example.com', 'long enough')$$),
	(true, $$customers.authenticate('b@example.com', 'long enough')$$),
	(true, $$customers.change_password(2, 'wrong', 'long enough')$$),
	(true, $$customers.request_password_reset('b@example.com')$$),
	(true, $$customers.reset_password('wrong', 'long enough')$$),
	(true, $$customers.subscribe('crm', ARRAY['*'])$$),
	(true, $$customers.unsubscribe('notifier')$$),
	(true, 'customers.claim_deliveries()'),
	(true, $$customers.acknowledge_deliveries('{1}')$$),
	(true, $$customers.fail_delivery(1, 'x')$$),
	(true, $$customers.retry_failed('notifier')$$),
	(false, 'customers.delivery_status()'),
	(false, 'customers.customer_timeline(1)'),
	(true, $$customers.purge_events('2020-01-01')$$);
INSERT INTO shop.customer (email, has_account, external_id, metadata) VALUES
	('a@example.com', false, NULL, '{"old": 1}'), ('b@example.com', true, 'ext-b', '{}');
INSERT INTO shop.customer_group (name) VALUES ('first'), ('second');
INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (1, 1);
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
	SELECT 1, 'a@example.com', 'pending', 'EUR', 1, '2026-01-01' FROM generate_series(1, 5);
SELECT is(customers.request_order_transfer(1, 2), 1::bigint, 'fixture: transfer 1');
SET CONSTRAINTS ALL IMMEDIATE;

-- what the catalogs say ------------------------------------------------------------
CREATE VIEW h.function AS
	SELECT p.oid, p.proname::text AS name, p.prosecdef, p.provolatile, p.proparallel, p.proconfig, p.prorettype = 'trigger'::regtype AS is_trigger, l.lanname,
		has_function_privilege('public', p.oid, 'EXECUTE') AS is_public, obj_description(p.oid, 'pg_proc') AS comment
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'customers'::regnamespace;
SELECT ok((SELECT count(*) > 45 FROM h.function), 'catalog: the functions are there');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE prosecdef), NULL, 'catalog: no SECURITY DEFINER');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE lanname = 'c' AND proconfig IS NOT NULL), NULL, 'catalog: no settings on C functions');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE lanname <> 'c'
		AND proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp']), NULL, 'catalog: SQL and plpgsql functions pin their path');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE comment IS NULL), NULL, 'catalog: every function has a comment');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE name NOT LIKE '\_%' AND NOT is_trigger AND comment NOT LIKE '%Example:%'), NULL,
	'catalog: every public function''s comment has an example');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE name LIKE '\_%' AND is_public), NULL, 'catalog: private functions are not for PUBLIC');
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE name NOT LIKE '\_%' AND NOT is_public), NULL, 'catalog: the others are');
SELECT is((SELECT string_agg(name, ' ') FROM (SELECT name FROM h.function GROUP BY name HAVING count(*) > 1) d), NULL, 'catalog: no overloads');
SELECT is((SELECT string_agg(DISTINCT f.name, ' ') FROM h.function f WHERE NOT is_trigger AND provolatile <> 'i' AND name NOT LIKE '\_%'
		AND name NOT IN ('create_store', 'upgrade_store', 'check_store', 'drop_store', 'stores', 'help', 'version', 'grant_access', 'revoke_access', 'profile_privileges')
		AND NOT EXISTS (SELECT FROM pg_index i WHERE pg_get_indexdef(i.indexrelid) LIKE '%customers.' || f.name || '(%')
		AND NOT EXISTS (SELECT FROM h.calls c WHERE c.call LIKE 'customers.' || f.name || '(%')), NULL,
	'catalog: this file calls every function that touches a store');
SELECT is((SELECT string_agg(DISTINCT f.name, ' ') FROM h.function f JOIN h.calls c ON c.call LIKE 'customers.' || f.name || '(%'
		WHERE writes <> (provolatile = 'v')), NULL, 'catalog: what writes is volatile, what reads is stable');
SELECT is((SELECT string_agg(DISTINCT classid::regclass::text, ' ') FROM pg_depend d JOIN pg_extension x ON d.refobjid = x.oid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND x.extname = 'customers'), 'pg_proc',
	'catalog: the extension is functions, nothing else');
SELECT is((SELECT string_agg(format('%s.%s', c.relname, a.attname), ' ') FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		JOIN pg_type y ON y.oid = a.atttypid WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind IN ('r', 'S') AND a.attnum > 0
		AND NOT a.attisdropped AND y.typnamespace <> 'pg_catalog'::regnamespace), NULL, 'catalog: a store''s columns have built-in types');
SELECT is((SELECT string_agg(format('%s %s', d.classid::regclass, c.relname), ', ') FROM pg_depend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass
		AND c.oid = d.objid JOIN h.function f ON d.refclassid = 'pg_proc'::regclass AND f.oid = d.refobjid
		WHERE d.deptype = 'n' AND d.classid <> 'pg_trigger'::regclass AND c.relkind IS DISTINCT FROM 'i'), NULL,
	'catalog: only a store''s triggers and indexes use the extension''s functions');
SELECT is((SELECT string_agg(format('%s %s', relname, relkind), ', ') FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind NOT IN ('r', 'S', 'i')), NULL,
	'catalog: a store is tables, sequences and indexes');
SELECT is((SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace)
		AND (attidentity <> '' OR attgenerated <> '')), NULL, 'catalog: no identity and no generated columns');
SELECT is((SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relowner <> 'customers_owner'::regrole), NULL,
	'catalog: all of it is the caller''s');
SELECT is((SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relacl IS NOT NULL
		AND relacl::text ~ '[{,]=') , NULL, 'catalog: PUBLIC has nothing on a store''s tables');
SELECT is(has_schema_privilege('public', 'shop', 'USAGE'), false, 'catalog: nor on its schema');
SELECT is((SELECT string_agg(c.conrelid::regclass || '.' || c.conname, ', ') FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'shop'::regnamespace
		AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
			AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)), NULL, 'catalog: every foreign key''s columns are indexed');

-- reading is possible where nothing can be written
SELECT is(t.error('SET LOCAL transaction_read_only = on; SELECT ' || call), 'no error', 'read only: ' || call) FROM h.calls WHERE NOT writes ORDER BY n;
SELECT is(t.error('SET LOCAL transaction_read_only = on; SELECT customers.create_customer(''x@example.com'')'), '25006', 'read only: nothing is written');

-- what says that it is parallel safe runs in a parallel worker; the setting
-- that sends it there has had two names
CREATE TABLE h.parallel AS SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT is((SELECT proparallel FROM h.function WHERE name = 'in_group'), 's', 'parallel: in_group is parallel safe');
SELECT is(t.error(format('SET LOCAL %I = on; SELECT ', p.name) || call), 'no error', 'parallel: ' || call)
	FROM h.calls c JOIN h.function f ON c.call LIKE 'customers.' || f.name || '(%', h.parallel p WHERE f.proparallel = 's' ORDER BY n;
SELECT is(t.error(format('SET LOCAL %I = on; SELECT count(*) FROM shop.customer WHERE customers.in_group(id, ''first'', ''shop'')', name)), 'no error',
	'parallel: in_group of every row') FROM h.parallel;

-- no rights, 42501 -----------------------------------------------------------------
SELECT is(t.error('SELECT ' || call, 'customers_other'), '42501', 'no rights: ' || call) FROM h.calls ORDER BY n;
SELECT is(t.error('SELECT customers.check_store(''shop'')', 'customers_other'), '42501', 'no rights: check_store');
SELECT is(t.error('SELECT customers.create_store(''shop'')', 'customers_other'), '42501', 'no rights: create_store on another''s schema');
SELECT is(t.error('SELECT customers.create_store(''others'')', 'customers_other'), '42501', 'no rights: create_store without CREATE on the database');
SELECT is(t.error('SELECT customers.drop_store(''shop'', ''shop'')', 'customers_other'), '42501', 'no rights: drop_store');
GRANT USAGE ON SCHEMA shop TO customers_clerk;
SELECT is(t.error('SELECT ' || call, 'customers_clerk'), '42501', 'no rights but USAGE of the schema: ' || call) FROM h.calls ORDER BY n;
SELECT is((SELECT count(*) FROM shop.customer), 2::bigint, 'no rights: nothing happened');

-- row security: the functions that run with the caller's rights obey it, also
-- when the plan was made for somebody else a moment ago
CREATE POLICY clerks ON shop.customer TO customers_clerk USING (id = 2);
GRANT SELECT, UPDATE ON shop.customer TO customers_clerk;
GRANT SELECT ON shop.customer_group, shop.customer_group_member, shop.orders TO customers_clerk;
SELECT is(t.run_as('customers_clerk', 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM customers.list_customers()'), '1 2', 'row security: before it is enabled');
ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
SELECT is((SELECT string_agg(id::text, ' ' ORDER BY id) FROM customers.list_customers()), '1 2', 'row security: the owner sees all');
SELECT is(t.run_as('customers_clerk', 'SELECT string_agg(id::text, '' '' ORDER BY id) FROM customers.list_customers()'), '2', 'row security: the clerk his, in the same session');
SELECT is(t.run_as('customers_clerk', 'SELECT customers.count_customers()'), '1', 'row security: counted');
SELECT is(t.error('SELECT customers.customer_details(1)', 'customers_clerk'), '23503', 'row security: another''s details');
SELECT is(t.error('SELECT customers.update_customer(1, ''{"phone": "1"}'')', 'customers_clerk'), '23503', 'row security: another''s row is not updated');
SELECT is(t.error('SELECT customers.update_customer(2, ''{"phone": "1"}'')', 'customers_clerk'), 'no error', 'row security: his own is');
SELECT is(t.run_as('customers_clerk', 'SELECT customers.in_group(1, ''first'')'), 'true', 'row security: of customer says nothing of memberships');
SELECT is((SELECT customers.count_customers()), 2::bigint, 'row security: the owner sees all again');
ALTER TABLE shop.customer DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON ALL TABLES IN SCHEMA shop FROM customers_clerk;

-- a superuser writes as the owner, or not at all -------------------------------------
RESET SESSION AUTHORIZATION;
SELECT is(t.error('SELECT ' || call), '42501', 'superuser: does not write, ' || call) FROM h.calls WHERE writes ORDER BY n;
SELECT alike(t.message('SELECT customers.create_customer(''x@example.com'')'), '%Connect as its owner%', 'superuser: the hint is to connect as the owner');
SELECT is(t.error('SELECT ' || call), 'no error', 'superuser: reads, ' || call) FROM h.calls WHERE NOT writes ORDER BY n;
SELECT is(t.error('SELECT customers.create_customer(''x@example.com'')', 'customers_owner'), 'no error', 'superuser: writes after SET ROLE');
SELECT is(t.error('SELECT customers.create_customer(''x@example.com'')', 'customers_dba'), '42501', 'superuser: nor after SET ROLE to another superuser');
SELECT is(customers.create_store('dbastore'), 'created', 'superuser: a store of his own');
SET customers.store = 'dbastore';
SELECT is(t.error('SELECT customers.create_customer(''x@example.com'')'), 'no error', 'superuser: writes in it');
RESET customers.store;
SET SESSION AUTHORIZATION customers_owner;

-- a hostile search_path ------------------------------------------------------------------
-- schema evil: every operator and function of pg_catalog on common types, types
-- and tables, all named like the real ones, all h.boom
CREATE SCHEMA evil;
SET check_function_bodies = off;
DO $do$
DECLARE
	r record;
	common oid[] := ARRAY['text', 'int8', 'int4', 'int2', 'bool', 'jsonb', 'timestamptz', 'interval', 'numeric', 'name', 'bytea',
		'oid', 'text[]', 'int8[]', 'regclass', '"char"', 'float8']::regtype[]::oid[];
	body text := $$BEGIN PERFORM pg_catalog.nextval('h.boomed'); RAISE EXCEPTION 'hijacked' USING ERRCODE = 'ZZ666'; END$$;
BEGIN
	FOR r IN SELECT o.oid, o.oprname, format_type(o.oprleft, NULL) AS l, format_type(o.oprright, NULL) AS r, format_type(o.oprresult, NULL) AS result
			FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft = ANY (common) AND o.oprright = ANY (common) AND o.oprresult = ANY (common) LOOP
		EXECUTE format('CREATE FUNCTION evil.op_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', r.oid, r.l, r.r, r.result, body);
		EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.op_%s, LEFTARG = %s, RIGHTARG = %s)', r.oprname, r.oid, r.l, r.r);
	END LOOP;
	FOR r IN SELECT p.oid, p.proname, oidvectortypes(p.proargtypes) AS args, format_type(p.prorettype, NULL) AS result
			FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0
			AND p.proargtypes::oid[] <@ common AND p.prorettype = ANY (common) LOOP
		EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', r.proname, r.args, r.result, body);
	END LOOP;
	EXECUTE format('CREATE FUNCTION evil.array_length(anyarray, int) RETURNS int LANGUAGE plpgsql AS %L', body);
	EXECUTE format('CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS %L', body);
	EXECUTE format('CREATE FUNCTION evil.jsonb_each(jsonb, OUT key text, OUT value jsonb) RETURNS SETOF record LANGUAGE plpgsql AS %L', body);
	FOR r IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('CREATE TABLE evil.%I (LIKE shop.%I)', r.relname, r.relname);
	END LOOP;
	FOR r IN SELECT unnest(ARRAY['text', 'jsonb', 'timestamptz', 'int8', 'int4', 'bool', 'numeric', 'name', 'regclass', 'oid', 'bytea']) AS name LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.int2 CHECK (VALUE = -77)', r.name);
	END LOOP;
END $do$;
RESET check_function_bodies;
-- Runs sql with path as the search_path, as role if given; what it did stays.
CREATE FUNCTION h.hostile(sql text, path text, role name DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was text := pg_catalog.current_setting('search_path');
	state text := 'no error';
BEGIN
	BEGIN
		PERFORM pg_catalog.set_config('search_path', path, false);
		EXECUTE sql;
	EXCEPTION WHEN OTHERS THEN
		PERFORM pg_catalog.set_config('search_path', was, false);
		state := SQLSTATE || ' ' || SQLERRM;
	END;
	PERFORM pg_catalog.set_config('search_path', was, false);
	RETURN state;
END $$;
CREATE TABLE h.walk (n serial, sql text);
INSERT INTO h.walk (sql) VALUES
	($$SELECT customers.create_customer('h1@example.com', 'Hedda', 'Hostile', 'Co', '1', '{"a": 1, "b": 2}')$$),
	($$SELECT customers.find_or_create_guest('h2@example.com'), customers.find_or_create_guest('H2@example.com')$$),
	($$INSERT INTO shop.customer (email, has_account, external_id) VALUES ('h3@example.com', true, 'h3')$$),
	($$SELECT customers.import_customers('[{"email": "i1@example.com", "external_id": "i1", "created_at": "2020-01-01"}]')$$),
	($$SELECT customers.import_customers('[{"email": "i1@example.com", "phone": null, "metadata": {"a": 1}}, {"email": "nope"}, {"external_id": "h3", "metadata": {"b": null}}]')$$),
	($$SELECT customers.update_customer(1, '{"phone": "7", "metadata": {"x": null, "y": 1}}', 1)$$),
	($$SELECT customers.save_metadata(1, '[{"key": "k", "value": 1}, {"key": "l", "value": 2}]')$$),
	($$SELECT customers.insert_metadata_row(1, 'm', '3', above => 'l'), customers.set_metadata(1, 'k', '9'), customers.delete_metadata_row(1, 'l')$$),
	($$SELECT * FROM customers.metadata_rows(1)$$),
	($$SELECT * FROM customers.list_customers('hedda', '{"type": "guest", "groups": [1], "not_groups": [2], "email": "a@example.com",
		"external_id": "x", "created_from": "2020-01-01", "created_before": "2999-01-01", "updated_from": "2020-01-01", "metadata": {"a": 1}}', '-last_name', 5)$$),
	($$SELECT customers.list_customers(page_size => 1), customers.count_customers('hed')$$),
	($$SELECT customers.create_group(' Evil group '), customers.update_group(1, '{"name": "First", "metadata": {"q": 1}}')$$),
	($$SELECT * FROM customers.list_groups('f', 1)$$),
	($$SELECT customers.add_to_groups(2, '{1,2}'), customers.set_groups(2, '{2}'), customers.remove_from_groups(2, '{2}'),
		customers.add_customers_to_group(1, '{2}'), customers.remove_customers_from_group(1, '{2}'), customers.customer_groups(1),
		customers.group_customers(1), customers.in_group(1, 'first'), customers.in_group(1, 'FIRST', 'shop')$$),
	($$INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at) VALUES (1, 'a@example.com', 'pending', 'EUR', 1, '2026-01-01')$$),
	($$UPDATE shop.orders SET email = 'h9@example.com'$$),
	($$SELECT customers.customer_orders(1), customers.order_details(1), customers.order_transfers(1)$$),
	($$SELECT customers.request_order_transfer(2, 2), customers.request_order_transfer(3, 2), customers.request_order_transfer(4, 2)$$),
	($$SELECT customers.cancel_order_transfer(id) FROM shop.order_transfer ORDER BY id DESC LIMIT 1$$),
	($$SELECT customers.expire_order_transfers()$$),
	($$SELECT customers.register_customer('h4@example.com', 'first password', 'Hedda', metadata => '{"a": 1}')$$),
	($$SELECT customers.authenticate('H4@example.com', 'first password'), customers.authenticate('h4@example.com', 'wrong'), customers.authenticate('nobody@example.com', 'wrong')$$),
	($$SELECT customers.change_password(customers.authenticate('h4@example.com', 'first password'), 'first password', 'second password'),
		customers.change_password(customers.authenticate('h4@example.com', 'second password'), 'wrong', 'third password')$$),
	($$SELECT customers.request_password_reset('h4@example.com'), customers.request_password_reset('h3@example.com')$$),
	($$UPDATE shop.credential SET new_password = 'plain password', proof = 'second password'$$),
	($$SELECT customers.grant_access('customers_clerk', 'admin'), customers.grant_access('customers_clerk', 'storefront'), customers.revoke_access('customers_clerk', 'admin'),
		customers.revoke_access('customers_clerk', 'storefront'), customers.profile_privileges('notifier')$$),
	($$SELECT customers.subscribe('evil', ARRAY['customer.*', '*']), customers.delivery_status(), customers.customer_timeline(1)$$),
	($$SELECT customers.claim_deliveries('notifier', 1)$$),
	($$SELECT customers.delete_customer(2, 'B@example.com', true)$$),
	($$SELECT customers.delete_group(2)$$),
	($$SELECT customers.purge_events('2020-01-01'), customers.unsubscribe('evil')$$),
	($$SELECT customers.check_store('shop'), customers.stores(), customers.version()$$),
	($$SELECT customers.help()$$),
	($$SELECT customers.create_store('shop')$$),
	($$SELECT customers.create_store('evilstore'), customers.drop_store('evilstore', 'evilstore')$$);
SELECT isnt(h.hostile('SELECT 1 = 1', 'evil, pg_catalog'), 'no error', 'hostile path: the trap works for an operator');
SELECT isnt(h.hostile('SELECT lower(''A''::pg_catalog.text)', 'evil, pg_catalog'), 'no error', 'hostile path: the trap works for a function');
SELECT is((SELECT is_called FROM h.boomed), true, 'hostile path: and leaves its mark');
SELECT setval('h.boomed', 1, false) AS x \gset
SAVEPOINT walk;
SELECT is(h.hostile(sql, 'evil, pg_catalog'), 'no error', 'hostile path: step ' || n) FROM h.walk ORDER BY n;
SELECT is(h.hostile(format($$SELECT customers.accept_order_transfer(1, %L)$$, 'wrong'), 'evil, pg_catalog') LIKE '23514 %', true,
	'hostile path: a rule speaks as ever (the target was deleted: canceled)');
SELECT is((SELECT count(*) FROM evil.customer) + (SELECT count(*) FROM evil.event) + (SELECT count(*) FROM evil.delivery)
	+ (SELECT count(*) FROM evil.orders) + (SELECT count(*) FROM evil.order_transfer), 0::bigint, 'hostile path: tables named like ours stay empty');
SELECT is((SELECT string_agg(email || coalesce(phone, ''), ' ' ORDER BY email) FROM shop.customer), 'a@example.com7 h1@example.com1 h2@example.com h3@example.com h4@example.com i1@example.com',
	'hostile path: the store has what was done');
ROLLBACK TO walk;
-- the same with temporary tables named like ours and like catalogs: they come first
SAVEPOINT walk;
DO $do$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE shop.%I)', name, name);
	END LOOP;
	CREATE TEMPORARY TABLE pg_namespace (oid oid, nspname name, nspowner oid);
	CREATE TEMPORARY TABLE pg_attribute (attrelid oid, attname name, attnum int2, attisdropped bool);
	CREATE TEMPORARY TABLE pg_trigger (oid oid, tgrelid oid, tgname name, tgenabled "char");
	CREATE TEMPORARY TABLE pg_index (indexrelid oid, indrelid oid);
	CREATE TEMPORARY TABLE pg_constraint (oid oid, conname name, conrelid oid);
	CREATE TEMPORARY TABLE pg_class (oid oid, relname name, relnamespace oid, relkind "char");
END $do$;
SELECT is(h.hostile(sql, 'evil, pg_catalog'), 'no error', 'hostile temporary tables: step ' || n) FROM h.walk ORDER BY n;
SELECT is((SELECT count(*) FROM pg_temp.customer) + (SELECT count(*) FROM pg_temp.event) + (SELECT count(*) FROM pg_temp.delivery)
	+ (SELECT count(*) FROM pg_temp.orders) + (SELECT count(*) FROM pg_temp.order_transfer), 0::bigint, 'hostile temporary tables: stay empty');
SELECT is((SELECT string_agg(email || coalesce(phone, ''), ' ' ORDER BY email) FROM shop.customer), 'a@example.com7 h1@example.com1 h2@example.com h3@example.com h4@example.com i1@example.com',
	'hostile temporary tables: the store has what was done');
ROLLBACK TO walk;
SELECT is((SELECT is_called FROM h.boomed), false, 'hostile path: not one of the traps was stepped on');

-- trigger functions in other hands --------------------------------------------------------
RESET SESSION AUTHORIZATION;
CREATE SCHEMA his AUTHORIZATION customers_other;
GRANT SELECT ON h.function TO customers_other;
DO $do$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('CREATE TABLE his.%I (LIKE shop.%I)', name, name);
		EXECUTE format('ALTER TABLE his.%I OWNER TO customers_other', name);
	END LOOP;
	-- what his triggers would like to write to
	ALTER TABLE his.event OWNER TO customers_owner;
	ALTER TABLE his.delivery OWNER TO customers_owner;
	INSERT INTO his.subscription SELECT * FROM shop.subscription;
	INSERT INTO his.store_info SELECT * FROM shop.store_info;
END $do$;
SET SESSION AUTHORIZATION customers_owner;
CREATE TABLE h.before AS SELECT h.state() AS state;
-- Does sql as customers_other and keeps it; says what happened.
CREATE FUNCTION h.other(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := 'no error';
BEGIN
	SET LOCAL ROLE customers_other;
	BEGIN
		EXECUTE sql;
	EXCEPTION WHEN OTHERS THEN
		result := SQLSTATE;
	END;
	SET LOCAL ROLE NONE;
	RETURN result;
END $$;
SELECT is((SELECT string_agg(name, ' ') FROM h.function WHERE is_trigger AND t.error(format('SELECT customers.%I()', name), 'customers_other')
		!~ '^(0A|2|4|5|P0001)'), NULL, 'trigger functions: called directly, every one is an ordinary error');
SELECT ok((SELECT count(*) > 5 FROM h.function WHERE is_trigger), 'trigger functions: there are some');
CREATE TABLE h.tried AS
	SELECT f.name, w.timing, w.event, w.level, ''::text AS result FROM h.function f,
		(VALUES ('BEFORE', 'INSERT', 'ROW'), ('AFTER', 'INSERT', 'ROW'), ('AFTER', 'INSERT', 'STATEMENT'), ('BEFORE', 'UPDATE', 'ROW'),
			('AFTER', 'UPDATE', 'ROW'), ('BEFORE', 'DELETE', 'ROW'), ('AFTER', 'DELETE', 'ROW'), ('BEFORE', 'TRUNCATE', 'STATEMENT')) w(timing, event, level)
	WHERE f.is_trigger;
SELECT is(h.other('CREATE TABLE his.odd (a int, id text, customer_id text); INSERT INTO his.odd VALUES (1, ''x'', ''y'')'), 'no error', 'trigger functions: a table of other columns');
UPDATE h.tried SET result = t.error(format('CREATE TRIGGER odd %s %s ON his.odd FOR EACH %s EXECUTE FUNCTION customers.%I(''shop'', ''customer''); %s', timing, event, level, name,
	CASE event WHEN 'INSERT' THEN 'INSERT INTO his.odd VALUES (2)' WHEN 'UPDATE' THEN 'UPDATE his.odd SET a = 3' WHEN 'DELETE' THEN 'DELETE FROM his.odd'
	ELSE 'TRUNCATE his.odd' END), 'customers_other');
SELECT is((SELECT string_agg(format('%s %s %s: %s', name, timing, event, result), E'\n') FROM h.tried WHERE result ~ '^(XX|39|09|55|P0002)'), NULL,
	'trigger functions: on a table of other columns, no internal errors');
SELECT is(h.state(), (SELECT state FROM h.before), 'trigger functions: on a table of other columns, nothing of the store changes');
-- all triggers of the store, attached to his tables of the same names
CREATE TABLE h.attached AS
	SELECT pg_get_triggerdef(oid) AS def, h.other(replace(pg_get_triggerdef(oid), ' ON shop.', ' ON his.')) AS result
	FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) AND NOT tgisinternal;
SELECT is((SELECT string_agg(DISTINCT result, ' ') FROM h.attached WHERE def NOT LIKE '% ON shop.event %' AND def NOT LIKE '% ON shop.delivery %'), 'no error',
	'trigger functions: he may attach them to his tables');
SELECT is(h.other($$INSERT INTO his.customer (id, email, has_account, metadata, created_at, updated_at, version)
	VALUES (1, 'x@example.com', false, '{}', now(), now(), 1)$$), '42501',
	'trigger functions: his customer makes no event in another owner''s table');
SELECT is(h.other($$INSERT INTO his.customer_group (id, name, metadata, created_at, updated_at, version)
	VALUES (1, 'x', '{}', now(), now(), 1)$$), '42501',
	'trigger functions: his group neither');
SELECT isnt(h.other($$INSERT INTO his.order_transfer (id, order_id, to_customer_id) VALUES (1, 1, 2)$$), 'no error',
	'trigger functions: no request for an order that he does not have');
SELECT is((SELECT count(*) FROM his.event) + (SELECT count(*) FROM his.delivery), 0::bigint, 'trigger functions: those tables stay empty');
SELECT is(h.state(), (SELECT state FROM h.before), 'trigger functions: attached by another to his tables, nothing of the store changes');
-- his tables, but his event is a view of the store's
RESET SESSION AUTHORIZATION;
DROP TABLE his.event, his.delivery;
CREATE VIEW his.event AS SELECT * FROM shop.event;
CREATE VIEW his.delivery AS SELECT * FROM shop.delivery;
ALTER VIEW his.event OWNER TO customers_other;
ALTER VIEW his.delivery OWNER TO customers_other;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(h.other($$INSERT INTO his.customer (id, email, has_account, metadata, created_at, updated_at, version)
	VALUES (1, 'x@example.com', false, '{}', now(), now(), 1)$$), '42501',
	'trigger functions: nor through a view');
SELECT is(h.state(), (SELECT state FROM h.before), 'trigger functions: nothing of the store changes');

-- his tables among the store's: he may create tables in the schema, with the
-- right columns, and has our triggers on them
RESET SESSION AUTHORIZATION;
GRANT USAGE, CREATE ON SCHEMA shop TO customers_other;
DO $do$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT relname AS name, oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('CREATE TABLE shop.%I (LIKE shop.%I)', 'mine_' || r.name, r.name);
		EXECUTE format('ALTER TABLE shop.%I OWNER TO customers_other', 'mine_' || r.name);
	END LOOP;
	CREATE TABLE shop.mine_moves (LIKE shop.order_transfer);
	ALTER TABLE shop.mine_moves OWNER TO customers_other;
END $do$;
SET SESSION AUTHORIZATION customers_owner;
SELECT is((SELECT string_agg(DISTINCT h.other(replace(pg_get_triggerdef(oid), ' ON shop.', ' ON shop.mine_')), ' ') FROM pg_trigger
	WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relowner = 'customers_owner'::regrole) AND NOT tgisinternal), 'no error',
	'trigger functions: attached to tables of his in the store''s schema');
SELECT is(h.other('CREATE TRIGGER m AFTER UPDATE ON shop.mine_moves FOR EACH ROW EXECUTE FUNCTION customers.order_transfer_apply()'), 'no error',
	'trigger functions: one by itself');
SELECT is(h.other(sql), '22023', 'trigger functions: a table of his in the store''s schema, ' || split_part(sql, ' (', 1)) FROM unnest(ARRAY[
	$$INSERT INTO shop.mine_customer (id, email, has_account, metadata, metadata_order, created_at, updated_at, version)
		VALUES (1, 'x@example.com', false, '{}', '{}', now(), now(), 1)$$,
	$$INSERT INTO shop.mine_customer_group (id, name, metadata, created_at, updated_at, version) VALUES (1, 'x', '{}', now(), now(), 1)$$,
	$$INSERT INTO shop.mine_customer_group_member (customer_group_id, customer_id, added_at) VALUES (2, 2, now())$$,
	$$INSERT INTO shop.mine_order_transfer (id, order_id, to_customer_id, update_order_email, status, requested_at) VALUES (1, 4, 2, false, 'requested', now())$$]) sql;
SELECT is(h.other($$INSERT INTO shop.mine_moves (id, order_id, to_customer_id, from_customer_id, update_order_email, status, requested_at)
	VALUES (1, 4, 2, 1, false, 'requested', now())$$), 'no error', 'trigger functions: a request of his own making');
SELECT is(h.other('UPDATE shop.mine_moves SET status = ''accepted'', resolved_at = now()'), '22023', 'trigger functions: accepted by himself, moves no order');
SELECT is(h.state(), (SELECT state FROM h.before), 'trigger functions: from tables in the store''s schema, nothing of the store changes');
RESET SESSION AUTHORIZATION;
DO $do$
DECLARE
	tab regclass;
BEGIN
	FOR tab IN SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND relowner = 'customers_other'::regrole LOOP
		EXECUTE format('DROP TABLE %s', tab);
	END LOOP;
END $do$;
REVOKE ALL ON SCHEMA shop FROM customers_other;
-- a store of his own whose event table is another's
SELECT format('GRANT CREATE ON DATABASE %I TO customers_other', current_database()) AS grant \gset
:grant;
SET SESSION AUTHORIZATION customers_other;
SELECT is(customers.create_store('hisown'), 'created', 'trigger functions: a store of his own');
INSERT INTO hisown.customer (email) VALUES ('his@example.com');
ALTER SEQUENCE hisown.event_id_seq OWNED BY NONE;
RESET SESSION AUTHORIZATION;
ALTER TABLE hisown.event OWNER TO customers_owner;
SET SESSION AUTHORIZATION customers_other;
SELECT is(t.error('UPDATE hisown.customer SET phone = ''1'''), '42501', 'trigger functions: his store''s event table is another''s');
RESET SESSION AUTHORIZATION;
SELECT is((SELECT count(*) FROM hisown.event), 1::bigint, 'trigger functions: where nothing is written');
DROP SCHEMA hisown CASCADE;
SET SESSION AUTHORIZATION customers_owner;

-- a store that is not what it seems --------------------------------------------------------
SELECT is((SELECT string_agg(customers.create_store(s), ' ') FROM unnest(ARRAY['asview', 'asmatview', 'astype', 'ascolumn', 'asowner', 'asinfo', 'aspart']) s),
	'created created created created created created created', 'false store: seven of them, healthy yet');
SET customers.store = 'asview';
SELECT is(customers.create_customer('v@example.com'), 1::bigint, 'false store: in use before it changes');
ALTER TABLE asview.customer RENAME TO customer_real;
CREATE VIEW asview.customer AS SELECT * FROM asview.customer_real WHERE h.boom();
SELECT is(t.error('SELECT customers.customer_details(1)'), '3F000', 'false store: a view in the place of a table, read');
SELECT is(t.error('SELECT customers.create_customer(''w@example.com'')'), '3F000', 'false store: a view in the place of a table, written');
SELECT is(t.error('SELECT customers.in_group(1, ''x'')'), '3F000', 'false store: a view in the place of a table, in_group');
SELECT is(t.error('SELECT customers.list_groups()'), '3F000', 'false store: whichever table the function reads');
RESET SESSION AUTHORIZATION;
SELECT is(t.error('SELECT customers.customer_details(1)'), '3F000', 'false store: a superuser reads no view');
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: nor lists it');
SELECT matches(t.error('SELECT customers.create_customer(''w@example.com'')'), '^(3F000|42501)$', 'false store: nor writes it');
SELECT isnt(t.error('SELECT customers.check_store(''asview'')'), 'ZZ666', 'false store: check_store runs no view');
SELECT is(t.error('SELECT customers.stores()'), 'no error', 'false store: stores works');
SET SESSION AUTHORIZATION customers_owner;
SET customers.store = 'asmatview';
SELECT is(customers.count_customers(), 0::bigint, 'false store: in use before it changes');
ALTER TABLE asmatview.customer_group RENAME TO real;
CREATE MATERIALIZED VIEW asmatview.customer_group AS SELECT * FROM asmatview.real;
SELECT is(t.error('SELECT customers.list_groups()'), '3F000', 'false store: a materialized view');
SET customers.store = 'astype';
SELECT is(customers.create_group('x'), 1::bigint, 'false store: in use before it changes');
ALTER TABLE astype.customer ALTER COLUMN phone TYPE varchar(50);
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: a column of another type');
SELECT is(t.error('SELECT customers.create_group(''y'')'), '3F000', 'false store: whichever table the function uses');
ALTER TABLE astype.customer ALTER COLUMN phone TYPE text;
SELECT is(t.error('SELECT customers.list_customers()'), 'no error', 'false store: mended, it works at once');
CREATE DOMAIN h.trap AS text CHECK (h.boom());
SET customers.store = 'ascolumn';
SELECT is(customers.count_customers(), 0::bigint, 'false store: in use before it changes');
ALTER TABLE ascolumn.customer DROP COLUMN company_name;
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: a column is missing');
ALTER TABLE ascolumn.customer ADD COLUMN company_name h.trap;
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: a domain in the place of a type');
ALTER TABLE shop.customer ADD COLUMN loyalty int, ADD COLUMN note text DEFAULT 'none';
SET customers.store = 'shop';
SELECT is(t.error('SELECT customers.create_customer(''extra@example.com''); SELECT customers.list_customers()'), 'no error', 'false store: an owner''s extra column is none');
SET customers.store = 'asowner';
SELECT is(customers.count_customers(), 0::bigint, 'false store: in use before it changes');
RESET SESSION AUTHORIZATION;
ALTER TABLE asowner.order_item OWNER TO customers_other;
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: a table of another owner, for a superuser');
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: a table of another owner');
SET customers.store = 'asinfo';
ALTER TABLE asinfo.store_info RENAME TO info;
CREATE VIEW asinfo.store_info AS SELECT * FROM asinfo.info WHERE h.boom();
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: store_info is a view');
SELECT is(t.error('SELECT customers.stores()'), 'no error', 'false store: stores runs no store_info');
SET customers.store = 'aspart';
ALTER TABLE aspart.event RENAME TO real;
CREATE TABLE aspart.event (LIKE aspart.real) PARTITION BY LIST (type);
SELECT is(t.error('SELECT customers.create_customer(''p@example.com'')'), '3F000', 'false store: a partitioned table');
SET customers.store = 'nowhere';
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: no such schema');
SELECT alike(t.message('SELECT customers.create_customer(''x@example.com'')'), '%nowhere%create_store%', 'false store: the message names it, the hint is create_store');
SET customers.store = 'h';
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: a schema that is no store');
SET customers.store = 'pg_catalog';
SELECT is(t.error('SELECT customers.list_customers()'), '3F000', 'false store: pg_catalog');
RESET customers.store;
SELECT is(t.error('SELECT customers.list_customers()'), 'no error', 'false store: the session goes on');

-- settings of a session change no page and no purge
SELECT set_config('datestyle', 'SQL, DMY', true), set_config('timezone', 'Asia/Kathmandu', true), set_config('intervalstyle', 'sql_standard', true),
	set_config('bytea_output', 'escape', true), set_config('array_nulls', 'off', true), set_config('transform_null_equals', 'on', true),
	set_config('plan_cache_mode', 'force_generic_plan', true) \gset odd_
SELECT lives_ok($$SELECT customers.create_store('odd'); SET LOCAL customers.store = 'odd';
	INSERT INTO odd.customer (email, created_at) SELECT 'o' || n || '@example.com', '2026-02-03 04:05:06.789012+00'::timestamptz + n * '1 month'::interval FROM generate_series(1, 12) n$$,
	'odd settings: a store');
SELECT is((WITH RECURSIVE p(id, cursor) AS (
		(SELECT id, cursor FROM customers.list_customers(sort => '-created_at', page_size => 1))
		UNION ALL SELECT l.id, l.cursor FROM p, LATERAL customers.list_customers(sort => '-created_at', page_size => 1, after => p.cursor) l)
	SELECT string_agg(id::text, ' ') FROM p), '12 11 10 9 8 7 6 5 4 3 2 1', 'odd settings: page by page');
SELECT is(customers.count_customers(filter => '{"created_from": "2026-12-03T00:00:00Z"}'), 3::bigint, 'odd settings: a filter in ISO 8601');
SELECT is(customers.purge_events(now() - '1 hour'::interval), 0::bigint, 'odd settings: a purge of old events');
SELECT is(customers.purge_events(now() + '1 hour'::interval), 12::bigint, 'odd settings: a purge of all');
RESET customers.store;
SELECT set_config('datestyle', 'ISO, MDY', true), set_config('timezone', 'UTC', true), set_config('array_nulls', 'on', true),
	set_config('transform_null_equals', 'off', true), set_config('plan_cache_mode', 'auto', true) \gset odd_

-- stores() and check_store: in the steps of a superuser ---------------------------------------
SET SESSION AUTHORIZATION customers_other;
SELECT is(customers.create_store('trap'), 'created', 'stores: another''s store');
CREATE FUNCTION trap.boom(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'customers_other' THEN
		PERFORM pg_catalog.nextval('h.boomed');
		RAISE EXCEPTION 'hijacked' USING ERRCODE = 'ZZ666';
	END IF;
	RETURN true;
END $$;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA trap TO PUBLIC;
DO $do$
DECLARE
	tab regclass;
BEGIN
	FOR tab IN SELECT oid FROM pg_class WHERE relnamespace = 'trap'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tab);
		EXECUTE format('CREATE POLICY trap ON %s USING (trap.boom(1))', tab);
	END LOOP;
END $do$;
CREATE FUNCTION trap.marks(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.boom(1); RETURN $1; END $$;
CREATE INDEX trap ON trap.customer (trap.marks(email));
ALTER TABLE trap.customer ADD CONSTRAINT trap CHECK (trap.boom(email)) NOT VALID;
CREATE FUNCTION trap.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.boom(1); RETURN NULL; END $$;
CREATE TRIGGER trap AFTER INSERT OR UPDATE OR DELETE ON trap.customer FOR EACH STATEMENT EXECUTE FUNCTION trap.fire();
CREATE RULE trap AS ON UPDATE TO trap.customer_group DO ALSO SELECT trap.boom(1);
SET customers.store = 'trap';
SELECT is(customers.create_customer('trap@example.com'), 1::bigint, 'stores: in use');
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.stores()'), 'no error', 'stores: runs no row security of another''s store');
SELECT isnt(t.error('SELECT customers.check_store(''trap'')'), 'ZZ666', 'check_store: runs no row security of another''s store');
RESET SESSION AUTHORIZATION;
SELECT is(t.error('SELECT customers.stores()'), 'no error', 'stores: a superuser runs no code of a store''s owner');
SELECT is(t.error('SELECT customers.check_store(''trap'')'), 'no error', 'check_store: a superuser runs no code of a store''s owner');
SELECT is((SELECT owner::text || ' ' || layout_current FROM customers.stores() WHERE name = 'trap'), 'customers_other true', 'stores: lists it');
SELECT is(t.error('SELECT ' || c), '42501', 'superuser: ' || c || ' runs no trigger of another''s store') FROM unnest(ARRAY[
	'customers.create_customer(''y@example.com'')', 'customers.update_customer(1, ''{"phone": "1"}'')', 'customers.delete_customer(1, ''trap@example.com'')']) c;
SELECT isnt(t.error('SELECT customers.create_store(''trap'')'), 'ZZ666', 'create_store: a superuser mends another''s store without running his code');
RESET customers.store;
SET SESSION AUTHORIZATION customers_owner;
SELECT is((SELECT is_called FROM h.boomed), false, 'false store: no trap was stepped on');

-- the owner's own trigger, with his search_path ---------------------------------------------------
CREATE TABLE h.audit (who text, what text);
CREATE FUNCTION h.audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (current_user, TG_OP || ' ' || NEW.email);
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.audit();
CREATE TRIGGER audit_too AFTER UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION h.audit();
SET search_path = tap, h;
SELECT lives_ok($$SELECT customers.create_customer('own@example.com')$$, 'owner''s trigger: unqualified names, by his search_path, on a new customer');
SELECT lives_ok($$SELECT customers.update_customer(1, '{"phone": "99"}')$$, 'owner''s trigger: on an update');
SELECT lives_ok($$DO $do$ BEGIN PERFORM customers.accept_order_transfer(1, (SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential ? 'token')); END $do$ $$,
	'owner''s trigger: on an order that a transfer moves');
SET search_path = tap;
SELECT is((SELECT string_agg(who || ' ' || what, ', ' ORDER BY what COLLATE "C") FROM h.audit),
	'customers_owner INSERT own@example.com, customers_owner UPDATE a@example.com, customers_owner UPDATE a@example.com', 'owner''s trigger: did its work');
DROP TRIGGER audit ON shop.customer;
DROP TRIGGER audit_too ON shop.orders;

-- errors from owner-run work ---------------------------------------------------------------------------
GRANT INSERT, UPDATE (status) ON shop.order_transfer TO customers_clerk;
CREATE FUNCTION h.row_values(said text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN said ~ '[A-Za-z0-9_-]{43}' OR said ILIKE '%failing row%' OR said LIKE '%\\x%' OR said LIKE '%@%' THEN said ELSE 'none' END
$$;
ALTER TABLE shop.delivery ADD CONSTRAINT mine CHECK (subscription <> 'notifier') NOT VALID;
SELECT is(t.error('SELECT customers.request_order_transfer(2, 2)', role), '23514 mine', 'row values: a CHECK on delivery fails, for ' || role)
	FROM unnest(ARRAY['customers_owner', 'customers_clerk']) role;
SELECT is(h.row_values(t.message('SELECT customers.request_order_transfer(2, 2)', role)), 'none', 'row values: none in the error, for ' || role)
	FROM unnest(ARRAY['customers_owner', 'customers_clerk']) role;
SELECT is(h.row_values(t.message('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 2)', 'customers_clerk')), 'none',
	'row values: none in the error of an INSERT');
SELECT is(h.row_values(t.message('INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 2)', 'customers_owner')), 'none',
	'row values: none in the error of the owner''s INSERT');
ALTER TABLE shop.delivery DROP CONSTRAINT mine;
ALTER TABLE shop.delivery ADD COLUMN extra int NOT NULL DEFAULT 0;
ALTER TABLE shop.delivery ALTER COLUMN extra DROP DEFAULT;
SELECT is(h.row_values(t.message('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk')), 'none', 'row values: a NOT NULL on delivery fails');
SELECT matches(t.error('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk'), '^23502', 'row values: with its SQLSTATE');
ALTER TABLE shop.delivery DROP COLUMN extra;
CREATE UNIQUE INDEX mine ON shop.delivery ((confidential ->> 'approver_email'), (confidential ->> 'token'), (1)) WHERE confidential ? 'token';
CREATE UNIQUE INDEX mine2 ON shop.delivery ((confidential ->> 'approver_email')) WHERE confidential ? 'token';
SELECT is(h.row_values(t.message('SELECT customers.request_order_transfer(2, 2), customers.request_order_transfer(3, 2)', 'customers_clerk')), 'none',
	'row values: a unique index on delivery fails');
DROP INDEX shop.mine, shop.mine2;
ALTER TABLE shop.order_transfer ADD CONSTRAINT mine CHECK (order_id <> 2) NOT VALID;
SELECT is(t.error('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk'), '23514 mine', 'row values: a CHECK on order_transfer fails');
SELECT is(h.row_values(t.message('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk')), 'none', 'row values: none in that error');
ALTER TABLE shop.order_transfer DROP CONSTRAINT mine;
ALTER TABLE shop.orders ADD CONSTRAINT mine CHECK (customer_id <> 2) NOT VALID;
SELECT customers.request_order_transfer(3, 2) AS transfer \gset
SELECT confidential ->> 'token' AS token FROM shop.delivery WHERE confidential ? 'token' ORDER BY id DESC LIMIT 1 \gset
SELECT is(t.error(format('SELECT customers.accept_order_transfer(%s, %L)', :transfer, :'token'), 'customers_clerk'), '23514 mine', 'row values: a CHECK on orders fails at acceptance');
SELECT is(h.row_values(t.message(format('SELECT customers.accept_order_transfer(%s, %L)', :transfer, :'token'), 'customers_clerk')), 'none', 'row values: none in that error');
ALTER TABLE shop.orders DROP CONSTRAINT mine;
ALTER TABLE shop.event ADD CONSTRAINT mine CHECK (type <> 'customer.created') NOT VALID;
GRANT INSERT ON shop.customer TO customers_clerk;
GRANT USAGE ON SEQUENCE shop.customer_id_seq TO customers_clerk;
SELECT is(h.row_values(t.message('SELECT customers.create_customer(''secret@example.com'')', 'customers_clerk')), 'none', 'row values: a CHECK on event fails');
ALTER TABLE shop.event DROP CONSTRAINT mine;
SELECT is(t.error('SELECT customers.request_order_transfer(2, 2)', 'customers_clerk'), 'no error', 'row values: without those constraints it works');

SELECT * FROM finish();
ROLLBACK;
