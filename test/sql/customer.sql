\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Customers: create, find, read, update, delete, and every rule of theirs:
-- through the functions, through plain SQL of the owner, COPY and MERGE.

SELECT plan(178);

-- How many events of a type a customer has.
CREATE FUNCTION pg_temp.events(about bigint, kind text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT count(*) FROM shop.event WHERE customer_id = about AND type = kind
$$;

-- create_customer, customer_details ---------------------------------------------

SELECT customers.create_customer('Ada@Example.com', 'Ada', 'Lovelace', 'Engines Ltd',
								 '+44 20 1234', '{"tier": "gold"}') AS ada \gset
SELECT is(to_jsonb(d) - '{id,created_at,updated_at}'::text[],
		  '{"email": "Ada@Example.com", "type": "guest", "full_name": "Ada Lovelace",
			"first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines Ltd",
			"phone": "+44 20 1234", "groups": [], "orders_count": 0,
			"metadata": {"tier": "gold"}, "external_id": null,
			"created_by": "customers_owner", "version": 1}',
		  'create_customer makes the guest that customer_details shows')
FROM customers.customer_details(:ada) d;
SELECT is((SELECT id FROM customers.customer_details(:ada)), :ada::bigint,
		  'under the id that it returned');
SELECT is((SELECT created_at = now() AND updated_at = now()
		   FROM customers.customer_details(:ada)), true, 'at this time');
SELECT is((SELECT has_account FROM shop.customer WHERE id = :ada), false,
		  'a guest has no account');
SELECT is(pg_temp.events(:ada, 'customer.created'), 1::bigint, 'with one event');

SELECT customers.create_customer(email => 'bob@example.com') AS bob \gset
SELECT is(to_jsonb(d) - '{id,created_at,updated_at,email,created_by}'::text[],
		  '{"type": "guest", "full_name": null, "first_name": null, "last_name": null,
			"company_name": null, "phone": null, "groups": [], "orders_count": 0,
			"metadata": {}, "external_id": null, "version": 1}',
		  'only the e-mail is needed')
FROM customers.customer_details(:bob) d;
SELECT customers.create_customer('blank@example.com', '', '  ', E'\t', '', NULL) AS blank \gset
SELECT is((SELECT ARRAY[first_name, last_name, company_name, phone] FROM shop.customer WHERE id = :blank),
		  '{NULL,NULL,NULL,NULL}', 'blank names and phone are NULL');
INSERT INTO shop.customer (email, first_name, last_name, company_name, phone)
VALUES ('blank2@example.com', '', ' ', '', E'\n');
SELECT is((SELECT ARRAY[first_name, last_name, company_name, phone]
		   FROM shop.customer WHERE email = 'blank2@example.com'),
		  '{NULL,NULL,NULL,NULL}', 'in plain SQL, too');
SELECT customers.create_customer('first@example.com', 'Grace') AS first,
	customers.create_customer('last@example.com', last_name => 'Hopper') AS last,
	customers.create_customer(E' \t\n\r\f\x0bTrim.Me@Example.COM \n') AS trimmed \gset
SELECT is(full_name, 'Grace', 'full_name of a first name alone')
FROM customers.customer_details(:first);
SELECT is(full_name, 'Hopper', 'full_name of a last name alone')
FROM customers.customer_details(:last);
SELECT is(email, 'Trim.Me@Example.COM', 'an e-mail is stored trimmed and as typed')
FROM customers.customer_details(:trimmed);

SET LOCAL customers.actor = 'admin:7';
SELECT customers.create_customer('acted@example.com') AS acted \gset
SELECT is(created_by, 'admin:7', 'created_by is the setting customers.actor')
FROM customers.customer_details(:acted);
RESET customers.actor;

-- groups and orders_count are counted.
SELECT customers.create_group('VIP') AS vip \gset
SELECT customers.create_group('B2B') AS b2b \gset
SELECT customers.add_to_groups(:ada, ARRAY[:vip, :b2b]) AS added \gset
INSERT INTO shop.orders (customer_id, email, status, currency_code, total)
VALUES (:ada, 'ada@example.com', 'completed', 'EUR', 10),
	(:ada, 'ada@example.com', 'pending', 'EUR', 20),
	(:ada, 'ada@example.com', 'canceled', 'EUR', 30),
	(:ada, 'ada@example.com', 'draft', 'EUR', 40),
	(:bob, 'bob@example.com', 'completed', 'EUR', 50);
SELECT is(groups, '{B2B,VIP}', 'customer_details names the groups, in order')
FROM customers.customer_details(:ada);
SELECT is(orders_count::bigint, 3::bigint, 'and counts the orders that are not drafts')
FROM customers.customer_details(:ada);

-- find_or_create_guest ------------------------------------------------------------

SELECT is(customers.find_or_create_guest('ADA@example.COM', 'Other', 'Name'), :ada::bigint,
		  'find_or_create_guest finds the guest, ignoring case');
SELECT is((SELECT first_name || ' ' || email || ' ' || version FROM shop.customer WHERE id = :ada),
		  'Ada Ada@Example.com 1', 'and leaves him as he is');
