\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Lists: search, filter, sort and keyset cursors of list_customers and
-- count_customers, in a store with the search index and in one without.

SELECT plan(505);

SELECT customers.create_store('plain', search => false) AS created \gset

-- The same customers for both stores.
CREATE TEMP TABLE person (n int, email text, first_name text, last_name text,
	company_name text, phone text, metadata jsonb, external_id text, created_at timestamptz);
INSERT INTO person VALUES
	(1, 'ada@example.com', 'Ada', 'Lovelace', 'Engines Ltd', '+44 20 1234', '{"tier": "gold", "tags": ["a", "b"]}', NULL, '2024-01-01'),
	(2, 'bob@example.org', 'Bob', 'Marley', NULL, NULL, '{"tier": "silver"}', NULL, '2024-01-02'),
	(3, 'carl@example.com', 'Carl', 'Gauss', 'Sums & Co', '0551 39-0', '{}', 'crm-3', '2024-01-03'),
	(4, 'dora@example.com', NULL, NULL, NULL, NULL, '{"tier": "gold"}', NULL, '2024-01-03'),
	(5, 'emmy@example.com', 'Emmy', 'Noether', 'Rings', NULL, '{}', NULL, '2024-01-03'),
	(6, 'fang@example.cn', '芳', '王', '中国银行', NULL, '{}', NULL, '2024-01-04'),
	(7, 'greta@example.de', 'Greta', 'MÜLLER', 'Bäckerei ÄHRE', NULL, '{}', NULL, '2024-01-05'),
	(8, 'hans@example.de', 'Hans', 'Müller', NULL, NULL, '{}', NULL, '2024-01-05'),
	(9, 'ivan@example.ru', 'ИВАН', 'Петров', NULL, NULL, '{}', NULL, '2024-01-06'),
	(10, 'percent@example.com', '100%', 'Rabatt', 'a_b', NULL, '{}', NULL, '2024-01-07'),
	(11, 'under_score@example.com', 'Axb', 'Noether', 'back\slash', NULL, '{}', NULL, '2024-01-08'),
	(12, 'zoe@example.com', 'Zoé', 'Noether', NULL, NULL, '{}', NULL, '2024-01-08');
INSERT INTO shop.customer (email, first_name, last_name, company_name, phone, metadata, external_id, created_at)
SELECT email, first_name, last_name, company_name, phone, metadata, external_id, created_at FROM person ORDER BY n;
INSERT INTO plain.customer (email, first_name, last_name, company_name, phone, metadata, external_id, created_at)
SELECT email, first_name, last_name, company_name, phone, metadata, external_id, created_at FROM person ORDER BY n;
-- A registered customer beside the guest of the same e-mail.
INSERT INTO shop.customer (email, has_account, external_id, last_name, created_at)
VALUES ('ada@example.com', true, 'crm-1', 'King', '2024-01-09') RETURNING id AS king \gset
INSERT INTO plain.customer (email, has_account, external_id, last_name, created_at)
VALUES ('ada@example.com', true, 'crm-1', 'King', '2024-01-09');

SELECT id AS ada FROM shop.customer WHERE email = 'ada@example.com' AND NOT has_account \gset
SELECT id AS bob FROM shop.customer WHERE email = 'bob@example.org' \gset
SELECT id AS dora FROM shop.customer WHERE email = 'dora@example.com' \gset
SELECT id AS emmy FROM shop.customer WHERE email = 'emmy@example.com' \gset

