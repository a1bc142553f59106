\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Groups: their names, their members, batches and counts, pages, in_group.

SELECT plan(155);

-- The names of a customer's groups, the e-mails of a group's members.
CREATE FUNCTION pg_temp.groups_of(customer bigint) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(g.name, ' '), '') FROM customers.customer_groups(customer) g
$$;
CREATE FUNCTION pg_temp.members_of(grp bigint) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(split_part(c.email, '@', 1), ' ' ORDER BY c.email), '')
	FROM shop.customer_group_member m JOIN shop.customer c ON c.id = m.customer_id
	WHERE m.customer_group_id = grp
$$;
CREATE FUNCTION pg_temp.events(kind text) RETURNS bigint
LANGUAGE sql AS 'SELECT count(*) FROM shop.event WHERE type = kind';

SELECT customers.create_customer('ada@example.com', 'Ada', 'Lovelace') AS ada \gset
SELECT customers.create_customer('bob@example.com', 'Bob') AS bob \gset
SELECT customers.create_customer('carl@example.com') AS carl \gset

-- create_group, update_group, delete_group ------------------------------------------------

SELECT customers.create_group(E' \tVIP\n ', '{"discount": 10}') AS vip \gset
SELECT is((SELECT ROW(name, metadata, version, created_by, created_at = now(), updated_at = now())::text
		   FROM shop.customer_group WHERE id = :vip),
		  '(VIP,"{""discount"": 10}",1,customers_owner,t,t)', 'create_group makes a group, its name trimmed');
SELECT customers.create_group('B2B') AS b2b \gset
SELECT is((SELECT metadata FROM shop.customer_group WHERE id = :b2b), '{}', 'metadata is an object by default');
SELECT is(pg_temp.events('group.created'), 2::bigint, 'each is an event');
SELECT is((SELECT array_agg(payload -> 'group_id' ORDER BY payload -> 'group_id') FROM shop.event WHERE type = 'group.created'),
		  ARRAY[to_jsonb(:vip), to_jsonb(:b2b)], 'that names the group');
SELECT is(customers.update_group(:vip, '{"name": " Gold "}'), 2::bigint, 'update_group returns the new version');
SELECT is((SELECT name || metadata::text FROM shop.customer_group WHERE id = :vip), 'Gold{"discount": 10}',
		  'and changes what it was given, trimmed');
SELECT is(customers.update_group(:vip, '{"metadata": {"discount": null, "since": 2024}}'), 3::bigint, 'metadata merges');
SELECT is((SELECT metadata FROM shop.customer_group WHERE id = :vip), '{"since": 2024}', 'null removes a key');
SELECT count(*) AS events FROM shop.event \gset
SELECT is(customers.update_group(:vip, '{"name": "Gold", "metadata": {"since": 2024}}'), 3::bigint, 'the same again is no change');
SELECT is(customers.update_group(:vip, '{}'), 3::bigint, 'nor is nothing');
SELECT is((SELECT count(*) FROM shop.event), :events::bigint, 'and no event');
SELECT is(customers.update_group(:vip, '{"name": "vip"}'), 4::bigint, 'a name''s case can be changed');
SELECT is(customers.update_group(:vip, '{"name": "VIP"}'), 5::bigint, 'and back');
SELECT customers.create_group('Gone') AS gone \gset
SELECT customers.add_customers_to_group(:gone, ARRAY[:ada, :bob]) AS added \gset
SELECT customers.delete_group(:gone) AS done \gset
SELECT is((SELECT count(*) FROM shop.customer_group WHERE id = :gone), 0::bigint, 'delete_group deletes the group');
SELECT is((SELECT count(*) FROM shop.customer_group_member WHERE customer_group_id = :gone), 0::bigint, 'its memberships');
SELECT is((SELECT count(*) FROM shop.customer), 3::bigint, 'and no customer');
SELECT is(ARRAY[pg_temp.events('group.deleted'), pg_temp.events('group.customer_removed')], '{1,0}',
		  'one event for the group, none for its members');
SELECT is(t.error(format('SELECT customers.delete_group(%s)', :gone)), '23503', 'a second time it does not exist');

