\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- The store: create_store, check_store, drop_store, stores, version, help,
-- and what design section 2 promises about the objects behind them.

SELECT plan(325);

-- A store's whole life under the given name, told in one line.
CREATE FUNCTION pg_temp.life(store text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	told text[];
	ada bigint;
	vip bigint;
	n bigint;
BEGIN
	told := ARRAY[customers.create_store(store), customers.create_store(store)];
	PERFORM set_config('customers.store', store, true);
	ada := customers.create_customer('ada@example.com', 'Ada', 'Lovelace');
	vip := customers.create_group('VIP');
	n := customers.add_to_groups(ada, ARRAY[vip]);
	told := told || format('%s added', n);
	n := customers.save_metadata(ada, '[{"key":"tier","value":"gold"}]');
	told := told || format('version %s', n);
	SELECT count(*) INTO n FROM customers.list_customers('lovel');
	told := told || format('%s listed', n);
	IF customers.in_group(ada, 'vip', store) THEN
		told := told || 'vip'::text;
	END IF;
	EXECUTE format('SELECT count(*) FROM %I.event WHERE customer_id = %s',
				   store, ada) INTO n;
	told := told || CASE WHEN n > 0 THEN 'events' ELSE 'no event' END;
	SELECT count(*) INTO n FROM customers.check_store(store);
	told := told || format('%s findings', n);
	SELECT count(*) INTO n FROM customers.stores() s WHERE s.name = store;
	told := told || format('%s known', n);
	PERFORM customers.drop_store(store, store);
	SELECT count(*) INTO n FROM pg_namespace WHERE nspname = store;
	told := told || format('%s left', n);
	PERFORM set_config('customers.store', 'shop', true);
	RETURN array_to_string(told, ', ');
END $$;

-- Damages a store, reads check_store, runs every repair, checks again, undoes
-- everything.  "seen, mended" is what it should say: seen when a finding names
-- the object, mended when nothing is left to find.
CREATE FUNCTION pg_temp.mend(store text, damage text, object text)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	found record;
	repairs text[] := '{}';
	seen boolean := false;
	broken bigint;
BEGIN
	EXECUTE damage;
	FOR found IN SELECT c.object || ' ' || c.finding AS words, c.repair
		FROM customers.check_store(store) c
	LOOP
		seen := seen OR strpos(found.words, object) > 0;
		repairs := repairs || found.repair;
	END LOOP;
	FOR i IN 1 .. cardinality(repairs) LOOP
		EXECUTE repairs[i];
	END LOOP;
	SELECT count(*) INTO broken FROM customers.check_store(store);
	RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN
		RETURN CASE WHEN seen THEN 'seen' WHEN cardinality(repairs) > 0 THEN 'not named' ELSE 'not seen' END || ', ' ||
			CASE WHEN broken = 0 THEN 'mended' ELSE broken || ' left' END;
	WHEN OTHERS THEN
		RETURN CASE WHEN seen THEN 'seen' ELSE 'not seen' END || ', ' || SQLERRM;
END $$;

-- The same for create_store: its answer, and how much check_store still finds.
CREATE FUNCTION pg_temp.repaired(store text, damage text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	broken bigint;
BEGIN
	EXECUTE damage;
	answer := customers.create_store(store);
	SELECT count(*) INTO broken FROM customers.check_store(store);
	RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN
		RETURN format('%s (%s left)', answer, broken);
END $$;

-- The names of a function's input arguments with their types.
CREATE FUNCTION pg_temp.arguments(function_name text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(p.proargnames[i] || ' ' || format_type(p.proargtypes[i - 1], NULL),
							   ', ' ORDER BY i), '')
	FROM pg_proc p, generate_series(1, p.pronargs) i
	WHERE p.proname = function_name
		AND p.pronamespace = 'customers'::regnamespace
$$;

-- The columns of a function that returns rows.
CREATE FUNCTION pg_temp.columns(function_name text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(p.proargnames[i], ', ' ORDER BY i)
	FROM pg_proc p, generate_subscripts(p.proargmodes, 1) i
	WHERE p.proname = function_name
		AND p.pronamespace = 'customers'::regnamespace
		AND p.proargmodes[i] IN ('t', 'o')
$$;

-- The extension ---------------------------------------------------------------

SELECT is(customers.version(),
		  (SELECT extversion FROM pg_extension WHERE extname = 'customers'),
		  'version() is the installed version');
SELECT is(array_agg(DISTINCT d.classid::regclass::text), '{pg_proc}',
		  'the extension consists of functions only')
FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND e.extname = 'customers';
SELECT is(array_agg(p.proname::text ORDER BY p.proname), NULL,
		  'no function is overloaded')
FROM (SELECT proname FROM pg_proc
	  WHERE pronamespace = 'customers'::regnamespace
	  GROUP BY proname HAVING count(*) > 1) p;
SELECT is(array_agg(proname::text ORDER BY proname), NULL,
		  'no function is SECURITY DEFINER')
FROM pg_proc
WHERE pronamespace = 'customers'::regnamespace AND prosecdef;
SELECT is(array_agg(p.proname::text ORDER BY p.proname), NULL,
		  'no C function has a SET clause')
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'customers'::regnamespace AND l.lanname = 'c'
	AND p.proconfig IS NOT NULL;
SELECT is(array_agg(proname::text ORDER BY proname), NULL,
		  'every public function has a comment')
FROM pg_proc
WHERE pronamespace = 'customers'::regnamespace AND proname NOT LIKE '\_%'
	AND prorettype <> 'trigger'::regtype
	AND obj_description(oid, 'pg_proc') IS NULL;
SELECT is(
	(SELECT extrelocatable FROM pg_extension WHERE extname = 'customers'),
	false, 'the extension is not relocatable');
SELECT is(
	(SELECT trusted FROM pg_available_extension_versions
	 WHERE name = 'customers' AND installed),
	true, 'the extension is trusted: no superuser needed to create it');

-- help ------------------------------------------------------------------------

SELECT is(pg_temp.columns('help'), 'function, description, example',
		  'help: its columns');
SELECT is(array_agg(p.proname::text ORDER BY p.proname), NULL,
		  'help names every public function')
FROM pg_proc p
WHERE p.pronamespace = 'customers'::regnamespace AND p.proname NOT LIKE '\_%'
	AND p.prorettype <> 'trigger'::regtype
	AND has_function_privilege('customers_other', p.oid, 'EXECUTE')
	AND NOT EXISTS (
		SELECT FROM customers.help() h
		WHERE h.function::text ~ ('\m' || p.proname || '\M'));
SELECT is(array_agg(h.function::text), NULL,
		  'help: every function has a description and an example')
FROM customers.help() h
WHERE btrim(coalesce(h.description, '')) = ''
	OR btrim(coalesce(h.example, '')) = '';
SELECT ok(count(*) FILTER (WHERE h.function::text ~ '\mcreate_store\M') = 1
		  AND count(*) < (SELECT count(*) FROM customers.help()),
		  'help(''create_store'') is about create_store, and shorter')
FROM customers.help('create_store') h;
SELECT is((SELECT count(*) FROM customers.help('store') h
		   WHERE h.function::text ~ '\m(create|check|drop)_store\M'), 3::bigint,
		  'help(''store'') has the three functions for a store');
SELECT is((SELECT count(*) FROM customers.help('no such topic')), 0::bigint,
		  'help about nothing we have is empty');

-- Signatures: named arguments are part of the contract --------------------------

SELECT is(pg_temp.arguments(f), a, 'arguments of ' || f)
FROM (VALUES
	(1, 'create_store', 'name text, search boolean'),
	(2, 'check_store', 'name text'),
	(3, 'drop_store', 'name text, confirm_name text'),
	(4, 'stores', ''),
	(5, 'version', ''),
	(6, 'help', 'topic text'),
	(7, 'create_customer', 'email text, first_name text, last_name text, company_name text, phone text, metadata jsonb'),
	(8, 'find_or_create_guest', 'email text, first_name text, last_name text, company_name text, phone text, metadata jsonb'),
	(9, 'customer_details', 'customer_id bigint'),
	(10, 'update_customer', 'customer_id bigint, changes jsonb, expected_version bigint'),
	(11, 'delete_customer', 'customer_id bigint, confirm_email text, anonymize_orders boolean'),
	(12, 'list_customers', 'search text, filter jsonb, sort text, page_size integer, after text'),
	(13, 'count_customers', 'search text, filter jsonb'),
	(14, 'metadata_rows', 'customer_id bigint'),
	(15, 'save_metadata', 'customer_id bigint, rows jsonb, expected_version bigint'),
	(16, 'insert_metadata_row', 'customer_id bigint, key text, value jsonb, above text, below text'),
	(17, 'delete_metadata_row', 'customer_id bigint, key text'),
	(18, 'set_metadata', 'customer_id bigint, key text, value jsonb'),
	(19, 'create_group', 'name text, metadata jsonb'),
	(20, 'update_group', 'group_id bigint, changes jsonb'),
	(21, 'delete_group', 'group_id bigint'),
	(22, 'list_groups', 'search text, page_size integer, after text'),
	(23, 'add_to_groups', 'customer_id bigint, group_ids bigint[]'),
	(24, 'remove_from_groups', 'customer_id bigint, group_ids bigint[]'),
	(25, 'set_groups', 'customer_id bigint, group_ids bigint[]'),
	(26, 'add_customers_to_group', 'group_id bigint, customer_ids bigint[]'),
	(27, 'remove_customers_from_group', 'group_id bigint, customer_ids bigint[]'),
	(28, 'customer_groups', 'customer_id bigint'),
	(29, 'group_customers', 'group_id bigint, page_size integer, after text'),
	(30, 'in_group', 'customer_id bigint, name text, store text')
) v(n, f, a)
ORDER BY n;
SELECT is(pg_temp.columns(f), c, 'columns of ' || f)
FROM (VALUES
	(1, 'check_store', 'object, finding, repair'),
	(2, 'stores', 'name, owner, layout_version, layout_current, customers'),
	(3, 'customer_details', 'id, email, type, full_name, first_name, last_name, company_name, phone, groups, orders_count, metadata, external_id, created_by, created_at, updated_at, version'),
	(4, 'list_customers', 'id, email, type, full_name, first_name, last_name, company_name, phone, groups, orders_count, metadata, external_id, created_by, created_at, updated_at, version, cursor'),
	(5, 'metadata_rows', 'row_no, key, value'),
	(6, 'list_groups', 'id, name, customers_count, metadata, created_at, cursor'),
	(7, 'customer_groups', 'id, name, metadata, added_at'),
	(8, 'group_customers', 'id, email, type, full_name, added_at, cursor')
) v(n, f, c)
ORDER BY n;

-- create_store: what it makes ---------------------------------------------------

SELECT is(customers.create_store(), 'complete',
		  'create_store() again finds the store of the prelude complete');
SELECT is(customers.create_store('shop'), 'complete', 'and so by its name');
SELECT is(customers.create_store('second'), 'created',
		  'create_store makes a second store');
SELECT is(array_agg(relname::text ORDER BY relname),
		  '{account_token,credential,customer,customer_group,customer_group_member,delivery,event,order_item,order_transfer,orders,store_info,subscription}',
		  'a store has the twelve tables of the contract')
FROM pg_class WHERE relnamespace = 'second'::regnamespace AND relkind = 'r';
SELECT is(array_agg(DISTINCT pg_get_userbyid(relowner)::text), '{customers_owner}',
		  'tables, sequences and indexes belong to the caller')
FROM pg_class WHERE relnamespace = 'second'::regnamespace;
SELECT is(pg_get_userbyid(nspowner)::text, 'customers_owner',
		  'and so does the schema')
FROM pg_namespace WHERE nspname = 'second';
SELECT is((SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
		   WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
			   AND c.relnamespace = 'second'::regnamespace), 0::bigint,
		  'no store table is a member of the extension');
SELECT is(c.missing, NULL, 'columns of ' || c.tab)
FROM (
	SELECT v.n, v.tab, string_agg(w.col, ', ') FILTER (WHERE a.attname IS NULL) AS missing
	FROM (VALUES
		(1, 'customer', 'id email email_changed_at has_account registered_at first_name last_name company_name phone metadata metadata_order external_id created_by created_at updated_at version'),
		(2, 'customer_group', 'id name metadata created_by created_at updated_at version'),
		(3, 'customer_group_member', 'customer_group_id customer_id added_by added_at'),
		(4, 'orders', 'id customer_id email email_changed_at status currency_code total placed_at shipping_address billing_address metadata external_id created_at updated_at version'),
		(5, 'order_item', 'order_id line_no title sku quantity unit_price created_at'),
		(6, 'order_transfer', 'id order_id to_customer_id description update_order_email from_customer_id approver_email status token_hash requested_by requested_at expires_at resolved_at resolved_by decline_reason approval_token'),
		(7, 'credential', 'customer_id password_hash failed_attempts locked_until password_changed_at new_password proof created_at'),
		(8, 'account_token', 'id customer_id purpose token_hash expires_at created_at'),
		(9, 'event', 'id type customer_id order_id role actor payload created_at'),
		(10, 'subscription', 'name event_types doorbell created_at'),
		(11, 'delivery', 'id subscription event_id person_ids confidential attempts available_at expires_at last_error failed_at created_at'),
		(12, 'store_info', 'layout_version created_at')
	) v(n, tab, cols)
	CROSS JOIN regexp_split_to_table(v.cols, ' ') w(col)
	LEFT JOIN pg_attribute a
		ON a.attrelid = format('second.%I', v.tab)::regclass AND a.attname = w.col
			AND NOT a.attisdropped
	GROUP BY v.n, v.tab) c
ORDER BY c.n;
SELECT is(string_agg(c.relname || '.' || a.attname, ', '), NULL,
		  'store columns have built-in types only')
FROM pg_class c
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	JOIN pg_type y ON y.oid = a.atttypid
WHERE c.relnamespace = 'second'::regnamespace AND c.relkind = 'r'
	AND y.typnamespace <> 'pg_catalog'::regnamespace;
SELECT is((SELECT count(*) FROM pg_depend d
			   JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
		   WHERE p.pronamespace = 'customers'::regnamespace
			   AND d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass)),
		  0::bigint,
		  'no default and no CHECK of a store uses a function of the extension');
SELECT is((SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		   WHERE c.relnamespace = 'second'::regnamespace
			   AND (a.attidentity <> '' OR a.attgenerated <> '')), 0::bigint,
		  'no identity and no generated column');
SELECT is(string_agg(k.conrelid::regclass || ' ' || k.conname, ', '), NULL,
		  'every foreign key''s referencing columns are indexed')
FROM pg_constraint k
WHERE k.connamespace = 'second'::regnamespace AND k.contype = 'f'
	AND NOT EXISTS (
		SELECT FROM pg_index i
		WHERE i.indrelid = k.conrelid AND i.indpred IS NULL
			AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey);
SELECT is(string_agg(k.confrelid::regclass::text, ', '), NULL,
		  'no foreign key leaves the store')
FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
WHERE k.connamespace = 'second'::regnamespace AND k.contype = 'f'
	AND c.relnamespace <> 'second'::regnamespace;
SELECT is(string_agg(c.relname, ', '), NULL, 'PUBLIC has no right on any table')
FROM pg_class c
WHERE c.relnamespace = 'second'::regnamespace AND c.relkind = 'r'
	AND has_table_privilege('customers_other', c.oid,
							'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT is(has_schema_privilege('customers_other', 'second', 'USAGE')
		  OR has_schema_privilege('customers_other', 'second', 'CREATE'), false,
		  'nor on the schema');
SELECT is((SELECT name || ' ' || event_types::text || ' ' || doorbell
		   FROM second.subscription),
		  'notifier {order.transfer_*,account.*,*.email_changed} true',
		  'create_store makes the subscription notifier');
SELECT is((SELECT count(*) FROM second.store_info), 1::bigint,
		  'store_info has one row');
CREATE TEMP TABLE info AS TABLE second.store_info;
UPDATE info SET layout_version = layout_version + 1;
SELECT matches(t.error('INSERT INTO second.store_info TABLE info'), '^23',
			   'and takes no second');
SELECT is((SELECT count(*) FROM second.event), 0::bigint,
		  'creating a store is no event of its customers');
SELECT is((SELECT count(*) FROM customers.check_store('second')), 0::bigint,
		  'a new store is healthy');

-- The search index is optional.
SELECT is(customers.create_store('writing', search => false), 'created',
		  'create_store(search => false)');
SELECT is((SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		   WHERE c.relnamespace = 'writing'::regnamespace AND c.relname = 'customer')
		  + 1,
		  (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		   WHERE c.relnamespace = 'second'::regnamespace AND c.relname = 'customer'),
		  'leaves the search index out, and nothing else');
SELECT is((SELECT count(*) FROM customers.check_store('writing')), 0::bigint,
		  'and check_store does not miss it');

-- Names ---------------------------------------------------------------------------

SELECT is(pg_temp.life(name),
		  'created, complete, 1 added, version 2, 1 listed, vip, events, 0 findings, 1 known, 0 left',
		  'a store called ' || what)
FROM (VALUES
	(1, 'plain', 'plain'),
	(2, 'two words', 'two words'),
	(3, 'Upper', 'in mixed case'),
	(4, 'it''s', 'with a single quote'),
	(5, 'a "quoted" one', 'with double quotes'),
	(6, 'back\slash', 'with a backslash'),
	(7, 'semi;colon--', 'with a semicolon and a comment'),
	(8, '100%s %I $1', 'with format and parameter signs'),
	(9, 'dot.ted', 'with a dot'),
	(10, 'select', 'like a key word'),
	(11, '1st', 'with a leading digit'),
	(12, 'läden', 'with a non-ASCII letter'),
	(13, E'tab\tand\nline', 'with a tab and a line break'),
	(14, ' ', 'a blank'),
	(15, '$$', 'two dollar signs'),
	(16, '@store@', 'like a placeholder'),
	(17, repeat('x', 50), 'by 50 bytes'),
	(18, repeat('ä', 25), 'by 25 letters of two bytes'),
	(19, repeat('"', 50), 'by 50 double quotes')
) v(n, name, what)
ORDER BY n;
SELECT is(t.error(format('SELECT customers.create_store(%L)', name)), '22023',
		  'no store called ' || what)
FROM (VALUES
	(1, '', 'nothing'),
	(2, repeat('x', 51), 'by 51 bytes'),
	(3, repeat('ä', 25) || 'x', 'by 26 letters in 51 bytes'),
	(4, repeat('ä', 50), 'by 50 letters in 100 bytes'),
	(5, 'public', 'public'),
	(6, 'customers', 'customers'),
	(7, 'pg_catalog', 'pg_catalog'),
	(8, 'pg_shop', 'pg_..'),
	(9, 'pg_temp', 'pg_temp'),
	(10, 'information_schema', 'information_schema')
) v(n, name, what)
ORDER BY n;
SELECT is(t.error('SELECT customers.create_store(NULL)'), '22023',
		  'no store called NULL');
SELECT is(t.error('SELECT customers.create_store(''third'', NULL)'), '22023',
		  'search is true or false, not NULL');
SELECT is((SELECT count(*) FROM pg_namespace
		   WHERE nspname IN ('third', repeat('x', 51))), 0::bigint,
		  'a refused create_store leaves no schema behind');

-- Whose schema ----------------------------------------------------------------------

CREATE SCHEMA mine;
CREATE TABLE mine.notes (line text);
INSERT INTO mine.notes VALUES ('kept');
SELECT is(customers.create_store('mine'), 'created',
		  'an own schema with other tables may become a store');
SELECT is((SELECT line FROM mine.notes), 'kept', 'and its tables stay');

CREATE SCHEMA taken;
CREATE TABLE taken.orders (id int);
SELECT is(t.error('SELECT customers.create_store(''taken'')'), '42P07',
		  'a schema with a table of ours that is not a store''s is refused');
SELECT matches(t.message('SELECT customers.create_store(''taken'')'), 'orders',
			   'and the table named');
SELECT is((SELECT string_agg(relname, ',') FROM pg_class
		   WHERE relnamespace = 'taken'::regnamespace), 'orders',
		  'nothing half done is left in it');
CREATE SCHEMA viewed;
CREATE VIEW viewed.customer AS SELECT 1 AS id;
SELECT is(t.error('SELECT customers.create_store(''viewed'')'), '42P07',
		  'a view with the name of a table of ours is in the way, too');

RESET SESSION AUTHORIZATION;
CREATE SCHEMA theirs;
GRANT ALL ON SCHEMA theirs TO customers_owner;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.create_store(''theirs'')'), '42501',
		  'no store in another role''s schema, whatever rights on it');
SELECT is(t.error('SELECT customers.create_store(''fresh'')', 'customers_other'),
		  '42501', 'no new schema without CREATE on the database');
SELECT is(t.error('SELECT customers.create_store(''shop'')', 'customers_other'),
		  '42501', 'create_store of another role''s store: 42501');
SELECT is(t.error('SELECT customers.drop_store(''shop'', ''shop'')', 'customers_other'),
		  '42501', 'drop_store of another role''s store: 42501');
GRANT USAGE ON SCHEMA shop TO customers_clerk;
GRANT ALL ON ALL TABLES IN SCHEMA shop TO customers_clerk;
SELECT is(t.error('SELECT customers.drop_store(''shop'', ''shop'')', 'customers_clerk'),
		  '42501', 'drop_store with all rights on the tables, but not the owner: 42501');
REVOKE ALL ON ALL TABLES IN SCHEMA shop FROM customers_clerk;
REVOKE ALL ON SCHEMA shop FROM customers_clerk;

-- A superuser works as the owner, or not at all.
RESET SESSION AUTHORIZATION;
SELECT is(t.error('SELECT customers.create_customer(''root@example.com'')', 'customers_dba'),
		  '42501', 'a superuser''s writing call on another''s store is refused');
SELECT matches(t.message('SELECT customers.create_customer(''root@example.com'')', 'customers_dba'),
			   'Connect as its owner', 'with the hint to connect as the owner');
SELECT is(t.error('SELECT customers.create_store(''shop'')', 'customers_dba'),
		  '42501', 'a superuser does not repair another''s store');
SELECT is(t.error('SELECT customers.drop_store(''shop'', ''shop'')', 'customers_dba'),
		  '42501', 'nor drop it');
SELECT is(t.error('SET LOCAL ROLE customers_owner; SELECT customers.create_customer(''root@example.com'')', 'customers_dba'),
		  'no error', 'after SET ROLE it works');
SELECT is(t.run_as('customers_dba', 'SELECT customers.count_customers()'), '0',
		  'a superuser''s reading call is answered');
SELECT is(t.run_as('customers_dba', 'SELECT count(*) FROM customers.check_store(''shop'')'), '0',
		  'and so is check_store');
SET SESSION AUTHORIZATION customers_owner;

-- Several stores side by side -----------------------------------------------------

SELECT customers.create_customer('ada@example.com', 'Ada') AS ada \gset
SET LOCAL customers.store = 'second';
SELECT customers.create_customer('ada@example.com', 'Augusta') AS ada2 \gset
SELECT customers.create_customer('bob@example.com') AS bob2 \gset
SELECT is(customers.count_customers(), 2::bigint,
		  'the functions act on the store of the setting');
SELECT is((SELECT first_name FROM customers.customer_details(:ada2)), 'Augusta',
		  'the same e-mail is another person in another store');
SELECT is((SELECT array_agg(DISTINCT customer_id) FROM second.event),
		  ARRAY[:ada2, :bob2]::bigint[], 'events stay in their store');
SET LOCAL customers.store = 'shop';
SELECT is(customers.count_customers(), 1::bigint,
		  'back in the first store, its customers only');
SELECT is((SELECT count(*) FROM shop.event WHERE type = 'customer.created'), 1::bigint,
		  'and its events only');
SELECT is((SELECT array_agg(s.name::text ORDER BY s.name::text COLLATE "C") FROM customers.stores() s),
		  '{mine,second,shop,writing}', 'stores() lists them all');
SELECT is((SELECT array_agg(DISTINCT s.owner::text) FROM customers.stores() s),
		  '{customers_owner}', 'with their owner');
SELECT is((SELECT bool_and(s.layout_version::bigint >= 1
						   AND s.layout_current::text IN ('true', s.layout_version::text))
		   FROM customers.stores() s), true, 'all of the current layout');
ANALYZE second.customer;
SELECT is((SELECT s.customers::bigint FROM customers.stores() s WHERE s.name = 'second'),
		  2::bigint, 'and the number of customers as last analysed');
SELECT is((SELECT s.customers::bigint >= 0 FROM customers.stores() s WHERE s.name = 'writing'),
		  true, 'which is not negative for a store never analysed');

-- Each setting way: session, transaction, function argument defaults.
SELECT is(t.run_as('customers_owner', 'SELECT current_setting(''customers.store'')'),
		  'shop', 'customers.store is shop here');
SELECT is(t.error('SET LOCAL customers.store = ''Second''; SELECT customers.count_customers()'),
		  '3F000', 'the setting is a name, not an identifier to fold');
SELECT is(t.error('SET LOCAL customers.store = ''second; DROP TABLE shop.customer''; SELECT customers.count_customers()'),
		  '3F000', 'nor SQL');

-- No such store: 3F000 ------------------------------------------------------------

SELECT is(t.error('SET LOCAL customers.store = ''nowhere''; SELECT customers.create_customer(''x@example.com'')'),
		  '3F000', 'a function without its store: 3F000');
SELECT matches(t.message('SET LOCAL customers.store = ''nowhere''; SELECT customers.create_customer(''x@example.com'')'),
			   'nowhere.*create_store', 'naming the store and create_store');
CREATE SCHEMA empty;
SELECT is(t.error('SET LOCAL customers.store = ''empty''; SELECT customers.count_customers()'),
		  '3F000', 'a schema that is no store: 3F000');
SELECT is(t.error('SELECT * FROM customers.check_store(''empty'')'), '3F000',
		  'check_store of a schema that is no store: 3F000');
SELECT is(t.error('SELECT * FROM customers.check_store(''nowhere'')'), '3F000',
		  'check_store of no schema: 3F000');
SELECT is(t.error('SELECT customers.drop_store(''nowhere'', ''nowhere'')'), '3F000',
		  'drop_store of no schema: 3F000');
SELECT is(t.error('SELECT customers.drop_store(''empty'', ''empty'')'), '3F000',
		  'drop_store of a schema that is no store: 3F000');
SELECT is(t.error('SELECT customers.drop_store(''pg_catalog'', ''pg_catalog'')') IN ('3F000', '22023', '42501'),
		  true, 'drop_store leaves pg_catalog alone');

-- A function works on tables that are what they claim to be.
SELECT is(t.error(damage || '; SELECT customers.create_customer(''x@example.com'')'),
		  '3F000', 'a store ' || what || ' is not used')
FROM (VALUES
	(1, 'ALTER TABLE shop.event RENAME TO events', 'without one of its tables'),
	(2, 'ALTER TABLE shop.event RENAME TO events; CREATE VIEW shop.event AS SELECT * FROM shop.events', 'with a view in place of a table'),
	(3, 'ALTER TABLE shop.event RENAME TO events; CREATE TABLE shop.event (LIKE shop.events INCLUDING DEFAULTS) PARTITION BY LIST (type)', 'with a partitioned table in place of a plain one'),
	(4, 'ALTER TABLE shop.subscription ALTER COLUMN doorbell DROP DEFAULT, ALTER COLUMN doorbell TYPE text', 'with a column of another type'),
	(5, 'ALTER TABLE shop.customer RENAME COLUMN phone TO telephone', 'without one of its columns'),
	(6, 'GRANT CREATE ON SCHEMA shop TO customers_clerk; ALTER TABLE shop.orders OWNER TO customers_clerk', 'with a table of another owner')
) v(n, damage, what)
ORDER BY n;
SELECT is(t.error(damage || '; SELECT customers.create_customer(''x@example.com'')'),
		  '3F000', 'a store with ' || what || ' is not used by functions')
FROM (VALUES
	(1, 'DROP TRIGGER customer_guard ON shop.customer', 'a missing trigger'),
	(2, 'ALTER TABLE shop.customer DISABLE TRIGGER customer_record_update', 'a disabled one'),
	(3, 'ALTER TABLE shop.customer ENABLE ALWAYS TRIGGER customer_guard', 'one that fires on replicas, too'),
	(4, 'DROP TRIGGER orders_guard ON shop.orders; CREATE TRIGGER orders_guard BEFORE INSERT OR UPDATE ON shop.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION customers.orders_guard()', 'one that never fires'),
	(5, 'DROP INDEX shop.customer_email_key', 'a missing key'),
	(6, 'DROP INDEX shop.customer_email_key; CREATE INDEX customer_email_key ON shop.customer (lower(email COLLATE "C"), has_account)', 'a key that is not unique'),
	(7, 'ALTER TABLE shop.customer ALTER email DROP NOT NULL', 'a column that takes NULL'),
	(8, 'DELETE FROM shop.store_info', 'an empty store_info')
) v(n, damage, what)
ORDER BY n;
SELECT is(t.error(damage || '; INSERT INTO shop.customer (email) VALUES (''x@example.com'')'),
		  'no error', 'the triggers of a store with ' || what || ' work on, as a restore and a bulk load need it')
FROM (VALUES
	(1, 'ALTER TABLE shop.customer DISABLE TRIGGER customer_record_insert', 'a disabled trigger'),
	(2, 'DROP TRIGGER orders_guard ON shop.orders', 'a missing trigger'),
	(3, 'DROP INDEX shop.customer_email_key', 'a missing key')
) v(n, damage, what)
ORDER BY n;
SELECT matches(t.message('DROP TRIGGER customer_guard ON shop.customer; SELECT customers.count_customers()'),
			   'trigger "customer_guard" that is missing.*customers.create_store\(''shop''\)', 'a missing trigger is named, with create_store to mend it');
SELECT matches(t.message('ALTER TABLE shop.customer ALTER email DROP NOT NULL; SELECT customers.count_customers()'),
			   'column "email" of type text that is NOT NULL.*customers.check_store\(''shop''\)', 'a lost NOT NULL is named, with check_store');
SELECT is(t.error('ALTER TABLE shop.customer ADD COLUMN loyalty int NOT NULL DEFAULT 7; SELECT customers.create_customer(''x@example.com'')'),
		  'no error', 'a column that the owner added does no harm');

-- check_store and the repair of what it finds ---------------------------------------

SET CONSTRAINTS ALL IMMEDIATE;	-- no trigger event may wait when tables change
SELECT ok(count(*) > 12, 'the store has triggers to lose')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'second'::regnamespace AND NOT t.tgisinternal;
SELECT is(string_agg(t.tgrelid::regclass || ' ' || t.tgname || ': ' || m.result, '; '), NULL,
		  'check_store sees every missing trigger, and its repair brings it back')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
	CROSS JOIN LATERAL pg_temp.mend('second',
		format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass), t.tgname) m(result)