-- Whom a search finds: the e-mails' local parts, sorted; the count must agree.
CREATE FUNCTION pg_temp.found(store text, search text, filter jsonb = NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	names text;
	n bigint;
	counted bigint;
BEGIN
	PERFORM set_config('customers.store', store, true);
	SELECT coalesce(string_agg(split_part(l.email, '@', 1) || CASE l.type WHEN 'guest' THEN '' ELSE '+' END, ' '
							   ORDER BY l.email COLLATE "C", l.id), ''), count(*)
	INTO names, n
	FROM customers.list_customers(search, filter) l;
	counted := customers.count_customers(search, filter);
	PERFORM set_config('customers.store', 'shop', true);
	RETURN CASE WHEN counted = n THEN names ELSE format('%s, but counted %s', names, counted) END;
END $$;

-- All pages in a row; a page that does not end is cut off.
CREATE FUNCTION pg_temp.walk(store text, sort text, page_size int, search text = NULL, filter jsonb = NULL)
RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
	walked bigint[] := '{}';
	page bigint[];
	cursors text[];
	after text;
	pages int := 0;
BEGIN
	PERFORM set_config('customers.store', store, true);
	LOOP
		SELECT array_agg(l.id), array_agg(l.cursor) INTO page, cursors
		FROM customers.list_customers(search, filter, sort, page_size, after) l;
		EXIT WHEN page IS NULL OR pages > 10000;
		IF cardinality(page) > page_size THEN
			RAISE EXCEPTION 'a page of %', cardinality(page);
		END IF;
		walked := walked || page;
		after := cursors[cardinality(cursors)];
		pages := pages + 1;
	END LOOP;
	PERFORM set_config('customers.store', 'shop', true);
	RETURN walked;
END $$;

-- What one would select by hand.
CREATE FUNCTION pg_temp.by_hand(store text, ordering text, condition text = 'true') RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[];
BEGIN
	EXECUTE format('SELECT array_agg(id ORDER BY %s) FROM %I.customer WHERE %s', ordering, store, condition) INTO ids;
	RETURN ids;
END $$;

-- A row of the list ---------------------------------------------------------------------

SELECT customers.create_group('VIP') AS vip \gset
SELECT customers.create_group('B2B') AS b2b \gset
SELECT customers.create_group('Nobody') AS nobody \gset
SELECT customers.add_customers_to_group(:vip, ARRAY[:ada, :bob]) AS added \gset
SELECT customers.add_customers_to_group(:b2b, ARRAY[:bob, :emmy]) AS added \gset
INSERT INTO shop.orders (customer_id, email, status, currency_code, total)
VALUES (:ada, 'ada@example.com', 'completed', 'EUR', 1), (:ada, 'ada@example.com', 'draft', 'EUR', 2);
SELECT is((SELECT to_jsonb(l) - 'cursor'::text FROM customers.list_customers('lovelace') l),
		  (SELECT to_jsonb(d) FROM customers.customer_details(:ada) d),
		  'a row of the list is what customer_details shows');
SELECT is((SELECT array_agg(to_jsonb(l) - 'cursor'::text ORDER BY l.id) FROM customers.list_customers() l),
		  (SELECT array_agg(to_jsonb(d) ORDER BY c.id) FROM shop.customer c, customers.customer_details(c.id) d),
		  'each of them');
SELECT is((SELECT groups FROM customers.list_customers('bob')), '{B2B,VIP}', 'with its groups');
SELECT is((SELECT orders_count::bigint FROM customers.list_customers('lovelace')), 1::bigint, 'and its orders but drafts');
SELECT is((SELECT count(*) FROM customers.list_customers() WHERE cursor IS NULL OR cursor = ''), 0::bigint,
		  'every row has its cursor');
SELECT is((SELECT count(DISTINCT cursor) FROM customers.list_customers()), 13::bigint, 'of its own');
SELECT is(customers.count_customers(), 13::bigint, 'count_customers() counts all');

-- Search ----------------------------------------------------------------------------------

CREATE TEMP TABLE quest (n serial, search text, names text, why text);
INSERT INTO quest (search, names, why) VALUES
	('lovelace', 'ada', 'a last name'),
	('LOVELACE', 'ada', 'in upper case'),
	('ovela', 'ada', 'a part of it'),
	('emmy', 'emmy', 'a first name'),
	('carl@example.com', 'carl', 'an e-mail'),
	('CARL@EXAMPLE', 'carl', 'a part of it in upper case'),
	('@example.de', 'greta hans', 'a domain'),
	('engines', 'ada', 'a company'),
	('1234', 'ada', 'a part of a phone number'),
	('+44', 'ada', 'with its plus'),
	('39-0', 'carl', 'with its hyphen'),
	('&', 'carl', 'a single sign'),
	('lovelace ada', 'ada', 'two words in any order'),
	('1234 ltd ada lace', 'ada', 'words from four columns'),
	('ada lovelace bob', '', 'a word that does not occur'),
	('noether', 'emmy under_score zoe', 'three of one name'),
	('noether noether', 'emmy under_score zoe', 'the same word twice'),
	('noether rings', 'emmy', 'narrowed by a second word'),
	(E'  noether \t rings\n', 'emmy', 'with white space of any kind'),
	('adalovelace', '', 'a word does not run over two columns'),
	('comada', '', 'not even these'),
	('gold', '', 'metadata is not searched'),
	('crm-3', '', 'nor external_id'),
	('vip', '', 'nor groups'),
	('100%', 'percent', 'a literal %'),
	('%', 'percent', 'alone'),
	('1%0', '', 'is no wildcard'),
	('a_b', 'percent', 'a literal _'),
	('_', 'percent under_score', 'alone'),
	('r_s', 'under_score', 'inside a word'),
	('back\slash', 'under_score', 'a literal backslash'),
	('\', 'under_score', 'alone'),
	('\%', '', 'which escapes nothing'),
	('''', '', 'a single quote'),
	('"', '', 'a double quote'),
	('王芳', '', 'two letters of two columns'),
	('王', 'fang', 'one Chinese letter'),
	('芳', 'fang', 'another'),
	('王 芳', 'fang', 'both'),
	('银行', 'fang', 'two Chinese letters'),
	('中国银行', 'fang', 'four'),
	('国中', '', 'in no other order'),
	('ad', 'ada ada+', 'two letters'),
	('AD', 'ada ada+', 'in upper case'),
	('zo', 'zoe', 'two more'),
	('xq', '', 'two that do not occur'),
	('z', 'zoe', 'one letter'),
	('müller', 'greta hans', 'non-ASCII lower case'),
	('MÜLLER', 'greta hans', 'non-ASCII upper case'),
	('Müller', 'greta hans', 'mixed'),
	('ÜL', 'greta hans', 'two letters, one of them non-ASCII'),
	('ül', 'greta hans', 'in lower case'),
	('ähre', 'greta', 'lower for upper'),
	('muller', '', 'an umlaut is no plain letter'),
	('иван', 'ivan', 'Cyrillic lower for upper'),
	('ПЕТРОВ', 'ivan', 'Cyrillic upper for mixed'),
	('ZOÉ', 'zoe', 'an accent'),
	('éxample', '', 'where there is none'),
	('king', 'ada+', 'a registered customer'),
	('ada@example.com', 'ada ada+', 'guest and registered of one e-mail'),
	('', 'ada ada+ bob carl dora emmy fang greta hans ivan percent under_score zoe', 'empty: no search'),
	('  ', 'ada ada+ bob carl dora emmy fang greta hans ivan percent under_score zoe', 'blank: no search'),
	(NULL, 'ada ada+ bob carl dora emmy fang greta hans ivan percent under_score zoe', 'NULL: no search'),
	(repeat('x', 5000), '', 'a very long word'),
	(repeat('ada ', 500), 'ada ada+', 'very many words'),
	('example ' || repeat('e', 300), '', 'a short and a long word'),
	('ov', 'ada', 'two letters within a word'),
	('he', 'emmy under_score zoe', 'two letters, other rows'),
	('qz', '', 'two letters that nobody has'),
	('ce', 'ada percent', 'two letters at an end'),
	('ov ce', 'ada', 'twice two letters'),
	('ov he', '', 'twice two letters, of different customers'),
	('ov lovelace e', 'ada', 'words of every length');
SELECT is(pg_temp.found(store, search, NULL), names, 'search (' || store || '): ' || why)
FROM quest, (VALUES (1, 'shop'), (2, 'plain')) v(s, store)
ORDER BY s, n;

-- The search index, which the planner would not use for so few, finds the same.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_indexscan = off;
SELECT is(pg_temp.found('shop', search, NULL), names, 'search (by the index): ' || why) FROM quest ORDER BY n;
RESET enable_seqscan;
RESET enable_indexscan;

-- A change is found at once, the former words are not.
UPDATE shop.customer SET company_name = 'Analytical Ltd' WHERE id = :ada;
UPDATE plain.customer SET company_name = 'Analytical Ltd' WHERE company_name = 'Engines Ltd';
SELECT is(pg_temp.found(store, 'analytical') || '/' || pg_temp.found(store, 'engines'), 'ada/',
		  'search (' || store || '): follows a change')
FROM (VALUES ('shop'), ('plain')) v(store);

-- Filters --------------------------------------------------------------------------------------

-- The same groups in the other store, under ids of its own.
SET LOCAL customers.store = 'plain';
SELECT customers.create_group('first') AS first \gset
SELECT customers.create_group('VIP') AS plain_vip \gset
SELECT customers.create_group('B2B') AS plain_b2b \gset
SELECT customers.create_group('Nobody') AS plain_nobody \gset
SELECT customers.add_customers_to_group(:plain_vip, (SELECT array_agg(id) FROM plain.customer WHERE (email, has_account) IN (('ada@example.com', false), ('bob@example.org', false)))) AS added \gset
SELECT customers.add_customers_to_group(:plain_b2b, (SELECT array_agg(id) FROM plain.customer WHERE email IN ('bob@example.org', 'emmy@example.com'))) AS added \gset
SET LOCAL customers.store = 'shop';

CREATE TEMP TABLE sieve (n serial, filter text, names text, why text);
INSERT INTO sieve (filter, names, why) VALUES
	('{}', 'ada ada+ bob carl dora emmy fang greta hans ivan percent under_score zoe', 'none'),
	('{"type": "registered"}', 'ada+', 'type registered'),
	('{"type": "guest"}', 'ada bob carl dora emmy fang greta hans ivan percent under_score zoe', 'type guest'),
	('{"groups": [VIP]}', 'ada bob', 'one group'),
	('{"groups": [VIP, B2B]}', 'ada bob emmy', 'any of two groups'),
	('{"groups": [VIP, VIP]}', 'ada bob', 'a group twice'),
	('{"groups": [NOBODY]}', '', 'an empty group'),
	('{"not_groups": [VIP]}', 'ada+ carl dora emmy fang greta hans ivan percent under_score zoe', 'not a group'),
	('{"not_groups": [VIP, B2B]}', 'ada+ carl dora fang greta hans ivan percent under_score zoe', 'none of two groups'),
	('{"groups": [B2B], "not_groups": [VIP]}', 'emmy', 'one group and not another'),
	('{"email": "bob@example.org"}', 'bob', 'an e-mail'),
	('{"email": "BOB@Example.ORG"}', 'bob', 'ignoring case'),
	('{"email": "ada@example.com"}', 'ada ada+', 'guest and registered'),
	('{"email": "bob@example"}', '', 'the whole e-mail'),
	('{"email": "b%"}', '', 'no pattern'),
	('{"external_id": "crm-3"}', 'carl', 'external_id'),
	('{"external_id": "CRM-3"}', '', 'as it is written'),
	('{"created_from": "2024-01-08T00:00:00Z"}', 'ada+ under_score zoe', 'created_from, that moment included'),
	('{"created_from": "2024-01-08T00:00:01Z"}', 'ada+', 'but not before'),
	('{"created_before": "2024-01-02T00:00:00Z"}', 'ada', 'created_before, that moment excluded'),
	('{"created_from": "2024-01-02", "created_before": "2024-01-04"}', 'bob carl dora emmy', 'created between two days'),
	('{"created_from": "2024-01-01T01:00:00+01:00", "created_before": "2024-01-01T00:00:01Z"}', 'ada', 'with a time zone'),
	('{"updated_from": "2001-01-01"}', 'ada ada+ bob carl dora emmy fang greta hans ivan percent under_score zoe', 'updated_from, long ago'),
	('{"updated_from": "2999-01-01"}', '', 'updated_from, in the future'),
	('{"metadata": {"tier": "gold"}}', 'ada dora', 'metadata'),
	('{"metadata": {"tier": "gold", "tags": ["b"]}}', 'ada', 'metadata contained as jsonb has it'),
	('{"metadata": {"tier": "Gold"}}', '', 'as it is written'),
	('{"metadata": {}}', 'ada ada+ bob carl dora emmy fang greta hans ivan percent under_score zoe', 'metadata that all contain'),
	('{"type": "guest", "groups": [VIP], "metadata": {"tier": "gold"}, "created_before": "2025-01-01"}', 'ada', 'all of them hold'),
	('{"type": "registered", "groups": [VIP]}', '', 'not one of them only');
SELECT is(pg_temp.found(store, NULL, replace(replace(replace(filter, 'VIP', vip), 'B2B', b2b), 'NOBODY', nobody)::jsonb), names,
		  'filter (' || store || '): ' || why)
FROM sieve, (VALUES (1, 'shop', :'vip', :'b2b', :'nobody'), (2, 'plain', :'plain_vip', :'plain_b2b', :'plain_nobody')) v(s, store, vip, b2b, nobody)
ORDER BY s, n;
SELECT is(pg_temp.found(store, 'noether', '{"created_from": "2024-01-08"}'), 'under_score zoe',
		  'filter (' || store || '): together with a search')
FROM (VALUES ('shop'), ('plain')) v(store);

CREATE TEMP TABLE wrong (n serial, filter text, why text);
INSERT INTO wrong (filter, why) VALUES
	('[]', 'an array'),
	('"guest"', 'a text'),
	('7', 'a number'),
	('{"colour": "red"}', 'an unknown key'),
	('{"Type": "guest"}', 'a key in another case'),
	('{"type": "guest", "last_name": "Gauss"}', 'a column that is no key'),
	('{"type": "vip"}', 'an unknown type'),
	('{"type": 1}', 'a number for a type'),
	('{"groups": 1}', 'a number for groups'),
	('{"groups": "1"}', 'a text for groups'),
	('{"groups": ["a"]}', 'letters for an id'),
	('{"groups": [1.5]}', 'a fraction for an id'),
	('{"groups": [null]}', 'null for an id'),
	('{"groups": [[1]]}', 'an array for an id'),
	('{"not_groups": {"1": 2}}', 'an object for not_groups'),
	('{"email": 5}', 'a number for an e-mail'),
	('{"email": ["a@example.com"]}', 'an array for an e-mail'),
	('{"external_id": {}}', 'an object for external_id'),
	('{"created_from": 2024}', 'a number for a date'),
	('{"metadata": "gold"}', 'a text for metadata'),
	('{"metadata": [1]}', 'an array for metadata');
SELECT is(t.error(format('SELECT * FROM customers.list_customers(filter => %L)', filter)), '22023', 'filter: not ' || why)
FROM wrong ORDER BY n;
SELECT is((SELECT string_agg(why, ', ') FROM wrong
		   WHERE t.error(format('SELECT customers.count_customers(filter => %L)', filter)) <> '22023'), NULL,
		  'count_customers refuses the same filters');
SELECT matches(t.error(format('SELECT * FROM customers.list_customers(filter => %L)', filter)), '^(22023|22P02|22007|22008|22003)$', 'filter: not ' || why)
FROM (VALUES (1, '{"created_from": "yesterdayish"}', 'a word for a date'),
	(2, '{"created_before": "2024-02-31"}', 'a day that is none'),
	(3, '{"updated_from": ""}', 'an empty date'),
	(4, '{"groups": [99999999999999999999]}', 'an id beyond bigint')) v(n, filter, why)
ORDER BY n;

-- Sorts ---------------------------------------------------------------------------------------------

CREATE TEMP TABLE ordered (n serial, sort text, by_hand text);
INSERT INTO ordered (sort, by_hand) VALUES
	('id', 'id'),
	('-id', 'id DESC'),
	('email', 'lower(email) COLLATE "C", id'),
	('-email', 'lower(email) COLLATE "C" DESC, id DESC'),
	('last_name', 'last_name, id'),
	('-last_name', 'last_name DESC, id DESC'),
	('created_at', 'created_at, id'),
	('-created_at', 'created_at DESC, id DESC');
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers(sort => o.sort) l), pg_temp.by_hand('shop', by_hand),
		  'sort ' || sort || ', NULLs and ties included')
FROM ordered o ORDER BY n;
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers() l), pg_temp.by_hand('shop', 'created_at DESC, id DESC'),
		  'by default the newest come first');
SELECT is((SELECT last_name FROM customers.list_customers(sort => 'last_name', page_size => 1000) WITH ORDINALITY
		   ORDER BY ordinality DESC LIMIT 1), NULL, 'last_name: NULLs last');
SELECT is((SELECT last_name FROM customers.list_customers(sort => '-last_name', page_size => 1)), NULL,
		  '-last_name: NULLs first');
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers(sort => 'email', page_size => 2) l),
		  ARRAY[:ada, :king]::bigint[], 'email: a tie by id');
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers(filter => '{"email": "ada@example.com"}', sort => '-email') l),
		  ARRAY[:king, :ada]::bigint[], '-email: a tie by id, descending');

-- Cursors: every sort, every page size, both stores --------------------------------------------------

SELECT is((SELECT string_agg(format('pages of %s', p), ', ') FROM generate_series(1, 14) p
		   WHERE pg_temp.walk(store, sort, p) IS DISTINCT FROM pg_temp.by_hand(store, by_hand)), NULL,
		  format('walk %s (%s): every row once, in pages of 1 to 14', sort, store))
FROM ordered, (VALUES (1, 'shop'), (2, 'plain')) v(s, store)
ORDER BY s, n;
SELECT is((SELECT string_agg(format('pages of %s', p), ', ') FROM generate_series(1, 4) p
		   WHERE pg_temp.walk(store, sort, p, 'noether') IS DISTINCT FROM pg_temp.by_hand(store, by_hand, 'last_name = ''Noether''')), NULL,
		  format('walk %s (%s): a search', sort, store))
