\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

SELECT plan(34);

-- Events and deliveries go into their tables directly as long as the owner
-- added nothing that has a say.  Whatever he added, it is heard.
SELECT customers.subscribe('crm', '{customer.*}', false);
CREATE SCHEMA h;
CREATE FUNCTION h.guests(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO shop.customer (email) SELECT 'g' || pg_catalog.nextval('shop.customer_id_seq') || '@example.com'
	FROM pg_catalog.generate_series(1, n)
$$;
-- How many events there are, and how many deliveries.
CREATE FUNCTION h.counts() RETURNS text LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM shop.event) || ' ' || (SELECT count(*) FROM shop.delivery)
$$;

SELECT h.guests(1);
SELECT is(h.counts(), '1 1', 'one row: an event and its delivery');
SELECT h.guests(2500);
SELECT is(h.counts(), '2501 2501', 'many rows, more than are handed over at a time');
SELECT is((SELECT count(DISTINCT e.customer_id) FROM shop.event e JOIN shop.delivery d ON d.event_id = e.id
	WHERE d.person_ids = ARRAY[e.customer_id]), 2501::bigint, 'each delivery has its event and its person');
SELECT is((SELECT count(*) FROM shop.event WHERE role = 'customers_owner' AND actor = 'customers_owner' AND created_at = now()),
	2501::bigint, 'role, actor and time of each event');
SELECT is((SELECT count(*) FROM shop.delivery WHERE attempts = 0 AND available_at = now() AND created_at = now()
	AND expires_at BETWEEN now() + interval '30 days' AND clock_timestamp() + interval '30 days' AND failed_at IS NULL AND last_error IS NULL), 2501::bigint, 'the state of each delivery');
SET enable_seqscan = off;
SELECT is((SELECT count(*) FROM shop.event WHERE customer_id BETWEEN 1 AND 1000000), 2501::bigint, 'the index by customer has every event');
SELECT is((SELECT count(*) FROM shop.delivery WHERE subscription = 'crm' AND available_at <= now() AND failed_at IS NULL), 2501::bigint,
	'the index of what is due has every delivery');
RESET enable_seqscan;

-- Nobody but the guard judges the caller's word.
INSERT INTO shop.event (type, role, actor) VALUES ('shop.opened', 'nobody', 'nobody');
SELECT is((SELECT role || ' ' || actor FROM shop.event WHERE type = 'shop.opened'), 'customers_owner customers_owner',
	'a plain INSERT is noted down under who made it');

-- the owner's own triggers ------------------------------------------------------
SAVEPOINT before;
CREATE TABLE h.audit (what text, id bigint);
CREATE FUNCTION h.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO h.audit VALUES (TG_ARGV[0] || ' as ' || current_user, NEW.id);
	RETURN NEW;
END $$;
CREATE TRIGGER note AFTER INSERT ON shop.event FOR EACH ROW EXECUTE FUNCTION h.note('event');
CREATE TRIGGER note BEFORE INSERT ON shop.delivery FOR EACH ROW EXECUTE FUNCTION h.note('delivery');
SELECT h.guests(3);
SELECT is((SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || min(what) FROM h.audit WHERE what LIKE 'event%'),
	'3 3 event as customers_owner', 'a trigger AFTER INSERT ON event runs for each event, as the owner');
SELECT is((SELECT count(*) || ' ' || count(DISTINCT id) FROM h.audit WHERE what LIKE 'delivery%'), '3 3',
	'a trigger BEFORE INSERT ON delivery runs for each delivery');
SELECT is(h.counts(), '2505 2504', 'and the rows are there');
ROLLBACK TO before;
CREATE FUNCTION h.veto() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END $$;
CREATE TRIGGER veto BEFORE INSERT ON shop.delivery FOR EACH ROW WHEN (NEW.subscription = 'crm') EXECUTE FUNCTION h.veto();
SELECT h.guests(2);
SELECT is(h.counts(), '2504 2501', 'a trigger that returns NULL drops the row');
ROLLBACK TO before;
CREATE TABLE h.seen (n bigint);
CREATE FUNCTION h.count_new() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO h.seen SELECT count(*) FROM new_rows; RETURN NULL; END $$;
CREATE TRIGGER count_new AFTER INSERT ON shop.event REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION h.count_new();
SELECT h.guests(4);
SELECT is((SELECT sum(n) FROM h.seen), 4::numeric, 'a statement trigger on event sees every row');
ROLLBACK TO before;
ALTER TABLE shop.event DISABLE TRIGGER event_guard;
SELECT h.guests(1);
SELECT is((SELECT role FROM shop.event ORDER BY id DESC LIMIT 1), 'customers_owner', 'a disabled guard is not asked, the role is noted all the same');
ROLLBACK TO before;

