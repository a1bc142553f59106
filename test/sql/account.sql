\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Accounts: a password that nobody but its owner can change.  Each rule is
-- attacked through the function, through plain SQL of the store's owner and
-- inside plpgsql blocks.

SELECT plan(445);

-- The cheapest hash there is: these tests are about rules, not about cost.
RESET SESSION AUTHORIZATION;
SET customers.password_memory = 64;
SET customers.password_passes = 1;
-- Time passes for a customer, for everything that is known of him.
CREATE FUNCTION t.passes(person bigint, much interval) RETURNS interval
LANGUAGE plpgsql SECURITY DEFINER
SET session_replication_role = replica SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	UPDATE shop.customer SET created_at = created_at - much, registered_at = registered_at - much,
		email_changed_at = email_changed_at - much, updated_at = updated_at - much WHERE id = person;
	UPDATE shop.credential SET created_at = created_at - much, locked_until = locked_until - much,
		password_changed_at = password_changed_at - much WHERE customer_id = person;
	UPDATE shop.account_token SET created_at = created_at - much, expires_at = expires_at - much WHERE customer_id = person;
	UPDATE shop.delivery SET created_at = created_at - much, available_at = available_at - much, expires_at = expires_at - much
		WHERE event_id IN (SELECT id FROM shop.event WHERE customer_id = person);
	UPDATE shop.event SET created_at = created_at - much WHERE customer_id = person;
	RETURN much;
END $$;
CREATE FUNCTION t.set_failures(customer bigint, failures int) RETURNS int
LANGUAGE sql SECURITY DEFINER
SET session_replication_role = replica SET search_path = pg_catalog, pg_temp AS $$
	UPDATE shop.credential SET failed_attempts = failures, locked_until = NULL WHERE customer_id = customer RETURNING failed_attempts
$$;
-- What an owner can do who disables triggers.
CREATE FUNCTION t.set_hash(customer bigint, hash text) RETURNS text
LANGUAGE sql SECURITY DEFINER
SET session_replication_role = replica SET search_path = pg_catalog, pg_temp AS $$
	UPDATE shop.credential SET password_hash = hash WHERE customer_id = customer RETURNING password_hash
$$;
SET SESSION AUTHORIZATION customers_owner;

