\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(60);

-- create_customer and update_customer write their row directly as long as the
-- table is as the layout made it, give or take what is understood.  Whatever
-- its owner made of it, the result is that of the INSERT or UPDATE.
INSERT INTO shop.customer (id, email, first_name, phone, metadata) VALUES
	(1, 'maren@example.com', 'Maren', '1', '{"tier": "gold", "size": "M"}'), (2, 'taken@example.com', 'Tom', '5', '{}');
SET CONSTRAINTS ALL IMMEDIATE;	-- what is pending forbids ALTER TABLE

CREATE SCHEMA h;
CREATE TABLE h.audit (n bigserial, what text);
CREATE FUNCTION h.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO h.audit (what) VALUES (pg_catalog.concat_ws(' ', TG_NAME, TG_WHEN, TG_OP, TG_LEVEL));
	RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TABLE h.act (name text, call text, statement text);
INSERT INTO h.act VALUES
	('create', $$SELECT customers.create_customer('ada@example.com', 'Ada', NULL, ' ', '2', '{"vip": true}')$$,
		$$INSERT INTO shop.customer (email, first_name, last_name, company_name, phone, metadata)
			VALUES ('ada@example.com', 'Ada', NULL, ' ', '2', '{"vip": true}')$$),
	('update', $$SELECT customers.update_customer(1, '{"phone": "2", "metadata": {"tier": null, "vip": true}}')$$,
		$$UPDATE shop.customer SET phone = '2', metadata = (metadata || '{"tier": null, "vip": true}') - ARRAY['tier'] WHERE id = 1$$);

-- What comes of sql after an addition: the error or the row, what was noted
-- down, the events.  Nothing of it stays.
CREATE FUNCTION h.outcome(addition text, sql text, as_role name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text := '';
	d text; r text; c text;
BEGIN
	PERFORM pg_catalog.setval('shop.customer_id_seq', 100);
	EXECUTE addition;
	BEGIN
		EXECUTE pg_catalog.format('SET LOCAL ROLE %I', as_role);
		EXECUTE sql;
		SET LOCAL ROLE customers_owner;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, r = CONSTRAINT_NAME, c = COLUMN_NAME;
		SET LOCAL ROLE customers_owner;
		said := pg_catalog.concat_ws(' ', SQLSTATE, NULLIF(r, ''), NULLIF(c, ''), CASE WHEN d <> '' THEN 'with detail' END);
	END;
	IF said = '' THEN
		SELECT pg_catalog.concat_ws('; ', pg_catalog.string_agg((pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(x)) - ARRAY['id', 'email',
				'created_at', 'updated_at', 'created_by', 'has_account', 'first_name', 'metadata_order'])::text, ', '),
			(SELECT pg_catalog.string_agg(a.what, ', ' ORDER BY a.n) FROM h.audit a),
			(SELECT pg_catalog.string_agg(e.type || ' ' || (e.payload ->> 'changed'), ', ' ORDER BY e.id) FROM shop.event e WHERE e.id > m.event))
			INTO said
		FROM shop.customer x, (SELECT pg_catalog.max(id) AS event FROM h.seen) m WHERE x.id = 101 OR (x.id = 1 AND x.version > 1)
		GROUP BY m.event;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = coalesce(said, 'nothing');
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE h.seen AS SELECT id FROM shop.event;

-- The outcome of the call, and, if that is another, of the statement.
CREATE FUNCTION h.same(act text, addition text, as_role name DEFAULT 'customers_owner') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	what h.act := (SELECT a FROM h.act a WHERE a.name = act);
	called text := h.outcome(addition, what.call, as_role);
	stated text := h.outcome(addition, what.statement, as_role);
BEGIN
	RETURN CASE WHEN called = stated THEN called ELSE 'call: ' || called || ', statement: ' || stated END;
END $$;

