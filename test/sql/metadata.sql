\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Metadata: the admin's table of rows, whose order is kept.

SELECT plan(107);

-- A customer's rows in one line: "1 key=value, 2 ..".
CREATE FUNCTION pg_temp.rows(whose bigint) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(m.row_no || ' ' || m.key || '=' || m.value, ', '), 'none')
	FROM customers.metadata_rows(whose) m
$$;
CREATE FUNCTION pg_temp.version(whose bigint) RETURNS bigint
LANGUAGE sql AS 'SELECT version FROM shop.customer WHERE id = whose';

SELECT customers.create_customer('ada@example.com') AS ada \gset
SELECT customers.create_customer('bob@example.com', metadata => '{"zz": 1, "a": {"b": [true, null]}, "m": "text"}') AS bob \gset

SELECT is(pg_temp.rows(:ada), 'none', 'no metadata, no rows');
SELECT is(pg_temp.rows(:bob), '1 a={"b": [true, null]}, 2 m="text", 3 zz=1',
		  'rows are numbered from 1, with any JSON as value');
SELECT is((SELECT metadata_order FROM shop.customer WHERE id = :bob), '{a,m,zz}',
		  'the row order is a column');

-- save_metadata -----------------------------------------------------------------------

SELECT is(customers.save_metadata(:ada, '[{"key": "tier", "value": "gold"}, {"key": "a", "value": 1}, {"key": "Note", "value": {"x": []}}]'),
		  2::bigint, 'save_metadata returns the new version');
SELECT is(pg_temp.rows(:ada), '1 tier="gold", 2 a=1, 3 Note={"x": []}', 'and keeps the order given');
SELECT is((SELECT metadata FROM shop.customer WHERE id = :ada), '{"tier": "gold", "a": 1, "Note": {"x": []}}',
		  'the column metadata is the same as an object');
SELECT is(customers.save_metadata(:ada, '[{"key": "a", "value": 1}, {"key": "tier", "value": "gold"}, {"key": "Note", "value": {"x": []}}]'),
		  3::bigint, 'another order is a change');
SELECT is(pg_temp.rows(:ada), '1 a=1, 2 tier="gold", 3 Note={"x": []}', 'that is kept');
SELECT count(*) AS events FROM shop.event \gset
SELECT is(customers.save_metadata(:ada, '[{"value": 1, "key": "a"}, {"key": "tier", "value": "gold"}, {"key": "Note", "value": {"x": []}}]'),
		  3::bigint, 'the same rows again are none');
SELECT is((SELECT count(*) FROM shop.event), :events::bigint, 'and no event');
SELECT is(customers.save_metadata(:ada, '[{"key": "b", "value": 2}, {"key": "a", "value": 9}]', 3),
		  4::bigint, 'save_metadata replaces all, at the expected version');
SELECT is(pg_temp.rows(:ada), '1 b=2, 2 a=9', 'rows that are not given go');
SELECT is(t.error(format('SELECT customers.save_metadata(%s, ''[]'', 3)', :ada)),
		  '23514 customer_version_current', 'customer_version_current: save_metadata at an older version');
SELECT is(t.error(format('SELECT customers.save_metadata(%s, ''[{"key": "b", "value": 2}, {"key": "a", "value": 9}]'', 3)', :ada)),
		  '23514 customer_version_current', 'customer_version_current: even when nothing would change');
SELECT is(pg_temp.rows(:ada), '1 b=2, 2 a=9', 'nothing changed');
SELECT is(customers.save_metadata(:ada, '[{"key": "n", "value": null}]'), 5::bigint, 'a value may be null');
SELECT is(pg_temp.rows(:ada), '1 n=null', 'which is a row like others');
SELECT is(customers.save_metadata(:ada, '[]'), 6::bigint, 'save_metadata of no rows');
SELECT is(pg_temp.rows(:ada), 'none', 'leaves none');
SELECT is((SELECT ROW(metadata, metadata_order)::text FROM shop.customer WHERE id = :ada), '({},{})',
		  'an empty object and an empty order');
SELECT is(customers.save_metadata(:ada, '[{"key": "B", "value": 1}, {"key": "b", "value": 2}, {"key": "ключ \" '' , {", "value": 3}]'),
		  7::bigint, 'keys differ by case and hold any letter');
SELECT is(pg_temp.rows(:ada), '1 B=1, 2 b=2, 3 ключ " '' , {=3', 'as given');

SELECT is(t.error(format('SELECT customers.save_metadata(%s, %L)', :ada, rows)), '22023',
		  'save_metadata: not ' || what)