-- customer_group_name_given, customer_group_name_key -----------------------------------------

SELECT is(t.error(format('SELECT customers.create_group(%L)', name)), '23514 customer_group_name_given',
		  'customer_group_name_given: create_group, ' || what)
FROM (VALUES (1, '', 'empty'), (2, '   ', 'blank'), (3, E'\t\n', 'white space')) v(n, name, what) ORDER BY n;
SELECT is(t.error('INSERT INTO shop.customer_group (name) VALUES ('' '')'), '23514 customer_group_name_given',
		  'customer_group_name_given: INSERT');
SELECT is(t.error(format('UPDATE shop.customer_group SET name = '''' WHERE id = %s', :vip)), '23514 customer_group_name_given',
		  'customer_group_name_given: UPDATE');
SELECT is(t.error(format('SELECT customers.update_group(%s, ''{"name": "  "}'')', :vip)), '23514 customer_group_name_given',
		  'customer_group_name_given: update_group');
SELECT is(t.error('INSERT INTO shop.customer_group (name) VALUES (NULL)'), '23502', 'a group''s name is never NULL');
SELECT is(t.error('SELECT customers.create_group(''vip'')'), '23505 customer_group_name_key',
		  'customer_group_name_key: create_group, ignoring case');
SELECT is(t.error('SELECT customers.create_group(''  VIP '')'), '23505 customer_group_name_key',
		  'customer_group_name_key: create_group, once trimmed');
SELECT is(t.error('INSERT INTO shop.customer_group (name) VALUES (''Vip'')'), '23505 customer_group_name_key',
		  'customer_group_name_key: INSERT');
SELECT is(t.error(format('UPDATE shop.customer_group SET name = ''b2b'' WHERE id = %s', :vip)), '23505 customer_group_name_key',
		  'customer_group_name_key: UPDATE');
SELECT is(t.error(format('SELECT customers.update_group(%s, ''{"name": "b2B"}'')', :vip)), '23505 customer_group_name_key',
		  'customer_group_name_key: update_group');
SELECT is(t.error('MERGE INTO shop.customer_group g USING (VALUES (''vip'')) v(n) ON g.name = v.n WHEN NOT MATCHED THEN INSERT (name) VALUES (v.n)'),
		  '23505 customer_group_name_key', 'customer_group_name_key: MERGE');
COPY shop.customer_group (name, version, created_by) FROM STDIN;
  Copied  	9	me
\.
SELECT is((SELECT ROW(name, metadata, version, created_by)::text FROM shop.customer_group WHERE name LIKE '%Copied%'),
		  '(Copied,{},1,customers_owner)', 'COPY obeys the same rules');

-- customer_group_id_fixed, customer_group_metadata_object, engine-kept columns ------------------

SELECT is(t.error(format('UPDATE shop.customer_group SET id = id + 1000 WHERE id = %s', :vip)), '23514 customer_group_id_fixed',
		  'customer_group_id_fixed: the id');
SELECT is(t.error(format('UPDATE shop.customer_group SET created_at = ''2001-01-01'' WHERE id = %s', :vip)), '23514 customer_group_id_fixed',
		  'customer_group_id_fixed: created_at');
SELECT is(t.error('SELECT customers.create_group(''New'', ''[]'')'), '23514 customer_group_metadata_object',
		  'customer_group_metadata_object: create_group');
SELECT is(t.error(format('UPDATE shop.customer_group SET metadata = ''{"": 1}'' WHERE id = %s', :vip)), '23514 customer_group_metadata_object',
		  'customer_group_metadata_object: UPDATE');
SELECT matches(t.error(format('SELECT customers.update_group(%s, ''{"metadata": {"": 1}}'')', :vip)),
			   '^(23514 customer_group_metadata_object|22023)$', 'customer_group_metadata_object: update_group');
UPDATE shop.customer_group SET version = 99, updated_at = '2001-01-01', created_by = 'me' WHERE id = :b2b;
SELECT is((SELECT ROW(version, updated_at = now(), created_by)::text FROM shop.customer_group WHERE id = :b2b),
		  '(1,t,customers_owner)', 'UPDATE of engine-kept columns changes nothing');
UPDATE shop.customer_group SET version = 99, created_by = 'me', metadata = '{"a": 1}' WHERE id = :b2b;
SELECT is((SELECT ROW(version, created_by, metadata)::text FROM shop.customer_group WHERE id = :b2b),
		  '(2,customers_owner,"{""a"": 1}")', 'nor beside another change');
INSERT INTO shop.customer_group (name, created_at, version, updated_at, created_by)
VALUES ('Old', '2001-02-03', 7, '2001-01-01', 'me') RETURNING id AS old \gset
SELECT is((SELECT ROW(created_at::date, version, updated_at = now(), created_by)::text FROM shop.customer_group WHERE id = :old),
		  '(2001-02-03,1,t,customers_owner)', 'INSERT may bring created_at, and no other of them');

-- Memberships -------------------------------------------------------------------------------------

SELECT is(customers.add_to_groups(:ada, ARRAY[:vip, :b2b]), 2, 'add_to_groups returns how many are new');
SELECT is(pg_temp.groups_of(:ada), 'B2B VIP', 'and adds them');
SELECT is(pg_temp.events('group.customer_added'), 4::bigint, 'an event for each (and the two of the group that is gone)');
SELECT is(customers.add_to_groups(:ada, ARRAY[:vip, :b2b]), 0, 'adding twice changes nothing');
SELECT is(customers.add_to_groups(:ada, ARRAY[:vip, :old, :old, :vip]), 1, 'doubles count once');
SELECT is(pg_temp.events('group.customer_added'), 5::bigint, 'and only new ones are events');
SELECT is(customers.add_to_groups(:ada, '{}'), 0, 'no ids, nothing added');
SELECT is(t.error(format('SELECT customers.add_to_groups(%s, ARRAY[%s, -9])', :bob, :vip)), '23503', 'add_to_groups: an unknown group');
SELECT matches(t.message(format('SELECT customers.add_to_groups(%s, ARRAY[%s, -9])', :bob, :vip)), '-9 does not exist', 'is named');
DO $$
BEGIN
	PERFORM customers.add_to_groups((SELECT id FROM shop.customer WHERE email = 'bob@example.com'),
		array_append((SELECT array_agg(id) FROM shop.customer_group), -9));
	RAISE EXCEPTION 'added';
EXCEPTION WHEN foreign_key_violation THEN
	NULL;
END $$;
SELECT is(pg_temp.groups_of(:bob), '', 'one unknown id and nothing is added');
SELECT is(customers.remove_from_groups(:ada, ARRAY[:vip, :vip]), 1, 'remove_from_groups returns how many went');
SELECT is(pg_temp.groups_of(:ada), 'B2B Old', 'and removes them');
SELECT is(customers.remove_from_groups(:ada, ARRAY[:vip]), 0, 'removing twice changes nothing');
SELECT is(pg_temp.events('group.customer_removed'), 1::bigint, 'an event for each that went');
SELECT is(customers.remove_from_groups(:ada, '{}'), 0, 'no ids, nothing removed');
SELECT is(customers.set_groups(:ada, ARRAY[:vip, :b2b]), 2, 'set_groups returns how many came and went');
SELECT is(pg_temp.groups_of(:ada), 'B2B VIP', 'and leaves exactly the given');
SELECT is(customers.set_groups(:ada, ARRAY[:b2b, :vip, :b2b]), 0, 'the same set in another order changes nothing');
SELECT is(t.error(format('SELECT customers.set_groups(%s, ARRAY[%s, -9])', :ada, :old)), '23503', 'set_groups: an unknown group');
SELECT is(pg_temp.groups_of(:ada), 'B2B VIP', 'and nothing changes');
SELECT is(ARRAY[pg_temp.events('group.customer_added'), pg_temp.events('group.customer_removed')], '{6,2}',
		  'set_groups makes the events of what changed');
SELECT is(customers.set_groups(:ada, '{}'), 2, 'set_groups of none');
SELECT is(pg_temp.groups_of(:ada), '', 'removes all');

SELECT is(customers.add_customers_to_group(:vip, ARRAY[:ada, :bob, :ada]), 2, 'add_customers_to_group returns how many are new');
SELECT is(pg_temp.members_of(:vip), 'ada bob', 'and adds them');
SELECT is(customers.add_customers_to_group(:vip, ARRAY[:ada, :bob, :carl]), 1, 'adding twice changes nothing');
SELECT is(t.error(format('SELECT customers.add_customers_to_group(%s, ARRAY[%s, -9])', :b2b, :ada)), '23503',
		  'add_customers_to_group: an unknown customer');
SELECT matches(t.message(format('SELECT customers.add_customers_to_group(%s, ARRAY[%s, -9])', :b2b, :ada)),
			   'customer -9 does not exist', 'is named');
SELECT is(pg_temp.members_of(:b2b), '', 'and nobody is added');
SELECT is(customers.remove_customers_from_group(:vip, ARRAY[:bob, :bob]), 1, 'remove_customers_from_group returns how many went');
SELECT is(pg_temp.members_of(:vip), 'ada carl', 'and removes them');
SELECT is(customers.remove_customers_from_group(:vip, ARRAY[:bob]), 0, 'removing twice changes nothing');
SELECT is(customers.add_customers_to_group(:b2b, '{}') + customers.remove_customers_from_group(:vip, '{}'), 0, 'no ids, no change');

-- Big batches.
INSERT INTO shop.customer (email, created_at)
SELECT format('m%s@many.example', to_char(i, 'FM0000')), '2024-01-01' FROM generate_series(1, 2000) i;
SELECT customers.create_group('Many') AS many \gset
SELECT is(customers.add_customers_to_group(:many, (SELECT array_agg(id) FROM shop.customer WHERE email LIKE '%@many.example')), 2000,
		  'two thousand in one call');
SELECT is(customers.add_customers_to_group(:many, (SELECT array_agg(id) FROM shop.customer)), 3, 'and the rest in another');
SELECT is(customers.remove_customers_from_group(:many, (SELECT array_agg(id) FROM shop.customer WHERE email LIKE 'm1%@many.example')), 1000,
		  'a thousand out again');
SELECT is((SELECT count(*) FROM shop.event WHERE payload -> 'group_id' = to_jsonb(:many) AND type LIKE 'group.customer_%'), 3003::bigint,
		  'an event for each');

-- Plain SQL on memberships.
INSERT INTO shop.customer_group_member (customer_group_id, customer_id, added_by, added_at)
VALUES (:old, :bob, 'me', '2001-01-01');
SELECT is((SELECT added_by || ' ' || (added_at = now()) FROM shop.customer_group_member WHERE (customer_group_id, customer_id) = (:old, :bob)),
		  'customers_owner true', 'added_by and added_at are the engine''s');
UPDATE shop.customer_group_member SET added_by = 'me' WHERE (customer_group_id, customer_id) = (:old, :bob);
SELECT is((SELECT added_by FROM shop.customer_group_member WHERE (customer_group_id, customer_id) = (:old, :bob)),
		  'customers_owner', 'and stay so');
SELECT is(t.error(format('UPDATE shop.customer_group_member SET customer_id = %s WHERE (customer_group_id, customer_id) = (%s, %s)', :carl, :old, :bob)),
		  '23514 customer_group_member_id_fixed', 'customer_group_member_id_fixed: the customer');
SELECT is(t.error(format('UPDATE shop.customer_group_member SET customer_group_id = %s WHERE (customer_group_id, customer_id) = (%s, %s)', :b2b, :old, :bob)),
		  '23514 customer_group_member_id_fixed', 'customer_group_member_id_fixed: the group');
SELECT is(t.error(format('INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (%s, %s)', :old, :bob)), '23505 customer_group_member_pkey',
		  'a membership stands once');
INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (:old, :bob), (:old, :carl) ON CONFLICT DO NOTHING;
SELECT is(pg_temp.members_of(:old), 'bob carl', 'ON CONFLICT DO NOTHING adds the others');
SELECT is((SELECT array_agg(type || ' ' || (payload ->> 'group_id' = :'old') ORDER BY id) FROM shop.event WHERE customer_id = :carl AND type LIKE 'group.%' AND payload -> 'group_id' = to_jsonb(:old)),
		  '{"group.customer_added true"}', 'with one event each');
SELECT matches(t.error(format('INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (%s, -9)', :old)), '^23503',
			   'a member exists');
DELETE FROM shop.customer_group_member WHERE (customer_group_id, customer_id) = (:old, :carl);
SELECT is((SELECT count(*) FROM shop.event WHERE type = 'group.customer_removed' AND customer_id = :carl AND payload -> 'group_id' = to_jsonb(:old)), 1::bigint,
		  'DELETE is an event as well');
SELECT count(*) AS removed FROM shop.event WHERE type = 'group.customer_removed' AND customer_id = :carl \gset
SELECT customers.add_to_groups(:carl, ARRAY[:vip, :b2b, :old]) AS done \gset
SELECT customers.delete_customer(:carl, 'carl@example.com') AS done \gset
SELECT is((SELECT count(*) FROM shop.customer_group_member WHERE customer_id = :carl), 0::bigint, 'a deleted customer is a member of nothing');
SELECT is((SELECT count(*) FROM shop.event WHERE type = 'group.customer_removed' AND customer_id = :carl), :removed::bigint,
		  'which is no event of each membership');
SELECT customers.create_group('Short') AS short \gset
SELECT customers.add_customers_to_group(:short, (SELECT array_agg(id) FROM shop.customer)) AS added \gset
SELECT customers.delete_group(:short) AS done \gset
SELECT is((SELECT count(*) FROM shop.event WHERE payload -> 'group_id' = to_jsonb(:short) AND type LIKE 'group.customer_%'), :added::bigint,
		  'nor is each of the two thousand of a group that goes');

-- customer_groups, in_group ------------------------------------------------------------------------

SELECT customers.set_groups(:ada, ARRAY[:vip, :b2b]) AS done \gset
SELECT is((SELECT array_agg(ROW(id, name, metadata, added_at = now())::text) FROM customers.customer_groups(:ada)),
		  ARRAY[format('(%s,B2B,"{""a"": 1}",t)', :b2b), format('(%s,VIP,"{""since"": 2024}",t)', :vip)],
		  'customer_groups shows them by name');
SELECT is(customers.in_group(:ada, 'VIP'), true, 'in_group: yes');
SELECT is(customers.in_group(:ada, 'vIp'), true, 'in_group ignores case');
SELECT is(customers.in_group(:bob, 'VIP'), false, 'in_group: no');
SELECT is(customers.in_group(:ada, 'V_P'), false, 'in_group knows no wildcard');
SELECT is(customers.in_group(:ada, 'No such group'), false, 'in_group: no such group');
SELECT is(customers.in_group(-9, 'VIP'), false, 'in_group: no such customer');
SELECT is(customers.in_group(NULL, 'VIP', 'shop') IS TRUE OR customers.in_group(:ada, NULL, 'shop') IS TRUE, false,
		  'in_group: nobody is in no group');
SELECT customers.create_store('second') AS created \gset
SELECT is(customers.in_group(:ada, 'VIP', 'second'), false, 'in_group looks in the store that is named');
SET LOCAL customers.store = 'second';
SELECT is(customers.in_group(:ada, 'VIP', 'shop'), true, 'whatever the setting says');
SELECT is(customers.in_group(:ada, 'VIP'), false, 'which counts when none is named');
SET LOCAL customers.store = 'shop';
SELECT is(t.error(format('SELECT customers.in_group(%s, ''VIP'', ''nowhere'')', :ada)), '3F000', 'in_group: no such store');
SELECT is((SELECT provolatile::text || proparallel::text FROM pg_proc WHERE pronamespace = 'customers'::regnamespace AND proname = 'in_group'), 'ss',
		  'in_group is stable and parallel safe');
SELECT is((SELECT array_agg(c.email ORDER BY c.email) FROM shop.customer c WHERE customers.in_group(c.id, 'vip', 'shop')),
		  '{ada@example.com}', 'in_group serves a condition');
GRANT USAGE ON SCHEMA shop TO customers_clerk;
GRANT SELECT ON shop.customer TO customers_clerk;
SELECT is(t.error(format('SELECT customers.in_group(%s, ''VIP'', ''shop'')', :ada), 'customers_clerk'), '42501',
		  'in_group reads with the caller''s rights');
GRANT SELECT ON shop.customer_group, shop.customer_group_member TO customers_clerk;
SELECT is(t.run_as('customers_clerk', format('SELECT customers.in_group(%s, ''VIP'', ''shop'')', :ada)), 'true',
		  'SELECT on groups and members');

-- list_groups --------------------------------------------------------------------------------------------

SELECT customers.create_group(n) AS id FROM unnest('{apple,Banana,cherry,"100%",a_b,Äpfel,Zoo}'::text[]) n \g /dev/null
SELECT is((SELECT array_agg(name) FROM customers.list_groups()),
		  (SELECT array_agg(name ORDER BY lower(name COLLATE "C") COLLATE "C") FROM shop.customer_group), 'list_groups is sorted by name, in C order of the lower case');
SELECT is((SELECT array_agg(name) FROM customers.list_groups(page_size => 5)), '{100%,a_b,apple,B2B,Banana}', 'so they begin');
SELECT is((SELECT ROW(id, name, customers_count, metadata, created_at = now())::text FROM customers.list_groups('vip')),
		  format('(%s,VIP,1,"{""since"": 2024}",t)', :vip), 'a row of the list');
SELECT is((SELECT customers_count::bigint FROM customers.list_groups('many')), 1001::bigint, 'customers_count of many');
SELECT is((SELECT customers_count::bigint FROM customers.list_groups('cherry')), 0::bigint, 'customers_count of none');
SELECT is((SELECT coalesce(array_agg(name), '{}') FROM customers.list_groups(s)), names, 'list_groups, search: ' || s)
FROM (VALUES
	(1, 'BAN', '{Banana}'::text[]),
	(2, 'an', '{Banana,Many}'),
	(3, '%', '{100%}'),
	(4, '_', '{a_b}'),
	(5, '\', '{}'),
	(6, 'äpfel', '{Äpfel}'),
	(7, 'no such', '{}')
) v(n, s, names)
ORDER BY n;
SELECT is((SELECT count(*) FROM customers.list_groups('')), (SELECT count(*) FROM shop.customer_group), 'blank is no search');

CREATE FUNCTION pg_temp.walk_groups(pages_of int) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
	walked text[] := '{}';
	page text[];
	cursors text[];
	after text;
	pages int := 0;
BEGIN
	LOOP
		SELECT array_agg(g.name), array_agg(g.cursor) INTO page, cursors FROM customers.list_groups(NULL, pages_of, after) g;
		EXIT WHEN page IS NULL OR pages > 1000;
		walked := walked || page;
		after := cursors[cardinality(cursors)];
		pages := pages + 1;
	END LOOP;
	RETURN walked;
END $$;
CREATE FUNCTION pg_temp.walk_members(grp bigint, pages_of int) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
	walked bigint[] := '{}';
	page bigint[];
	cursors text[];
	after text;
	pages int := 0;
BEGIN
	LOOP
		SELECT array_agg(g.id), array_agg(g.cursor) INTO page, cursors FROM customers.group_customers(grp, pages_of, after) g;
		EXIT WHEN page IS NULL OR pages > 5000;
		walked := walked || page;
		after := cursors[cardinality(cursors)];
		pages := pages + 1;
	END LOOP;
	RETURN walked;
END $$;
SELECT is((SELECT string_agg(p::text, ', ') FROM generate_series(1, 13) p
		   WHERE pg_temp.walk_groups(p) IS DISTINCT FROM (SELECT array_agg(name) FROM customers.list_groups())), NULL,
		  'list_groups: every group once, in pages of 1 to 13');
SELECT is((SELECT string_agg(p::text, ', ') FROM unnest('{7,100,501,1000}'::int[]) p
		   WHERE (SELECT array_agg(m ORDER BY m) FROM unnest(pg_temp.walk_members(:many, p)) m)
			   IS DISTINCT FROM (SELECT array_agg(customer_id ORDER BY customer_id) FROM shop.customer_group_member WHERE customer_group_id = :many)), NULL,
		  'group_customers: every member once, in pages of any size');
SELECT is((SELECT string_agg(p::text, ', ') FROM unnest('{7,100,501}'::int[]) p
		   WHERE pg_temp.walk_members(:many, p) IS DISTINCT FROM pg_temp.walk_members(:many, 1000)), NULL,
		  'in the same order');
SELECT is((SELECT to_jsonb(g) - '{id,cursor,added_at}'::text[] FROM customers.group_customers(:vip) g),
		  '{"email": "ada@example.com", "type": "guest", "full_name": "Ada Lovelace"}', 'a row of group_customers');
SELECT is((SELECT id || ' ' || (added_at = now()) FROM customers.group_customers(:vip)), :'ada' || ' true', 'with id and time');
SELECT is((SELECT count(*) FROM customers.group_customers(:many)), 50::bigint, 'fifty on a page by default');
INSERT INTO shop.customer_group (name) SELECT 'bulk ' || i FROM generate_series(1, 60) i;
SELECT is((SELECT count(*) FROM customers.list_groups()), 50::bigint, 'of groups, too');

SELECT cursor AS group_cursor FROM customers.list_groups(page_size => 1) \gset
SELECT cursor AS member_cursor FROM customers.group_customers(:vip) \gset
SELECT cursor AS customer_cursor FROM customers.list_customers(sort => 'email', page_size => 1) \gset
SELECT is(t.error(format('SELECT * FROM customers.list_groups(after => %L)', c)), '22023', 'list_groups: a cursor ' || why)
FROM (VALUES (1, :'member_cursor', 'of group_customers'), (2, :'customer_cursor', 'of list_customers'), (3, '', 'that is empty'),
	(4, 'abc', 'made up'), (5, left(:'group_cursor', -1), 'cut short')) v(n, c, why) ORDER BY n;
SELECT is(t.error(format('SELECT * FROM customers.group_customers(%s, after => %L)', :vip, c)), '22023', 'group_customers: a cursor ' || why)
FROM (VALUES (1, :'group_cursor', 'of list_groups'), (2, :'customer_cursor', 'of list_customers'), (3, '', 'that is empty'),
	(4, 'abc', 'made up'), (5, left(:'member_cursor', -1), 'cut short')) v(n, c, why) ORDER BY n;
SELECT is(t.error(format(call, p)), '22023', format('%s: no pages of %s', split_part(split_part(call, '.', 2), '(', 1), p))
FROM (VALUES ('SELECT * FROM customers.list_groups(page_size => %s)'),
	(format('SELECT * FROM customers.group_customers(%s, page_size => ', :vip) || '%s)')) v(call),
	unnest('{0,-1,1001,NULL}'::text[]) WITH ORDINALITY u(q, n), LATERAL (SELECT coalesce(q, 'NULL')) w(p)
ORDER BY call COLLATE "C", n;

-- Rights: what a role needs, and no more.
SELECT is(t.error(call, 'customers_other'), '42501', split_part(split_part(call, '.', 2), '(', 1) || ' without rights: 42501')
FROM (VALUES
	(1, 'SELECT customers.create_group(''x'')'),
	(2, format('SELECT customers.update_group(%s, ''{"name": "x"}'')', :vip)),
	(3, format('SELECT customers.delete_group(%s)', :vip)),
	(4, 'SELECT * FROM customers.list_groups()'),
	(5, format('SELECT customers.add_to_groups(%s, ARRAY[%s])', :bob, :vip)),
	(6, format('SELECT customers.remove_from_groups(%s, ARRAY[%s])', :ada, :vip)),
	(7, format('SELECT customers.set_groups(%s, ARRAY[%s])', :bob, :vip)),
	(8, format('SELECT customers.add_customers_to_group(%s, ARRAY[%s])', :vip, :bob)),
	(9, format('SELECT customers.remove_customers_from_group(%s, ARRAY[%s])', :vip, :ada)),
	(10, format('SELECT * FROM customers.customer_groups(%s)', :ada)),
	(11, format('SELECT * FROM customers.group_customers(%s)', :vip)),
	(12, format('SELECT customers.in_group(%s, ''VIP'')', :ada))
) v(n, call)
ORDER BY n;

SELECT * FROM finish();
ROLLBACK;
