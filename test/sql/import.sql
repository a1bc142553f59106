\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- import_customers: what it inserts, updates, leaves and refuses; COPY beside it.

SELECT plan(75);

-- "imported updated refused", the refused as "row sqlstate rule", in one line.
CREATE FUNCTION pg_temp.import(rows jsonb) RETURNS text
LANGUAGE sql AS $$
	SELECT i.imported || ' ' || i.updated || coalesce(' | ' ||
		(SELECT string_agg(concat_ws(' ', r ->> 'row', r ->> 'sqlstate', r ->> 'rule'), ', ' ORDER BY n)
		 FROM jsonb_array_elements(i.refused) WITH ORDINALITY AS e(r, n)), '')
	FROM customers.import_customers(rows) i
$$;
-- A customer by external_id or e-mail, in one line.
CREATE FUNCTION pg_temp.shown(key text) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', email, has_account, coalesce(first_name, '-'), coalesce(last_name, '-'), coalesce(phone, '-'),
					 metadata, coalesce(external_id, '-'), 'v' || version)
	FROM shop.customer WHERE external_id = key OR lower(email) = key
$$;
CREATE FUNCTION pg_temp.events() RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(type || ' ' || n, ', ' ORDER BY type), '')
	FROM (SELECT type, count(*) AS n FROM shop.event GROUP BY type) e
$$;

-- what is imported -------------------------------------------------------------

SELECT is(pg_temp.import('[]'), '0 0', 'no rows, nothing happens');
SELECT is((SELECT refused FROM customers.import_customers('[]')), '[]', 'refused is an array in any case');
SELECT is(pg_temp.import('[
	{"email": " Ada@Example.com ", "external_id": "x1", "first_name": "Ada", "last_name": " ", "phone": "1",
	 "metadata": {"tier": "gold", "gone": null}, "created_at": "2020-01-02T03:04:05Z"},
	{"email": "bob@example.com"},
	{"email": "reg@example.com", "has_account": true, "external_id": "r1", "created_at": "2021-01-01"},
	{"email": "reg@example.com", "has_account": false, "external_id": null, "metadata": null, "created_at": null}]'),
	'4 0', 'new customers: guests and registered ones, of one e-mail too');
SELECT is(pg_temp.shown('x1'), 'Ada@Example.com f Ada - 1 {"tier": "gold"} x1 v1',
		  'an e-mail is trimmed, a blank name none, a null in metadata no key');
SELECT is((SELECT created_at FROM shop.customer WHERE external_id = 'x1'), '2020-01-02 03:04:05+00', 'created_at is taken');
SELECT is((SELECT ROW(has_account, registered_at)::text FROM shop.customer WHERE external_id = 'r1'), '(t,"2021-01-01 00:00:00+00")',
		  'for a registered one as registered_at, too');
SELECT is((SELECT created_at = now() AND created_by = 'customers_owner' FROM shop.customer WHERE email = 'bob@example.com'), true,
		  'without, a customer is of now');
SELECT is(pg_temp.events(), 'customer.created 4', 'each is one event');
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'customer_account_registered holds');
SET CONSTRAINTS ALL DEFERRED;

-- what is updated --------------------------------------------------------------