-- constraints, defaults, columns ---------------------------------------------------
ALTER TABLE shop.event ADD CONSTRAINT no_updates CHECK (type <> 'customer.updated');
SELECT lives_ok($$SELECT h.guests(2)$$, 'a CHECK of the owner lets through what it allows');
SELECT is(t.error($$UPDATE shop.customer SET phone = '1' WHERE id = (SELECT min(id) FROM shop.customer)$$), '23514 no_updates', 'and refuses the rest');
ROLLBACK TO before;
ALTER TABLE shop.delivery ADD CONSTRAINT short CHECK (cardinality(person_ids) < 1) NOT VALID;
CREATE FUNCTION h.detail(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE sql;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
	RETURN 'detail: ' || said;
END $$;
SELECT is(h.detail('SELECT h.guests(1)'), 'detail: ', 'an error in a delivery shows nothing of the row');
ROLLBACK TO before;
CREATE UNIQUE INDEX one_a_person ON shop.delivery (person_ids, event_id);
SELECT h.guests(2);
SELECT is(h.counts(), '2504 2503', 'a unique index of the owner');
DROP INDEX shop.one_a_person;
DELETE FROM shop.delivery;
CREATE UNIQUE INDEX one_a_subscription ON shop.delivery (subscription);
SELECT is(t.error('SELECT h.guests(2)'), '23505 one_a_subscription', 'which refuses what it must');
ROLLBACK TO before;
ALTER TABLE shop.event ADD COLUMN shop_name text DEFAULT 'north', ADD COLUMN kind text GENERATED ALWAYS AS (pg_catalog.split_part(type, '.', 1)) STORED;
SELECT h.guests(2);
SELECT is((SELECT string_agg(shop_name || ' ' || kind, ', ') FROM (SELECT * FROM shop.event ORDER BY id DESC LIMIT 2) e), 'north customer, north customer',
	'columns with a default and generated ones get their values');
ROLLBACK TO before;
ALTER TABLE shop.event ADD COLUMN note text;
ALTER TABLE shop.delivery ADD COLUMN gone text, ADD COLUMN note text;
ALTER TABLE shop.delivery DROP COLUMN gone;
SELECT h.guests(2);
SELECT is((SELECT count(*) FROM shop.event e JOIN shop.delivery d ON d.event_id = e.id WHERE e.note IS NULL AND d.note IS NULL AND d.expires_at > now()),
	2503::bigint, 'columns without default stay NULL, a dropped one disturbs nobody');
ROLLBACK TO before;
CREATE DOMAIN h.word AS text DEFAULT 'domain' NOT NULL;
ALTER TABLE shop.event ADD COLUMN w h.word;
SELECT h.guests(1);
SELECT is((SELECT w::text FROM shop.event ORDER BY id DESC LIMIT 1), 'domain', 'a column of a domain gets the domain''s default');
ROLLBACK TO before;
ALTER TABLE shop.event DROP COLUMN payload;
SELECT is(t.error('SELECT h.guests(1)'), '42501', 'a table that lost a column of ours is not written to');
ROLLBACK TO before;
CREATE INDEX by_word ON shop.event (pg_catalog.upper(type)) WHERE customer_id > 0;
SELECT h.guests(2);
SET enable_seqscan = off;
SELECT is((SELECT count(*) FROM shop.event WHERE pg_catalog.upper(type) = 'CUSTOMER.CREATED' AND customer_id > 0), 2503::bigint,
	'an index on an expression of the owner is kept');
RESET enable_seqscan;
ROLLBACK TO before;
CREATE RULE also AS ON INSERT TO shop.delivery DO INSTEAD NOTHING;
SELECT h.guests(2);
SELECT is(h.counts(), '2504 2501', 'a rule is heeded');
ROLLBACK TO before;

-- rights ------------------------------------------------------------------------------
REVOKE INSERT ON shop.event FROM customers_owner;
SELECT is(t.error('SELECT h.guests(1)'), '42501', 'an owner without INSERT on event writes no events');
ROLLBACK TO before;
ALTER TABLE shop.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.delivery ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.subscription ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT h.guests(2);
ALTER TABLE shop.event NO FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.delivery NO FORCE ROW LEVEL SECURITY;
SELECT is(h.counts(), '2504 2503', 'forced row security of the owner does not stop events');
ROLLBACK TO before;
GRANT USAGE ON SCHEMA shop TO customers_clerk;
GRANT INSERT ON shop.customer TO customers_clerk;
GRANT USAGE ON SEQUENCE shop.customer_id_seq TO customers_clerk;
SET LOCAL ROLE customers_clerk;
SELECT isnt(customers.create_customer('clerk@example.com'), NULL, 'a role without any right on event');
SET LOCAL ROLE customers_owner;
SELECT is((SELECT role || ' ' || count(*) OVER () FROM shop.event WHERE role <> 'customers_owner'), 'customers_clerk 1', 'makes one, under its name');
SELECT is(h.counts(), '2503 2502', 'and its delivery');
ROLLBACK TO before;

-- who subscribes -----------------------------------------------------------------------
SELECT customers.subscribe('late', '{*}', false);
SELECT h.guests(1);
SELECT is(h.counts(), '2503 2503', 'a subscription counts from its statement on');
UPDATE shop.subscription SET event_types = ARRAY[NULL, 'nothing'];
SELECT h.guests(1);
SELECT is(h.counts(), '2504 2503', 'patterns are read anew for each statement, NULL is none');
ROLLBACK TO before;
DELETE FROM shop.subscription;
SELECT h.guests(1);
SELECT is(h.counts(), '2503 2501', 'without subscriptions there are no deliveries');
ROLLBACK TO before;
SET LOCAL customers.store = 'nowhere';
SELECT h.guests(1);
SELECT is(h.counts(), '2503 2502', 'the table tells the store, the setting does not');

SELECT * FROM finish();
ROLLBACK;