-- What comes of the table as it was made, with what was noted down besides.
CREATE FUNCTION h.made(act text, noted text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT CASE act WHEN 'create' THEN '{"phone": "2", "version": 1, "metadata": {"vip": true}}; ' || noted || 'customer.created ["email", "first_name", "phone", "metadata"]'
		ELSE '{"phone": "2", "version": 2, "metadata": {"vip": true, "size": "M"}}; ' || noted || 'customer.updated ["phone", "metadata"]' END
$$;

SELECT is(h.same('create', ''), h.made('create'), 'create: the table as it was made');
SELECT is(h.same('update', ''), h.made('update'), 'update: the table as it was made');

-- triggers ------------------------------------------------------------------------
SELECT is(h.same('create', $$CREATE TRIGGER a BEFORE INSERT ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note();
	CREATE TRIGGER b BEFORE INSERT ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	CREATE TRIGGER c AFTER INSERT ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	CREATE TRIGGER zz AFTER INSERT ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note()$$),
	h.made('create', 'a BEFORE INSERT STATEMENT, b BEFORE INSERT ROW, c AFTER INSERT ROW, zz AFTER INSERT STATEMENT; '), 'create: every kind of trigger');
SELECT is(h.same('update', $$CREATE TRIGGER a BEFORE UPDATE ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note();
	CREATE TRIGGER b BEFORE UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	CREATE TRIGGER c AFTER UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	CREATE TRIGGER zz AFTER UPDATE ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note()$$),
	h.made('update', 'a BEFORE UPDATE STATEMENT, b BEFORE UPDATE ROW, c AFTER UPDATE ROW, zz AFTER UPDATE STATEMENT; '), 'update: every kind of trigger');
SELECT is(h.same('update', $$CREATE TRIGGER a BEFORE UPDATE OF phone ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	CREATE TRIGGER b BEFORE UPDATE OF first_name ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	CREATE TRIGGER c AFTER UPDATE OF phone ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note();
	CREATE TRIGGER d AFTER UPDATE OF first_name ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note()$$),
	h.made('update', 'a BEFORE UPDATE ROW, c AFTER UPDATE STATEMENT; '), 'update: UPDATE OF hears of the columns that are written');
SELECT is(h.same('update', $$CREATE TRIGGER a AFTER UPDATE ON shop.customer FOR EACH ROW WHEN (OLD.phone = '1' AND NEW.phone = '2') EXECUTE FUNCTION h.note();
	CREATE TRIGGER b AFTER UPDATE ON shop.customer FOR EACH ROW WHEN (NEW.phone = '1') EXECUTE FUNCTION h.note()$$),
	h.made('update', 'a AFTER UPDATE ROW; '), 'update: WHEN');
SELECT is(h.same(a, $$CREATE FUNCTION h.shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.phone := NEW.phone || ''!''; RETURN NEW; END';
	CREATE TRIGGER a BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.shout()$$), pg_catalog.replace(h.made(a), '"2"', '"2!"'),
	a || ': a trigger changes the row') FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same('create', $$CREATE FUNCTION h.veto() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER a BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.veto();
	CREATE TRIGGER b AFTER INSERT OR UPDATE ON shop.customer FOR EACH STATEMENT EXECUTE FUNCTION h.note()$$), 'nothing', 'create: a trigger drops the row');
-- the function says that it found no row to change, the statement says UPDATE 0
SELECT is(t.error($$DO 'BEGIN
	CREATE FUNCTION h.veto() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN RETURN NULL; END$f$;
	CREATE TRIGGER a BEFORE UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.veto();
	PERFORM customers.update_customer(1, $f${"phone": "2"}$f$);
END'$$), '23503', 'update: a trigger drops the row');
SELECT is(h.same(a, $$CREATE FUNCTION h.count_rows() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO h.audit (what) SELECT count(*) || '' '' || min(phone) FROM new_rows; RETURN NULL; END';
	CREATE TRIGGER a AFTER INSERT ON shop.customer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION h.count_rows();
	CREATE TRIGGER b AFTER UPDATE ON shop.customer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION h.count_rows()$$),
	h.made(a, '1 2; '), a || ': a transition table of the owner')
FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same('update', $$CREATE FUNCTION h.again() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN IF pg_trigger_depth() = 1 THEN UPDATE shop.customer SET company_name = ''x'' WHERE id = NEW.id; END IF; RETURN NEW; END';
	CREATE TRIGGER a BEFORE UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.again()$$), '27000',
	'update: a trigger that changes the row behind the update');
SELECT is(h.same(a, $$CREATE FUNCTION h.also() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN IF pg_trigger_depth() = 1 THEN PERFORM customers.update_customer(2, ''{"phone": "9"}''); END IF; RETURN NULL; END';
	CREATE TRIGGER a AFTER INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.also();
	CREATE TRIGGER b AFTER UPDATE OF phone ON shop.customer FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION h.note()$$),
	h.made(a, 'b AFTER UPDATE ROW; customer.updated ["phone"], '),
	a || ': a trigger that calls a function of ours') FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same(a, $$CREATE TRIGGER a BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION h.note();
	ALTER TABLE shop.customer DISABLE TRIGGER a$$), h.made(a), a || ': a disabled trigger')