CREATE SCHEMA h;
-- The token that was sent last to a customer, from its only copy.
CREATE FUNCTION h.token(customer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT d.confidential ->> 'token' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
	WHERE e.type = 'account.password_reset_requested' AND e.customer_id = customer ORDER BY e.id DESC LIMIT 1
$$;
-- Types and numbers of the events made since the last call.
CREATE TABLE h.seen (id bigint);
CREATE FUNCTION h.news() RETURNS text LANGUAGE sql AS $$
	WITH fresh AS (SELECT e.id, e.type FROM shop.event e WHERE e.id NOT IN (SELECT s.id FROM h.seen s)),
		noted AS (INSERT INTO h.seen SELECT id FROM fresh)
	SELECT coalesce(string_agg(type || ' ' || n, ', ' ORDER BY type COLLATE "C"), 'none')
	FROM (SELECT type, count(*) AS n FROM fresh GROUP BY type) f
$$;
-- What the account's row says: failures, waiting, evidence at rest.
CREATE FUNCTION h.account(customer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s failures, %s, %s at rest', failed_attempts,
		CASE WHEN locked_until IS NULL THEN 'no wait' WHEN locked_until > clock_timestamp() THEN 'waits' ELSE 'waited' END,
		coalesce(new_password, proof, 'nothing'))
	FROM shop.credential WHERE customer_id = customer
$$;
-- Fails unless true.
CREATE FUNCTION h.must(what boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF what IS NOT TRUE THEN
		RAISE EXCEPTION 'it is not so' USING ERRCODE = 'ZZ999';
	END IF;
END $$;
CREATE FUNCTION h.hash(customer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT password_hash FROM shop.credential WHERE customer_id = customer
$$;
-- In how many rows of the store, and in which tables, does a word occur?
CREATE FUNCTION h.mentions(word text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	tab text;
	n bigint;
	found text := '';
BEGIN
	FOR tab IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE "C" LOOP
		EXECUTE format('SELECT count(*) FROM shop.%I r WHERE strpos(r::text, %L) > 0', tab, word) INTO n;
		IF n > 0 THEN
			found := found || ' ' || tab || ' ' || n;
		END IF;
	END LOOP;
	RETURN ltrim(found);
END $$;
CREATE FUNCTION h.fail(email text, times int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(coalesce(customers.authenticate(email, 'wrong ' || n)::text, '-'), '') FROM generate_series(1, times) n
$$;
-- How long a customer waits after one more wrong password, in whole seconds.
CREATE FUNCTION h.wait_after_failure(customer bigint, email text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	before timestamptz := clock_timestamp();
BEGIN
	PERFORM customers.authenticate(email, 'wrong');
	RETURN (SELECT floor(extract(epoch FROM locked_until - before)) FROM shop.credential WHERE customer_id = customer);
END $$;

-- register_customer -----------------------------------------------------------------------------

SELECT customers.create_customer('ada@example.com', 'A guest') AS guest \gset
SELECT customers.register_customer('Ada@Example.com', 'correct horse', 'Ada', 'Byron', 'Engines', '1', '{"tier": "gold"}') AS ada \gset
SELECT is((SELECT to_jsonb(d) - 'created_at' - 'updated_at' FROM customers.customer_details(:ada) d),
	jsonb_build_object('id', :ada, 'email', 'Ada@Example.com', 'type', 'registered', 'full_name', 'Ada Byron', 'first_name', 'Ada',
		'last_name', 'Byron', 'company_name', 'Engines', 'phone', '1', 'groups', '[]'::jsonb, 'orders_count', 0,
		'metadata', '{"tier": "gold"}'::jsonb, 'external_id', NULL, 'created_by', 'customers_owner', 'version', 1),
	'register_customer: the customer, beside the guest of the same e-mail');
SELECT is((SELECT registered_at IS NOT NULL FROM shop.customer WHERE id = :ada), true, 'register_customer: registered_at is set');
SELECT is((SELECT type FROM customers.customer_details(:guest)), 'guest', 'register_customer: the guest stays a guest');
SELECT matches(h.hash(:ada), '^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$',
	'register_customer: argon2id at the configured cost, as a PHC string');
SELECT is(h.account(:ada), '0 failures, no wait, nothing at rest', 'register_customer: the write-only columns are NULL');
SELECT is(h.news(), 'account.registered 1, customer.created 2', 'account.registered: beside customer.created');
SELECT is((SELECT payload FROM shop.event WHERE type = 'account.registered'), jsonb_build_object('customer_id', :ada), 'account.registered: the payload is ids');
SELECT is((SELECT (customer_id, order_id, role, actor)::text FROM shop.event WHERE type = 'account.registered'),
	format('(%s,,customers_owner,customers_owner)', :ada), 'account.registered: of the customer, by the role');
SELECT is((SELECT confidential FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'account.registered'),
	'{"to": ["Ada@Example.com"], "email": "Ada@Example.com"}'::jsonb, 'account.registered: confidential');
SELECT is((SELECT person_ids FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'account.registered'),
	ARRAY[:ada]::bigint[], 'account.registered: the delivery goes with the customer');
SELECT is(h.mentions('correct horse'), '', 'register_customer: the password is in no table');
SELECT is(t.error('SET CONSTRAINTS ALL IMMEDIATE'), 'no error', 'customer_account_registered: holds');
SET customers.actor = 'shop front';
SELECT customers.register_customer('bob@example.com', 'bob''s Secret') AS bob \gset
RESET customers.actor;
SELECT is((SELECT created_by || ', ' || (SELECT string_agg(DISTINCT actor || '/' || role, ' ') FROM shop.event WHERE customer_id = c.id)
		FROM shop.customer c WHERE id = :bob), 'shop front, shop front/customers_owner', 'register_customer: created_by and actor are customers.actor');
SELECT isnt(h.hash(:ada), h.hash(:bob), 'register_customer: different hashes');
SELECT customers.register_customer('twin@example.com', 'bob''s Secret') AS twin \gset
SELECT isnt(h.hash(:twin), h.hash(:bob), 'register_customer: salted: the same password, another hash');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');

CREATE TEMP TABLE attempt (n serial, call text, expected text, why text);
INSERT INTO attempt (call, expected, why) VALUES
	('register_customer(NULL, ''long enough'')', '22023', 'NULL e-mail'),
	('register_customer(''new@example.com'', NULL)', '22023', 'NULL password'),
	('register_customer(''nonsense'', ''long enough'')', '23514 customer_email_valid', 'a bad e-mail'),
	('register_customer('''', ''long enough'')', '23514 customer_email_valid', 'an empty e-mail'),
	('register_customer(''ADA@example.COM'', ''long enough'')', '23505 customer_email_key', 'a taken e-mail'),
	('register_customer('' bob@example.com '', ''long enough'')', '23505 customer_email_key', 'a taken e-mail, with blanks'),
	('register_customer(''new@example.com'', ''long enough'', metadata => ''[]'')', '23514 customer_metadata_object', 'metadata that is no object'),
	('register_customer(''new@example.com'', '''')', '23514 credential_password_length', 'no password'),
	('register_customer(''new@example.com'', ''seven77'')', '23514 credential_password_length', '7 characters'),
	('register_customer(''new@example.com'', ''ééééééé'')', '23514 credential_password_length', '7 characters in 14 bytes'),
	('register_customer(''new@example.com'', repeat(''x'', 1025))', '23514 credential_password_length', '1,025 bytes'),
	('register_customer(''new@example.com'', repeat(''é'', 513))', '23514 credential_password_length', '513 characters in 1,026 bytes'),
	('register_customer(''new@example.com'', repeat(''x'', 2000000))', '23514 credential_password_length', 'two megabytes'),
	('register_customer(''new@example.com'', ''eight888'')', 'no error', '8 characters'),
	('register_customer(''new@example.com'', ''éééééééé'')', 'no error', '8 characters in 16 bytes'),
	('register_customer(''new@example.com'', ''        '')', 'no error', '8 blanks: no composition rules'),
	('register_customer(''new@example.com'', repeat(''x'', 1024))', 'no error', '1,024 bytes'),
	('register_customer(''new@example.com'', repeat(''é'', 512))', 'no error', '512 characters in 1,024 bytes'),
	('authenticate(NULL, ''x'')', '22023', 'NULL e-mail'),
	('authenticate(''ada@example.com'', NULL)', '22023', 'NULL password'),
	('change_password(NULL, ''correct horse'', ''long enough'')', '22023', 'NULL id'),
	('change_password({ADA}, NULL, ''long enough'')', '23514 credential_password_not_editable', 'no proof'),
	('change_password({ADA}, ''correct horse'', NULL)', '22023', 'NULL new password'),
	('change_password({ADA}, ''correct horse'', ''seven77'')', '23514 credential_password_length', '7 characters'),
	('change_password({ADA}, ''correct horse'', repeat(''x'', 1025))', '23514 credential_password_length', '1,025 bytes'),
	('change_password({ADA}, ''wrong'', ''short'')', '23514 credential_password_length', 'checked before the proof'),
	('change_password(42000, ''wrong'', ''short'')', '23514 credential_password_length', 'checked before the customer'),
	('request_password_reset(NULL)', '22023', 'NULL e-mail'),
	('reset_password(NULL, ''long enough'')', '23514 credential_password_not_editable', 'no token'),
	('reset_password(''x'', NULL)', '22023', 'NULL new password'),
	('reset_password(''x'', ''long enough'')', '28P01 credential_password_not_editable', 'a wrong token'),
	('reset_password('''', ''long enough'')', '28P01 credential_password_not_editable', 'an empty token'),
	('reset_password(repeat(''A'', 43), ''long enough'')', '28P01 credential_password_not_editable', 'a wrong token that looks like one'),
	('reset_password(repeat(''A'', 1000000), ''long enough'')', '28P01 credential_password_not_editable', 'a megabyte of token'),
	('reset_password(''x'', ''short'')', '23514 credential_password_length', 'checked before the token'),
	('update_customer({ADA}, ''{"password": "long enough"}'')', '23514 credential_password_not_editable', 'a password among the changes'),
	('update_customer({ADA}, ''{"phone": "2", "password": null}'')', '23514 credential_password_not_editable', 'a password to be cleared');
SELECT is(t.error(format('SELECT customers.%s', replace(call, '{ADA}', :'ada'))), expected,
	CASE WHEN expected ~ ' ' AND expected <> 'no error' THEN split_part(expected, ' ', 2) ELSE split_part(call, '(', 1) END || ': ' || split_part(call, '(', 1) || ', ' || why)
FROM attempt ORDER BY n;
SELECT is((SELECT count(*) FROM shop.customer WHERE email = 'new@example.com') || ', ' || h.news(), '0, none', 'register_customer: refused, nothing half done');
SELECT is(h.account(:ada), '0 failures, no wait, nothing at rest', 'change_password: refused for the new password''s sake is no failed attempt');
SELECT is(string_agg(call, '; ' ORDER BY n), NULL, 'messages: no refusal repeats a password or a token')
FROM attempt, LATERAL t.message(format('SELECT customers.%s', replace(call, '{ADA}', :'ada'))) m(message)
WHERE m.message ~ '(long enough|correct horse|seven77|short\M.*short|xxxxx|AAAAA|ééééé)';
SELECT isnt(h.hash(:ada), NULL, 'fixture: the first customer has a password');

-- authenticate ----------------------------------------------------------------------------------

SELECT is(customers.authenticate('Ada@Example.com', 'correct horse'), :ada::bigint, 'authenticate: the customer''s id');
SELECT is(customers.authenticate('ada@EXAMPLE.com', 'correct horse'), :ada::bigint, 'authenticate: the e-mail ignores case');
SELECT is(customers.authenticate('  ada@example.com	', 'correct horse'), :ada::bigint, 'authenticate: and white space around it');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'authenticate: each his own');
SELECT is(customers.authenticate(email, password), NULL, 'authenticate: NULL for ' || why)
FROM (VALUES (1, 'ada@example.com', 'Correct horse', 'another case'), (2, 'ada@example.com', 'correct horse ', 'a blank at the end'),
	(3, 'ada@example.com', 'correct', 'the beginning'), (4, 'ada@example.com', '', 'nothing'), (5, 'ada@example.com', repeat('x', 5000), 'much too much'),
	(6, 'nobody@example.com', 'correct horse', 'an unknown e-mail'), (7, 'nonsense', 'correct horse', 'a malformed e-mail'),
	(8, '', 'correct horse', 'an empty e-mail'), (9, '%', 'correct horse', 'a pattern'), (10, repeat('a', 100000) || '@example.com', 'x', 'a long e-mail'),
	(11, 'bob@example.com', 'correct horse', 'another''s password')) v(n, email, password, why) ORDER BY n;
SELECT is(h.account(:ada), '5 failures, no wait, nothing at rest', 'authenticate: counts failures in a row');
SELECT is(h.account(:bob), '1 failures, no wait, nothing at rest', 'authenticate: for each account');
SELECT is(customers.authenticate('ada@example.com', h.hash(:ada)), NULL, 'authenticate: the hash is no password');
SELECT is(customers.authenticate('ada@example.com', 'correct horse'), :ada::bigint, 'authenticate: the right one after failures');
SELECT is(h.account(:ada), '0 failures, no wait, nothing at rest', 'authenticate: and the count begins anew');
SELECT is(h.news(), 'none', 'authenticate: makes no event');
SELECT is(t.error('SET LOCAL transaction_read_only = on; SELECT customers.authenticate(''ada@example.com'', ''wrong'')'), '25006',
	'authenticate: no guessing where the failure could not be counted');
SELECT customers.register_customer('spaces@example.com', '  two  blanks  ') AS spaces \gset
SELECT is(customers.authenticate('spaces@example.com', '  two  blanks  '), :spaces::bigint, 'authenticate: blanks belong to a password');
SELECT is(customers.authenticate('spaces@example.com', 'two  blanks'), NULL, 'authenticate: all of them');
SELECT customers.register_customer('long@example.com', repeat('é', 512)) AS long \gset
SELECT is(customers.authenticate('long@example.com', repeat('é', 512)), :long::bigint, 'authenticate: a password of 1,024 bytes');
SELECT is(customers.authenticate('long@example.com', repeat('é', 511) || 'è'), NULL, 'authenticate: every byte counts');
-- the guest of the same e-mail has no part in it
SELECT is(t.error(format('SELECT customers.delete_customer(%s, ''ada@example.com''); SELECT h.must(customers.authenticate(''ada@example.com'', ''correct horse'') = %s)', :guest, :ada)),
	'no error', 'authenticate: with the guest gone');
SELECT is(customers.authenticate('guest@example.com', ''), NULL, 'authenticate: a guest has no password')
FROM customers.create_customer('guest@example.com');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');

-- waiting ---------------------------------------------------------------------------------------

SELECT is(h.fail('bob@example.com', 8), '--------', 'waiting: 9 failures in a row');
SELECT is(h.account(:bob), '9 failures, no wait, nothing at rest', 'waiting: not yet');
SELECT is(h.wait_after_failure(:bob, 'bob@example.com'), 1::numeric, 'waiting: after 10, for one second');
SELECT is(h.account(:bob), '10 failures, waits, nothing at rest', 'waiting: the account waits');
SELECT is(t.passes(:bob, '-1 minute'), '-1 minute'::interval, 'waiting: a minute longer, for a slow machine');
SELECT locked_until AS until FROM shop.credential WHERE customer_id = :bob \gset
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), NULL, 'waiting: NULL for the right password, too');
SELECT is(customers.change_password(:bob, 'bob''s Secret', 'stolen secret'), false, 'waiting: change_password says false');
SELECT is(h.fail('bob@example.com', 5), '-----', 'waiting: further attempts');
SELECT is((SELECT (failed_attempts, locked_until = :'until')::text FROM shop.credential WHERE customer_id = :bob), '(10,t)',
	'waiting: attempts during the wait do not count');
SELECT is(t.passes(:bob, '1 minute'), '1 minute'::interval, 'waiting: as it was');
SELECT ok(pg_sleep_until(:'until'::timestamptz - interval '1 minute' + interval '20 ms') IS NOT NULL, 'time passes');
SELECT is(h.wait_after_failure(:bob, 'bob@example.com'), 2::numeric, 'waiting: after the wait the 11th failure doubles it');
SELECT lives_ok(format('SELECT t.passes(%s, ''2.1 s'')', :bob), 'time passes');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'waiting: after the wait the right password is right');
SELECT is(h.account(:bob), '0 failures, no wait, nothing at rest', 'waiting: and all is forgotten');
CREATE TABLE h.waits (n int, seconds numeric);
SELECT lives_ok($$SELECT h.fail('bob@example.com', 9)$$, 'waiting: 9 failures');
DO $do$
BEGIN
	FOR n IN 10..24 LOOP
		INSERT INTO h.waits SELECT n, h.wait_after_failure(id, email) FROM shop.customer WHERE email = 'bob@example.com';
		PERFORM t.passes(id, '16 minutes') FROM shop.customer WHERE email = 'bob@example.com';
	END LOOP;
END $do$;
SELECT is((SELECT string_agg(seconds::text, ' ' ORDER BY n) FROM h.waits), '1 2 4 8 16 32 64 128 256 512 900 900 900 900 900',
	'waiting: doubles with each further failure, up to 15 minutes');
SELECT is(t.set_failures(:bob, 1000), 1000, 'waiting: a thousand failures');
SELECT is(h.wait_after_failure(:bob, 'bob@example.com'), 900::numeric, 'waiting: 15 minutes');
SELECT is(t.set_failures(:bob, 2147483647), 2147483647, 'waiting: as many as can be counted');
SELECT is(h.wait_after_failure(:bob, 'bob@example.com'), 900::numeric, 'waiting: the count does not overflow');
SELECT lives_ok(format('SELECT t.passes(%s, ''16 minutes'')', :bob), 'time passes');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'waiting: and ends');
SELECT is(h.news(), 'none', 'waiting: makes no event');
-- in any mix
SELECT is((SELECT string_agg(coalesce(CASE n % 2 WHEN 0 THEN customers.authenticate('bob@example.com', 'x')::text
		ELSE nullif(customers.change_password(:bob, 'x', 'long enough'), false)::text END, '-'), '') FROM generate_series(1, 10) n), '----------',
	'waiting: wrong passwords through authenticate and change_password');
SELECT is(h.account(:bob), '10 failures, waits, nothing at rest', 'waiting: count together');
SELECT is(t.error('SELECT customers.authenticate(''bob@example.com'', ''x'')'), 'no error', 'waiting: another attempt is no error');
SELECT is(customers.authenticate('ada@example.com', 'correct horse'), :ada::bigint, 'waiting: is of one account, not of others');
-- Who is locked out by somebody's guessing comes in through his mailbox.
SELECT lives_ok($$SELECT customers.request_password_reset('bob@example.com')$$, 'request_password_reset: of an account that waits');
SELECT is(customers.reset_password(h.token(:bob), 'bob''s Secret'), :bob::bigint, 'reset_password: of an account that waits');
SELECT is(h.account(:bob), '0 failures, no wait, nothing at rest', 'reset_password: ends the wait');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'reset_password: the customer is in');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');

-- change_password -------------------------------------------------------------------------------

SELECT h.hash(:ada) AS old_hash \gset
SELECT is(customers.change_password(:ada, 'wrong', 'battery staple'), false, 'change_password: false for a wrong password');
SELECT is(customers.change_password(42000, 'correct horse', 'battery staple'), false, 'change_password: false for an unknown customer');
SELECT is(customers.change_password(:guest, 'correct horse', 'battery staple'), false, 'change_password: false for a guest');
SELECT is(customers.change_password(:bob, 'correct horse', 'battery staple'), false, 'change_password: false for another''s password');
SELECT is(h.hash(:ada), :'old_hash', 'change_password: false, and the hash stays');
SELECT is(h.account(:ada) || ', ' || h.news(), '1 failures, no wait, nothing at rest, none', 'change_password: counted, no event');
SELECT is(t.passes(:ada, '1 hour'), '1 hour'::interval, 'time passes');
SELECT is(customers.change_password(:ada, 'correct horse', 'battery staple'), true, 'change_password: true');
SELECT isnt(h.hash(:ada), :'old_hash', 'change_password: another hash');
SELECT is((SELECT password_changed_at BETWEEN now() AND clock_timestamp() FROM shop.credential WHERE customer_id = :ada), true, 'change_password: password_changed_at');
SELECT is(customers.authenticate('ada@example.com', 'battery staple'), :ada::bigint, 'change_password: the new password');
SELECT is(customers.authenticate('ada@example.com', 'correct horse'), NULL, 'change_password: no longer the old one');
SELECT is(customers.authenticate('ada@example.com', 'battery staple'), :ada::bigint, 'change_password: the new password again');
SELECT is(h.account(:ada), '0 failures, no wait, nothing at rest', 'change_password: the write-only columns are NULL');
SELECT is(h.news(), 'account.password_changed 1', 'account.password_changed: one');
SELECT is((SELECT (e.payload, d.confidential)::text FROM shop.event e JOIN shop.delivery d ON d.event_id = e.id
		WHERE e.type = 'account.password_changed' AND e.customer_id = :ada),
	(jsonb_build_object('customer_id', :ada), '{"to": ["Ada@Example.com"], "email": "Ada@Example.com"}'::jsonb)::text,
	'account.password_changed: payload and confidential');
SELECT is(h.mentions('battery staple') || h.mentions('correct horse'), '', 'change_password: the passwords are in no table');
SELECT is((SELECT version FROM shop.customer WHERE id = :ada), 1::bigint, 'change_password: the customer''s row is not touched');

-- request_password_reset, reset_password ------------------------------------------------------------

SELECT is((SELECT r::text FROM customers.request_password_reset('ADA@example.com') r), '', 'request_password_reset: says nothing');
SELECT is(h.news(), 'account.password_reset_requested 1', 'account.password_reset_requested: one');
SELECT matches(h.token(:ada), '^[A-Za-z0-9_-]{43}$', 'request_password_reset: a token of 43 base64url characters, in the delivery');
SELECT is((SELECT (customer_id, purpose, token_hash = sha256(convert_to(h.token(:ada), 'UTF8')), expires_at - created_at)::text FROM shop.account_token),
	format('(%s,password_reset,t,01:00:00)', :ada), 'request_password_reset: the row keeps the SHA-256 of the token''s text, for one hour');
SELECT is((SELECT payload FROM shop.event WHERE type = 'account.password_reset_requested' AND customer_id = :ada), jsonb_build_object('customer_id', :ada),
	'account.password_reset_requested: the payload is ids');
SELECT is((SELECT (d.confidential - 'token' - 'expires_at', (d.confidential ->> 'expires_at')::timestamptz = a.expires_at, d.expires_at = a.expires_at, d.person_ids)::text
		FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id JOIN shop.account_token a USING (customer_id) WHERE e.type = 'account.password_reset_requested' AND e.customer_id = :ada),
	('{"to": ["Ada@Example.com"], "email": "Ada@Example.com"}'::jsonb, true, true, ARRAY[:ada]::bigint[])::text,
	'account.password_reset_requested: confidential, which expires with the token');
SELECT is(h.mentions(h.token(:ada)), 'delivery 1', 'request_password_reset: the token is in no table but delivery');
SELECT is(customers.authenticate('ada@example.com', 'battery staple'), :ada::bigint, 'request_password_reset: the password still holds');
SELECT is(customers.authenticate('ada@example.com', h.token(:ada)), NULL, 'authenticate: a token is no password');
SELECT h.token(:ada) AS token1 \gset
SELECT lives_ok($$SELECT customers.request_password_reset('ada@example.com')$$, 'request_password_reset: again');
SELECT is(h.news() || ', ' || (h.token(:ada) = :'token1'), 'none, true', 'request_password_reset: at most one a minute');
SELECT is(t.passes(:ada, '59 seconds'), '59 seconds'::interval, 'time passes');
SELECT lives_ok($$SELECT customers.request_password_reset('ada@example.com')$$, 'request_password_reset: after 59 seconds');
SELECT is(h.news(), 'none', 'request_password_reset: nothing yet');
SELECT is(t.passes(:ada, '2 seconds'), '2 seconds'::interval, 'time passes');
SELECT lives_ok($$SELECT customers.request_password_reset('ada@example.com')$$, 'request_password_reset: after a minute');
SELECT is(h.news() || ', ' || (h.token(:ada) <> :'token1') || ', ' || (SELECT count(*) FROM shop.account_token), 'account.password_reset_requested 1, true, 1',
	'request_password_reset: replaces the earlier token');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''horse battery'')', :'token1')), '28P01 credential_password_not_editable',
	'credential_password_not_editable: a token that was replaced');
SELECT h.token(:ada) AS token2 \gset
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''short'')', :'token2')), '23514 credential_password_length', 'credential_password_length: reset_password');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''horse battery'')', lower(:'token2'))), '28P01 credential_password_not_editable',
	'credential_password_not_editable: a token in another case');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''horse battery'')', :'token2' || ' ')), '28P01 credential_password_not_editable',
	'credential_password_not_editable: a token and a blank');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''horse battery'')', (SELECT encode(token_hash, 'hex') FROM shop.account_token))),
	'28P01 credential_password_not_editable', 'credential_password_not_editable: the token''s hash is no token');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''horse battery'')', (SELECT translate(encode(token_hash, 'base64'), '+/=', '-_') FROM shop.account_token))),
	'28P01 credential_password_not_editable', 'credential_password_not_editable: not in base64url either');
SELECT h.hash(:ada) AS old_hash \gset
SELECT is(customers.reset_password(:'token2', 'horse battery'), :ada::bigint, 'reset_password: the customer''s id');
SELECT is(customers.authenticate('ada@example.com', 'horse battery'), :ada::bigint, 'reset_password: the new password');
SELECT is(customers.authenticate('ada@example.com', 'battery staple'), NULL, 'reset_password: no longer the old one');
SELECT is(h.news(), 'account.password_changed 1', 'account.password_changed: by reset, too');
SELECT is((SELECT count(*) FROM shop.account_token), 0::bigint, 'reset_password: the token is used up');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''used twice'')', :'token2')), '28P01 credential_password_not_editable',
	'credential_password_not_editable: a token is used once');
SELECT is(h.account(:ada), '1 failures, no wait, nothing at rest', 'reset_password: the write-only columns are NULL');
SELECT is(customers.authenticate('ada@example.com', 'horse battery'), :ada::bigint, 'reset_password: and the password stays');
-- unknown, guest, malformed: nothing, and nothing said
SELECT is((SELECT r::text FROM customers.request_password_reset(email) r) || h.news(), 'none', 'request_password_reset: says and does nothing for ' || why)
FROM (VALUES (1, 'nobody@example.com', 'an unknown e-mail'), (2, 'guest@example.com', 'a guest'), (3, 'nonsense', 'a malformed e-mail'),
	(4, '', 'an empty e-mail'), (5, '%', 'a pattern')) v(n, email, why) ORDER BY n;
SELECT is((SELECT count(*) FROM shop.account_token), 0::bigint, 'request_password_reset: no token');
-- one hour
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes'), customers.request_password_reset('ada@example.com')$$, :ada), 'request_password_reset: another');
SELECT lives_ok(format($$SELECT t.passes(%s, '59 minutes 50 seconds')$$, :ada), 'time passes');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''just in time'')', h.token(:ada))), 'no error', 'reset_password: within the hour');
SELECT lives_ok(format($$SELECT t.passes(%s, '11 seconds')$$, :ada), 'time passes');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''too late'')', h.token(:ada))), '28P01 credential_password_not_editable',
	'credential_password_not_editable: after an hour a token is dead');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''too late'', proof = %L WHERE customer_id = %s', h.token(:ada), :ada)),
	'28P01 credential_password_not_editable', 'credential_password_not_editable: by UPDATE, too');
SELECT is(t.error(format('UPDATE shop.account_token SET expires_at = ''infinity'' WHERE customer_id = %s', :ada)), '23514 account_token_fixed',
	'account_token_fixed: nobody prolongs it');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');

-- a change of the e-mail ----------------------------------------------------------------------------

SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes'), customers.request_password_reset('ada@example.com')$$, :ada), 'request_password_reset: before the change');
SELECT h.token(:ada) AS token3 \gset
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''horse battery'')', :'token3')), 'no error', 'account_token_email_settled: before the change its token is alive');
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes')$$, :ada), 'time passes');
SELECT lives_ok(format($$SELECT customers.update_customer(%s, '{"email": "lovelace@example.com"}')$$, :ada), 'update_customer: another e-mail');
SELECT is(customers.authenticate('lovelace@example.com', 'horse battery'), :ada::bigint, 'authenticate: login follows the e-mail at once');
SELECT is(customers.authenticate('ada@example.com', 'horse battery'), NULL, 'authenticate: the former e-mail is unknown');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''hijacked now'')', :'token3')), '28P01 credential_password_not_editable',
	'account_token_email_settled: tokens made before the change are dead');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''hijacked now'', proof = %L WHERE customer_id = %s', :'token3', :ada)),
	'28P01 credential_password_not_editable', 'account_token_email_settled: by UPDATE, too');
SELECT is(h.news(), 'account.password_reset_requested 1, customer.email_changed 1, customer.updated 1', 'customer.email_changed: one');
SELECT is((SELECT confidential -> 'to' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'customer.email_changed' AND e.customer_id = :ada),
	'["Ada@Example.com", "lovelace@example.com"]'::jsonb, 'customer.email_changed: both addresses are told');
SELECT is((SELECT r::text FROM customers.request_password_reset('lovelace@example.com') r) || h.news(), 'none',
	'account_token_email_settled: request_password_reset does nothing and says nothing');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id) VALUES (%s)', :ada)), '23514 account_token_email_settled',
	'account_token_email_settled: by INSERT');
SELECT is(t.error(format('MERGE INTO shop.account_token a USING (VALUES (%s)) v(id) ON false WHEN NOT MATCHED THEN INSERT (customer_id) VALUES (v.id)', :ada)),
	'23514 account_token_email_settled', 'account_token_email_settled: by MERGE');
SELECT is(t.error(format('UPDATE shop.customer SET email_changed_at = NULL WHERE id = %s; INSERT INTO shop.account_token (customer_id) VALUES (%s)', :ada, :ada)),
	'23514 account_token_email_settled', 'account_token_email_settled: email_changed_at is the engine''s');
SELECT is(t.error(format('UPDATE shop.customer SET email = ''Ada@example.com'' WHERE id = %s; INSERT INTO shop.account_token (customer_id) VALUES (%s)', :ada, :ada)),
	'23514 account_token_email_settled', 'account_token_email_settled: changing it back is a change');
SELECT is(t.error('SET customers.email_change_hold = 0'), '42501', 'account_token_email_settled: the hold is a superuser setting');
SELECT lives_ok(format($$SELECT t.passes(%s, '71 hours 59 minutes')$$, :ada), 'time passes');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id) VALUES (%s)', :ada)), '23514 account_token_email_settled',
	'account_token_email_settled: for 72 hours');
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes'), customers.request_password_reset('lovelace@example.com')$$, :ada), 'request_password_reset: after the hold');
SELECT is(h.news(), 'account.password_reset_requested 1', 'request_password_reset: a token again');
SELECT is((SELECT confidential -> 'to' FROM shop.delivery d WHERE confidential ->> 'token' = h.token(:ada)), '["lovelace@example.com"]'::jsonb,
	'request_password_reset: to the new address');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"email": "LoveLace@example.com"}''); SELECT customers.reset_password(%L, ''horse battery'')', :ada, h.token(:ada))),
	'no error', 'account_token_email_settled: a change of case is none');
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes')$$, :ada), 'time passes');
RESET SESSION AUTHORIZATION;
SET customers.email_change_hold = 0;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error(format($$SELECT customers.update_customer(%s, '{"email": "ada@example.com"}'); SELECT customers.reset_password(%L, 'hijacked now')$$, :ada, h.token(:ada))),
	'28P01 credential_password_not_editable', 'account_token_email_settled: without a hold, too, tokens made before the change are dead');
RESET SESSION AUTHORIZATION;
RESET customers.email_change_hold;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(customers.reset_password(h.token(:ada), 'correct horse'), :ada::bigint, 'reset_password: of the same token, without a change');
SELECT lives_ok('SELECT h.news()', 'the events so far are read');

-- imported accounts -------------------------------------------------------------------------------

INSERT INTO shop.customer (email, has_account, external_id) VALUES ('ina@example.com', true, 'crm-1') RETURNING id AS ina \gset
SELECT is(h.news(), 'customer.created 1', 'account.registered: never for an imported row');
SELECT is(customers.authenticate('ina@example.com', p), NULL, 'authenticate: an imported account has no password, not ' || quote_literal(p))
FROM unnest(ARRAY['', 'crm-1', 'anything']) p;
SELECT is(customers.change_password(:ina, '', 'long enough'), false, 'change_password: nor can it be changed');
SELECT is((SELECT count(*) FROM shop.credential WHERE customer_id = :ina), 0::bigint, 'authenticate: makes no credential');
SELECT lives_ok(format($$SELECT t.passes(%s, '1 day')$$, :ina), 'an import of yesterday');
SELECT lives_ok($$SELECT customers.request_password_reset('ina@example.com')$$, 'request_password_reset: of an imported account');
SELECT is(h.news(), 'account.password_reset_requested 1', 'request_password_reset: sends a token');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''long enough'')', :ina)), '23514 credential_by_registration',
	'credential_by_registration: an imported account without proof');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password, proof) VALUES (%s, ''long enough'', %L)', :ina, wrong)), '28P01 credential_by_registration',
	'credential_by_registration: with ' || why)
FROM (VALUES (1, '', 'an empty proof'), (2, 'x', 'a wrong proof'), (3, 'correct horse', 'somebody''s password')) v(n, wrong, why) ORDER BY n;
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password, proof) VALUES (%s, ''short'', %L)', :ina, h.token(:ina))), '23514 credential_password_length',
	'credential_password_length: by INSERT');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password, proof, password_hash) VALUES (%s, ''long enough'', %L, ''x'')', :ina, h.token(:ina))),
	'23514 credential_password_not_editable', 'credential_password_not_editable: INSERT with proof, naming password_hash');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password, proof) VALUES (%s, ''long enough'', %L); SELECT h.must(customers.authenticate(''ina@example.com'', ''long enough'') = %s);
	SELECT h.must(count(*) = 0) FROM shop.account_token WHERE customer_id = %s', :ina, h.token(:ina), :ina, :ina)),
	'no error', 'credential_by_registration: an imported account with a live reset token, by INSERT');
SELECT is(t.error(format('MERGE INTO shop.credential c USING (VALUES (%s)) v(id) ON c.customer_id = v.id WHEN NOT MATCHED THEN INSERT (customer_id, new_password) VALUES (v.id, ''long enough'')', :ina)),
	'23514 credential_by_registration', 'credential_by_registration: by MERGE');
SELECT is(t.error(format('UPDATE shop.customer SET phone = ''1'', registered_at = now(), created_by = ''x'' WHERE id = %s; INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''long enough'')', :ina, :ina)),
	'23514 credential_by_registration', 'credential_by_registration: a touched old row does not count');
SELECT is(t.error(format('UPDATE shop.customer SET email = ''in@example.com'' WHERE id = %s; UPDATE shop.customer SET email = ''ina@example.com'' WHERE id = %s;
	INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''long enough'')', :ina, :ina, :ina)),
	'23514 credential_by_registration', 'credential_by_registration: nor one whose e-mail was changed to and fro');
SELECT is(t.error(format('UPDATE shop.customer SET created_at = now() WHERE id = %s', :ina)), '23514 customer_id_fixed', 'credential_by_registration: created_at is fixed');
SELECT is(customers.reset_password(h.token(:ina), 'ina''s first'), :ina::bigint, 'reset_password: the first password of an imported account');
SELECT is(customers.authenticate('ina@example.com', 'ina''s first'), :ina::bigint, 'reset_password: and it is in');
SELECT is(h.account(:ina) || ', ' || h.news(), '0 failures, no wait, nothing at rest, account.password_changed 1', 'account.password_changed: of an imported account');
SELECT is(t.error(format('UPDATE shop.customer SET external_id = NULL WHERE id = %s; SET CONSTRAINTS ALL IMMEDIATE', :ina)), 'no error',
	'customer_account_registered: with a password it needs no external_id');
SELECT is(t.error(format('DELETE FROM shop.credential WHERE customer_id = %s', :ina)), '23514 credential_kept', 'credential_kept: but keeps the password');

-- customer_account_registered, credential_by_registration: plain SQL -------------------------------------

SELECT is(t.error($$INSERT INTO shop.customer (email, has_account) VALUES ('sql@example.com', true); SET CONSTRAINTS ALL IMMEDIATE$$), '23514 customer_account_registered',
	'customer_account_registered: no account without a password or an external_id');
SELECT is(t.error($$WITH c AS (INSERT INTO shop.customer (email, has_account) VALUES ('sql@example.com', true) RETURNING id)
	INSERT INTO shop.credential (customer_id, new_password) SELECT id, 'long enough' FROM c; SET CONSTRAINTS ALL IMMEDIATE$$), 'no error',
	'credential_by_registration: customer and credential in one statement');
INSERT INTO shop.customer (email, has_account) VALUES ('sql@example.com', true) RETURNING id AS sql \gset
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id) VALUES (%s)', :sql)) ~ '^23514 credential_', true, 'credential_by_registration: not without a password');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''seven77'')', :sql)), '23514 credential_password_length', 'credential_password_length: plain registration');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, password_hash) VALUES (%s, %L)', :sql, h.hash(:ada))), '23514 credential_password_not_editable',
	'credential_password_not_editable: no hash by INSERT');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, password_hash, new_password) VALUES (%s, %L, ''long enough'')', :sql, h.hash(:ada))), '23514 credential_password_not_editable',
	'credential_password_not_editable: not beside a password either');
SELECT is(t.error(format('INSERT INTO shop.credential SELECT %s, password_hash FROM shop.credential WHERE customer_id = %s', :sql, :ada)), '23514 credential_password_not_editable',
	'credential_password_not_editable: nor another''s hash');
SELECT lives_ok(format('INSERT INTO shop.credential (customer_id, new_password, password_changed_at, created_at) VALUES (%s, ''plain SQL'', ''2001-01-01'', ''2001-01-01'')', :sql),
	'credential_by_registration: in the transaction that inserted the customer');
SELECT is((SELECT password_changed_at IS DISTINCT FROM '2001-01-01'::timestamptz FROM shop.credential WHERE customer_id = :sql), true,
	'credential: password_changed_at is the engine''s');
SELECT is(h.news(), 'account.registered 1, customer.created 1', 'account.registered: by plain SQL, too');
SELECT is(customers.authenticate('sql@example.com', 'plain SQL') || ', ' || h.account(:sql), :sql || ', 0 failures, no wait, nothing at rest',
	'credential_by_registration: the account works, the write-only columns are NULL');
SELECT is(t.error('SET CONSTRAINTS ALL IMMEDIATE'), 'no error', 'customer_account_registered: holds');
SELECT is(h.mentions('plain SQL'), '', 'credential: the password is in no table');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''long enough'')', :sql)), '23505 credential_pkey',
	'credential_by_registration: once');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''hijacked 1'') ON CONFLICT (customer_id) DO UPDATE SET password_hash = EXCLUDED.password_hash', :sql)),
	'23514 credential_password_not_editable', 'credential_password_not_editable: no hash by ON CONFLICT');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''hijacked 2'') ON CONFLICT (customer_id) DO UPDATE SET new_password = ''hijacked 3''', :sql)),
	'23514 credential_password_not_editable', 'credential_password_not_editable: no password by ON CONFLICT');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''hijacked 4'') ON CONFLICT DO NOTHING; SELECT h.must(customers.authenticate(''sql@example.com'', ''plain SQL'') = %s)', :sql, :sql)),
	'no error', 'credential_by_registration: ON CONFLICT DO NOTHING does nothing');
SELECT is(h.news(), 'none', 'credential_by_registration: and makes no event');
SELECT is(t.error(format('INSERT INTO shop.credential (customer_id, new_password) VALUES (%s, ''long enough'')', :guest)), '23514 credential_by_registration',
	'credential_by_registration: not for a guest');
SELECT is(t.error($$WITH c AS (INSERT INTO shop.customer (email) VALUES ('sql2@example.com') RETURNING id) INSERT INTO shop.credential (customer_id, new_password) SELECT id, 'long enough' FROM c$$) ~ '^23(514 credential_by_registration|503)',
	true, 'credential_by_registration: not for a new guest');
SELECT matches(t.error('INSERT INTO shop.credential (customer_id, new_password) VALUES (42000, ''long enough'')'), '^23(503|514 credential_by_registration)',
	'credential_by_registration: not for nobody');
SELECT matches(t.error('INSERT INTO shop.credential (customer_id, new_password) VALUES (NULL, ''long enough'')'), '^23(502|514 credential_by_registration)',
	'credential_by_registration: not for NULL');
SELECT lives_ok(format($$SELECT t.passes(%s, '1 day'), t.passes(%s, '1 day')$$, :sql, :ina), 'a day later');
SELECT is(t.error(format('DELETE FROM shop.credential WHERE customer_id = %s', :sql)), '23514 credential_kept', 'credential_kept: DELETE');
SELECT is(t.error('DELETE FROM shop.credential'), '23514 credential_kept', 'credential_kept: DELETE of all');
SELECT is(t.error(format('MERGE INTO shop.credential c USING (VALUES (%s)) v(id) ON c.customer_id = v.id WHEN MATCHED THEN DELETE', :sql)), '23514 credential_kept', 'credential_kept: MERGE');
SELECT is(t.error(format('WITH d AS (DELETE FROM shop.credential WHERE customer_id = %s RETURNING customer_id) INSERT INTO shop.credential (customer_id, new_password) SELECT customer_id, ''hijacked 5'' FROM d', :sql)) ~ '^23',
	true, 'credential_kept: nor is it replaced in one statement');

-- credential_password_not_editable: plain SQL -------------------------------------------------------------

SELECT h.hash(:ada) AS old_hash \gset
TRUNCATE attempt;
INSERT INTO attempt (call, expected, why) VALUES
	('SET password_hash = ''x'' WHERE customer_id = {ADA}', '23514 credential_password_not_editable', 'a hash'),
	('SET password_hash = NULL WHERE customer_id = {ADA}', '23514 credential_password_not_editable', 'no hash'),
	('SET password_hash = (SELECT password_hash FROM shop.credential WHERE customer_id = {BOB}) WHERE customer_id = {ADA}', '23514 credential_password_not_editable', 'another''s hash'),
	('SET password_hash = ''x'', new_password = ''hijacked 1'', proof = ''correct horse'' WHERE customer_id = {ADA}', '23514 credential_password_not_editable', 'a hash beside a proof'),
	('SET new_password = ''hijacked 1'' WHERE customer_id = {ADA}', '23514 credential_password_not_editable', 'a password without proof'),
	('SET new_password = ''hijacked 1'', proof = NULL', '23514 credential_password_not_editable', 'everybody''s password without proof'),
	('SET new_password = ''hijacked 1'', proof = '''' WHERE customer_id = {ADA}', '28P01 credential_password_not_editable', 'an empty proof'),
	('SET new_password = ''hijacked 1'', proof = ''wrong'' WHERE customer_id = {ADA}', '28P01 credential_password_not_editable', 'a wrong proof'),
	('SET new_password = ''hijacked 1'', proof = password_hash WHERE customer_id = {ADA}', '28P01 credential_password_not_editable', 'the hash as proof'),
	('SET new_password = ''hijacked 1'', proof = ''hijacked 1'' WHERE customer_id = {ADA}', '28P01 credential_password_not_editable', 'the new password as proof'),
	('SET new_password = ''hijacked 1'', proof = ''bob''''s Secret'' WHERE customer_id = {ADA}', '28P01 credential_password_not_editable', 'another''s password as proof'),
	('SET new_password = ''hijacked 1'', proof = ''correct horse''', '28P01 credential_password_not_editable', 'everybody''s with one''s proof'),
	('SET new_password = ''short'', proof = ''wrong'' WHERE customer_id = {ADA}', '23514 credential_password_length', 'too short, before the proof'),
	('SET new_password = repeat(''x'', 1025), proof = ''correct horse'' WHERE customer_id = {ADA}', '23514 credential_password_length', 'too long'),
	('SET customer_id = {SQL} WHERE customer_id = {ADA}', '23514 credential_id_fixed', 'another customer'),
	('SET customer_id = {GUEST} WHERE customer_id = {ADA}', '23514 credential_id_fixed', 'a guest'),
	('SET created_at = ''2001-01-01'' WHERE customer_id = {ADA}', '23514 credential_id_fixed', 'another time'),
	('SET new_password = ''long enough'', proof = ''correct horse'' WHERE customer_id = {ADA}', 'no error', 'with the current password');
CREATE FUNCTION pg_temp.filled(call text) RETURNS text LANGUAGE sql AS
$$ SELECT replace(replace(replace(replace(call, '{ADA}', current_setting('test.ada')), '{BOB}', current_setting('test.bob')), '{SQL}', current_setting('test.sql')), '{GUEST}', current_setting('test.guest')) $$;
SELECT set_config('test.ada', :'ada', true), set_config('test.bob', :'bob', true), set_config('test.sql', :'sql', true), set_config('test.guest', :'guest', true) \gset x
SELECT is(t.error('UPDATE shop.credential ' || pg_temp.filled(call)), expected, coalesce(nullif(split_part(expected, ' ', 2), 'error'), 'credential_password_not_editable') || ': UPDATE, ' || why)
FROM attempt ORDER BY n;
SELECT is(t.error(pg_temp.filled('MERGE INTO shop.credential c USING (SELECT 1) v ON c.customer_id = {ADA} WHEN MATCHED THEN UPDATE ' || split_part(call, ' WHERE ', 1))), expected,
	coalesce(nullif(split_part(expected, ' ', 2), 'error'), 'credential_password_not_editable') || ': MERGE, ' || why)
FROM attempt WHERE call LIKE '% WHERE customer_id = {ADA}' AND call NOT LIKE '%(SELECT%' ORDER BY n;
SELECT is(string_agg(call, '; ' ORDER BY n), NULL, 'messages: no refusal of plain SQL repeats a password or a hash')
FROM attempt, LATERAL t.message('UPDATE shop.credential ' || pg_temp.filled(call)) m(message)
WHERE m.message ~ '(long enough|correct horse|hijacked|Secret|argon2id|xxxxx)';
SELECT matches(t.message('UPDATE shop.credential SET password_hash = ''x'''), '\| shop\.credential\.password_hash$', 'credential_password_not_editable: names the column');
SET CONSTRAINTS ALL IMMEDIATE;	-- a table with pending trigger events is not truncated at all
SELECT is(t.error('TRUNCATE shop.credential'), '23514 credential_password_not_editable', 'credential_password_not_editable: TRUNCATE');
SELECT matches(t.error('TRUNCATE shop.customer CASCADE'), '^23514', 'credential_password_not_editable: TRUNCATE of customer, cascading');
SELECT is(h.hash(:ada) = :'old_hash' AND customers.authenticate('lovelace@example.com', 'correct horse') = :ada, true, 'credential_password_not_editable: after all that the password stays');
SELECT is(h.news(), 'none', 'credential_password_not_editable: and no event was made');
-- evidence is never stored
DO $do$
DECLARE
	change text;
BEGIN
	FOREACH change IN ARRAY ARRAY['proof = ''correct horse''', 'proof = ''wrong''', 'new_password = NULL, proof = ''x''', 'failed_attempts = failed_attempts, proof = ''y'''] LOOP
		BEGIN
			EXECUTE 'UPDATE shop.credential SET ' || change;
		EXCEPTION WHEN check_violation OR invalid_password OR invalid_parameter_value THEN NULL; END;
	END LOOP;
END $do$;
SELECT is((SELECT count(*) FROM shop.credential WHERE new_password IS NOT NULL OR proof IS NOT NULL) || h.mentions('correct horse'), '0', 'credential: a proof without a password is not stored');
SELECT is(h.hash(:ada), :'old_hash', 'credential: and changes nothing');
SELECT is(t.error('UPDATE shop.credential SET password_changed_at = ''2001-01-01'''), 'no error', 'credential: naming password_changed_at is no error');
SELECT is(t.error(format('UPDATE shop.credential SET password_changed_at = ''2001-01-01''; SELECT h.must(count(*) = 0) FROM shop.credential WHERE password_changed_at = ''2001-01-01''')), 'no error',
	'credential: password_changed_at is the engine''s');
-- with proof: the event, the column, the wait
SELECT lives_ok(format($$UPDATE shop.credential SET new_password = 'plain proof', proof = 'correct horse' WHERE customer_id = %s$$, :ada), 'credential_password_not_editable: the owner of the password may');
SELECT is(customers.authenticate('lovelace@example.com', 'plain proof') || ', ' || h.news(), :ada || ', account.password_changed 1', 'account.password_changed: by plain SQL, too');
SELECT lives_ok($$SELECT customers.request_password_reset('sql@example.com')$$, 'request_password_reset: of one');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''hijacked 6'', proof = %L WHERE customer_id = %s', h.token(:sql), :ada)), '28P01 credential_password_not_editable',
	'credential_password_not_editable: another''s token as proof');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''token proof'', proof = %L WHERE customer_id = %s', h.token(:sql), :sql)), 'no error',
	'credential_password_not_editable: a live token as proof');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''token proof'', proof = %L WHERE customer_id = %s; UPDATE shop.credential SET new_password = ''token twice'', proof = %L WHERE customer_id = %s', h.token(:sql), :sql, h.token(:sql), :sql)),
	'28P01 credential_password_not_editable', 'credential_password_not_editable: once');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''token proof'', proof = %L WHERE customer_id = %s; SELECT customers.reset_password(%L, ''token twice'')', h.token(:sql), :sql, h.token(:sql))),
	'28P01 credential_password_not_editable', 'credential_password_not_editable: nor by the function after that');