FROM ordered, (VALUES (1, 'shop'), (2, 'plain')) v(s, store)
ORDER BY s, n;
SELECT is(pg_temp.walk('shop', sort, 2, NULL, '{"metadata": {"tier": "gold"}}'), pg_temp.by_hand('shop', by_hand, 'metadata @> ''{"tier": "gold"}'''),
		  format('walk %s: a filter', sort))
FROM ordered ORDER BY n;

-- A row that comes or goes between two pages disturbs no other.
SELECT cursor AS here FROM customers.list_customers(sort => 'id', page_size => 4) ORDER BY id DESC LIMIT 1 \gset
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers(sort => 'id', page_size => 2, after => :'here') l),
		  (SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM shop.customer WHERE id > :dora ORDER BY id LIMIT 2) c),
		  'after a cursor comes the next row');
SELECT customers.delete_customer(:dora, 'dora@example.com') AS gone \gset
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers(sort => 'id', page_size => 2, after => :'here') l),
		  (SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM shop.customer WHERE id > :dora ORDER BY id LIMIT 2) c),
		  'even when the row of the cursor is gone');
SELECT cursor AS last FROM customers.list_customers(sort => 'id', page_size => 1000) ORDER BY id DESC LIMIT 1 \gset
SELECT is((SELECT count(*) FROM customers.list_customers(sort => 'id', after => :'last')), 0::bigint,
		  'after the last row comes nothing');
