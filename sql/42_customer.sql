CREATE TABLE @store@.customer (
	id bigserial,
	email text NOT NULL,
	email_changed_at timestamptz,
	has_account boolean NOT NULL DEFAULT false,
	registered_at timestamptz,
	first_name text,
	last_name text,
	company_name text,
	phone text,
	metadata jsonb NOT NULL DEFAULT '{}',
	metadata_order text[] NOT NULL DEFAULT '{}',
	external_id text,
	created_by text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	version bigint NOT NULL DEFAULT 1
);
ALTER TABLE @store@.customer
	ADD CONSTRAINT customer_pkey PRIMARY KEY (id);
ALTER TABLE @store@.customer
	ADD CONSTRAINT customer_external_id_key UNIQUE (external_id);
ALTER TABLE @store@.customer
	ADD CONSTRAINT customer_metadata_object
	CHECK (jsonb_typeof(metadata) = 'object' AND NOT metadata ? '');
CREATE UNIQUE INDEX customer_email_key
	ON @store@.customer (lower(email COLLATE "C"), has_account);
CREATE INDEX customer_created_at_id_idx
	ON @store@.customer (created_at, id);
CREATE INDEX customer_last_name_id_idx
	ON @store@.customer (last_name, id);
CREATE INDEX customer_search_idx
	ON @store@.customer USING gin
	(customers.search_grams(email, first_name, last_name, company_name, phone))
	WITH (gin_pending_list_limit = 512);
CREATE TRIGGER customer_guard
	BEFORE INSERT OR UPDATE OR DELETE ON @store@.customer
	FOR EACH ROW EXECUTE FUNCTION customers.customer_guard();
CREATE TRIGGER customer_guard_truncate
	BEFORE TRUNCATE ON @store@.customer
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_guard();
CREATE CONSTRAINT TRIGGER customer_account_registered
	AFTER INSERT OR UPDATE ON @store@.customer
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.has_account)
	EXECUTE FUNCTION customers.customer_account_registered();
CREATE TRIGGER customer_record_insert
	AFTER INSERT ON @store@.customer
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_record();
CREATE TRIGGER customer_record_update
	AFTER UPDATE ON @store@.customer
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_record();
CREATE TRIGGER customer_record_delete
	AFTER DELETE ON @store@.customer
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_record();