SELECT is(h.account(:ada) || ', ' || h.account(:sql), '0 failures, no wait, nothing at rest, 0 failures, no wait, nothing at rest', 'credential: the write-only columns are NULL');

-- account_token_fixed: plain SQL ---------------------------------------------------------------------------

SELECT h.token(:sql) AS token4 \gset
SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id) VALUES (%s)', :guest)), '23514 account_token_fixed', 'account_token_fixed: not for a guest');
SELECT matches(t.error('INSERT INTO shop.account_token (customer_id) VALUES (42000)'), '^23503', 'account_token: an unknown customer');
SELECT matches(t.message('INSERT INTO shop.account_token (customer_id) VALUES (42000)'), '^customer 42000 does not exist', 'account_token: who is named');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id, token_hash) VALUES (%s, sha256(''x''))', :twin)), '23514 account_token_fixed', 'account_token_fixed: no token of one''s own making');
SELECT matches(t.error(format('INSERT INTO shop.account_token (customer_id, purpose) VALUES (%s, ''login'')', :twin)), '^23514 account_token_', 'account_token: of one purpose');
SELECT matches(t.error('INSERT INTO shop.account_token (customer_id) VALUES (NULL)'), '^2350[23]', 'account_token: of nobody');
SELECT is(t.error(format('UPDATE shop.account_token SET %s', change)), '23514 account_token_fixed', 'account_token_fixed: UPDATE, ' || change)
FROM unnest(ARRAY['token_hash = sha256(''x'')', 'expires_at = ''infinity''', 'created_at = now()', 'id = 77', 'customer_id = ' || :ada, 'purpose = purpose']) change;
SELECT is(t.error('TRUNCATE shop.account_token'), '23514 account_token_fixed', 'account_token_fixed: TRUNCATE');
SELECT is(t.error(format('MERGE INTO shop.account_token a USING (VALUES (%s)) v(id) ON a.customer_id = v.id WHEN MATCHED THEN UPDATE SET token_hash = sha256(''x'')', :sql)), '23514 account_token_fixed', 'account_token_fixed: MERGE');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id) VALUES (%s) ON CONFLICT (customer_id, purpose) DO UPDATE SET token_hash = sha256(''x'')', :sql)) ~ '^(no error|23514 account_token_fixed)', true,
	'account_token_fixed: ON CONFLICT');