FROM (VALUES
	(1, '{"a": 1}', 'an object'),
	(2, '"a"', 'a text'),
	(3, 'null', 'a JSON null'),
	(4, '[1]', 'a number for a row'),
	(5, '[null]', 'a null for a row'),
	(6, '[["a", 1]]', 'an array for a row'),
	(7, '[{}]', 'an empty row'),
	(8, '[{"value": 1}]', 'a row without key'),
	(9, '[{"key": null, "value": 1}]', 'a null key'),
	(10, '[{"key": 7, "value": 1}]', 'a number for a key'),
	(11, '[{"key": {"a": 1}, "value": 1}]', 'an object for a key'),
	(12, '[{"key": "", "value": 1}]', 'an empty key'),
	(13, '[{"key": "  ", "value": 1}]', 'a blank key'),
	(14, '[{"key": "a", "value": 1}, {"key": "a", "value": 2}]', 'a key twice'),
	(15, '[{"key": "a", "value": 1}, {"key": "b", "value": 2}, {"key": "a", "value": 1}]', 'a key twice, apart'),
	(16, '[{"key": "a", "value": 1, "note": 2}]', 'a row with something else'),
	(17, '[{"key": "a"}]', 'a row without value')
) v(n, rows, what)
ORDER BY n;
SELECT is(pg_temp.rows(:ada) || ' ' || pg_temp.version(:ada), '1 B=1, 2 b=2, 3 ключ " '' , {=3 7',
		  'a refused save_metadata changes nothing');

-- insert_metadata_row -------------------------------------------------------------------

SELECT customers.save_metadata(:ada, '[{"key": "one", "value": 1}, {"key": "two", "value": 2}]') AS version \gset
SELECT customers.insert_metadata_row(:ada, 'three', '3') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=1, 2 two=2, 3 three=3', 'insert_metadata_row: at the end');
SELECT customers.insert_metadata_row(:ada, 'a', '"x"', above => 'two') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=1, 2 a="x", 3 two=2, 4 three=3', 'insert_metadata_row: above a row');
SELECT customers.insert_metadata_row(:ada, 'b', '{"y": 1}', below => 'two') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=1, 2 a="x", 3 two=2, 4 b={"y": 1}, 5 three=3', 'insert_metadata_row: below a row');
SELECT customers.insert_metadata_row(:ada, 'first', 'null', above => 'one') AS done \gset
SELECT customers.insert_metadata_row(:ada, 'last', 'false', below => 'three') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 first=null, 2 one=1, 3 a="x", 4 two=2, 5 b={"y": 1}, 6 three=3, 7 last=false',
		  'insert_metadata_row: above the first and below the last');
SELECT pg_temp.version(:ada) AS version \gset
SELECT customers.insert_metadata_row(:ada, 'more', '1') AS done \gset
SELECT is(pg_temp.version(:ada), :version + 1::bigint, 'insert_metadata_row is one change');
SELECT is(t.error(format('SELECT customers.insert_metadata_row(%s, %s)', :ada, args)), code,
		  'insert_metadata_row: ' || what)
FROM (VALUES
	(1, '''two'', ''9''', '23505', 'a key that is there'),
	(2, '''two'', ''9'', above => ''one''', '23505', 'a key that is there, with an anchor'),
	(3, '''new'', ''9'', above => ''nowhere''', '22023', 'above a row that is not there'),
	(4, '''new'', ''9'', below => ''nowhere''', '22023', 'below a row that is not there'),
	(5, '''new'', ''9'', above => ''new''', '22023', 'above itself'),
	(6, '''new'', ''9'', above => ''one'', below => ''one''', '22023', 'above and below'),
	(7, '''new'', ''9'', above => ''two'', below => ''a''', '22023', 'between two rows'),
	(8, 'NULL, ''9''', '22023', 'no key'),
	(9, '''new'', NULL', '22023', 'no value'),
	(10, '''new'', ''{''', '22P02', 'a value that is no JSON')
) v(n, args, code, what)
ORDER BY n;
SELECT matches(t.error(format('SELECT customers.insert_metadata_row(%s, '''', ''9'')', :ada)),
			   '^(22023|23514 customer_metadata_object)$', 'customer_metadata_object: insert_metadata_row with an empty key');
SELECT is(pg_temp.rows(:ada), '1 first=null, 2 one=1, 3 a="x", 4 two=2, 5 b={"y": 1}, 6 three=3, 7 last=false, 8 more=1',
		  'a refused insert_metadata_row changes nothing');

-- delete_metadata_row, set_metadata -----------------------------------------------------------

SELECT customers.delete_metadata_row(:ada, 'two') AS done \gset
SELECT customers.delete_metadata_row(:ada, 'first') AS done \gset
SELECT customers.delete_metadata_row(:ada, 'more') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=1, 2 a="x", 3 b={"y": 1}, 4 three=3, 5 last=false',
		  'delete_metadata_row closes the gap');
SELECT is(t.error(format('SELECT customers.delete_metadata_row(%s, ''two'')', :ada)), '22023',
		  'delete_metadata_row: a key that is not there');