INSERT INTO shop.customer (email, last_name) VALUES ('late@example.com', E'O''Neil "\\, {]') RETURNING id AS late \gset
SELECT is((SELECT array_agg(l.id) FROM customers.list_customers(sort => 'id', after => :'last') l), ARRAY[:late]::bigint[],
		  'until there is more');
SELECT is(pg_temp.walk('shop', 'last_name', 1), (SELECT array_agg(l.id) FROM customers.list_customers(sort => 'last_name') l),
		  'a cursor carries any letter');
SELECT is(pg_temp.walk('shop', '-last_name', 1), (SELECT array_agg(l.id) FROM customers.list_customers(sort => '-last_name') l),
		  'in both directions');

-- Bad and foreign cursors.
SELECT cursor AS email_cursor FROM customers.list_customers(sort => 'email', page_size => 1) \gset
SELECT cursor AS group_cursor FROM customers.list_groups(page_size => 1) \gset
SELECT cursor AS member_cursor FROM customers.group_customers(:vip, 1) \gset
SELECT cursor AS event_cursor FROM customers.customer_timeline(:ada, 1) \gset
SELECT cursor AS order_cursor FROM customers.customer_orders(:ada, 1) \gset
SELECT is(t.error(format('SELECT * FROM customers.list_customers(sort => %L, after => %L)', sort, cursor)), '22023',
		  'a cursor ' || why)