SELECT lives_ok(format('INSERT INTO shop.account_token (id, customer_id, expires_at, created_at) VALUES (4711, %s, ''infinity'', ''2001-01-01'')', :twin), 'account_token: INSERT is asking for a token');
SELECT is((SELECT (token_hash = sha256(convert_to(h.token(:twin), 'UTF8')), expires_at BETWEEN now() + '59 minutes' AND now() + '61 minutes')::text FROM shop.account_token WHERE customer_id = :twin),
	'(t,t)', 'account_token: hash and expiry are the engine''s');
SELECT is(h.news(), 'account.password_reset_requested 1', 'account_token: and makes the event');
SELECT is(customers.reset_password(h.token(:twin), 'twin''s own'), :twin::bigint, 'account_token: the token works');
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes'), t.passes(%s, '2 minutes')$$, :sql, :twin), 'time passes');
SELECT lives_ok(format('INSERT INTO shop.account_token (customer_id) VALUES (%s)', :sql), 'account_token: a second INSERT');
SELECT is((SELECT count(*) FROM shop.account_token WHERE customer_id = :sql) || ', ' || t.error(format('SELECT customers.reset_password(%L, ''long enough'')', :'token4')),
	'1, 28P01 credential_password_not_editable', 'account_token: replaces the earlier one');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''long enough'')', h.token(:sql))), 'no error', 'account_token: by one that works');
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes')$$, :sql), 'time passes');
SELECT lives_ok(format('INSERT INTO shop.account_token (customer_id) VALUES (%s) ON CONFLICT DO NOTHING', :sql), 'account_token: ON CONFLICT DO NOTHING');
SELECT is((SELECT (count(*), bool_and(token_hash = sha256(convert_to(h.token(:sql), 'UTF8'))))::text FROM shop.account_token WHERE customer_id = :sql), '(1,t)',
	'account_token: the last token sent is the one that is kept');