SELECT is(t.error(format('SELECT customers.delete_metadata_row(%s, NULL)', :ada)), '22023',
		  'delete_metadata_row: no key');
SELECT customers.set_metadata(:ada, 'a', '"other"') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=1, 2 a="other", 3 b={"y": 1}, 4 three=3, 5 last=false',
		  'set_metadata of a key that is there keeps its place');
SELECT customers.set_metadata(:ada, 'A', '[]') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=1, 2 a="other", 3 b={"y": 1}, 4 three=3, 5 last=false, 6 A=[]',
		  'set_metadata of a new key puts it at the end');
SELECT customers.set_metadata(:ada, 'one', 'null') AS done \gset
SELECT is(pg_temp.rows(:ada), '1 one=null, 2 a="other", 3 b={"y": 1}, 4 three=3, 5 last=false, 6 A=[]',
		  'set_metadata to a JSON null keeps the row');
SELECT pg_temp.version(:ada) AS version, count(*) AS events FROM shop.event \gset
SELECT customers.set_metadata(:ada, 'three', '3') AS done \gset
SELECT is(pg_temp.version(:ada), :version::bigint, 'set_metadata to the value it has changes nothing');
SELECT is((SELECT count(*) FROM shop.event), :events::bigint, 'and is no event');
SELECT is(t.error(format('SELECT customers.set_metadata(%s, ''a'', NULL)', :ada)), '22023',
		  'set_metadata: no value');
SELECT is(t.error(format('SELECT customers.set_metadata(%s, NULL, ''1'')', :ada)), '22023',
		  'set_metadata: no key');