SELECT is(customers.find_or_create_guest('  bob@example.com '), :bob::bigint,
		  'and ignores blanks around the e-mail');
SELECT customers.find_or_create_guest('carl@example.com', 'Carl', 'Gauss', 'Sums', '17',
									  '{"a": 1}') AS carl \gset
SELECT is((SELECT ROW(email, first_name, last_name, company_name, phone, metadata)::text
		   FROM shop.customer WHERE id = :carl),
		  '(carl@example.com,Carl,Gauss,Sums,17,"{""a"": 1}")',
		  'find_or_create_guest creates whom it does not find');
SELECT is(customers.find_or_create_guest('carl@example.com'), :carl::bigint,
		  'and finds him next time');
SELECT is(pg_temp.events(:carl, 'customer.created'), 1::bigint, 'with one event in all');
INSERT INTO shop.customer (email, has_account, external_id)
VALUES ('dora@example.com', true, 'crm-1') RETURNING id AS dora \gset
SELECT customers.find_or_create_guest('dora@example.com') AS dora_guest \gset
SELECT isnt(:dora_guest::bigint, :dora::bigint,
			'a registered customer is not the guest of the same e-mail');
SELECT is((SELECT array_agg(type ORDER BY type)
		   FROM customers.list_customers(filter => '{"email": "dora@example.com"}')),
		  '{guest,registered}', 'both stand side by side');
SELECT is((SELECT type FROM customers.customer_details(:dora)), 'registered',
		  'who has an account is registered');

-- update_customer -------------------------------------------------------------------

SELECT is(customers.update_customer(:ada, '{"phone": "+44 1", "first_name": "Augusta Ada"}'),
		  2::bigint, 'update_customer returns the new version');
SELECT is((SELECT ROW(email, first_name, last_name, company_name, phone, version)::text
		   FROM shop.customer WHERE id = :ada),
		  '(Ada@Example.com,"Augusta Ada",Lovelace,"Engines Ltd","+44 1",2)',
		  'changes the keys it was given and no others');
SELECT is(pg_temp.events(:ada, 'customer.updated'), 1::bigint, 'with one event');
SELECT is(customers.update_customer(:ada, '{"company_name": null, "last_name": ""}'), 3::bigint,
		  'null clears');
SELECT is((SELECT ROW(last_name, company_name)::text FROM shop.customer WHERE id = :ada),
		  '(,)', 'and so does a blank name');
SELECT is(customers.update_customer(:ada, '{"last_name": "Lovelace", "company_name": "Engines", "external_id": "x-1"}'),
		  4::bigint, 'external_id can be set');
SELECT is((SELECT external_id FROM customers.customer_details(:ada)), 'x-1', 'as given');
SELECT is(customers.update_customer(:ada, '{"external_id": null}'), 5::bigint,
		  'and cleared');
SELECT is(customers.update_customer(:ada, '{"email": " ada.king@example.com "}'), 6::bigint,
		  'the e-mail can be changed');
SELECT is((SELECT email || ' ' || (email_changed_at BETWEEN now() AND clock_timestamp()) FROM shop.customer WHERE id = :ada),
		  'ada.king@example.com true', 'trimmed, and the time of it is kept');
SELECT is(pg_temp.events(:ada, 'customer.email_changed'), 1::bigint, 'with an event of its own');

-- metadata merges.
SELECT is(customers.update_customer(:ada, '{"metadata": {"note": [1], "tier": null}}'), 7::bigint,
		  'metadata merges');
SELECT is((SELECT metadata FROM shop.customer WHERE id = :ada), '{"note": [1]}',
		  'null removes a key, others stay or are added');
SELECT is(customers.update_customer(:ada, '{"metadata": {"note": {"deep": null}}}'), 8::bigint,
		  'a key is replaced as a whole');
SELECT is((SELECT metadata FROM shop.customer WHERE id = :ada), '{"note": {"deep": null}}',
		  'only the first level merges');
SELECT is(customers.update_customer(:ada, '{"metadata": {"no such key": null}}'), 8::bigint,
		  'removing a key that is not there changes nothing');

-- Nothing changed, nothing counted.
SELECT count(*) AS events FROM shop.event \gset
SELECT is(customers.update_customer(:ada, '{}'), 8::bigint, 'no key, no change');
SELECT is(customers.update_customer(:ada, '{"first_name": "Augusta Ada", "email": "ada.king@example.com"}'),
		  8::bigint, 'the same values, no change');
UPDATE shop.customer SET phone = phone, metadata = metadata, version = 77 WHERE id = :ada;
SELECT is((SELECT version FROM shop.customer WHERE id = :ada), 8::bigint,
		  'in plain SQL as well');
SELECT is((SELECT count(*) FROM shop.event), :events::bigint,
		  'and no event says otherwise');

-- The case of an e-mail.
SELECT is(customers.update_customer(:bob, '{"email": "BOB@example.com"}'), 2::bigint,
		  'an e-mail''s case can be changed');
SELECT is((SELECT email || ' ' || coalesce(email_changed_at::text, 'never')
		   FROM shop.customer WHERE id = :bob), 'BOB@example.com never',
		  'which is no change of address');