WHERE c.relnamespace = 'second'::regnamespace AND NOT t.tgisinternal
	AND m.result <> 'seen, mended';
SELECT is(string_agg(t.tgrelid::regclass || ' ' || t.tgname || ': ' || m.result, '; '), NULL,
		  'and every disabled one')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
	CROSS JOIN LATERAL pg_temp.mend('second',
		format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname), t.tgname) m(result)
WHERE c.relnamespace = 'second'::regnamespace AND NOT t.tgisinternal
	AND m.result <> 'seen, mended';
SELECT is(string_agg(t.tgrelid::regclass || ' ' || t.tgname || ': ' || m.result, '; '), NULL,
		  'and one that fires on replicas only')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
	CROSS JOIN LATERAL pg_temp.mend('second',
		format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', t.tgrelid::regclass, t.tgname), t.tgname) m(result)
WHERE c.relnamespace = 'second'::regnamespace AND NOT t.tgisinternal
	AND m.result <> 'seen, mended';
SELECT is(string_agg(t.tgname || ': ' || m.result, '; '), NULL,
		  'and another function under the name of ours')
FROM pg_trigger t
	CROSS JOIN LATERAL pg_temp.mend('second',
		format('DROP TRIGGER %1$I ON second.customer; CREATE TRIGGER %1$I BEFORE UPDATE ON second.customer FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()', t.tgname),
		t.tgname) m(result)
WHERE t.tgrelid = 'second.customer'::regclass AND NOT t.tgisinternal
	AND m.result <> 'seen, mended';
SELECT is(string_agg(i.indexrelid::regclass || ': ' || m.result, '; '), NULL,
		  'check_store sees every missing index, and its repair brings it back')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
	CROSS JOIN LATERAL pg_temp.mend('second',
		format('DROP INDEX %s', i.indexrelid::regclass), c.relname) m(result)
WHERE c.relnamespace = 'second'::regnamespace
	AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
	AND m.result <> 'seen, mended';
SELECT is(string_agg(k.conrelid::regclass || ' ' || k.conname || ': ' || m.result, '; '), NULL,
		  'check_store sees every missing constraint, and its repair brings it back')
FROM pg_constraint k
	CROSS JOIN LATERAL pg_temp.mend('second',
		format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', k.conrelid::regclass, k.conname), k.conname) m(result)
WHERE k.connamespace = 'second'::regnamespace AND k.contype IN ('c', 'f', 'u', 'p')
	AND m.result <> 'seen, mended';

-- Definitions: what has the right name and is something else is seen, too.
SELECT is(pg_temp.mend('second', damage, object), 'seen, mended', 'check_store sees, and mends: ' || what)
FROM (VALUES
	(1, 'a trigger with fewer events', 'trigger customer_guard ', 'DROP TRIGGER customer_guard ON second.customer; CREATE TRIGGER customer_guard BEFORE INSERT ON second.customer FOR EACH ROW EXECUTE FUNCTION customers.customer_guard()'),
	(2, 'a trigger for some columns', 'trigger orders_guard ', 'DROP TRIGGER orders_guard ON second.orders; CREATE TRIGGER orders_guard BEFORE INSERT OR UPDATE OF status ON second.orders FOR EACH ROW EXECUTE FUNCTION customers.orders_guard()'),
	(3, 'a trigger with WHEN (false)', 'trigger orders_guard ', 'DROP TRIGGER orders_guard ON second.orders; CREATE TRIGGER orders_guard BEFORE INSERT OR UPDATE ON second.orders FOR EACH ROW WHEN (false) EXECUTE FUNCTION customers.orders_guard()'),
	(4, 'a trigger with another WHEN', 'trigger order_transfer_apply ', 'DROP TRIGGER order_transfer_apply ON second.order_transfer; CREATE TRIGGER order_transfer_apply AFTER UPDATE ON second.order_transfer FOR EACH ROW WHEN (OLD.status = ''requested'' AND NEW.status = ''Accepted'') EXECUTE FUNCTION customers.order_transfer_apply()'),
	(5, 'a trigger without its WHEN', 'trigger order_transfer_apply ', 'DROP TRIGGER order_transfer_apply ON second.order_transfer; CREATE TRIGGER order_transfer_apply AFTER UPDATE ON second.order_transfer FOR EACH ROW EXECUTE FUNCTION customers.order_transfer_apply()'),
	(6, 'a trigger of another function of ours', 'trigger orders_guard ', 'DROP TRIGGER orders_guard ON second.orders; CREATE TRIGGER orders_guard BEFORE INSERT OR UPDATE ON second.orders FOR EACH ROW EXECUTE FUNCTION customers.order_item_guard()'),
	(7, 'a trigger with arguments', 'trigger orders_guard ', 'DROP TRIGGER orders_guard ON second.orders; CREATE TRIGGER orders_guard BEFORE INSERT OR UPDATE ON second.orders FOR EACH ROW EXECUTE FUNCTION customers.orders_guard(1)'),
	(8, 'a transition table of another name', 'trigger orders_record_update ', 'DROP TRIGGER orders_record_update ON second.orders; CREATE TRIGGER orders_record_update AFTER UPDATE ON second.orders REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION customers.orders_record()'),
	(9, 'a constraint trigger that is not deferred', 'trigger customer_account_registered ', 'DROP TRIGGER customer_account_registered ON second.customer; CREATE CONSTRAINT TRIGGER customer_account_registered AFTER INSERT OR UPDATE ON second.customer FOR EACH ROW WHEN (NEW.has_account) EXECUTE FUNCTION customers.customer_account_registered()'),
	(10, 'a trigger of ours that is one too many', 'trigger twice ', 'CREATE TRIGGER twice BEFORE UPDATE ON second.orders FOR EACH ROW EXECUTE FUNCTION customers.orders_guard()'),
	(11, 'an index that is not unique', 'index customer_email_key ', 'DROP INDEX second.customer_email_key; CREATE INDEX customer_email_key ON second.customer (lower(email COLLATE "C"), has_account)'),
	(12, 'an index on another expression', 'index customer_email_key ', 'DROP INDEX second.customer_email_key; CREATE UNIQUE INDEX customer_email_key ON second.customer (email, has_account)'),
	(13, 'an index of another collation', 'index customer_group_name_key ', 'DROP INDEX second.customer_group_name_key; CREATE UNIQUE INDEX customer_group_name_key ON second.customer_group (lower(name))'),
	(14, 'an index of other columns', 'index customer_last_name_id_idx ', 'DROP INDEX second.customer_last_name_id_idx; CREATE INDEX customer_last_name_id_idx ON second.customer (first_name, id)'),
	(15, 'an index in another order', 'index orders_customer_id_placed_at_id_idx ', 'DROP INDEX second.orders_customer_id_placed_at_id_idx; CREATE INDEX orders_customer_id_placed_at_id_idx ON second.orders (customer_id, placed_at, id)'),
	(16, 'an index of another table', 'index customer_created_at_id_idx ', 'DROP INDEX second.customer_created_at_id_idx; CREATE INDEX customer_created_at_id_idx ON second.orders (created_at, id)'),
	(17, 'an index of some rows', 'index customer_email_key ', 'DROP INDEX second.customer_email_key; CREATE UNIQUE INDEX customer_email_key ON second.customer (lower(email COLLATE "C"), has_account) WHERE id > 5'),
	(18, 'an index of other rows', 'index order_transfer_open_key ', 'DROP INDEX second.order_transfer_open_key; CREATE UNIQUE INDEX order_transfer_open_key ON second.order_transfer (order_id) WHERE status = ''accepted'''),
	(19, 'an index of another method', 'index customer_created_at_id_idx ', 'DROP INDEX second.customer_created_at_id_idx; CREATE INDEX customer_created_at_id_idx ON second.customer USING brin (created_at, id)'),
	(20, 'an index of another operator class', 'index customer_last_name_id_idx ', 'DROP INDEX second.customer_last_name_id_idx; CREATE INDEX customer_last_name_id_idx ON second.customer (last_name text_pattern_ops, id)'),
	(21, 'a search index of other columns', 'index customer_search_idx ', 'DROP INDEX second.customer_search_idx; CREATE INDEX customer_search_idx ON second.customer USING gin (customers.search_grams(email, NULL, NULL, NULL, NULL))'),
	(22, 'a unique constraint under the name of an index', 'index customer_email_key ', 'DROP INDEX second.customer_email_key; ALTER TABLE second.customer ADD CONSTRAINT customer_email_key UNIQUE (email, has_account)'),
	(23, 'a unique key of another column', 'constraint customer_external_id_key ', 'ALTER TABLE second.customer DROP CONSTRAINT customer_external_id_key, ADD CONSTRAINT customer_external_id_key UNIQUE (email)'),
	(24, 'a unique key that waits', 'constraint customer_external_id_key ', 'ALTER TABLE second.customer DROP CONSTRAINT customer_external_id_key, ADD CONSTRAINT customer_external_id_key UNIQUE (external_id) DEFERRABLE INITIALLY DEFERRED'),
	(25, 'a unique key for which NULL is a value', 'constraint orders_external_id_key ', 'ALTER TABLE second.orders DROP CONSTRAINT orders_external_id_key, ADD CONSTRAINT orders_external_id_key UNIQUE NULLS NOT DISTINCT (external_id)'),
	(26, 'a key of more columns', 'constraint customer_group_member_pkey ', 'ALTER TABLE second.customer_group_member DROP CONSTRAINT customer_group_member_pkey, ADD CONSTRAINT customer_group_member_pkey PRIMARY KEY (customer_group_id, customer_id, added_at)'),
	(27, 'a unique key in place of the primary one', 'constraint order_item_pkey ', 'ALTER TABLE second.order_item DROP CONSTRAINT order_item_pkey, ADD CONSTRAINT order_item_pkey UNIQUE (order_id, line_no)'),
	(28, 'CHECK (true)', 'constraint orders_status_check ', 'ALTER TABLE second.orders DROP CONSTRAINT orders_status_check, ADD CONSTRAINT orders_status_check CHECK (true)'),
	(29, 'a CHECK of more values', 'constraint order_transfer_status_check ', 'ALTER TABLE second.order_transfer DROP CONSTRAINT order_transfer_status_check, ADD CONSTRAINT order_transfer_status_check CHECK (status IN (''requested'', ''accepted'', ''declined'', ''canceled'', ''expired'', ''lost''))'),
	(30, 'a CHECK that is NOT VALID', 'constraint orders_status_check ', 'ALTER TABLE second.orders DROP CONSTRAINT orders_status_check; ALTER TABLE second.orders ADD CONSTRAINT orders_status_check CHECK (status IN (''draft'', ''pending'', ''requires_action'', ''completed'', ''archived'', ''canceled'')) NOT VALID'),
	(31, 'a foreign key that cascades', 'constraint orders_customer_id_fkey ', 'ALTER TABLE second.orders DROP CONSTRAINT orders_customer_id_fkey, ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES second.customer (id) ON DELETE CASCADE'),
	(32, 'a foreign key to another table', 'constraint orders_customer_id_fkey ', 'ALTER TABLE second.orders DROP CONSTRAINT orders_customer_id_fkey, ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES second.customer_group (id) ON DELETE SET NULL'),
	(33, 'a foreign key of another column', 'constraint order_transfer_from_customer_id_fkey ', 'ALTER TABLE second.order_transfer DROP CONSTRAINT order_transfer_from_customer_id_fkey, ADD CONSTRAINT order_transfer_from_customer_id_fkey FOREIGN KEY (to_customer_id) REFERENCES second.customer (id) ON DELETE SET NULL'),
	(34, 'a foreign key that waits', 'constraint order_item_order_id_fkey ', 'ALTER TABLE second.order_item ALTER CONSTRAINT order_item_order_id_fkey DEFERRABLE INITIALLY DEFERRED'),
	(35, 'a foreign key that is NOT VALID', 'constraint orders_customer_id_fkey ', 'ALTER TABLE second.orders DROP CONSTRAINT orders_customer_id_fkey; ALTER TABLE second.orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES second.customer (id) ON DELETE SET NULL NOT VALID'),
	(36, 'a column that takes NULL', 'column orders.status ', 'ALTER TABLE second.orders ALTER status DROP NOT NULL'),
	(37, 'NULL in it', 'column subscription.doorbell has no value in 1 rows', 'ALTER TABLE second.subscription ALTER doorbell DROP NOT NULL; UPDATE second.subscription SET doorbell = NULL'),
	(38, 'an id without value', 'column customer_group.id has no value in 1 rows', 'ALTER TABLE second.customer_group_member DROP CONSTRAINT customer_group_member_customer_group_id_fkey; ALTER TABLE second.customer_group DROP CONSTRAINT customer_group_pkey; ALTER TABLE second.customer_group ALTER id DROP NOT NULL, DISABLE TRIGGER USER; INSERT INTO second.customer_group (id, name) VALUES (NULL, ''x''); ALTER TABLE second.customer_group ENABLE TRIGGER USER'),
	(39, 'a column without its default', 'column customer.version has no default', 'ALTER TABLE second.customer ALTER version DROP DEFAULT'),
	(40, 'a column with another default', 'column orders.status has another default', 'ALTER TABLE second.orders ALTER status SET DEFAULT ''draft'''),
	(41, 'a column of another type', 'column orders.currency_code is not of type text', 'ALTER TABLE second.orders DROP CONSTRAINT orders_currency_code_check, ALTER currency_code TYPE varchar(99)'),
	(42, 'a missing column', 'column orders.billing_address is missing', 'ALTER TABLE second.orders DROP billing_address'),
	(43, 'a computed column', 'column orders.billing_address is computed', 'ALTER TABLE second.orders DROP billing_address, ADD billing_address jsonb GENERATED ALWAYS AS (shipping_address) STORED'),
	(44, 'a sequence that is missing', 'sequence orders_id_seq is missing', 'DROP SEQUENCE second.orders_id_seq CASCADE'),
	(45, 'a renamed sequence', 'sequence orders_id_seq is missing: it was renamed', 'ALTER SEQUENCE second.orders_id_seq RENAME TO numbers'),
	(46, 'another sequence under the name', 'column orders.id is not counted by its sequence', 'ALTER SEQUENCE second.orders_id_seq RENAME TO numbers; CREATE SEQUENCE second.orders_id_seq'),
	(47, 'a sequence of no column', 'sequence orders_id_seq does not belong to the column', 'ALTER SEQUENCE second.orders_id_seq OWNED BY NONE'),
	(48, 'a sequence that begins again', 'sequence orders_id_seq begins again', 'ALTER SEQUENCE second.orders_id_seq CYCLE'),
	(49, 'a sequence that counts down', 'sequence orders_id_seq counts down', 'ALTER SEQUENCE second.orders_id_seq INCREMENT BY -1'),
	(50, 'a short sequence', 'sequence orders_id_seq is not of type bigint', 'ALTER SEQUENCE second.orders_id_seq AS smallint'),
	(51, 'a sequence that is behind', 'sequence customer_id_seq is behind', 'SELECT setval(''second.customer_id_seq'', 1)'),
	(52, 'an empty store_info', 'table store_info is empty', 'DELETE FROM second.store_info'),
	(53, 'a layout of no version', 'table store_info has layout version 0', 'UPDATE second.store_info SET layout_version = 0'),
	(54, 'an unlogged table', 'table delivery is unlogged', 'ALTER TABLE second.delivery SET UNLOGGED'),
	(55, 'a rule', 'table delivery has a rule "spy"', 'CREATE RULE spy AS ON UPDATE TO second.delivery DO ALSO NOTHING'),
	(56, 'row security without a policy', 'table customer has row security', 'ALTER TABLE second.customer ENABLE ROW LEVEL SECURITY'),
	(57, 'privileges of PUBLIC on the schema', 'schema second gives', 'GRANT USAGE ON SCHEMA second TO PUBLIC'),
	(58, 'privileges of PUBLIC on a table', 'table delivery gives', 'GRANT SELECT ON second.delivery TO PUBLIC'),
	(59, 'privileges of PUBLIC on a column', 'table credential gives', 'GRANT SELECT (password_hash) ON second.credential TO PUBLIC'),
	(60, 'privileges of PUBLIC on a sequence', 'sequence customer_id_seq gives', 'GRANT USAGE ON second.customer_id_seq TO PUBLIC'),
	(61, 'a child', 'table orders table second.young inherits', 'CREATE TABLE second.young () INHERITS (second.orders)'),
	(62, 'a parent', 'table orders inherits from table second.old', 'CREATE TABLE second.old (id bigint NOT NULL); ALTER TABLE second.orders INHERIT second.old'),
	(63, 'a delivery without event', 'delivery 999 is of an event', 'INSERT INTO second.delivery (id, subscription, event_id, expires_at) VALUES (999, ''notifier'', 4711, now()); SELECT setval(''second.delivery_id_seq'', 1000)'),
	(64, 'a delivery with lists in a list', 'has person_ids that are no plain list', 'INSERT INTO second.delivery (subscription, event_id, expires_at, person_ids) SELECT ''notifier'', id, now(), ''{{1},{2}}'' FROM second.event LIMIT 1'),
	(65, 'a subscription with a hole', 'subscription notifier has event_types that are no plain list', 'UPDATE second.subscription SET event_types = ''{a,NULL}'''),
	(66, 'the credential of a guest', 'credential of customer 1 breaks credential_by_registration', 'ALTER TABLE second.credential DISABLE TRIGGER USER; INSERT INTO second.credential (customer_id, password_hash) VALUES (1, ''x''); ALTER TABLE second.credential ENABLE TRIGGER USER'),
	(67, 'a password in clear', 'credential of customer 1 breaks credential_evidence_check', 'ALTER TABLE second.credential DISABLE TRIGGER USER, DROP CONSTRAINT credential_evidence_check; INSERT INTO second.credential (customer_id, password_hash, proof) VALUES (1, ''x'', ''clear''); ALTER TABLE second.credential ENABLE TRIGGER USER'),
	(68, 'metadata that is no object', 'customer 1 breaks customer_metadata_object', 'ALTER TABLE second.customer DISABLE TRIGGER USER, DROP CONSTRAINT customer_metadata_object; UPDATE second.customer SET metadata = ''[1]'' WHERE id = 1; ALTER TABLE second.customer ENABLE TRIGGER USER'),
	(69, 'an open transfer without expiry', 'order transfer 7 is open and never expires', 'INSERT INTO second.orders (id, customer_id, email, currency_code) VALUES (7, 1, ''ada@example.com'', ''EUR''); ALTER TABLE second.order_transfer DISABLE TRIGGER USER; INSERT INTO second.order_transfer (id, order_id, from_customer_id, token_hash) VALUES (7, 7, 1, ''x''); ALTER TABLE second.order_transfer ENABLE TRIGGER USER'),
	(70, 'an open transfer without token', 'order transfer 7 breaks order_transfer_token_check: open', 'INSERT INTO second.orders (id, customer_id, email, currency_code) VALUES (7, 1, ''ada@example.com'', ''EUR''); ALTER TABLE second.order_transfer DISABLE TRIGGER USER, DROP CONSTRAINT order_transfer_token_check; INSERT INTO second.order_transfer (id, order_id, from_customer_id, expires_at) VALUES (7, 7, 1, ''2020-01-01''); ALTER TABLE second.order_transfer ENABLE TRIGGER USER'),
	(71, 'a transfer of an unknown status', 'order transfer 7 breaks order_transfer_status_check', 'INSERT INTO second.orders (id, customer_id, email, currency_code) VALUES (7, 1, ''ada@example.com'', ''EUR''); ALTER TABLE second.order_transfer DISABLE TRIGGER USER, DROP CONSTRAINT order_transfer_status_check; INSERT INTO second.order_transfer (id, order_id, status) VALUES (7, 7, ''lost''); ALTER TABLE second.order_transfer ENABLE TRIGGER USER'),
	(72, 'a token that was kept', 'order transfer 7 breaks order_transfer_token_check: a token', 'INSERT INTO second.orders (id, customer_id, email, currency_code) VALUES (7, 1, ''ada@example.com'', ''EUR''); ALTER TABLE second.order_transfer DISABLE TRIGGER USER, DROP CONSTRAINT order_transfer_token_check; INSERT INTO second.order_transfer (id, order_id, status, token_hash) VALUES (7, 7, ''canceled'', ''x''); ALTER TABLE second.order_transfer ENABLE TRIGGER USER'),
	(73, 'an order of nobody', 'table orders breaks orders_customer_id_fkey', 'ALTER TABLE second.orders DROP CONSTRAINT orders_customer_id_fkey, DISABLE TRIGGER USER; INSERT INTO second.orders (customer_id, currency_code) VALUES (4711, ''EUR''); ALTER TABLE second.orders ENABLE TRIGGER USER'),
	(75, 'a password hash that is none', 'credential of customer 77 has a password hash that is none', 'INSERT INTO second.customer (id, email, has_account, external_id) VALUES (77, ''h@example.com'', true, ''h''); SELECT setval(''second.customer_id_seq'', 77); ALTER TABLE second.credential DISABLE TRIGGER USER; INSERT INTO second.credential (customer_id, password_hash) VALUES (77, ''x''); ALTER TABLE second.credential ENABLE TRIGGER USER'),
	(74, 'a group without a name', 'breaks customer_group_name_given: it has no name', 'ALTER TABLE second.customer_group DISABLE TRIGGER USER, DROP CONSTRAINT customer_group_name_given; INSERT INTO second.customer_group (name) VALUES (''''); ALTER TABLE second.customer_group ENABLE TRIGGER USER')
) v(n, what, object, damage)
ORDER BY n;
-- a placeholder waits for a person
SELECT is(pg_temp.mend('second', damage, object), result, 'check_store sees, and asks about: ' || what)
FROM (VALUES
	(1, 'an order of an unknown status', 'breaks orders_status_check: status lost', 'ALTER TABLE second.orders DROP CONSTRAINT orders_status_check, DISABLE TRIGGER USER; INSERT INTO second.orders (status, currency_code) VALUES (''lost'', ''EUR''); ALTER TABLE second.orders ENABLE TRIGGER USER', 'seen, check constraint "orders_status_check" of relation "orders" is violated by some row'),
	(2, 'an order of no currency', 'breaks orders_currency_code_check: EU1', 'ALTER TABLE second.orders DROP CONSTRAINT orders_currency_code_check; INSERT INTO second.orders (currency_code) VALUES (''EU1'')', 'seen, check constraint "orders_currency_code_check" of relation "orders" is violated by some row'),
	(3, 'a table in place of an index', 'index customer_created_at_id_idx ', 'DROP INDEX second.customer_created_at_id_idx; CREATE TABLE second.customer_created_at_id_idx ()', 'seen, mended')
) v(n, what, object, damage, result)
ORDER BY n;
SELECT is((SELECT count(*) FROM customers.check_store('second')), 0::bigint, 'and nothing of it is left');

-- Rows that break a rule: written while the triggers were off.
SELECT is(pg_temp.mend('second', $$
		  ALTER TABLE second.customer DISABLE TRIGGER USER;
		  UPDATE second.customer SET email = '  bob@example.com ' WHERE email LIKE 'bob%';
		  ALTER TABLE second.customer ENABLE TRIGGER USER $$, 'customer_email_valid'),
		  'seen, mended', 'check_store sees an e-mail with blanks around it');
SELECT is(pg_temp.mend('second', $$
		  ALTER TABLE second.customer DISABLE TRIGGER USER;
		  UPDATE second.customer SET metadata = '{"a": 1, "b": 2}', metadata_order = '{b}' WHERE email LIKE 'bob%';
		  ALTER TABLE second.customer ENABLE TRIGGER USER $$, 'metadata_order'),
		  'seen, mended', 'and a row order without some of the keys');
SELECT is(pg_temp.mend('second', $$
		  INSERT INTO second.customer_group (name) VALUES ('VIP');
		  ALTER TABLE second.customer_group DISABLE TRIGGER USER;
		  UPDATE second.customer_group SET name = ' VIP ';
		  ALTER TABLE second.customer_group ENABLE TRIGGER USER $$, 'customer_group_name_given'),
		  'seen, mended', 'and a group''s name with blanks around it');
SELECT alike(
	t.message($$
		ALTER TABLE second.customer DISABLE TRIGGER USER;
		UPDATE second.customer SET email = 'nonsense' WHERE email LIKE 'bob%';
		ALTER TABLE second.customer ENABLE TRIGGER USER;
		DO $x$ BEGIN RAISE EXCEPTION '%', (SELECT string_agg(c.object || ' ' || c.finding, '; ') FROM customers.check_store('second') c); END $x$ $$),
	'%customer_email_valid%', 'and an e-mail that is none');
SELECT alike(
	t.message($$
		ALTER TABLE second.customer DISABLE TRIGGER USER;
		UPDATE second.customer SET has_account = true WHERE email LIKE 'bob%';
		ALTER TABLE second.customer ENABLE TRIGGER USER;
		DO $x$ BEGIN RAISE EXCEPTION '%', (SELECT string_agg(c.object || ' ' || c.finding, '; ') FROM customers.check_store('second') c); END $x$ $$),
	'%customer_account_registered%', 'and a registered customer without any account');
SELECT is((SELECT count(*) FROM customers.check_store('second')), 0::bigint,
		  'after all that (undone each time) the store is healthy');

-- create_store repairs ----------------------------------------------------------------

SELECT matches(pg_temp.repaired('second', format('DROP TRIGGER %I ON second.customer', t.tgname)),
			   '^repaired: .*' || t.tgname || '.* \(0 left\)$',
			   'create_store brings back a trigger')
FROM pg_trigger t
WHERE t.tgrelid = 'second.customer'::regclass AND NOT t.tgisinternal
ORDER BY t.tgname LIMIT 1;
SELECT matches(pg_temp.repaired('second', 'DROP INDEX second.customer_email_key'),
			   '^repaired: .*customer_email_key.* \(0 left\)$',
			   'create_store brings back an index');
SELECT matches(pg_temp.repaired('second', format('DROP TRIGGER %I ON second.orders; DROP INDEX second.customer_email_key', t.tgname)),
			   '^(?=.*customer_email_key)repaired: .*' || t.tgname || '.* \(0 left\)$',
			   'and several things at once')
FROM pg_trigger t
WHERE t.tgrelid = 'second.orders'::regclass AND NOT t.tgisinternal
ORDER BY t.tgname LIMIT 1;
SELECT is(pg_temp.repaired('second', damage), result, 'create_store and ' || what)
FROM (VALUES
	(1, 'ALTER TABLE second.customer DISABLE TRIGGER customer_guard', 'repaired: trigger customer_guard (0 left)', 'a disabled trigger'),
	(2, 'DROP TRIGGER customer_guard ON second.customer; CREATE TRIGGER customer_guard BEFORE INSERT ON second.customer FOR EACH ROW EXECUTE FUNCTION customers.customer_guard()', 'repaired: trigger customer_guard (0 left)', 'a trigger with fewer events'),
	(3, 'DROP INDEX second.customer_email_key; CREATE INDEX customer_email_key ON second.customer (email)', 'repaired: index customer_email_key (0 left)', 'a key that is not unique'),
	(4, 'ALTER TABLE second.orders DROP CONSTRAINT orders_status_check, ADD CONSTRAINT orders_status_check CHECK (true)', 'repaired: constraint orders_status_check (0 left)', 'CHECK (true)'),
	(5, 'ALTER TABLE second.orders ALTER status DROP NOT NULL, ALTER id DROP DEFAULT', 'repaired: column orders.id, column orders.status (0 left)', 'columns'),
	(6, 'DELETE FROM second.store_info', 'repaired: table store_info (0 left)', 'an empty store_info'),
	(7, 'ALTER TABLE second.orders ALTER status SET DEFAULT ''draft''; GRANT USAGE ON SCHEMA second TO PUBLIC', 'complete (2 left)', 'what its owner may have wanted')
) v(n, damage, result, what)
ORDER BY n;
SELECT is(customers.create_store('second'), 'complete',
		  'a healthy store is complete');
SELECT is((SELECT count(*) FROM second.customer), 2::bigint,
		  'and keeps its customers');

SELECT matches(t.message('UPDATE second.store_info SET layout_version = 0; SELECT customers.create_store(''second'')'),
			   'layout_version = 1', 'a layout that no version makes is refused, with the way back');
SELECT is(t.error('UPDATE second.store_info SET layout_version = 0; DO $x$ BEGIN IF (SELECT s.layout_current::text FROM customers.stores() s WHERE s.name = ''second'') NOT IN (''true'', ''0'') THEN RAISE ''older''; END IF; END $x$'),
		  'P0001', 'which stores() shows');

-- DROP EXTENSION takes the triggers, not the rows; the next one brings them back.
RESET SESSION AUTHORIZATION;
SELECT matches(t.message('DROP EXTENSION customers'), 'other objects depend on it',
			   'DROP EXTENSION is refused while there are stores');
DROP EXTENSION customers CASCADE;
CREATE EXTENSION customers;
SET SESSION AUTHORIZATION customers_owner;
SELECT is((SELECT count(*) FROM second.customer), 2::bigint,
		  'DROP EXTENSION .. CASCADE drops no row');
SELECT isnt((SELECT count(*) FROM customers.check_store('second')), 0::bigint,
			'check_store sees what it did drop');
SELECT matches(customers.create_store('second'), '^repaired: ',
			   'create_store repairs it');
SELECT is((SELECT count(*) FROM customers.check_store('second')), 0::bigint,
		  'and nothing is left to find');
SELECT is(t.error('DELETE FROM second.customer'), '23514 customer_delete_confirmed',
		  'the rules hold again');
SELECT matches(customers.create_store('writing'), '^repaired: ',
			   'a store without search is repaired, too');
SELECT is((SELECT count(*) FROM pg_index i JOIN pg_am a ON a.amname = 'gin'
			   JOIN pg_class c ON c.oid = i.indexrelid AND c.relam = a.oid
		   WHERE c.relnamespace = 'writing'::regnamespace), 0::bigint,
		  'and stays without');
SELECT is((SELECT count(*) FROM customers.check_store('writing')), 0::bigint,
		  'and healthy');
SELECT customers.create_store('shop') AS repaired \gset
SELECT customers.create_store('mine') AS repaired \gset

-- A hostile search_path changes nothing ---------------------------------------------------

CREATE SCHEMA evil;
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'evil' $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT 'epoch'::timestamptz $$;
CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE sql AS $$ SELECT -1::bigint $$;
CREATE FUNCTION evil.differ(bigint, bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT false $$;
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.differ);
CREATE FUNCTION evil.has(jsonb, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;
CREATE OPERATOR evil.? (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.has);
CREATE DOMAIN evil.text AS varchar(3);
CREATE DOMAIN evil.jsonb AS varchar(3);
CREATE DOMAIN evil.timestamptz AS varchar(3);
CREATE TABLE evil.customer (id bigint);
CREATE TABLE evil.event (id bigint);
CREATE FUNCTION pg_temp.hostile() RETURNS pg_catalog.text
LANGUAGE plpgsql AS $$
DECLARE
	told pg_catalog.text;
	findings bigint;
	ada bigint;
	vip bigint;
	version bigint;
	found pg_catalog.text;
BEGIN
	PERFORM set_config('search_path', 'evil, pg_catalog', true);
	told := customers.create_store('hostile');
	PERFORM set_config('customers.store', 'hostile', true);
	ada := customers.create_customer('Ada@Example.com', 'Ada');
	vip := customers.create_group('VIP');
	PERFORM customers.add_to_groups(ada, ARRAY[vip]);
	version := customers.update_customer(ada, '{"metadata": {"a": 1}, "email": "ada@other.example"}', 1);
	found := customers.count_customers('ad', '{"type": "guest"}');
	PERFORM customers.delete_customer(customers.find_or_create_guest('gone@example.com'), 'gone@example.com');
	SELECT pg_catalog.count(*) INTO findings FROM customers.check_store('hostile');
	PERFORM set_config('search_path', 'tap', true);
	PERFORM set_config('customers.store', 'shop', true);
	RETURN concat_ws(', ', told, 'version ' || version, found || ' found', findings || ' findings');
END $$;
SELECT is(pg_temp.hostile(), 'created, version 2, 1 found, 0 findings', 'a hostile search_path changes nothing');
SELECT is((SELECT count(*) FROM pg_depend d
			   LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
			   LEFT JOIN pg_type y ON d.refclassid = 'pg_type'::regclass AND y.oid = d.refobjid
			   LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
			   JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
		   WHERE c.relnamespace = 'hostile'::regnamespace
			   AND 'evil'::regnamespace IN (p.pronamespace, y.typnamespace, o.oprnamespace)), 0::bigint,
		  'nothing in the store is made of what stands in it');
SELECT is((SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		   JOIN pg_type y ON y.oid = a.atttypid
		   WHERE c.relnamespace = 'hostile'::regnamespace AND y.typnamespace = 'evil'::regnamespace), 0::bigint,
		  'no column has its types');
SELECT is((SELECT count(*) FROM evil.customer) + (SELECT count(*) FROM evil.event), 0::bigint,
		  'nothing was written to its tables');
SELECT is((SELECT created_at = now() AND email = 'ada@other.example' FROM hostile.customer), true,
		  'and the row is as it should be');
SELECT customers.drop_store('hostile', 'hostile') AS dropped \gset

-- drop_store ----------------------------------------------------------------------------

SELECT is(t.error('SELECT customers.drop_store(''second'', ''Second'')'), '22023',
		  'drop_store wants the name typed twice');
SELECT is(t.error('SELECT customers.drop_store(''second'', '''')'), '22023',
		  'not an empty one');
SELECT is(t.error('SELECT customers.drop_store(''second'', NULL)'), '22023',
		  'not NULL');
SELECT is(t.error('SELECT customers.drop_store(NULL, NULL)'), '22023',
		  'not NULL twice');
SELECT is((SELECT count(*) FROM second.customer), 2::bigint,
		  'a refused drop_store drops nothing');
SELECT customers.drop_store('second', 'second') AS dropped \gset
SELECT is(to_regnamespace('second')::text, NULL, 'drop_store drops the empty schema');
SELECT customers.drop_store('mine', 'mine') AS dropped \gset
SELECT is((SELECT string_agg(relname, ',') FROM pg_class
		   WHERE relnamespace = 'mine'::regnamespace), 'notes',
		  'but not a schema with tables that are not ours, nor these');
SELECT is((SELECT line FROM mine.notes), 'kept', 'whose rows stay');
SELECT is((SELECT array_agg(s.name::text ORDER BY s.name::text COLLATE "C") FROM customers.stores() s),
		  '{shop,writing}', 'stores() forgets dropped stores');
SELECT is(customers.create_store('mine'), 'created', 'the schema can become a store again');

-- A session's plans outlive no store -----------------------------------------------------

SELECT is((SELECT count(*) FROM shop.customer), 1::bigint, 'the first store had one customer');
SELECT customers.update_customer(:ada, '{"phone": "1"}') AS version \gset
SELECT customers.drop_store('shop', 'shop') AS dropped \gset
SELECT is(t.error('SELECT customers.count_customers()'), '3F000',
		  'a dropped store is gone for functions that used it before');
SELECT is(customers.create_store('shop'), 'created', 're-created in the same session');
SELECT is(customers.count_customers(), 0::bigint, 'it is empty');
SELECT customers.create_customer('new@example.com', 'New') AS new \gset
SELECT is(customers.update_customer(:new, '{"phone": "2"}'), 2::bigint,
		  'and functions work on the new one');
SELECT is((SELECT phone FROM shop.customer WHERE id = :new), '2',
		  'whose row they changed');
SELECT is((SELECT count(*) FROM shop.event WHERE customer_id = :new), 2::bigint,
		  'and in whose log they wrote');
ALTER SCHEMA shop RENAME TO boutique;
SELECT is(t.error('SELECT customers.count_customers()'), '3F000',
		  'a renamed store is not found under its old name');
SET LOCAL customers.store = 'boutique';
SELECT is(customers.update_customer(:new, '{"phone": "3"}'), 3::bigint,
		  'but under its new one');
SELECT is((SELECT phone FROM boutique.customer WHERE id = :new), '3',
		  'with its rows');
SELECT is((SELECT count(*) FROM boutique.event WHERE customer_id = :new), 3::bigint,
		  'and its log');
SELECT is((SELECT count(*) FROM customers.check_store('boutique')), 0::bigint,
		  'and healthy');
SELECT is(customers.create_store('shop'), 'created',
		  'while the old name is free for another');
ALTER SCHEMA shop RENAME TO other;
ALTER SCHEMA boutique RENAME TO shop;
SET LOCAL customers.store = 'shop';
SELECT is(customers.count_customers(), 1::bigint,
		  'two stores that change names are not mixed up');

-- Created inside a block that fails, a store leaves nothing.
DO $$
BEGIN
	PERFORM customers.create_store('undone');
	PERFORM set_config('customers.store', 'undone', true);
	PERFORM customers.create_customer('x@example.com');
	RAISE EXCEPTION 'no';
EXCEPTION
	WHEN raise_exception THEN NULL;
END $$;
SELECT is(to_regnamespace('undone')::text, NULL, 'an undone create_store leaves no schema');
SELECT is(t.error('SET LOCAL customers.store = ''undone''; SELECT customers.count_customers()'),
		  '3F000', 'and no memory of one');
SELECT is(current_setting('customers.store'), 'shop', 'the setting is back, too');
SELECT is(customers.count_customers(), 1::bigint, 'the session goes on');

SELECT * FROM finish();
ROLLBACK;
