CREATE TABLE @store@.credential (
	customer_id bigint NOT NULL,
	password_hash text NOT NULL,
	failed_attempts integer NOT NULL DEFAULT 0,
	locked_until timestamptz,
	password_changed_at timestamptz,
	new_password text,		-- evidence for the guard, never stored
	proof text,				-- evidence for the guard, never stored
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.credential
	ADD CONSTRAINT credential_pkey PRIMARY KEY (customer_id);
ALTER TABLE @store@.credential
	ADD CONSTRAINT credential_customer_id_fkey
	FOREIGN KEY (customer_id) REFERENCES @store@.customer (id)
	ON DELETE CASCADE;
ALTER TABLE @store@.credential
	ADD CONSTRAINT credential_evidence_check
	CHECK (new_password IS NULL AND proof IS NULL);
CREATE TRIGGER credential_guard
	BEFORE INSERT OR UPDATE OR DELETE ON @store@.credential
	FOR EACH ROW EXECUTE FUNCTION customers.credential_guard();
CREATE TRIGGER credential_guard_truncate
	BEFORE TRUNCATE ON @store@.credential
	FOR EACH STATEMENT EXECUTE FUNCTION customers.credential_guard();
CREATE TRIGGER credential_record_insert
	AFTER INSERT ON @store@.credential
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.credential_record();
CREATE TRIGGER credential_record_update
	AFTER UPDATE ON @store@.credential
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.credential_record();