FROM (VALUES ('create'), ('update')) AS v (a);
-- this session's login role is a superuser: what the owner defers comes at once
SELECT matches(h.same(a, $$CREATE CONSTRAINT TRIGGER a AFTER INSERT OR UPDATE ON shop.customer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION h.note();
	SET CONSTRAINTS ALL DEFERRED$$),
	'^call: .*; a AFTER (INSERT|UPDATE) ROW; .*, statement: ', a || ': a deferred trigger does not wait') FROM (VALUES ('create'), ('update')) AS v (a);

-- columns ---------------------------------------------------------------------------
SELECT is(h.same(a, $$ALTER TABLE shop.customer ADD COLUMN shop_name text DEFAULT 'north'$$) LIKE '%"shop_name": "north"%', true, a || ': a constant default')
FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same('create', $$ALTER TABLE shop.customer ADD COLUMN today date DEFAULT pg_catalog.make_date(2026, 1, 2) + 1$$) LIKE '%"today": "2026-01-03"%', true,
	'create: a default that is computed once');
SELECT is(h.same('create', $$CREATE FUNCTION h.next() RETURNS text LANGUAGE sql AS 'SELECT ''N1''';
	ALTER TABLE shop.customer ADD COLUMN number text; ALTER TABLE shop.customer ALTER number SET DEFAULT h.next()$$) LIKE '%"number": "N1"%', true,
	'create: a default that calls a function');
SELECT is(h.same('create', $$ALTER TABLE shop.customer ADD COLUMN number int GENERATED BY DEFAULT AS IDENTITY (START 7);
	ALTER SEQUENCE shop.customer_number_seq RESTART 7$$) LIKE '%"number": 7%', true, 'create: a column that is an identity');
SELECT is(h.same(a, $$ALTER TABLE shop.customer ADD COLUMN twice text GENERATED ALWAYS AS (phone || phone) STORED$$) LIKE '%"twice": "22"%', true,
	a || ': a column that is computed') FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same('create', $$CREATE DOMAIN h.word AS text DEFAULT 'domain' NOT NULL; ALTER TABLE shop.customer ADD COLUMN w h.word$$) LIKE '%"w": "domain"%', true,
	'create: a column of a domain');
SELECT is(h.same('create', $$ALTER TABLE shop.customer ADD COLUMN gone text DEFAULT 'x', ADD COLUMN note text; ALTER TABLE shop.customer DROP COLUMN gone$$),
	h.made('create'), 'create: a column that was dropped');
SELECT is(h.same('create', $$ALTER TABLE shop.customer ALTER version SET DEFAULT 40, ALTER created_at SET DEFAULT '2020-01-01'$$),
	h.made('create'), 'create: another default of a column that the guard keeps');
SELECT is(h.same('create', $$ALTER TABLE shop.customer ADD COLUMN must text NOT NULL DEFAULT 'x'; ALTER TABLE shop.customer ALTER must DROP DEFAULT$$),
	'23502 must with detail', 'create: NOT NULL');