FROM (VALUES
	(1, 'id', :'email_cursor', 'of another sort'),
	(2, '-email', :'email_cursor', 'of the other direction'),
	(3, 'last_name', :'email_cursor', 'of another text'),
	(4, 'email', :'group_cursor', 'of list_groups'),
	(5, 'email', :'member_cursor', 'of group_customers'),
	(6, 'created_at', :'event_cursor', 'of customer_timeline'),
	(7, '-created_at', :'order_cursor', 'of customer_orders'),
	(8, 'id', '', 'that is empty'),
	(9, 'id', ' ', 'that is blank'),
	(10, 'id', '7', 'made up of an id'),
	(11, 'id', 'abc', 'made up of letters'),
	(12, 'id', '%%%%', 'made up of signs'),
	(13, 'id', 'ünicode', 'made up of other letters'),
	(14, 'id', '{"id": 7}', 'made up as JSON'),
	(15, 'email', left(:'email_cursor', -1), 'cut short'),
	(16, 'email', left(:'email_cursor', 3), 'cut to three letters'),
	(17, 'email', :'email_cursor' || :'email_cursor', 'twice in one'),
	(18, 'id', repeat('A', 100000), 'of great length')
) v(n, sort, cursor, why)
ORDER BY n;

-- Page sizes and sorts that are none.
SELECT is((SELECT count(*) FROM customers.list_customers(page_size => 1000)), 13::bigint, 'pages of 1000 are allowed');
SELECT is((SELECT count(*) FROM customers.list_customers(page_size => 1)), 1::bigint, 'and pages of 1');
SELECT is(t.error(format('SELECT * FROM customers.list_customers(page_size => %s)', p)), '22023', 'no pages of ' || p)
FROM unnest('{0,-1,1001,2147483647,-2147483648,NULL}'::text[]) WITH ORDINALITY u(q, n), LATERAL (SELECT coalesce(q, 'NULL')) v(p)
ORDER BY n;
SELECT is(t.error(format('SELECT * FROM customers.list_customers(sort => %L)', s)), '22023', 'no sort ' || coalesce(s, 'NULL'))
FROM unnest('{NULL,"",-,first_name,phone,--id,+id,"-id ",ID,"id DESC","id; SELECT 1",version}'::text[]) WITH ORDINALITY u(s, n)
ORDER BY n;