SELECT is((SELECT count(*) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE e.type = 'account.password_reset_requested' AND e.customer_id IS NULL), 0::bigint,
	'account_token: no delivery without a customer');
SELECT is(t.error(format('INSERT INTO shop.account_token (customer_id) VALUES (%s), (%s)', :bob, :bob)) ~ '^(no error|23505)', true, 'account_token: two in one statement');
SELECT is(t.error(format($$SELECT t.passes(%s, '2 minutes'); INSERT INTO shop.account_token (customer_id) SELECT id FROM shop.customer WHERE id IN (%s, %s);
	SELECT h.must(count(*) = 2 AND bool_and(a.token_hash = sha256(convert_to(h.token(a.customer_id), 'UTF8')))) FROM shop.account_token a WHERE customer_id IN (%s, %s)$$, :bob, :bob, :twin, :bob, :twin)),
	'no error', 'account_token: for two customers in one statement, each his own');

-- re-hashing -------------------------------------------------------------------------------------------------

SELECT lives_ok('SELECT h.news()', 'the events so far are read');
SELECT h.hash(:bob) AS old_hash, password_changed_at AS changed FROM shop.credential WHERE customer_id = :bob \gset
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 're-hash: a login at the same cost');
SELECT is(h.hash(:bob), :'old_hash', 're-hash: none');
RESET SESSION AUTHORIZATION;
SET customers.password_passes = 3;
SET customers.password_memory = 128;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(customers.authenticate('bob@example.com', 'wrong'), NULL, 're-hash: a failure');
SELECT is(h.hash(:bob), :'old_hash', 're-hash: not after a failure');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 're-hash: a login after the cost was raised');
SELECT matches(h.hash(:bob), '^\$argon2id\$v=19\$m=128,t=3,p=1\$', 're-hash: at the new cost');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 're-hash: the password is the same');
SELECT is(customers.authenticate('bob@example.com', 'wrong'), NULL, 're-hash: and no other is');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 're-hash: again');
SELECT is((SELECT (password_changed_at IS NOT DISTINCT FROM nullif(:'changed', '')::timestamptz)::text || ', ' || h.account(:bob) || ', ' || h.news() FROM shop.credential WHERE customer_id = :bob),
	'true, 0 failures, no wait, nothing at rest, none', 're-hash: no event, password_changed_at stays');