SELECT is(ARRAY[pg_temp.events(:bob, 'customer.updated'), pg_temp.events(:bob, 'customer.email_changed')],
		  '{1,0}', 'and its event says so');

-- Who has INSERT alone creates; who has nothing gets nothing --------------------------

SELECT is(t.error('SELECT customers.create_customer(''no@example.com'')', 'customers_other'),
		  '42501', 'create_customer without rights: 42501');
SELECT is(t.error(format('SELECT * FROM customers.customer_details(%s)', :ada), 'customers_other'),
		  '42501', 'customer_details without rights: 42501');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"phone": "1"}'')', :ada), 'customers_other'),
		  '42501', 'update_customer without rights: 42501');
SELECT is(t.error(format('SELECT customers.delete_customer(%s, ''ada.king@example.com'')', :ada), 'customers_other'),
		  '42501', 'delete_customer without rights: 42501');
GRANT USAGE ON SCHEMA shop TO customers_clerk;
GRANT INSERT ON shop.customer TO customers_clerk;
SELECT format('GRANT USAGE ON SEQUENCE %s TO customers_clerk',
			  pg_get_serial_sequence('shop.customer', 'id')) \gexec
SELECT t.run_as('customers_clerk', 'SELECT customers.create_customer(''eve@example.com'', ''Eve'')') AS eve \gset
SELECT is((SELECT first_name FROM shop.customer WHERE id = :eve), 'Eve',
		  'INSERT on customer and USAGE of its sequence are enough to create one');
SELECT is((SELECT created_by FROM shop.customer WHERE id = :eve), 'customers_clerk',
		  'created_by is the role that called');
SELECT is(pg_temp.events(:eve, 'customer.created'), 1::bigint,
		  'the event is written without rights on it');
SELECT is(t.error('INSERT INTO shop.event (type) VALUES (''customer.created'')', 'customers_clerk'),
		  '42501', 'which the role does not have');
SELECT is(t.error('SELECT customers.find_or_create_guest(''eve@example.com'')', 'customers_clerk'),
		  '42501', 'find_or_create_guest needs SELECT as well');
GRANT SELECT (id, email, has_account) ON shop.customer TO customers_clerk;
SELECT is(t.run_as('customers_clerk', 'SELECT customers.find_or_create_guest(''EVE@example.com'')'),
		  :'eve', 'of id, email and has_account');
SELECT matches(t.run_as('customers_clerk', 'SELECT customers.find_or_create_guest(''fay@example.com'')'),
			   '^\d+$', 'with which it creates, too');
SELECT is(t.error(format('SELECT * FROM customers.customer_details(%s)', :eve), 'customers_clerk'),
		  '42501', 'these rights read no profile');
SELECT is(t.error('INSERT INTO shop.customer (email) VALUES (''not one'')', 'customers_clerk'),
		  '23514 customer_email_valid', 'customer_email_valid holds for the role, too');

-- customer_email_key --------------------------------------------------------------------

SELECT is(t.error('SELECT customers.create_customer(''EVE@example.com'')'),
		  '23505 customer_email_key', 'customer_email_key: create_customer');
SELECT is(t.error('INSERT INTO shop.customer (email) VALUES (''Eve@Example.Com'')'),
		  '23505 customer_email_key', 'customer_email_key: INSERT');
SELECT is(t.error(format('UPDATE shop.customer SET email = ''CARL@EXAMPLE.COM'' WHERE id = %s', :eve)),
		  '23505 customer_email_key', 'customer_email_key: UPDATE');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"email": "Carl@example.com"}'')', :eve)),
		  '23505 customer_email_key', 'customer_email_key: update_customer');
SELECT is(t.error('MERGE INTO shop.customer c USING (VALUES (''eve@EXAMPLE.com'')) v(e) ON c.email = v.e WHEN NOT MATCHED THEN INSERT (email) VALUES (v.e)'),
		  '23505 customer_email_key', 'customer_email_key: MERGE');
SELECT is(t.error('INSERT INTO shop.customer (email, has_account, external_id) VALUES (''DORA@example.com'', true, ''crm-2'')'),
		  '23505 customer_email_key', 'customer_email_key: a second registered customer');
INSERT INTO shop.customer (email) VALUES ('JÖRG@example.com'), ('jörg@example.com');
SELECT is((SELECT count(*) FROM shop.customer WHERE email LIKE 'J_RG@example.com' OR email LIKE 'j_rg@example.com'),
		  2::bigint, 'customer_email_key ignores ASCII case, and no other, in every locale');
INSERT INTO shop.customer (email) VALUES ('EVE@example.com'), ('once@example.com')
ON CONFLICT (lower(email COLLATE "C"), has_account) DO NOTHING;
SELECT is((SELECT count(*) FROM shop.customer WHERE lower(email) IN ('eve@example.com', 'once@example.com')),
		  2::bigint, 'customer_email_key serves ON CONFLICT');
SELECT is(t.error(format('UPDATE shop.customer SET external_id = ''crm-1'' WHERE id = %s', :eve)),
		  '23505 customer_external_id_key', 'an external_id is one customer''s');

-- customer_email_valid --------------------------------------------------------------------