-- Rights.
SELECT is(t.error('SELECT * FROM customers.list_customers()', 'customers_other'), '42501', 'list_customers without rights: 42501');
SELECT is(t.error('SELECT customers.count_customers()', 'customers_other'), '42501', 'count_customers without rights: 42501');
SELECT is((SELECT string_agg(proname || ' ' || provolatile::text, ', ' ORDER BY proname) FROM pg_proc
		   WHERE pronamespace = 'customers'::regnamespace AND proname IN ('list_customers', 'count_customers')),
		  'count_customers s, list_customers s', 'both are stable');
SELECT count(*) AS events FROM shop.event \gset
SELECT count(*) AS listed FROM customers.list_customers('ada', '{"type": "guest"}') \gset
SELECT is((SELECT count(*) FROM shop.event), :events::bigint, 'reading makes no event');

-- Many customers, in so many blocks that a sample of them is taken --------------------------------------

SELECT set_config('customers.store', 'shop', true) AS set \gset
INSERT INTO shop.customer (email, first_name, last_name, company_name, metadata, created_at)
SELECT format('p%s@many.example', i), CASE WHEN i % 500 = 0 THEN 'Needle' END, CASE WHEN i % 7 = 0 THEN NULL ELSE 'N' || i % 100 END,
	CASE WHEN i % 3 = 0 THEN 'Third' WHEN i < 300 THEN 'Old' WHEN i = 4000 THEN '~' END,
	jsonb_build_object('n', i % 10, 'filler', repeat('x', 400)),
	timestamptz '2020-01-01' + i / 3 * interval '1 minute'
FROM generate_series(1, 6000) i;
INSERT INTO plain.customer (email, first_name, last_name, company_name, metadata, created_at)
SELECT email, first_name, last_name, company_name, metadata, created_at FROM shop.customer WHERE email LIKE '%@many.example' ORDER BY id;
SELECT is(pg_temp.found(store, 'p1@many'), 'p1', format('the oldest of 6000 is found (%s)', store))
FROM (VALUES ('shop'), ('plain')) v(store);
SELECT is((SELECT count(*) FROM customers.list_customers('needle many', page_size => 1000)), 12::bigint, 'all twelve needles');
SELECT is(customers.count_customers('needle'), 12::bigint, 'are counted');
SELECT is(customers.count_customers('many'), 6000::bigint, 'and so is all the hay');
SELECT is(pg_temp.walk(store, sort, 5, 'needle'), pg_temp.by_hand(store, by_hand, 'first_name = ''Needle'''),
		  format('walk %s (%s): needles in the hay', sort, store))
FROM ordered, (VALUES (1, 'shop'), (2, 'plain')) v(s, store)
ORDER BY s, n;
SELECT is(pg_temp.walk('shop', sort, 997, 'many'), pg_temp.by_hand('shop', by_hand, 'email LIKE ''%@many.example'''),
		  format('walk %s: a word that occurs in most rows', sort))
FROM ordered ORDER BY n;
SELECT is(pg_temp.walk('shop', sort, 1000), pg_temp.by_hand('shop', by_hand), format('walk %s: everything', sort))
FROM ordered ORDER BY n;

-- Every kind of word with every kind of filter, in every order: what one would select by hand.  In the
-- shop a word is in all rows, in a third, in the oldest, in twelve, in one or in none, and groups hold a
-- third, all but a third, five or nobody.
SELECT customers.create_group('third') AS third \gset
SELECT customers.create_group('others') AS others \gset
SELECT customers.create_group('five') AS five \gset
INSERT INTO shop.customer_group_member (customer_group_id, customer_id)
SELECT CASE WHEN company_name = 'Third' THEN :third ELSE :others END, id FROM shop.customer WHERE email LIKE '%@many.example';
INSERT INTO shop.customer_group_member (customer_group_id, customer_id)
SELECT :five, id FROM shop.customer WHERE email IN ('p3@many.example', 'p4@many.example', 'p1000@many.example', 'p5999@many.example', 'p6000@many.example');
CREATE TEMP TABLE word (n serial, search text, condition text);
INSERT INTO word (search, condition) VALUES
	(NULL, 'true'),
	('many', 'email LIKE ''%@many.example'''),
	('third', 'company_name = ''Third'''),
	('old', 'company_name = ''Old'''),
	('needle', 'first_name = ''Needle'''),
	('third needle', 'company_name = ''Third'' AND first_name = ''Needle'''),
	('third old', 'false'),
	('e', 'email LIKE ''%e%'''),
	('~', 'company_name = ''~'''),
	('~ many', 'company_name = ''~'''),
	('|', 'false'),
	('p4000@many.example', 'email = ''p4000@many.example'''),
	('nobody', 'false');