-- constraints -------------------------------------------------------------------------
SELECT is(h.same(a, $$ALTER TABLE shop.customer ADD CONSTRAINT own CHECK (phone IN ('1', '2', '5') AND pg_catalog.length(phone) < 5)$$), h.made(a),
	a || ': a CHECK that holds') FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same(a, $$ALTER TABLE shop.customer ADD CONSTRAINT own CHECK (phone <> '2')$$), '23514 own with detail', a || ': a CHECK that does not')
FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same(a, $$CREATE FUNCTION h.fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 <> ''2''';
	ALTER TABLE shop.customer ADD CONSTRAINT own CHECK (h.fine(phone))$$), '23514 own with detail', a || ': a CHECK that calls a function')
FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same(a, $$ALTER TABLE shop.customer ADD CONSTRAINT own CHECK (CASE WHEN phone = '2' THEN false ELSE true END)$$), '23514 own with detail',
	a || ': a CHECK of another kind') FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same(a, $$CREATE TABLE h.phone (phone text PRIMARY KEY); INSERT INTO h.phone VALUES ('1'), ('5');
	ALTER TABLE shop.customer ADD CONSTRAINT own FOREIGN KEY (phone) REFERENCES h.phone$$), '23503 own with detail', a || ': a foreign key')
FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same('create', $$CREATE UNIQUE INDEX own ON shop.customer (first_name, phone);
	UPDATE shop.customer SET phone = '2', first_name = 'Ada' WHERE id = 2$$), '23505 own with detail', 'create: a unique index');
SELECT is(h.same('update', $$CREATE UNIQUE INDEX own ON shop.customer (pg_catalog.upper(phone)) WHERE phone > '1';
	UPDATE shop.customer SET phone = '2' WHERE id = 2$$), '23505 own with detail', 'update: a unique index');

-- what is known of a table is read again when it has changed
SAVEPOINT before;
ALTER TABLE shop.customer ADD CONSTRAINT own CHECK (phone <> '7');
SELECT is(t.error($$SELECT customers.update_customer(1, '{"phone": "7"}')$$), '23514 own', 'a new CHECK counts');
ALTER TABLE shop.customer DROP CONSTRAINT own;
SELECT is(t.error($$SELECT customers.update_customer(1, '{"phone": "7"}')$$), 'no error', 'a dropped one does not');
ALTER TABLE shop.customer ADD COLUMN shop_name text DEFAULT 'north';
SELECT customers.create_customer('north@example.com') \g /dev/null
ALTER TABLE shop.customer ALTER shop_name SET DEFAULT 'south';
SELECT customers.create_customer('south@example.com') \g /dev/null
SELECT is((SELECT pg_catalog.string_agg(shop_name, ' ' ORDER BY id) FROM shop.customer WHERE email ~ 'th@'), 'north south', 'a new default counts');
ROLLBACK TO before;

-- other tables ------------------------------------------------------------------------
CREATE TABLE h.more () INHERITS (shop.customer);
INSERT INTO h.more (id, email, phone) VALUES (50, 'child@example.com', '1');
SELECT customers.update_customer(50, '{"phone": "2"}') \g /dev/null
SELECT is((SELECT phone FROM h.more), '2', 'a row in a child of the table is changed');
ROLLBACK TO before;
CREATE RULE also AS ON UPDATE TO shop.customer DO ALSO INSERT INTO h.audit (what) VALUES ('rule');
SELECT customers.update_customer(1, '{"phone": "2"}') \g /dev/null
SELECT is((SELECT phone || ' ' || what FROM shop.customer, h.audit WHERE id = 1), '2 rule', 'a rule is heeded');
ROLLBACK TO before;

-- rights --------------------------------------------------------------------------------
SELECT is(h.same('create', $$GRANT USAGE ON SCHEMA shop TO customers_clerk; GRANT USAGE ON SEQUENCE shop.customer_id_seq TO customers_clerk;
	GRANT INSERT (id, email, first_name, last_name, company_name, phone, metadata) ON shop.customer TO customers_clerk$$, 'customers_clerk'),
	h.made('create'), 'create: rights on the columns that are given suffice');
SELECT is(h.same('create', $$GRANT USAGE ON SCHEMA shop TO customers_clerk; GRANT USAGE ON SEQUENCE shop.customer_id_seq TO customers_clerk;
	GRANT INSERT (id, email, first_name, last_name, company_name, phone) ON shop.customer TO customers_clerk$$, 'customers_clerk'),
	'42501', 'create: one is missing');
SELECT is(h.same('update', $$GRANT USAGE ON SCHEMA shop TO customers_clerk; GRANT SELECT (id, version, metadata), UPDATE (phone, metadata) ON shop.customer TO customers_clerk$$,
	'customers_clerk'), h.made('update'), 'update: rights on the columns that are named suffice');
SELECT is(h.same('update', $$GRANT USAGE ON SCHEMA shop TO customers_clerk; GRANT SELECT (id, version), UPDATE (phone, metadata) ON shop.customer TO customers_clerk$$,
	'customers_clerk'), '42501', 'update: what is merged must be read');
SELECT is(h.same(a, $$GRANT SELECT, INSERT, UPDATE ON shop.customer TO customers_clerk; GRANT USAGE ON SEQUENCE shop.customer_id_seq TO customers_clerk$$,
	'customers_clerk'), '42501', a || ': the schema must be open') FROM (VALUES ('create'), ('update')) AS v (a);
SELECT is(h.same('create', $$SELECT customers.grant_access('customers_clerk', 'admin'); ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON shop.customer USING (true) WITH CHECK (phone <> '2')$$, 'customers_clerk'), '42501', 'create: row security');
ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.customer USING (id <> 1);
SELECT customers.grant_access('customers_clerk', 'admin');
SELECT is(t.error($$SELECT customers.update_customer(1, '{"phone": "2"}')$$, 'customers_clerk'), '23503', 'update: a row that row security hides');
SELECT is(t.error($$SELECT customers.update_customer(2, '{"phone": "2"}')$$, 'customers_clerk'), 'no error', 'and one that it shows');
ROLLBACK TO before;
SET TRANSACTION READ ONLY;
SELECT is(t.error($$SELECT customers.update_customer(1, '{"phone": "2"}')$$), '25006', 'a transaction that only reads');

ROLLBACK TO before;

-- what is written as the owner -----------------------------------------------------------
INSERT INTO shop.customer (id, email, has_account, external_id) VALUES (3, 'nina@example.com', true, 'x3');
INSERT INTO shop.orders (id, customer_id, status, currency_code) VALUES (10, 1, 'pending', 'EUR');
SELECT customers.request_order_transfer(10, 3) AS transfer \gset
SELECT confidential ->> 'token' AS token FROM shop.delivery WHERE confidential ? 'token' \gset
SET CONSTRAINTS ALL IMMEDIATE;
SELECT customers.grant_access('customers_clerk', 'storefront');
SELECT pg_catalog.format('SELECT customers.accept_order_transfer(%s, %L)', :'transfer', :'token') AS accept \gset
CREATE TRIGGER a BEFORE UPDATE OF customer_id ON shop.orders FOR EACH ROW EXECUTE FUNCTION h.note();
CREATE TRIGGER b BEFORE UPDATE OF total ON shop.orders FOR EACH ROW EXECUTE FUNCTION h.note();
SAVEPOINT requested;
SELECT t.run_as('customers_clerk', :'accept') \g /dev/null
SELECT is((SELECT customer_id || ' ' || version || ' ' || what FROM shop.orders, h.audit WHERE id = 10), '3 2 a BEFORE UPDATE ROW',
	'an accepted transfer moves the order in the sight of the owner''s triggers');
ROLLBACK TO requested;
ALTER TABLE shop.orders ADD CONSTRAINT own CHECK (customer_id < 3);
SELECT is(t.error(:'accept', 'customers_clerk'), '23514 own', 'a CHECK of the owner refuses it');
SELECT is(t.message(:'accept', 'customers_clerk'), 'new row for relation "orders" violates check constraint "own" |  |  | shop.orders.',
	'and the error shows nothing of the order');

SELECT * FROM finish();
ROLLBACK;