SELECT is(t.error('SELECT customers.create_customer(''not an address'')'),
		  '23514 customer_email_valid', 'customer_email_valid: create_customer');
SELECT is(t.error('SELECT customers.find_or_create_guest(''nobody@'')'),
		  '23514 customer_email_valid', 'customer_email_valid: find_or_create_guest');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"email": "x"}'')', :eve)),
		  '23514 customer_email_valid', 'customer_email_valid: update_customer');
SELECT is(t.error(format('UPDATE shop.customer SET email = '''' WHERE id = %s', :eve)),
		  '23514 customer_email_valid', 'customer_email_valid: UPDATE');
SELECT is(t.error('MERGE INTO shop.customer c USING (VALUES (''eve'')) v(e) ON c.email = v.e WHEN NOT MATCHED THEN INSERT (email) VALUES (v.e)'),
		  '23514 customer_email_valid', 'customer_email_valid: MERGE');
SELECT is(t.error('INSERT INTO shop.customer (email) VALUES (NULL)'), '23502',
		  'an e-mail is never NULL');
SELECT is((SELECT email FROM shop.customer WHERE id = :eve), 'eve@example.com',
		  'after all that the e-mail is as before');

-- customer_account_fixed --------------------------------------------------------------------

SELECT is(t.error(format('UPDATE shop.customer SET has_account = true, external_id = ''crm-9'' WHERE id = %s', :eve)),
		  '23514 customer_account_fixed', 'customer_account_fixed: a guest does not become registered');
SELECT is(t.error(format('UPDATE shop.customer SET has_account = false WHERE id = %s', :dora)),
		  '23514 customer_account_fixed', 'customer_account_fixed: nor a registered customer a guest');
SELECT is(t.error(format('MERGE INTO shop.customer c USING (VALUES (%s)) v(id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET has_account = true', :eve)),
		  '23514 customer_account_fixed', 'customer_account_fixed: MERGE');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"has_account": true}'')', :eve)),
		  '22023', 'update_customer knows no has_account');
SELECT is(t.error('UPDATE shop.customer SET has_account = has_account'), 'no error',
		  'naming its value again is no change');

-- customer_account_registered -----------------------------------------------------------------

SELECT is(t.error('INSERT INTO shop.customer (email, has_account) VALUES (''gil@example.com'', true); SET CONSTRAINTS ALL IMMEDIATE'),
		  '23514 customer_account_registered',
		  'customer_account_registered: an account needs a credential or an external_id');
SELECT is(t.error(format('UPDATE shop.customer SET external_id = NULL WHERE id = %s; SET CONSTRAINTS ALL IMMEDIATE', :dora)),
		  '23514 customer_account_registered',
		  'customer_account_registered: and keeps it');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"external_id": null}''); SET CONSTRAINTS ALL IMMEDIATE', :dora)),
		  '23514 customer_account_registered',
		  'customer_account_registered: through update_customer, too');
SELECT is(t.error('INSERT INTO shop.customer (email, has_account) VALUES (''gil@example.com'', true)'),
		  'no error', 'customer_account_registered asks at the end of the transaction');
SELECT is(t.error('INSERT INTO shop.customer (email, has_account) VALUES (''gil@example.com'', true); UPDATE shop.customer SET external_id = ''crm-3'' WHERE email = ''gil@example.com''; SET CONSTRAINTS ALL IMMEDIATE'),
		  'no error', 'customer_account_registered: what counts is what stands then');
SELECT is((SELECT registered_at = now() FROM shop.customer WHERE id = :dora), true,
		  'registered_at is the time of the account');
SELECT is((SELECT registered_at::text FROM shop.customer WHERE id = :eve), NULL,
		  'and NULL for a guest');
SELECT is(pg_temp.events(:dora, 'account.registered'), 0::bigint,
		  'a customer brought in from elsewhere is no new account');

-- customer_id_fixed -----------------------------------------------------------------------------

SELECT is(t.error(format('UPDATE shop.customer SET id = 1000000 WHERE id = %s', :eve)),
		  '23514 customer_id_fixed', 'customer_id_fixed: the id');
SELECT is(t.error(format('UPDATE shop.customer SET created_at = ''2001-01-01'' WHERE id = %s', :eve)),
		  '23514 customer_id_fixed', 'customer_id_fixed: created_at');
SELECT is(t.error(format('MERGE INTO shop.customer c USING (VALUES (%s)) v(id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET id = c.id + 1000', :eve)),
		  '23514 customer_id_fixed', 'customer_id_fixed: MERGE');
SELECT is(t.error(format('INSERT INTO shop.customer (email) VALUES (''eve@example.com'') ON CONFLICT (lower(email COLLATE "C"), has_account) DO UPDATE SET created_at = ''2001-01-01''')),
		  '23514 customer_id_fixed', 'customer_id_fixed: ON CONFLICT DO UPDATE');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"id": 7}'')', :eve)),
		  '22023', 'update_customer knows no id');
INSERT INTO shop.customer (id, email, created_at)
VALUES (900000000, 'old@example.com', '2001-02-03 04:05:06+00');
SELECT is((SELECT created_at::text FROM shop.customer WHERE id = 900000000),
		  '2001-02-03 04:05:06+00', 'an import may bring id and created_at');