CREATE TEMP TABLE among (n serial, filter text, condition text);
INSERT INTO among (filter, condition) VALUES
	(NULL, 'true'),
	('{"type": "guest"}', 'NOT has_account'),
	('{"type": "registered"}', 'has_account'),
	(format('{"groups": [%s]}', :third), 'company_name = ''Third'''),
	(format('{"groups": [%s]}', :others), 'email LIKE ''%@many.example'' AND company_name IS DISTINCT FROM ''Third'''),
	(format('{"groups": [%s, %s]}', :five, :nobody), format('id IN (SELECT customer_id FROM shop.customer_group_member WHERE customer_group_id = %s)', :five)),
	(format('{"groups": [%s]}', :nobody), 'false'),
	(format('{"not_groups": [%s]}', :third), 'company_name IS DISTINCT FROM ''Third'''),
	(format('{"not_groups": [%s, %s]}', :third, :others), 'email NOT LIKE ''%@many.example'''),
	(format('{"groups": [%s], "not_groups": [%s]}', :third, :five), format('company_name = ''Third'' AND id NOT IN (SELECT customer_id FROM shop.customer_group_member WHERE customer_group_id = %s)', :five)),
	('{"email": "P4000@many.example"}', 'email = ''p4000@many.example'''),
	('{"email": "p4000"}', 'false'),
	('{"external_id": "crm-3"}', 'external_id = ''crm-3'''),
	('{"created_from": "2020-01-02"}', 'created_at >= ''2020-01-02'''),
	('{"created_before": "2020-01-01 02:00"}', 'created_at < ''2020-01-01 02:00'''),
	('{"created_from": "2020-01-01 04:00", "created_before": "2020-01-01 04:10"}', 'created_at >= ''2020-01-01 04:00'' AND created_at < ''2020-01-01 04:10'''),
	('{"updated_from": "2999-01-01"}', 'false'),
	('{"metadata": {"n": 3}}', 'metadata @> ''{"n": 3}'''),
	('{"metadata": {"n": 11}}', 'false');
SELECT is((SELECT string_agg(concat_ws(' ', search, filter), ', ')
		   FROM word w, among a
		   WHERE (w.n + a.n + o.n) % 3 = 0	-- the next sort has others
		   AND (SELECT array_agg(l.id) FROM customers.list_customers(search, filter::jsonb, sort, 20) l) IS DISTINCT FROM
				 nullif((pg_temp.by_hand('shop', by_hand, format('%s AND %s', w.condition, a.condition)))[1:20], '{}')), NULL,
		  format('sort %s: words with filters', sort))
FROM ordered o ORDER BY n;
SELECT is((SELECT string_agg(concat_ws(' ', search, filter), ', ')
		   FROM word w, among a
		   WHERE customers.count_customers(search, filter::jsonb) IS DISTINCT FROM
				 coalesce(cardinality(pg_temp.by_hand('shop', 'id', format('%s AND %s', w.condition, a.condition))), 0)), NULL,
		  'count_customers agrees');
SELECT is((SELECT string_agg(concat_ws(' ', search, filter), ', ')
		   FROM word w, among a
		   WHERE w.search IN ('third', 'needle') AND a.n IN (4, 8)
		   AND pg_temp.walk('shop', sort, 300, search, filter::jsonb) IS DISTINCT FROM
			   coalesce(pg_temp.by_hand('shop', by_hand, format('%s AND %s', w.condition, a.condition)), '{}')), NULL,
		  format('walk %s: words with filters', sort))
FROM ordered ORDER BY n;

-- What is too much is refused, and what is nonsense finds nothing.
SELECT is(t.error(format('SELECT * FROM customers.list_customers(%s)', search)), '22023', 'search: not ' || why)
FROM (VALUES
	(1, 'repeat(''x'', 1000000)', 'a word of a million letters'),
	(2, 'repeat(''x '', 500000)', 'half a million words'),
	(3, 'repeat(''%'', 1000000)', 'a million wildcards'),
	(4, '(SELECT string_agg(i::text, '' '') FROM generate_series(1, 10000) i)', '10,000 words'),
	(5, '(SELECT string_agg(i::text, '' '') FROM generate_series(1, 101) i)', '101 different words'),
	(6, 'repeat('' '', 1000000)', 'a million blanks')) v(n, search, why)
ORDER BY n;
SELECT is((SELECT string_agg(left(search, 10), ', ' ORDER BY n)
		   FROM unnest(ARRAY[repeat('%', 10000), repeat('%% __ ', 1600), repeat('_', 9999), repeat('%_', 5000), '%%%%', '****', '.*', '????',
							 (SELECT string_agg('many' || i, ' ') FROM generate_series(1, 100) i)]) WITH ORDINALITY u(search, n)
		   WHERE EXISTS (SELECT FROM customers.list_customers(search)) OR customers.count_customers(search) > 0), NULL,
		  'wildcards are letters like others');
SELECT is(t.error('SELECT * FROM customers.list_customers(convert_from(''\xc3'', ''UTF8''))'), '22021', 'no search for half a letter');
SELECT is(t.error('SELECT * FROM customers.list_customers(convert_from(''\x8181'', ''EUC_JP''))'), '22021', 'nor for one of another encoding');
SELECT is(t.error('SELECT * FROM customers.list_customers(convert_from(''\x6100'', ''UTF8''))'), '22021', 'nor for a zero byte');

