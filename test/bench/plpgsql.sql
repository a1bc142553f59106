-- The work of customers, written by hand the way that a careful shop would:
-- PL/pgSQL functions, guards before the row, events and deliveries after the
-- statement, pg_notify for subscriptions that want it.  Same columns,
-- constraints and indexes.
--
-- It is meant to be fast: all names are qualified, no function switches user
-- or search_path, and of the rules on transfers only the one on the owner of
-- an order is a trigger; the others stand in the functions and hold for whoever
-- calls these.

CREATE SCHEMA plain;
\set peer plain
\ir peer.sql

-- ---------------------------------------------------------------------------
-- Rows of customers and of groups' members
-- ---------------------------------------------------------------------------

CREATE FUNCTION plain.customer_guard() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF NEW IS NOT DISTINCT FROM OLD THEN
			RETURN NEW;
		END IF;
		IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
			OR NEW.has_account <> OLD.has_account
		THEN
			RAISE check_violation USING
				MESSAGE = 'id, created_at and has_account are fixed';
		END IF;
	END IF;
	IF TG_OP = 'INSERT' OR NEW.email <> OLD.email THEN
		NEW.email := btrim(NEW.email, E' \t\n\r\f\v');
		IF octet_length(NEW.email) > 254
			OR NEW.email !~ '^[^@[:space:][:cntrl:]]{1,64}@([[:alnum:]]([[:alnum:]-]{0,61}[[:alnum:]])?\.)+[[:alnum:]]([[:alnum:]-]{0,61}[[:alnum:]])?$'
		THEN
			RAISE check_violation USING MESSAGE = 'not an e-mail address',
				CONSTRAINT = 'customer_email_valid';
		END IF;
	END IF;
	NEW.first_name := nullif(btrim(NEW.first_name), '');
	NEW.last_name := nullif(btrim(NEW.last_name), '');
	NEW.company_name := nullif(btrim(NEW.company_name), '');
	NEW.phone := nullif(btrim(NEW.phone), '');
	NEW.metadata := coalesce(NEW.metadata, '{}');
	IF TG_OP = 'INSERT' THEN
		IF NEW.metadata <> '{}' THEN
			NEW.metadata_order :=
				ARRAY(SELECT k FROM jsonb_object_keys(NEW.metadata) AS k);
		END IF;
		NEW.email_changed_at := NULL;
		NEW.registered_at := CASE WHEN NEW.has_account THEN NEW.created_at END;
		NEW.created_by := coalesce(
			nullif(current_setting('customers.actor', true), ''),
			current_user);
		NEW.version := 1;
	ELSE
		IF NEW.metadata <> OLD.metadata THEN
			NEW.metadata_order := ARRAY(
				SELECT k FROM unnest(OLD.metadata_order) AS k
				WHERE NEW.metadata ? k) || ARRAY(
				SELECT k FROM jsonb_object_keys(NEW.metadata) AS k
				WHERE k <> ALL (OLD.metadata_order));
		END IF;
		NEW.email_changed_at := CASE
			WHEN lower(NEW.email) = lower(OLD.email) THEN OLD.email_changed_at
			ELSE now() END;
		NEW.registered_at := OLD.registered_at;
		NEW.created_by := OLD.created_by;
		NEW.version := OLD.version + 1;
	END IF;
	NEW.updated_at := now();
	RETURN NEW;
END $$;