SELECT is(pg_temp.import('[
	{"external_id": "x1", "first_name": null, "metadata": {"tier": null, "since": 2020}},
	{"email": "BOB@example.com", "external_id": "b1", "phone": "2"},
	{"external_id": "r1", "has_account": true, "last_name": "Reed"}]'), '0 3', 'by external_id, else by e-mail');
SELECT is(pg_temp.shown('x1'), 'Ada@Example.com f - - 1 {"since": 2020} x1 v2', 'keys that are not there change nothing, null clears, metadata merges');
SELECT is(pg_temp.shown('b1'), 'BOB@example.com f - - 2 {} b1 v2', 'who is found by e-mail takes the external_id');
SELECT is(pg_temp.shown('r1'), 'reg@example.com t - Reed - {} r1 v2', 'the registered one, not the guest of his e-mail');
SELECT is(pg_temp.events(), 'customer.created 4, customer.updated 3', 'each is one event');
SELECT is((SELECT array_agg(payload -> 'changed' ORDER BY id) FROM shop.event WHERE type = 'customer.updated' AND customer_id = (SELECT id FROM shop.customer WHERE external_id = 'x1')),
		  ARRAY['["first_name", "metadata"]'::jsonb], 'that names what changed in its row only');
SELECT is(pg_temp.import('[{"external_id": "x1", "email": "ada@new.example"}]'), '0 1', 'an e-mail can change');
SELECT is((SELECT count(*) FROM shop.event WHERE type = 'customer.email_changed'), 1::bigint, 'which is told');
SELECT is(pg_temp.import('[{"external_id": "x1", "email": "Ada@Example.com"}]'), '0 1', 'and change back');
SELECT is(pg_temp.import('[{"external_id": "x1", "metadata": null}]'), '0 1', 'null metadata');
SELECT is(pg_temp.shown('x1'), 'Ada@Example.com f - - 1 {} x1 v5', 'is none');

-- what is left as it is ----------------------------------------------------------

SELECT pg_temp.events() AS events, (SELECT max(xmin::text::bigint) FROM shop.customer) AS xmin \gset
SELECT is(pg_temp.import('[
	{"external_id": "x1", "email": "Ada@Example.com", "first_name": " ", "metadata": {"tier": null}, "created_at": "1999-01-01"},
	{"email": "BOB@example.com", "external_id": "b1", "phone": "2"},
	{"external_id": "r1"}, {"email": "reg@example.com", "external_id": null}]'), '0 0', 'rows that change nothing count nowhere');
SELECT is(pg_temp.events(), :'events', 'make no event');
SELECT is((SELECT string_agg(version::text, ' ' ORDER BY id) FROM shop.customer), '5 2 2 1', 'no version');
SELECT is((SELECT created_at FROM shop.customer WHERE external_id = 'x1'), '2020-01-02 03:04:05+00', 'created_at counts for new ones only');

-- what is refused --------------------------------------------------------------------

SELECT is(pg_temp.import(rows), '1 0 | 1 ' || expected, 'refused: ' || why)
FROM (SELECT n, jsonb_build_array(bad::jsonb, jsonb_build_object('email', format('good%s@example.com', n))) AS rows, expected, why
	FROM (VALUES
	(1, '5', '22023', 'a number'), (2, 'null', '22023', 'null'), (3, '[]', '22023', 'an array'),
	(4, '{}', '23502', 'an empty object'), (5, '{"first_name": "x"}', '23502', 'nobody''s name'),
	(6, '{"email": null}', '23502', 'a null e-mail'), (7, '{"external_id": "x1", "email": null}', '23502', 'a null e-mail of somebody'),
	(8, '{"email": "nope"}', '23514 customer_email_valid', 'customer_email_valid'),
	(9, '{"email": ""}', '23514 customer_email_valid', 'an empty e-mail'),
	(10, '{"external_id": "x1", "email": "nope"}', '23514 customer_email_valid', 'customer_email_valid, of somebody'),
	(11, '{"email": 5}', '22023', 'an e-mail that is a number'),
	(12, '{"emial": "x@example.com"}', '22023', 'an unknown key'),
	(13, '{"email": "x@example.com", "id": 7}', '22023', 'an id'),
	(14, '{"email": "x@example.com", "password": "long enough"}', '23514 credential_password_not_editable', 'credential_password_not_editable'),
	(15, '{"email": "x@example.com", "phone": 5}', '22023', 'a phone that is a number'),
	(16, '{"email": "x@example.com", "phone": {"a": 1}}', '22023', 'a phone that is an object'),
	(17, '{"email": "x@example.com", "external_id": " "}', '22023', 'a blank external_id'),
	(18, '{"email": "x@example.com", "metadata": []}', '22023', 'metadata that are an array'),
	(19, '{"email": "x@example.com", "metadata": "x"}', '22023', 'metadata that are a string'),
	(20, '{"email": "x@example.com", "metadata": {"": 1}}', '23514 customer_metadata_object', 'customer_metadata_object'),
	(21, '{"email": "x@example.com", "has_account": "yes"}', '22023', 'has_account that is a string'),
	(22, '{"email": "x@example.com", "has_account": true}', '23514 customer_account_registered', 'customer_account_registered'),
	(23, '{"external_id": "r1", "has_account": false}', '23514 customer_account_fixed', 'customer_account_fixed'),
	(24, '{"external_id": "x1", "has_account": true}', '23514 customer_account_fixed', 'customer_account_fixed, of a guest'),
	(25, '{"email": "x@example.com", "created_at": "yesteryear"}', '22007', 'created_at that is no time'),
	(26, '{"email": "x@example.com", "created_at": "infinity"}', '22007', 'an infinite created_at'),
	(27, '{"email": "x@example.com", "created_at": "2020-02-30"}', '22008', 'created_at that no calendar has'),
	(28, '{"email": "x@example.com", "created_at": "300000-01-01"}', '22008', 'created_at that is too far'),
	(29, '{"email": "x@example.com", "created_at": 5}', '22023', 'created_at that is a number'),
	(30, '{"email": "BOB@Example.com", "external_id": "b2"}', '23505 customer_email_key', 'customer_email_key: somebody with another external_id'),
	(31, '{"external_id": "x1", "email": "bob@example.com"}', '23505 customer_email_key', 'customer_email_key: the e-mail of somebody else'),
	(32, format('{"email": "x@example.com", "external_id": "%s"}', repeat('x', 2001)), '54000', 'an external_id that no index holds'),
	(33, format('{"email": "x@example.com", "last_name": "%s"}', repeat('x', 2001)), '54000', 'a last_name that no index holds')
	) v(n, bad, expected, why)) c ORDER BY n;
SELECT is((SELECT count(*) FROM shop.customer WHERE email = 'x@example.com'), 0::bigint, 'none of them is written');
SELECT is((SELECT refused FROM customers.import_customers('[{"email": "nope"}]')),
		  '[{"row": 1, "rule": "customer_email_valid", "message": "invalid e-mail address \"nope\": it has no @", "sqlstate": "23514"}]',
		  'a refused row is told with its number, the rule and the reason');
SELECT is((SELECT refused -> 0 ->> 'rule' FROM customers.import_customers('[5]')), NULL, 'rule is null where there is none');

-- rows of one call that contradict each other: the first counts
SELECT is(pg_temp.import('[{"email": "d1@example.com", "external_id": "d1"}, {"email": "d2@example.com", "external_id": "d1"},
	{"email": "D1@example.com"}, {"email": "d1@example.com", "has_account": true, "external_id": "d3"},
	{"external_id": "x1", "phone": "3"}, {"email": "ada@example.com", "phone": "4"}, {"external_id": "b1", "email": "d1@example.com"}]'),
	'2 1 | 2 23505 customer_external_id_key, 3 23505 customer_email_key, 6 23505 customer_email_key, 7 23505 customer_email_key',
	'refused: what an earlier row of the call has');
SELECT is(pg_temp.import('[{"external_id": "x1", "email": "bob@example.com"}, {"external_id": "b1", "email": "ada@example.com"}]'),
	'0 0 | 1 23505 customer_email_key, 2 23505 customer_email_key', 'an e-mail is free or not when the call begins: no swaps');
SELECT is(pg_temp.import((SELECT jsonb_agg(jsonb_build_object('email', format('many%s@example.com', i), 'external_id', 'many' || i)) FROM generate_series(1, 3000) i)),
	'3000 0', 'three thousand at once');
SELECT is(pg_temp.import((SELECT jsonb_agg(jsonb_build_object('phone', CASE WHEN i % 3 = 0 THEN 'x' END, 'external_id', 'many' || i)) FROM generate_series(1, 3000) i)),
	'0 1000', 'a third of them changes');

-- errors of the whole call -----------------------------------------------------------

SELECT is(t.error(sql), expected, why)
FROM (VALUES
	(1, 'SELECT customers.import_customers(NULL)', '22023', 'rows are not null'),
	(2, 'SELECT customers.import_customers(''{}'')', '22023', 'nor an object'),
	(3, 'SELECT customers.import_customers(''5'')', '22023', 'nor a number'),
	(4, 'SELECT customers.import_customers((SELECT jsonb_agg(1) FROM generate_series(1, 100001)))', '22023', 'nor too many')
) v(n, sql, expected, why) ORDER BY n;
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''QQ001''; END';
CREATE TRIGGER mine BEFORE INSERT ON shop.customer FOR EACH ROW WHEN (NEW.email = 'mine@example.com') EXECUTE FUNCTION pg_temp.refuse();
SELECT is(t.error('SELECT customers.import_customers(''[{"email": "ok@example.com"}, {"email": "mine@example.com"}]'')'), 'QQ001',
		  'what an own trigger raises ends the call');
DROP TRIGGER mine ON shop.customer;

-- roles --------------------------------------------------------------------------------

SELECT is(t.error('SELECT customers.import_customers(''[]'')', 'customers_other'), '42501', 'without privileges: 42501');
SELECT customers.grant_access('customers_clerk', 'admin') \gset x
SET LOCAL ROLE customers_clerk;
SET LOCAL search_path = '';
SELECT imported, updated, refused AS r FROM customers.import_customers('[{"email": "clerk@example.com"}, {"external_id": "x1", "email": "ada@clerk.example"}, {"email": "x"}]') \gset
RESET ROLE;
SET ROLE customers_owner;
SET LOCAL search_path = tap;
SELECT is(ROW(:imported, :updated, jsonb_array_length(:'r'))::text, '(1,1,1)', 'profile admin imports, with an empty search_path');

-- COPY ---------------------------------------------------------------------------------

SELECT count(*) AS created FROM shop.event WHERE type = 'customer.created' \gset
COPY shop.customer (email, has_account, first_name, last_name, company_name, phone, metadata, external_id, created_at) FROM STDIN;
 Copy@Example.com 	t	 	Case	\N	1	{"a": 1}	copy-1	2019-05-06 07:08:09+00
copy2@example.com	f	Cora	\N	\N	\N	{}	\N	2019-05-07
\.
SELECT is(pg_temp.shown('copy-1'), 'Copy@Example.com t - Case 1 {"a": 1} copy-1 v1', 'COPY: rows are normalised as any');
SELECT is((SELECT count(*) FROM shop.event WHERE type = 'customer.created') - :created, 2::bigint, 'COPY: each row is an event');
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'COPY: a registered customer with external_id');
SET CONSTRAINTS ALL DEFERRED;
SELECT is(count(*), 0::bigint, 'check_store finds nothing') FROM customers.check_store('shop');

SELECT * FROM finish();
ROLLBACK;