RESET SESSION AUTHORIZATION;
SET customers.password_passes = 1;
SET customers.password_memory = 64;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 're-hash: a login after the cost was lowered');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 're-hash: and after that');
SELECT is(t.error(format('SET customers.%s = %s', name, value)), '42501', format('settings: %s is a superuser''s', name))
FROM (VALUES (1, 'password_memory', '8'), (2, 'password_passes', '1')) v(n, name, value) ORDER BY n;
RESET SESSION AUTHORIZATION;
SELECT is(t.error(format('SET customers.%s = %s', name, value)), '22023', format('settings: %s = %s', name, value))
FROM (VALUES (1, 'password_memory', '7'), (2, 'password_memory', '131073'), (3, 'password_passes', '0'), (4, 'password_passes', '11')) v(n, name, value) ORDER BY n;
SELECT is((SELECT string_agg(format('%s=%s %s..%s%s', name, boot_val, min_val, max_val, coalesce(' ' || unit, '')), ', ' ORDER BY name) FROM pg_settings WHERE name LIKE 'customers.password%'),
	'customers.password_memory=19456 8..131072 kB, customers.password_passes=2 1..10', 'settings: cost');
SET customers.password_memory = 8;
SET SESSION AUTHORIZATION customers_owner;
SELECT is(t.error('SELECT customers.register_customer(''least@example.com'', ''long enough''); SELECT h.must(customers.authenticate(''least@example.com'', ''long enough'') IS NOT NULL)'), 'no error',
	'settings: the least memory works');