-- customer_metadata_object ------------------------------------------------------------------------

SELECT is(t.error(format('INSERT INTO shop.customer (email, metadata) VALUES (''m@example.com'', %L)', m)),
		  '23514 customer_metadata_object', 'customer_metadata_object: not ' || m)
FROM (VALUES (1, '[]'), (2, '[{"a": 1}]'), (3, '"text"'), (4, '7'), (5, 'true'), (6, 'null'), (7, '{"": 1}'), (8, '{"a": 1, "": null}')) v(n, m)
ORDER BY n;
SELECT is(t.error(format('UPDATE shop.customer SET metadata = ''[]'' WHERE id = %s', :eve)),
		  '23514 customer_metadata_object', 'customer_metadata_object: UPDATE');
SELECT is(t.error('SELECT customers.create_customer(''m@example.com'', metadata => ''[]'')'),
		  '23514 customer_metadata_object', 'customer_metadata_object: create_customer');
SELECT is(t.error('SELECT customers.find_or_create_guest(''m@example.com'', metadata => ''{"": 1}'')'),
		  '23514 customer_metadata_object', 'customer_metadata_object: find_or_create_guest');
SELECT matches(t.error(format('SELECT customers.update_customer(%s, ''{"metadata": {"": 1}}'')', :eve)),
			   '^(23514 customer_metadata_object|22023)$', 'customer_metadata_object: update_customer');
INSERT INTO shop.customer (email, metadata) VALUES ('null@example.com', NULL);
SELECT is((SELECT metadata FROM shop.customer WHERE email = 'null@example.com'), '{}',
		  'metadata NULL is stored as an empty object');
SELECT is((SELECT count(*) FROM shop.customer WHERE metadata IS NULL OR metadata_order IS NULL), 0::bigint,
		  'no customer is without one, nor without its row order');

-- customer_version_current -------------------------------------------------------------------------

SELECT is(customers.update_customer(:carl, '{"phone": "18"}', 1), 2::bigint,
		  'expected_version is the row''s: done');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"phone": "19"}'', 1)', :carl)),
		  '23514 customer_version_current', 'customer_version_current: an older one');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"phone": "19"}'', 3)', :carl)),
		  '23514 customer_version_current', 'customer_version_current: one to come');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"phone": "18"}'', 1)', :carl)),
		  '23514 customer_version_current', 'customer_version_current: even when nothing would change');
SELECT is(t.error(format('SELECT customers.save_metadata(%s, ''[]'', 1)', :carl)),
		  '23514 customer_version_current', 'customer_version_current: save_metadata');
SELECT is((SELECT phone || ' ' || version FROM shop.customer WHERE id = :carl), '18 2',
		  'a refused update changes nothing');
SELECT is(customers.update_customer(:carl, '{"phone": "20"}', NULL), 3::bigint,
		  'expected_version NULL asks nothing');

-- Engine-kept columns, whatever a statement says -------------------------------------------------------

INSERT INTO shop.customer (email, version, updated_at, email_changed_at, registered_at, created_by)
VALUES ('kept@example.com', 99, '2001-01-01', '2001-01-01', '2001-01-01', 'me') RETURNING id AS kept \gset
SELECT is((SELECT ROW(version, updated_at = now(), email_changed_at, registered_at, created_by)::text
		   FROM shop.customer WHERE id = :kept),
		  '(1,t,,,customers_owner)', 'INSERT names engine-kept columns in vain');
UPDATE shop.customer SET version = 99, updated_at = '2001-01-01', email_changed_at = '2001-01-01',
	registered_at = '2001-01-01', created_by = 'me', phone = '1'
WHERE id = :kept;
SELECT is((SELECT ROW(version, updated_at = now(), email_changed_at, registered_at, created_by, phone)::text
		   FROM shop.customer WHERE id = :kept),
		  '(2,t,,,customers_owner,1)', 'and so does UPDATE');
UPDATE shop.customer SET updated_at = '2001-01-01', email_changed_at = '2001-01-01',
	registered_at = '2001-01-01', created_by = 'me'
WHERE id = :kept;
SELECT is((SELECT ROW(version, updated_at = now(), email_changed_at, registered_at, created_by)::text
		   FROM shop.customer WHERE id = :kept),
		  '(2,t,,,customers_owner)', 'an UPDATE of nothing else changes nothing');
SELECT is(pg_temp.events(:kept, 'customer.updated'), 1::bigint, 'and is no event');

-- updated_at moves with a change: the row is made to look old first.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE shop.customer DISABLE TRIGGER USER;
UPDATE shop.customer SET updated_at = '2001-01-01' WHERE id = :kept;
ALTER TABLE shop.customer ENABLE TRIGGER USER;
UPDATE shop.customer SET phone = '1' WHERE id = :kept;
SELECT is((SELECT updated_at::date::text FROM shop.customer WHERE id = :kept), '2001-01-01',
		  'updated_at stays when nothing changes');
UPDATE shop.customer SET phone = '2' WHERE id = :kept;
SELECT is((SELECT updated_at = now() FROM shop.customer WHERE id = :kept), true,
		  'updated_at moves with a change');