SELECT matches(t.error(format('SELECT customers.set_metadata(%s, '''', ''1'')', :ada)),
			   '^(22023|23514 customer_metadata_object)$', 'customer_metadata_object: set_metadata with an empty key');

-- Plain SQL ---------------------------------------------------------------------------------------

SELECT customers.save_metadata(:ada, '[{"key": "z", "value": 1}, {"key": "m", "value": 2}, {"key": "a", "value": 3}]') AS version \gset
UPDATE shop.customer SET metadata = '{"a": 30, "new": 4, "z": 10}' WHERE id = :ada;
SELECT is(pg_temp.rows(:ada), '1 z=10, 2 a=30, 3 new=4',
		  'UPDATE of metadata keeps places, forgets removed keys, appends new ones');
UPDATE shop.customer SET metadata = metadata || '{"q": 5, "b": 6}' WHERE id = :ada;
SELECT is(pg_temp.rows(:ada), '1 z=10, 2 a=30, 3 new=4, 4 b=6, 5 q=5', 'several new ones in the order of jsonb');
SELECT is(customers.update_customer(:ada, '{"metadata": {"a": null, "m": 7, "z": 11}}') > 0, true, 'update_customer merges');
SELECT is(pg_temp.rows(:ada), '1 z=11, 2 new=4, 3 b=6, 4 q=5, 5 m=7', 'and keeps places alike');
UPDATE shop.customer SET metadata = '{"m": 1, "z": 2}', metadata_order = '{m,z}' WHERE id = :ada;
SELECT is(pg_temp.rows(:ada), '1 m=1, 2 z=2', 'UPDATE of both columns');
UPDATE shop.customer SET metadata = '{"a": 1, "b": 2, "c": 3}' WHERE id = :ada;
UPDATE shop.customer SET metadata_order = '{c,unknown,a}' WHERE id = :ada;
SELECT is(pg_temp.rows(:ada), '1 c=3, 2 a=1, 3 b=2',
		  'UPDATE of metadata_order: unknown keys are dropped, missing ones appended');
UPDATE shop.customer SET metadata_order = '{b,b,c,b}' WHERE id = :ada;
SELECT is((SELECT metadata_order FROM shop.customer WHERE id = :ada), '{b,c,a}', 'doubles are dropped');
UPDATE shop.customer SET metadata_order = '{NULL,a,NULL}' WHERE id = :ada;
SELECT is((SELECT array_to_string(metadata_order, ',', '?') FROM shop.customer WHERE id = :ada) IN ('a,b,c', 'a,c,b'), true,
		  'NULLs are dropped');
UPDATE shop.customer SET metadata_order = '{c,b,a}' WHERE id = :ada;
UPDATE shop.customer SET metadata_order = NULL WHERE id = :ada;
SELECT is((SELECT array_agg(k ORDER BY k) FROM shop.customer, unnest(metadata_order) k WHERE id = :ada), '{a,b,c}',
		  'metadata_order NULL still has every key');
UPDATE shop.customer SET metadata_order = '{c,b,a}' WHERE id = :ada;
SELECT pg_temp.version(:ada) AS version \gset
UPDATE shop.customer SET metadata_order = '{c,nonsense,b}' WHERE id = :ada;
SELECT is((SELECT metadata_order::text || version FROM shop.customer WHERE id = :ada),
		  '{c,b,a}' || :version, 'an order that comes to the same is no change');
SELECT is(t.error(format('UPDATE shop.customer SET metadata_order = ''{{a,b},{c,a}}'' WHERE id = %s', :ada)) IN ('no error', '23514 customer_metadata_object', '22023', '2202E'), true,
		  'a two-dimensional order does no harm');
INSERT INTO shop.customer (email, metadata, metadata_order)
VALUES ('carl@example.com', '{"a": 1, "b": 2, "c": 3}', '{b,x,b}') RETURNING id AS carl \gset
SELECT is(pg_temp.rows(:carl), '1 b=2, 2 a=1, 3 c=3', 'INSERT brings its order alike');
UPDATE shop.customer SET metadata = NULL WHERE id = :carl;
SELECT is((SELECT ROW(metadata, metadata_order)::text FROM shop.customer WHERE id = :carl), '({},{})',
		  'UPDATE to NULL is an empty object');
SELECT is((SELECT bool_and((SELECT coalesce(array_agg(k ORDER BY k COLLATE "C"), '{}') FROM jsonb_object_keys(metadata) k)
						   = (SELECT coalesce(array_agg(k ORDER BY k COLLATE "C"), '{}') FROM unnest(metadata_order) k))
		   FROM shop.customer), true, 'every customer''s row order has exactly the keys');

-- customer_metadata_object, orders_metadata_object, customer_group_metadata_object.
SELECT is(t.error(format('UPDATE shop.customer SET metadata = %L WHERE id = %s', m, :ada)),
		  '23514 customer_metadata_object', 'customer_metadata_object: ' || m)
FROM (VALUES (1, '[]'), (2, '3'), (3, '"x"'), (4, 'null'), (5, '{"": 1}')) v(n, m)
ORDER BY n;
SELECT is(t.error(format('INSERT INTO shop.customer_group (name, metadata) VALUES (''G'', %L)', m)),
		  '23514 customer_group_metadata_object', 'customer_group_metadata_object: ' || m)
FROM (VALUES (1, '[]'), (2, 'null'), (3, '{"": 1}')) v(n, m)
ORDER BY n;
SELECT is(t.error(format('INSERT INTO shop.orders (status, currency_code, total, metadata) VALUES (''pending'', ''EUR'', 1, %L)', m)),
		  '23514 orders_metadata_object', 'orders_metadata_object: ' || m)
FROM (VALUES (1, '[]'), (2, 'null'), (3, '{"": 1}')) v(n, m)
ORDER BY n;

-- Many rows, long keys.
SELECT is(customers.save_metadata(:carl, (SELECT jsonb_agg(jsonb_build_object('key', 'key ' || i, 'value', i) ORDER BY i DESC)
										  FROM generate_series(1, 1000) i)) > 0, true, 'a thousand rows are saved');
SELECT is((SELECT array_agg(value::int) FROM customers.metadata_rows(:carl)),
		  (SELECT array_agg(i ORDER BY i DESC) FROM generate_series(1, 1000) i), 'and keep their order');
SELECT is((SELECT array_agg(row_no) FROM customers.metadata_rows(:carl)),
		  (SELECT array_agg(i) FROM generate_series(1, 1000) i), 'numbered without gap');
SELECT customers.insert_metadata_row(:carl, repeat('k', 10000), '1', above => 'key 1000') AS done \gset
SELECT is((SELECT length(key) FROM customers.metadata_rows(:carl) WHERE row_no = 1), 10000,
		  'a long key is a key');

-- Unknown customers, missing rights.
SELECT is(t.error(format('SELECT * FROM customers.%s', call)), '23503', call || ': an unknown customer')
FROM (VALUES
	(1, 'metadata_rows(-5)'),
	(2, 'save_metadata(-5, ''[]'')'),
	(3, 'insert_metadata_row(-5, ''a'', ''1'')'),
	(4, 'delete_metadata_row(-5, ''a'')'),
	(5, 'set_metadata(-5, ''a'', ''1'')')
) v(n, call)
ORDER BY n;
SELECT is(t.error(format('SELECT * FROM customers.%s', format(call, :bob)), 'customers_other'), '42501',
		  split_part(call, '(', 1) || ' without rights: 42501')
FROM (VALUES
	(1, 'metadata_rows(%s)'),
	(2, 'save_metadata(%s, ''[]'')'),
	(3, 'insert_metadata_row(%s, ''n'', ''1'')'),
	(4, 'delete_metadata_row(%s, ''m'')'),
	(5, 'set_metadata(%s, ''a'', ''1'')')
) v(n, call)
ORDER BY n;

SELECT * FROM finish();
ROLLBACK;