RESET SESSION AUTHORIZATION;
SET customers.password_memory = 64;
SET SESSION AUTHORIZATION customers_owner;

-- credential_hash_bounded ----------------------------------------------------------------------------------

SELECT h.hash(:bob) AS hash, split_part(h.hash(:bob), '$', 5) || '$' || split_part(h.hash(:bob), '$', 6) AS tail \gset
CREATE TEMP TABLE stored (n serial, hash text, fault text);
INSERT INTO stored (hash, fault) VALUES (:'hash', NULL), ('$argon2id$v=19$m=8,t=1,p=1$' || :'tail', NULL), ('$argon2id$v=19$m=131072,t=10,p=1$' || :'tail', NULL),
	('$argon2id$v=19$m=131073,t=1,p=1$' || :'tail', 'its cost is out of bounds'), ('$argon2id$v=19$m=64,t=11,p=1$' || :'tail', 'its cost is out of bounds'),
	('$argon2id$v=19$m=64,t=400000000,p=1$' || :'tail', 'its cost is out of bounds'), ('$argon2id$v=19$m=7,t=1,p=1$' || :'tail', 'its cost is out of bounds'),
	('$argon2id$v=19$m=4294967360,t=1,p=1$' || :'tail', 'it is no hash of argon2id'), ('$argon2id$v=19$m=64,t=1,p=2$' || :'tail', 'it is no hash of argon2id'),
	('$argon2i$v=19$m=64,t=3,p=1$' || :'tail', 'it is no hash of argon2id'), (:'hash' || 'A', 'it is no hash of argon2id'), ('', 'it is no hash of argon2id'),
	('bob''s Secret', 'it is no hash of argon2id'), (NULL, 'it is missing');