-- COPY -------------------------------------------------------------------------------------------------

COPY shop.customer (email, first_name, last_name, phone, metadata, version, created_by, created_at) FROM STDIN;
  copy1@example.com 	Cora		 	{"b": 1, "a": 2}	99	me	2002-02-02 00:00:00+00
\.
COPY shop.customer (email, first_name, phone, metadata, metadata_order, version, updated_at, created_by) FROM STDIN;
copy2@example.com	\N	\N	\N	\N	\N	\N	\N
\.
SELECT is((SELECT array_agg(ROW(email, first_name, last_name, phone, metadata, metadata_order, version, created_by, created_at::date)::text ORDER BY email)
		   FROM shop.customer WHERE email = 'copy1@example.com'),
		  ARRAY['(copy1@example.com,Cora,,,"{""a"": 2, ""b"": 1}","{a,b}",1,customers_owner,2002-02-02)'],
		  'COPY obeys the same rules: trimmed, blank is NULL, engine-kept columns kept');
SELECT is((SELECT ROW(metadata, metadata_order, version, created_by, created_at = now())::text
		   FROM shop.customer WHERE email = 'copy2@example.com'),
		  '({},{},1,customers_owner,t)', 'and NULLs become defaults');
SELECT is((SELECT count(*) FROM shop.event e JOIN shop.customer c ON c.id = e.customer_id
		   WHERE c.email LIKE 'copy_@example.com' AND e.type = 'customer.created'), 2::bigint,
		  'with an event a row');
-- COPY FROM STDIN cannot be tried inside a function; a program's output can.
RESET SESSION AUTHORIZATION;
GRANT pg_execute_server_program TO customers_owner;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error(format('COPY shop.customer (%s) FROM PROGRAM %L; SET CONSTRAINTS ALL IMMEDIATE',
						 columns, 'printf ''' || lines || '''')),
		  expected, split_part(expected, ' ', 2) || ': COPY')
FROM (VALUES
	(1, 'email', 'copy3@example.com\ncopy4 at example.com\n', '23514 customer_email_valid'),
	(2, 'email', 'copy3@example.com\nCOPY1@example.com\n', '23505 customer_email_key'),
	(3, 'email, metadata', 'copy3@example.com\t[]\n', '23514 customer_metadata_object'),
	(4, 'email, has_account', 'copy3@example.com\ttrue\n', '23514 customer_account_registered')
) v(n, columns, lines, expected)
ORDER BY n;
SELECT matches(t.message('COPY shop.customer (email) FROM PROGRAM ''echo copy4 at example.com'''), 'copy4',
			   'and the message names the address');
RESET SESSION AUTHORIZATION;
REVOKE pg_execute_server_program FROM customers_owner;
SET SESSION AUTHORIZATION customers_owner;
SELECT is((SELECT count(*) FROM shop.customer WHERE email LIKE 'copy3%'), 0::bigint,
		  'a refused COPY leaves no row');

-- MERGE --------------------------------------------------------------------------------------------------

MERGE INTO shop.customer c
USING (VALUES ('copy1@example.com', '111'), ('merged@example.com', '222')) v(email, phone)
ON c.email = v.email
WHEN MATCHED THEN UPDATE SET phone = v.phone
WHEN NOT MATCHED THEN INSERT (email, phone, version) VALUES (v.email, v.phone, 50);
SELECT is((SELECT array_agg(email || ' ' || phone || ' ' || version ORDER BY email)
		   FROM shop.customer WHERE email IN ('copy1@example.com', 'merged@example.com')),
		  '{copy1@example.com 111 2,merged@example.com 222 1}', 'MERGE updates and inserts as the others do');
SELECT is((SELECT array_agg(c.email || ' ' || e.type ORDER BY c.email, e.type)
		   FROM shop.event e JOIN shop.customer c ON c.id = e.customer_id
		   WHERE c.email IN ('copy1@example.com', 'merged@example.com')),
		  '{copy1@example.com customer.created,copy1@example.com customer.updated,merged@example.com customer.created}',
		  'with its events');

-- customer_delete_confirmed --------------------------------------------------------------------------------