-- Cursors as somebody might make them up: the right form, the wrong content.
CREATE FUNCTION pg_temp.cursor(plain bytea) RETURNS text LANGUAGE sql AS $$
	SELECT translate(encode(plain, 'base64'), E'+/=\n', '-_')
$$;
SELECT is(t.error(format('SELECT * FROM customers.list_customers(sort => %L, after => %L)', sort, pg_temp.cursor(plain))), '22023', 'a cursor ' || why)
FROM (VALUES
	(1, 'id', 'customers:id|9223372036854775808|.'::bytea, 'with an id beyond bigint'),
	(2, 'id', 'customers:id||.', 'without id'),
	(3, 'id', 'customers:id|7|=7.', 'with a key that the sort has not'),
	(4, 'email', 'customers:email|7|.', 'without the key of the sort'),
	(5, 'created_at', 'customers:created_at|7|=.', 'with an empty time'),
	(6, 'created_at', 'customers:created_at|7|=2024-01-01.', 'with a date'),
	(7, 'created_at', 'customers:created_at|7|=99999999999999999999.', 'with a time beyond bigint'),
	(8, 'email', '\x637573746f6d6572733a656d61696c7c377c3dc32e', 'with half a letter'),
	(9, 'email', 'customers:email|7|=a\000b.', 'with a zero byte'),
	(10, 'email', 'customers:email|7|=a', 'without its end')) v(n, sort, plain, why)
ORDER BY n;
SELECT is((SELECT count(*) FROM customers.list_customers(sort => sort, after => pg_temp.cursor(plain))), 0::bigint, 'a cursor behind all: ' || sort)
FROM (VALUES
	(1, 'id', 'customers:id|9223372036854775807|.'::bytea),
	(2, '-id', 'customers:-id|-9223372036854775808|.'),
	(3, 'created_at', 'customers:created_at|7|=9223372036854775807.'),
	(4, '-created_at', 'customers:-created_at|7|=-9223372036854775808.'),
	(5, 'email', convert_to('customers:email|7|=' || repeat('~', 100000) || '.', 'UTF8')),
	(6, 'last_name', 'customers:last_name|9223372036854775807|.')) v(n, sort, plain)
ORDER BY n;

-- A search ends at once when its time is over.  This one takes seconds: rows that have 99 long words at
-- the end of long fields, but not the short one.
CREATE FUNCTION pg_temp.canceled(sql text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
BEGIN
	EXECUTE sql;
	RETURN format('not canceled after %s', clock_timestamp() - started);
EXCEPTION WHEN query_canceled THEN
	RETURN CASE WHEN clock_timestamp() < started + interval '3 seconds' THEN 'canceled' ELSE 'canceled late' END;
END $$;
SELECT string_agg('word' || i, ' ') AS words FROM generate_series(100, 198) i \gset
SET LOCAL customers.store = 'plain';
INSERT INTO plain.customer (email, first_name, last_name, company_name, phone)
SELECT format('l%s@long.example', i), filler, NULL, filler, right(filler, 1000) || ' ' || :'words'
FROM generate_series(1, 5000) i, repeat('wor1', 512) filler;
SET LOCAL statement_timeout = '100ms';
SELECT pg_temp.canceled(format('SELECT * FROM customers.list_customers(%L)', :'words' || ' zzz')) AS listed \gset
SELECT pg_temp.canceled(format('SELECT * FROM customers.list_customers(%L, sort => ''email'')', :'words' || ' zzz')) AS sorted \gset
SELECT pg_temp.canceled(format('SELECT customers.count_customers(%L)', :'words' || ' zzz')) AS counted \gset
SET LOCAL statement_timeout = 0;
SET LOCAL customers.store = 'shop';
SELECT is(ARRAY[:'listed', :'sorted', :'counted'], '{canceled,canceled,canceled}', 'a list and a count obey statement_timeout');

-- The search index: nobody's insert sorts in a long list of others' entries; how long is the owner's choice.
SELECT is((SELECT reloptions FROM pg_class WHERE oid = 'shop.customer_search_idx'::regclass), '{gin_pending_list_limit=512}',
		  'the search index has a short list of pending entries');
ALTER INDEX shop.customer_search_idx SET (fastupdate = off);
ALTER INDEX shop.customer_search_idx RESET (gin_pending_list_limit);
SELECT is((SELECT count(*) FROM customers.check_store('shop') WHERE object LIKE 'index%'), 0::bigint, 'check_store minds no other choice');
SELECT is(customers.create_store('shop'), 'complete', 'nor does create_store');
SELECT is((SELECT reloptions FROM pg_class WHERE oid = 'shop.customer_search_idx'::regclass), '{fastupdate=off}', 'which keeps it');
SELECT is(customers.count_customers('needle'), 12::bigint, 'and the list finds what it found');
SET CONSTRAINTS ALL IMMEDIATE;
DROP INDEX shop.customer_search_idx;
SELECT is(customers.create_store('shop'), 'repaired: index customer_search_idx', 'an index that was dropped comes back');
SELECT is((SELECT reloptions FROM pg_class WHERE oid = 'shop.customer_search_idx'::regclass), '{gin_pending_list_limit=512}', 'with the short list');

SELECT * FROM finish();
ROLLBACK;