CREATE FUNCTION plain.ring(type text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
	wanted record;
BEGIN
	FOR wanted IN
		SELECT s.name FROM plain.subscription AS s
		WHERE s.doorbell AND EXISTS (SELECT FROM unnest(s.event_types) AS p
			WHERE $1 LIKE replace(p, '*', '%'))
	LOOP
		PERFORM pg_notify('customers_plain', json_build_object(
			'subscription', wanted.name, 'type', $1)::text);
	END LOOP;
END $$;

CREATE FUNCTION plain.customer_record_insert() RETURNS trigger
LANGUAGE plpgsql
AS $$
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
	IF FOUND THEN
		PERFORM plain.ring('customer.created');
	END IF;
	RETURN NULL;
END $$;

CREATE FUNCTION plain.customer_record_update() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	WITH made AS (
		INSERT INTO plain.event (type, customer_id, role, actor, payload)
		SELECT 'customer.updated', n.id, current_user,
			coalesce(nullif(current_setting('customers.actor', true), ''),
				current_user),
			jsonb_build_object('customer_id', n.id, 'changed',
				array_remove(ARRAY[
					CASE WHEN n.email <> o.email THEN 'email' END,
					CASE WHEN n.first_name IS DISTINCT FROM o.first_name
						THEN 'first_name' END,
					CASE WHEN n.last_name IS DISTINCT FROM o.last_name
						THEN 'last_name' END,
					CASE WHEN n.company_name IS DISTINCT FROM o.company_name
						THEN 'company_name' END,
					CASE WHEN n.phone IS DISTINCT FROM o.phone
						THEN 'phone' END,
					CASE WHEN n.metadata <> o.metadata THEN 'metadata' END,
					CASE WHEN n.external_id IS DISTINCT FROM o.external_id
						THEN 'external_id' END], NULL))
		FROM new_rows AS n JOIN old_rows AS o USING (id)
		WHERE n.version <> o.version
		RETURNING id, customer_id
	)
	INSERT INTO plain.delivery (subscription, event_id, person_ids, expires_at)
	SELECT s.name, m.id, ARRAY[m.customer_id], now() + interval '30 days'
	FROM made AS m, plain.subscription AS s
	WHERE EXISTS (SELECT FROM unnest(s.event_types) AS p
		WHERE 'customer.updated' LIKE replace(p, '*', '%'));
	IF FOUND THEN
		PERFORM plain.ring('customer.updated');
	END IF;
	RETURN NULL;
END $$;

CREATE FUNCTION plain.member_guard() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	NEW.added_by := coalesce(
		nullif(current_setting('customers.actor', true), ''), current_user);
	NEW.added_at := now();
	RETURN NEW;
END $$;

CREATE FUNCTION plain.member_record() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	WITH made AS (
		INSERT INTO plain.event (type, customer_id, role, actor, payload)
		SELECT 'group.customer_added', n.customer_id, current_user,
			coalesce(nullif(current_setting('customers.actor', true), ''),
				current_user),
			jsonb_build_object('group_id', n.customer_group_id,
				'customer_id', n.customer_id)
		FROM new_rows AS n
		RETURNING id, customer_id
	)
	INSERT INTO plain.delivery (subscription, event_id, person_ids, expires_at)
	SELECT s.name, m.id, ARRAY[m.customer_id], now() + interval '30 days'
	FROM made AS m, plain.subscription AS s
	WHERE EXISTS (SELECT FROM unnest(s.event_types) AS p
		WHERE 'group.customer_added' LIKE replace(p, '*', '%'));
	IF FOUND THEN
		PERFORM plain.ring('group.customer_added');
	END IF;
	RETURN NULL;
END $$;

-- Only a transfer accepted in the same transaction moves an order.
CREATE FUNCTION plain.orders_guard() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	IF NEW.customer_id IS DISTINCT FROM OLD.customer_id
		AND NEW.customer_id IS NOT NULL
		AND NOT EXISTS (SELECT FROM plain.order_transfer AS t
			WHERE t.order_id = NEW.id AND t.to_customer_id = NEW.customer_id
				AND t.status = 'accepted' AND t.resolved_at = now())
	THEN
		RAISE check_violation USING
			MESSAGE = 'an order changes its owner by an accepted transfer',
			CONSTRAINT = 'order_owner_by_transfer';
	END IF;
	NEW.updated_at := now();
	NEW.version := OLD.version + 1;
	RETURN NEW;
END $$;

CREATE TRIGGER customer_guard
	BEFORE INSERT OR UPDATE ON plain.customer
	FOR EACH ROW EXECUTE FUNCTION plain.customer_guard();
CREATE TRIGGER customer_record_insert
	AFTER INSERT ON plain.customer
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION plain.customer_record_insert();
CREATE TRIGGER customer_record_update
	AFTER UPDATE ON plain.customer
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION plain.customer_record_update();
CREATE TRIGGER member_guard
	BEFORE INSERT ON plain.customer_group_member
	FOR EACH ROW EXECUTE FUNCTION plain.member_guard();
CREATE TRIGGER member_record
	AFTER INSERT ON plain.customer_group_member
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION plain.member_record();
CREATE TRIGGER orders_guard
	BEFORE UPDATE ON plain.orders
	FOR EACH ROW EXECUTE FUNCTION plain.orders_guard();

-- ---------------------------------------------------------------------------
-- Customers
-- ---------------------------------------------------------------------------

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

CREATE FUNCTION plain.update_customer(
	customer_id bigint,
	changes jsonb,
	expected_version bigint = NULL
) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
	new_version bigint;
BEGIN
	IF changes - ARRAY['email', 'first_name', 'last_name', 'company_name',
		'phone', 'metadata', 'external_id'] <> '{}'
	THEN
		RAISE invalid_parameter_value USING MESSAGE = 'unknown key in changes';
	END IF;
	UPDATE plain.customer AS c
	SET email = CASE WHEN changes ? 'email'
			THEN changes ->> 'email' ELSE c.email END,
		first_name = CASE WHEN changes ? 'first_name'
			THEN changes ->> 'first_name' ELSE c.first_name END,
		last_name = CASE WHEN changes ? 'last_name'
			THEN changes ->> 'last_name' ELSE c.last_name END,
		company_name = CASE WHEN changes ? 'company_name'
			THEN changes ->> 'company_name' ELSE c.company_name END,
		phone = CASE WHEN changes ? 'phone'
			THEN changes ->> 'phone' ELSE c.phone END,
		metadata = CASE WHEN changes ? 'metadata'
			THEN jsonb_strip_nulls(c.metadata || (changes -> 'metadata'))
			ELSE c.metadata END,
		external_id = CASE WHEN changes ? 'external_id'
			THEN changes ->> 'external_id' ELSE c.external_id END
	WHERE c.id = $1 AND (expected_version IS NULL
		OR c.version = expected_version)
	RETURNING c.version INTO new_version;
	IF NOT FOUND THEN
		RAISE foreign_key_violation USING
			MESSAGE = format('no customer %s of that version', $1);
	END IF;
	RETURN new_version;
END $$;

CREATE FUNCTION plain.customer_details(
	customer_id bigint,
	OUT id bigint,
	OUT email text,
	OUT type text,
	OUT full_name text,
	OUT first_name text,
	OUT last_name text,
	OUT company_name text,
	OUT phone text,
	OUT groups text[],
	OUT orders_count bigint,
	OUT metadata jsonb,
	OUT external_id text,
	OUT created_by text,
	OUT created_at timestamptz,
	OUT updated_at timestamptz,
	OUT version bigint
) RETURNS record
LANGUAGE plpgsql STABLE
AS $$
BEGIN
	SELECT c.id, c.email,
		CASE WHEN c.has_account THEN 'registered' ELSE 'guest' END,
		nullif(concat_ws(' ', c.first_name, c.last_name), ''),
		c.first_name, c.last_name, c.company_name, c.phone,
		ARRAY(SELECT g.name FROM plain.customer_group_member AS m
			JOIN plain.customer_group AS g ON g.id = m.customer_group_id
			WHERE m.customer_id = c.id
			ORDER BY lower(g.name COLLATE "C"), g.id),
		(SELECT count(*) FROM plain.orders AS o
			WHERE o.customer_id = c.id AND o.status <> 'draft'),
		c.metadata, c.external_id, c.created_by, c.created_at, c.updated_at,
		c.version
	INTO id, email, type, full_name, first_name, last_name, company_name,
		phone, groups, orders_count, metadata, external_id, created_by,
		created_at, updated_at, version
	FROM plain.customer AS c WHERE c.id = $1;
	IF NOT FOUND THEN
		RAISE foreign_key_violation USING
			MESSAGE = format('customer %s does not exist', $1);
	END IF;
END $$;

CREATE FUNCTION plain.add_to_groups(customer_id bigint, group_ids bigint[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
	added integer;
BEGIN
	INSERT INTO plain.customer_group_member (customer_group_id, customer_id)
	SELECT DISTINCT g, $1 FROM unnest(group_ids) AS g ORDER BY g
	ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added;
END $$;

CREATE FUNCTION plain.add_customers_to_group(
	group_id bigint,
	customer_ids bigint[]
) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
	added integer;
BEGIN
	INSERT INTO plain.customer_group_member (customer_group_id, customer_id)
	SELECT DISTINCT $1, c FROM unnest(customer_ids) AS c ORDER BY c
	ON CONFLICT DO NOTHING;
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added;
END $$;

-- ---------------------------------------------------------------------------
-- Transfers
-- ---------------------------------------------------------------------------

-- The event of a transfer, its deliveries, and the doorbell.
CREATE FUNCTION plain.record_transfer(
	type text,
	transfer plain.order_transfer,
	confidential jsonb,
	expires_at timestamptz
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
	wanted record;
BEGIN
	FOR wanted IN
		WITH made AS (
			INSERT INTO plain.event AS e (type, customer_id, order_id, role,
				actor, payload)
			VALUES ($1, transfer.from_customer_id, transfer.order_id,
				current_user, coalesce(nullif(current_setting(
					'customers.actor', true), ''), current_user),
				jsonb_build_object('order_id', transfer.order_id,
					'customer_id', transfer.from_customer_id,
					'transfer_id', transfer.id,
					'to_customer_id', transfer.to_customer_id))
			RETURNING e.id
		), subscribed AS (
			SELECT s.name, s.doorbell FROM plain.subscription AS s
			WHERE EXISTS (SELECT FROM unnest(s.event_types) AS p
				WHERE $1 LIKE replace(p, '*', '%'))
		), delivered AS (
			INSERT INTO plain.delivery AS d (subscription, event_id,
				person_ids, confidential, expires_at)
			SELECT s.name, m.id, ARRAY[transfer.from_customer_id,
				transfer.to_customer_id], $3, $4
			FROM made AS m, subscribed AS s
		)
		SELECT s.name FROM subscribed AS s WHERE s.doorbell
	LOOP
		PERFORM pg_notify('customers_plain', json_build_object(
			'subscription', wanted.name, 'type', $1,
			'order_id', transfer.order_id,
			'transfer_id', transfer.id)::text);
	END LOOP;
END $$;

CREATE FUNCTION plain.request_order_transfer(
	order_id bigint,
	to_customer_id bigint,
	description text = NULL,
	update_order_email boolean = false
) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
	moved record;
	person record;
	target record;
	approver text;
	changed_at timestamptz;
	token text;
	transfer plain.order_transfer;
BEGIN
	SELECT o.customer_id, o.email, o.email_changed_at, o.status INTO moved
	FROM plain.orders AS o WHERE o.id = $1 FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE foreign_key_violation USING
			MESSAGE = format('order %s does not exist', $1);
	END IF;
	approver := moved.email;
	changed_at := moved.email_changed_at;
	target := NULL;
	FOR person IN
		SELECT c.id, c.email, c.email_changed_at, c.has_account,
			nullif(concat_ws(' ', c.first_name, c.last_name), '') AS full_name
		FROM plain.customer AS c WHERE c.id IN (moved.customer_id, $2)
		ORDER BY c.id FOR SHARE
	LOOP
		IF person.id = moved.customer_id THEN
			approver := person.email;
			changed_at := person.email_changed_at;
		END IF;
		IF person.id = $2 THEN
			target := person;
		END IF;
	END LOOP;
	IF target IS NULL THEN
		RAISE foreign_key_violation USING
			MESSAGE = format('customer %s does not exist', $2);
	ELSIF moved.status IN ('canceled', 'draft') THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_order_active',
			MESSAGE = format('order %s cannot be transferred', $1);
	ELSIF NOT target.has_account THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_target_registered',
			MESSAGE = format('customer %s is a guest', $2);
	ELSIF moved.customer_id = $2 THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_not_to_owner',
			MESSAGE = format('order %s belongs to customer %s', $1, $2);
	END IF;
	-- an overdue request makes room
	UPDATE plain.order_transfer AS t
	SET status = 'expired', token_hash = NULL, resolved_at = now()
	WHERE t.order_id = $1 AND t.status = 'requested' AND t.expires_at <= now();
	IF approver IS NULL THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_approver_known',
			MESSAGE = format('order %s has nobody to ask', $1);
	ELSIF changed_at > now() - interval '72 hours' THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_email_settled',
			MESSAGE = 'the approver''s e-mail was changed recently';
	END IF;
	token := rtrim(translate(encode(uuid_send(gen_random_uuid()) ||
		uuid_send(gen_random_uuid()), 'base64'), '+/', '-_'), '=');
	INSERT INTO plain.order_transfer AS t (order_id, to_customer_id,
		description, update_order_email, from_customer_id, approver_email,
		token_hash, requested_by, expires_at)
	VALUES ($1, $2, $3, $4, moved.customer_id, approver,
		sha256(convert_to(token, 'UTF8')),
		coalesce(nullif(current_setting('customers.actor', true), ''),
			current_user), now() + interval '7 days')
	RETURNING t.* INTO transfer;
	PERFORM plain.record_transfer('order.transfer_requested', transfer,
		jsonb_build_object('to', ARRAY[approver], 'token', token,
			'expires_at', transfer.expires_at, 'description', $3,
			'approver_email', approver, 'new_owner_name', target.full_name),
		transfer.expires_at);
	RETURN transfer.id;
END $$;

CREATE FUNCTION plain.accept_order_transfer(transfer_id bigint, token text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
	transfer plain.order_transfer;
	moved record;
	person record;
	target record;
BEGIN
	SELECT t.* INTO transfer FROM plain.order_transfer AS t
	WHERE t.id = $1 FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE foreign_key_violation USING
			MESSAGE = format('order transfer %s does not exist', $1);
	ELSIF transfer.status <> 'requested' THEN
		RAISE check_violation USING CONSTRAINT = 'order_transfer_state',
			MESSAGE = format('order transfer %s is %s', $1, transfer.status);
	ELSIF transfer.expires_at <= now() THEN
		RAISE check_violation USING CONSTRAINT = 'order_transfer_not_expired',
			MESSAGE = format('order transfer %s has expired', $1);
	ELSIF sha256(convert_to(token, 'UTF8')) IS DISTINCT FROM transfer.token_hash
	THEN
		RAISE invalid_password USING CONSTRAINT = 'order_transfer_approved',
			MESSAGE = 'wrong token';
	END IF;
	SELECT o.customer_id, o.status INTO moved
	FROM plain.orders AS o WHERE o.id = transfer.order_id FOR NO KEY UPDATE;
	IF moved.status IN ('canceled', 'draft') THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_order_active',
			MESSAGE = 'the order cannot be transferred';
	ELSIF moved.customer_id IS DISTINCT FROM transfer.from_customer_id THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_owner_unchanged',
			MESSAGE = 'the order has another owner now';
	END IF;
	target := NULL;
	FOR person IN
		SELECT c.id, c.email, c.has_account FROM plain.customer AS c
		WHERE c.id IN (transfer.from_customer_id, transfer.to_customer_id)
		ORDER BY c.id FOR SHARE
	LOOP
		IF person.id = transfer.to_customer_id THEN
			target := person;
		END IF;
	END LOOP;
	IF target IS NULL OR NOT target.has_account THEN
		RAISE check_violation USING
			CONSTRAINT = 'order_transfer_target_registered',
			MESSAGE = 'the new owner is not registered';
	END IF;
	UPDATE plain.order_transfer AS t
	SET status = 'accepted', token_hash = NULL, resolved_at = now(),
		resolved_by = coalesce(
			nullif(current_setting('customers.actor', true), ''), current_user)
	WHERE t.id = $1;
	UPDATE plain.orders AS o
	SET customer_id = transfer.to_customer_id,
		email = CASE WHEN transfer.update_order_email THEN target.email
			ELSE o.email END
	WHERE o.id = transfer.order_id;
	PERFORM plain.record_transfer('order.transfer_accepted', transfer,
		jsonb_build_object('to',
			ARRAY[transfer.approver_email, target.email],
			'approver_email', transfer.approver_email,
			'new_owner_email', target.email), now() + interval '30 days');
END $$;