SELECT is(t.error(format('SELECT customers.delete_customer(%s, ''eve@example.org'')', :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: the wrong e-mail');
SELECT is(t.error(format('SELECT customers.delete_customer(%s, NULL)', :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: no e-mail');
SELECT is(t.error(format('SELECT customers.delete_customer(%s, '''')', :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: an empty e-mail');
SELECT is(t.error(format('SELECT customers.delete_customer(%s, ''carl@example.com'')', :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: another customer''s e-mail');
SELECT is(t.error(format('DELETE FROM shop.customer WHERE id = %s', :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: DELETE');
SELECT is(t.error(format('MERGE INTO shop.customer c USING (VALUES (%s)) v(id) ON c.id = v.id WHEN MATCHED THEN DELETE', :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: MERGE');
SELECT is(t.error('TRUNCATE shop.customer CASCADE'),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: TRUNCATE');
SELECT is(t.error(format('SET LOCAL customers.confirm_delete = %L; TRUNCATE shop.customer CASCADE', :eve || ':eve@example.com')),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: TRUNCATE in spite of the setting');
SELECT is(t.error(format('SET LOCAL customers.confirm_delete = %L; DELETE FROM shop.customer WHERE id IN (%s, %s)', :eve || ':eve@example.com', :eve, :carl)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: one confirmed, two deleted');
SELECT is(t.error(format('SET LOCAL customers.confirm_delete = %L; DELETE FROM shop.customer WHERE id = %s', c, :eve)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: the setting ' || what)
FROM (VALUES
	(1, '', 'empty'),
	(2, :'eve', 'with the id alone'),
	(3, 'eve@example.com', 'with the e-mail alone'),
	(4, :'eve' || ':', 'without the e-mail'),
	(5, :'carl' || ':eve@example.com', 'with another id'),
	(6, :'eve' || ':eve@example.co', 'with a part of the e-mail'),
	(7, :'eve' || ':eve@example.com.', 'with more than the e-mail'),
	(8, '*', 'with a star')
) v(n, c, what)
ORDER BY n;
SELECT is(t.error(format('SET LOCAL customers.confirm_delete = %L; DELETE FROM shop.customer WHERE id = %s', :eve || ':EVE@example.com', :eve)),
		  'no error', 'customer_delete_confirmed: the setting with id and e-mail, ignoring case, is enough');
SELECT is((SELECT count(*) FROM shop.customer WHERE id = :eve), 1::bigint,
		  'after all that he is still there (the last one was undone)');

-- A confirmation is for one statement.
SELECT customers.delete_customer(:eve, '  EVE@example.com ') AS gone \gset
SELECT is((SELECT count(*) FROM shop.customer WHERE id = :eve), 0::bigint,
		  'delete_customer with the e-mail typed deletes');
SELECT is(coalesce(current_setting('customers.confirm_delete', true), ''), '',
		  'and leaves no confirmation behind');
SELECT is(t.error(format('DELETE FROM shop.customer WHERE id = %s', :carl)),
		  '23514 customer_delete_confirmed', 'customer_delete_confirmed: the next DELETE is refused');
DO $$
DECLARE
	victim bigint;
BEGIN
	SELECT id INTO victim FROM shop.customer WHERE email = 'merged@example.com';
	BEGIN
		PERFORM customers.delete_customer(victim, 'merged@example.com');
		RAISE EXCEPTION 'changed my mind';
	EXCEPTION WHEN raise_exception THEN
		NULL;
	END;
	BEGIN
		PERFORM customers.delete_customer(victim, 'wrong@example.com');
	EXCEPTION WHEN check_violation THEN
		NULL;
	END;
	DELETE FROM shop.customer WHERE id = victim;
	RAISE EXCEPTION 'deleted without confirmation';
EXCEPTION WHEN check_violation THEN
	NULL;
END $$;
SELECT is((SELECT count(*) FROM shop.customer WHERE email = 'merged@example.com'), 1::bigint,
		  'customer_delete_confirmed: neither an undone nor a refused delete_customer leaves a confirmation');
SET LOCAL customers.confirm_delete = 'mine';
SELECT customers.delete_customer((SELECT id FROM shop.customer WHERE email = 'merged@example.com'),
								 'merged@example.com') AS gone \gset
SELECT is(current_setting('customers.confirm_delete'), 'mine',
		  'delete_customer puts back the setting that it found');
RESET customers.confirm_delete;
SELECT is(t.error(format('SELECT customers.delete_customer(%s, ''eve@example.com'')', :eve)),
		  '23503', 'a second time he does not exist');

-- What stays and what goes.
SELECT customers.add_to_groups(:carl, ARRAY[:vip]) AS added \gset
INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at, shipping_address, billing_address, metadata)
VALUES (:carl, 'carl@example.com', 'completed', 'EUR', 99.95, '2024-01-02', '{"city": "Göttingen"}', '{"city": "Hannover"}', '{"gift": true}')
RETURNING id AS carls_order \gset
SELECT customers.delete_customer(:carl, 'carl@example.com') AS gone \gset
SELECT is((SELECT ROW(customer_id, email, total, shipping_address, billing_address, metadata)::text
		   FROM shop.orders WHERE id = :carls_order),
		  '(,carl@example.com,99.95,"{""city"": ""Göttingen""}","{""city"": ""Hannover""}","{""gift"": true}")',
		  'an order outlives its customer, with its e-mail and addresses');
SELECT is((SELECT count(*) FROM shop.customer_group_member WHERE customer_id = :carl), 0::bigint,
		  'memberships do not');
SELECT is(pg_temp.events(:carl, 'customer.deleted'), 1::bigint, 'the event says so');
SELECT is(t.error(format('SELECT * FROM customers.customer_details(%s)', :carl)), '23503',
		  'and he does not exist');
SELECT customers.delete_customer(:ada, 'ada.king@example.com', anonymize_orders => true) AS gone \gset
SELECT is((SELECT array_agg(ROW(customer_id, email, shipping_address, billing_address)::text || total ORDER BY total)
		   FROM shop.orders WHERE total IN (10, 20, 30, 40)),
		  '{"(,,,)10","(,,,)20","(,,,)30","(,,,)40"}',
		  'with anonymize_orders they stay without e-mail and addresses');
SELECT is((SELECT email FROM shop.orders WHERE id = :carls_order), 'carl@example.com',
		  'nobody else''s do');
SELECT is((SELECT customer_id FROM shop.orders WHERE total = 50), :bob::bigint,
		  'and another customer''s order is still his');
SELECT customers.create_customer('ada.king@example.com') AS again \gset
SELECT isnt(:again::bigint, :ada::bigint, 'the e-mail is free again, for another customer');

-- With a transfer under way.
SELECT customers.create_customer('hank@example.com') AS hank \gset
INSERT INTO shop.orders (customer_id, email, status, currency_code, total)
VALUES (:hank, 'hank@example.com', 'completed', 'EUR', 60) RETURNING id AS hanks_order \gset
SELECT customers.request_order_transfer(:hanks_order, :dora) AS transfer \gset
SELECT is((SELECT count(*) FROM shop.delivery WHERE person_ids @> ARRAY[:hank]::bigint[] AND confidential ? 'token'), 1::bigint,
		  'a request to the owner waits for its delivery');
SELECT customers.delete_customer(:hank, 'hank@example.com') AS gone \gset
SELECT is((SELECT status || coalesce(from_customer_id::text, '') FROM shop.order_transfer WHERE id = :transfer), 'canceled',
		  'deleting the owner cancels the open transfer');
SELECT is((SELECT array_agg(e.type) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
		   WHERE d.person_ids @> ARRAY[:hank]::bigint[]), '{order.transfer_canceled}',
		  'deliveries that name him go, but those of the deletion');
SELECT is((SELECT customer_id FROM shop.orders WHERE id = :hanks_order), NULL, 'and the order stays');
INSERT INTO shop.orders (customer_id, email, status, currency_code, total)
VALUES (:bob, 'bob@example.com', 'completed', 'EUR', 70) RETURNING id AS bobs_order \gset
INSERT INTO shop.customer (email, has_account, external_id)
VALUES ('ida@example.com', true, 'crm-7') RETURNING id AS ida \gset
SELECT customers.request_order_transfer(:bobs_order, :ida) AS transfer \gset
SELECT customers.delete_customer(:ida, 'ida@example.com') AS gone \gset
SELECT is((SELECT status || coalesce(to_customer_id::text, '') FROM shop.order_transfer WHERE id = :transfer), 'canceled',
		  'deleting the new owner cancels it as well');
SELECT is((SELECT customer_id FROM shop.orders WHERE id = :bobs_order), :bob::bigint,
		  'and the order stays with its owner');

-- Inside EXCEPTION blocks, one after the other ---------------------------------------------------------------

CREATE TEMP TABLE seen (n int, rule text);
DO $$
DECLARE
	attempt text;
	rule text;
	n int := 0;
BEGIN
	FOREACH attempt IN ARRAY ARRAY[
		'INSERT INTO shop.customer (email) VALUES (''none'')',
		'INSERT INTO shop.customer (email) VALUES (''BOB@EXAMPLE.com'')',
		'UPDATE shop.customer SET has_account = true, external_id = ''z'' WHERE email = ''BOB@example.com''',
		'UPDATE shop.customer SET id = -1 WHERE email = ''BOB@example.com''',
		'UPDATE shop.customer SET metadata = ''7'' WHERE email = ''BOB@example.com''',
		'DELETE FROM shop.customer WHERE email = ''BOB@example.com'''] LOOP
		n := n + 1;
		BEGIN
			EXECUTE attempt;
			INSERT INTO seen VALUES (n, 'no error');
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS rule = CONSTRAINT_NAME;
			INSERT INTO seen VALUES (n, rule);
		END;
		UPDATE shop.customer SET phone = n::text WHERE email = 'BOB@example.com';
	END LOOP;
END $$;
SELECT is((SELECT array_agg(rule ORDER BY n) FROM seen),
		  '{customer_email_valid,customer_email_key,customer_account_fixed,customer_id_fixed,customer_metadata_object,customer_delete_confirmed}',
		  'each rule is caught in its EXCEPTION block');
SELECT is((SELECT phone || ' ' || version FROM shop.customer WHERE id = :bob), '6 8',
		  'and what stands between them is done');

-- Credentials and tokens are for later: the tables refuse writes -----------------------------------------------

SELECT matches(t.error(format('INSERT INTO shop.credential (customer_id) VALUES (%s)', :dora)),
			   '^23514 credential_', 'a credential is not inserted by hand');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, password_hash) VALUES (%s, ''x'')', :dora)) LIKE '23514 credential_%',
		  true, 'least of all with a hash');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id, token_hash) VALUES (%s, ''x'')', :dora)),
		  '23514 account_token_fixed', 'account_token_fixed: no token by hand');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"password": "secret-Secret"}'')', :dora)),
		  '23514 credential_password_not_editable', 'credential_password_not_editable: no password by update_customer');
SELECT unalike(t.message(format('SELECT customers.update_customer(%s, ''{"password": "secret-Secret"}'')', :dora)),
			   '%secret-Secret%', 'and the message does not repeat it');

SELECT * FROM finish();
ROLLBACK;
