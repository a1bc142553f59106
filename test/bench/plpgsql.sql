-- The work of customers.create_customer, written by hand the way that a
-- careful shop would: PL/pgSQL, plain INSERTs and pg_notify.  Same columns,
-- constraints and indexes; a guard before the row; an event, a delivery for
-- each subscription that wants it and a notification after the statement.
--
-- All names are qualified and no function switches user or search_path, which
-- is the fastest that PL/pgSQL can do.

CREATE SCHEMA plain;
CREATE TABLE plain.customer (LIKE shop.customer INCLUDING ALL);
CREATE TABLE plain.event (LIKE shop.event INCLUDING ALL);
CREATE TABLE plain.subscription (LIKE shop.subscription INCLUDING ALL);
CREATE TABLE plain.delivery (LIKE shop.delivery INCLUDING ALL);
CREATE SEQUENCE plain.customer_id_seq OWNED BY plain.customer.id;
CREATE SEQUENCE plain.event_id_seq OWNED BY plain.event.id;
CREATE SEQUENCE plain.delivery_id_seq OWNED BY plain.delivery.id;
ALTER TABLE plain.customer
	ALTER id SET DEFAULT nextval('plain.customer_id_seq');
ALTER TABLE plain.event
	ALTER id SET DEFAULT nextval('plain.event_id_seq');
ALTER TABLE plain.delivery
	ALTER id SET DEFAULT nextval('plain.delivery_id_seq');
INSERT INTO plain.subscription (name, event_types)
SELECT name, event_types FROM shop.subscription WHERE name = 'notifier';

CREATE FUNCTION plain.customer_guard() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	NEW.email := btrim(NEW.email, E' \t\n\r\f\v');
	IF octet_length(NEW.email) > 254
		OR NEW.email !~ '^[^@[:space:][:cntrl:]]{1,64}@([[:alnum:]]([[:alnum:]-]{0,61}[[:alnum:]])?\.)+[[:alnum:]]([[:alnum:]-]{0,61}[[:alnum:]])?$'
	THEN
		RAISE check_violation USING MESSAGE = 'not an e-mail address',
			CONSTRAINT = 'customer_email_valid';
	END IF;
	NEW.first_name := nullif(btrim(NEW.first_name), '');
	NEW.last_name := nullif(btrim(NEW.last_name), '');
	NEW.company_name := nullif(btrim(NEW.company_name), '');
	NEW.phone := nullif(btrim(NEW.phone), '');
	NEW.metadata := coalesce(NEW.metadata, '{}');
	IF NEW.metadata <> '{}' THEN
		NEW.metadata_order :=
			ARRAY(SELECT k FROM jsonb_object_keys(NEW.metadata) AS k);
	END IF;
	NEW.email_changed_at := NULL;
	NEW.registered_at := CASE WHEN NEW.has_account THEN NEW.created_at END;
	NEW.created_by := coalesce(
		nullif(current_setting('customers.actor', true), ''), current_user);
	NEW.updated_at := now();
	NEW.version := 1;
	RETURN NEW;
END $$;

CREATE FUNCTION plain.customer_record() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
	wanted record;
BEGIN
	WITH made AS (
		INSERT INTO plain.event (type, customer_id, role, actor, payload)
		SELECT 'customer.created', n.id, current_user,
			coalesce(nullif(current_setting('customers.actor', true), ''),
				current_user),
			jsonb_build_object('customer_id', n.id, 'changed',
				array_remove(ARRAY['email',
					CASE WHEN n.first_name IS NOT NULL THEN 'first_name' END,
					CASE WHEN n.last_name IS NOT NULL THEN 'last_name' END,
					CASE WHEN n.company_name IS NOT NULL
						THEN 'company_name' END,
					CASE WHEN n.phone IS NOT NULL THEN 'phone' END,
					CASE WHEN n.metadata <> '{}' THEN 'metadata' END,
					CASE WHEN n.external_id IS NOT NULL
						THEN 'external_id' END], NULL))
		FROM new_rows AS n
		RETURNING id, customer_id
	)
	INSERT INTO plain.delivery (subscription, event_id, person_ids, expires_at)
	SELECT s.name, m.id, ARRAY[m.customer_id], now() + interval '30 days'
	FROM made AS m, plain.subscription AS s
	WHERE EXISTS (SELECT FROM unnest(s.event_types) AS p
		WHERE 'customer.created' LIKE replace(p, '*', '%'));
	FOR wanted IN
		SELECT s.name FROM plain.subscription AS s
		WHERE s.doorbell AND EXISTS (SELECT FROM unnest(s.event_types) AS p
			WHERE 'customer.created' LIKE replace(p, '*', '%'))
	LOOP
		PERFORM pg_notify('customers_plain', json_build_object(
			'subscription', wanted.name, 'type', 'customer.created')::text);
	END LOOP;
	RETURN NULL;
END $$;

CREATE TRIGGER customer_guard
	BEFORE INSERT ON plain.customer
	FOR EACH ROW EXECUTE FUNCTION plain.customer_guard();
CREATE TRIGGER customer_record
	AFTER INSERT ON plain.customer
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION plain.customer_record();

CREATE FUNCTION plain.create_customer(
	email text,
	first_name text = NULL,
	last_name text = NULL,
	company_name text = NULL,
	phone text = NULL,
	metadata jsonb = NULL
) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
	new_id bigint;
BEGIN
	INSERT INTO plain.customer AS c
		(email, first_name, last_name, company_name, phone, metadata)
	VALUES ($1, $2, $3, $4, $5, coalesce($6, '{}'))
	RETURNING c.id INTO new_id;
	RETURN new_id;
END $$;