SELECT is(customers.password_hash_fault(hash), fault, 'password_hash_fault: ' || coalesce(left(split_part(hash, :'tail', 1), 40), 'NULL')) FROM stored ORDER BY n;
SELECT is(h.account(:bob), '0 failures, no wait, nothing at rest', 'fixture: no failures');
SELECT isnt(t.set_hash(:bob, (SELECT hash FROM stored WHERE hash LIKE '%t=400000000%')), NULL, 'fixture: a hash that would run for hours');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), NULL, 'credential_hash_bounded: is not run: a wrong password');
SELECT is(customers.change_password(:bob, 'bob''s Secret', 'long enough'), false, 'credential_hash_bounded: for change_password, too');
SELECT is(h.account(:bob), '2 failures, no wait, nothing at rest', 'credential_hash_bounded: and counted');
SELECT is(t.error(format('UPDATE shop.credential SET new_password = ''long enough'', proof = ''bob''''s Secret'' WHERE customer_id = %s', :bob)), '28P01 credential_password_not_editable',
	'credential_hash_bounded: as proof in a statement');
SELECT is(t.run_as('customers_clerk', 'SELECT customers.password_hash_fault(''x'')'), 'it is no hash of argon2id', 'credential_hash_bounded: anybody may judge a hash');
SELECT isnt(t.set_hash(:bob, :'hash'), NULL, 'fixture: the hash as it was');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'credential_hash_bounded: a hash that is one lets in');

-- failures that are rolled back --------------------------------------------------------------------------------

SELECT is(string_agg(t.error('SELECT customers.authenticate(''bob@example.com'', ''wrong ' || n || ''')'), ', '), repeat('no error, ', 8) || 'no error', 'rolled back: nine wrong passwords') FROM generate_series(1, 9) n;
SELECT is(h.account(:bob), '0 failures, no wait, nothing at rest', 'rolled back: of which the row knows nothing');
SELECT is(h.wait_after_failure(:bob, 'bob@example.com'), 1::numeric, 'rolled back: the tenth, which is not, starts the wait');
SELECT matches(h.account(:bob), '^10 failures', 'rolled back: and the row has them all');
SELECT is(customers.authenticate('twin@example.com', 'twin''s own'), :twin::bigint, 'rolled back: another account does not wait');
SELECT lives_ok(format('UPDATE shop.credential SET failed_attempts = 0, locked_until = NULL WHERE customer_id = %s', :bob), 'rolled back: the owner of the store ends the wait');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'rolled back: and the right password is right');

-- plpgsql blocks that go on after an error --------------------------------------------------------------------

CREATE TABLE h.caught (n serial, rule text);
DO $do$
DECLARE
	attempt text;
	rule text;
	id bigint;
BEGIN
	FOREACH attempt IN ARRAY ARRAY[
		$$SELECT customers.register_customer('ina@example.com', 'long enough')$$,
		$$SELECT customers.register_customer('block@example.com', 'short')$$,
		$$SELECT customers.reset_password('x', 'long enough')$$,
		$$SELECT customers.reset_password(NULL, 'long enough')$$,
		$$UPDATE shop.credential SET password_hash = 'x'$$,
		$$UPDATE shop.credential SET new_password = 'hijacked'$$,
		$$UPDATE shop.credential SET new_password = 'hijacked', proof = 'x'$$,
		$$INSERT INTO shop.credential (customer_id, new_password) SELECT id, 'long enough' FROM shop.customer WHERE email = 'guest@example.com'$$,
		$$DELETE FROM shop.credential$$,
		$$UPDATE shop.account_token SET expires_at = 'infinity'$$,
		$$INSERT INTO shop.account_token (customer_id) SELECT id FROM shop.customer WHERE email = 'guest@example.com'$$,
		$$INSERT INTO shop.customer (email, has_account) VALUES ('block@example.com', true); SET CONSTRAINTS ALL IMMEDIATE$$] LOOP
		BEGIN
			EXECUTE attempt;
			INSERT INTO h.caught (rule) VALUES ('no error');
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS rule = CONSTRAINT_NAME;
			INSERT INTO h.caught (rule) VALUES (SQLSTATE || ' ' || rule);
		END;
		IF customers.authenticate('bob@example.com', 'bob''s Secret') IS NULL THEN
			RAISE 'the account is gone after %', attempt;
		END IF;
	END LOOP;
END $do$;
SELECT is(c.rule, v.rule, v.rule || ': caught in a block, and the session goes on')
FROM (VALUES (1, '23505 customer_email_key'), (2, '23514 credential_password_length'), (3, '28P01 credential_password_not_editable'), (4, '23514 credential_password_not_editable'),
	(5, '23514 credential_password_not_editable'), (6, '23514 credential_password_not_editable'), (7, '28P01 credential_password_not_editable'),
	(8, '23514 credential_by_registration'), (9, '23514 credential_kept'), (10, '23514 account_token_fixed'), (11, '23514 account_token_fixed'), (12, '23514 customer_account_registered')) v(n, rule)
	LEFT JOIN h.caught c USING (n) ORDER BY n;
-- An old customer whose credential is undone: registering again in a block
DO $do$
DECLARE
	new_id bigint;
BEGIN
	BEGIN
		new_id := customers.register_customer('undone@example.com', 'long enough');
		RAISE EXCEPTION USING ERRCODE = 'ZZ001';
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN NULL; END;
	PERFORM customers.register_customer('undone@example.com', 'second time');
END $do$;
SELECT is(customers.authenticate('undone@example.com', 'long enough'), NULL, 'register_customer: undone by its block');
SELECT isnt(customers.authenticate('undone@example.com', 'second time'), NULL, 'register_customer: and done again');
SELECT is(h.news(), 'account.registered 1, customer.created 1', 'register_customer: with one event');

-- deletion, other stores, roles -----------------------------------------------------------------------------

SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes'), customers.request_password_reset('twin@example.com')$$, :twin), 'request_password_reset: of one who goes');
SELECT h.token(:twin) AS token5 \gset
SELECT lives_ok(format($$SELECT customers.delete_customer(%s, 'twin@example.com')$$, :twin), 'delete_customer: with account and token');
SELECT is((SELECT count(*) FROM shop.credential WHERE customer_id = :twin) + (SELECT count(*) FROM shop.account_token WHERE customer_id = :twin), 0::bigint,
	'credential_kept: with its customer a credential goes, and tokens');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''long enough'')', :'token5')), '28P01 credential_password_not_editable', 'credential_password_not_editable: the token of one who is gone');
SELECT is(h.mentions(:'token5'), '', 'delete_customer: the delivery with the token, too');
SELECT is(customers.authenticate('twin@example.com', 'twin''s own'), NULL, 'authenticate: one who is gone');
SELECT is(customers.register_customer('twin@example.com', 'a new one') <> :twin, true, 'register_customer: the e-mail is free');
SELECT is(t.error(format($$SELECT set_config('customers.confirm_delete', '%s:sql@example.com', true); WITH d AS (DELETE FROM shop.customer WHERE id = %s RETURNING id) DELETE FROM shop.credential USING d WHERE customer_id = d.id$$, :sql, :sql)) ~ '^(no error|23514 credential_kept)$',
	true, 'credential_kept: deleted in the statement that deletes its customer');
SELECT customers.create_store('second') AS created \gset
SET customers.store = 'second';
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), NULL, 'stores: another store has other accounts');
SELECT isnt(customers.register_customer('bob@example.com', 'second shop'), NULL, 'stores: of the same e-mail');
SELECT isnt(customers.authenticate('bob@example.com', 'second shop'), NULL, 'stores: with a password of its own');
SELECT is(t.error(format('SELECT customers.reset_password(%L, ''long enough'')', h.token(:ina))), '28P01 credential_password_not_editable', 'stores: the token of one is none in the other');
RESET customers.store;
SELECT is(customers.authenticate('bob@example.com', 'second shop'), NULL, 'stores: each its own');
SELECT is(customers.authenticate('bob@example.com', 'bob''s Secret'), :bob::bigint, 'stores: and the first is as before');
-- the one privilege: INSERT on credential
GRANT USAGE ON SCHEMA shop TO customers_clerk;
CREATE TEMP TABLE call (n serial, sql text);
INSERT INTO call (sql) VALUES ('register_customer(''clerk@example.com'', ''long enough'')'), ('authenticate(''bob@example.com'', ''bob''''s Secret'')'),
	('change_password({BOB}, ''bob''''s Secret'', ''long enough'')'), ('request_password_reset(''bob@example.com'')'), ('reset_password(''{TOKEN}'', ''long enough'')');
SELECT lives_ok(format($$SELECT t.passes(%s, '2 minutes'), customers.request_password_reset('bob@example.com')$$, :bob), 'fixture: a token');
SELECT is(t.error('SELECT customers.' || replace(pg_temp.filled(sql), '{TOKEN}', h.token(:bob)), 'customers_clerk'), '42501', 'privileges: without INSERT on credential, ' || split_part(sql, '(', 1)) FROM call ORDER BY n;
GRANT SELECT, UPDATE, DELETE ON shop.credential TO customers_clerk;
SELECT is(t.error('SELECT customers.' || replace(pg_temp.filled(sql), '{TOKEN}', h.token(:bob)), 'customers_clerk'), '42501', 'privileges: with all others but INSERT, ' || split_part(sql, '(', 1)) FROM call ORDER BY n;
REVOKE ALL ON shop.credential FROM customers_clerk;
GRANT INSERT ON shop.credential TO customers_clerk;
SELECT is(t.error('SELECT customers.' || replace(pg_temp.filled(sql), '{TOKEN}', h.token(:bob)), 'customers_clerk'), 'no error', 'privileges: with INSERT on credential alone, ' || split_part(sql, '(', 1)) FROM call ORDER BY n;
SELECT is(t.error('UPDATE shop.credential SET new_password = ''hijacked'', proof = ''bob''''s Secret''', 'customers_clerk'), '42501', 'privileges: which lets nobody UPDATE');
SELECT is(t.error('SELECT password_hash FROM shop.credential', 'customers_clerk'), '42501', 'privileges: nor read');
SELECT matches(t.message('SELECT customers.authenticate(''bob@example.com'', ''bob''''s Secret'')', 'customers_other'), 'permission denied', 'privileges: as PostgreSQL says it');

-- afterwards ---------------------------------------------------------------------------------------------------

SELECT is((SELECT count(*) FROM shop.credential WHERE new_password IS NOT NULL OR proof IS NOT NULL), 0::bigint, 'credential: nothing in the write-only columns');
SELECT is((SELECT count(*) FROM shop.event WHERE payload::text ~ '(@|token|password"|\$argon2)'), 0::bigint, 'events: no personal data and no secret in a payload');
SELECT is((SELECT string_agg(DISTINCT k, ' ' ORDER BY k) FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id, jsonb_object_keys(d.confidential) k WHERE e.type LIKE 'account.%'),
	'email expires_at to token', 'events: what the notification of an account knows');
SELECT is(t.error('SET CONSTRAINTS ALL IMMEDIATE'), 'no error', 'customer_account_registered: holds for all');
SELECT is((SELECT string_agg(object || ': ' || finding, '; ') FROM customers.check_store('shop')), NULL, 'check_store: nothing to report');

SELECT * FROM finish();
ROLLBACK;
