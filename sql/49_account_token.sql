CREATE TABLE @store@.account_token (
	id bigserial,
	customer_id bigint NOT NULL,
	purpose text NOT NULL DEFAULT 'password_reset',
	token_hash bytea NOT NULL,
	expires_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.account_token
	ADD CONSTRAINT account_token_pkey PRIMARY KEY (id);
ALTER TABLE @store@.account_token
	ADD CONSTRAINT account_token_customer_id_purpose_key
	UNIQUE (customer_id, purpose);
CREATE UNIQUE INDEX account_token_token_hash_key
	ON @store@.account_token (token_hash);
ALTER TABLE @store@.account_token
	ADD CONSTRAINT account_token_customer_id_fkey
	FOREIGN KEY (customer_id) REFERENCES @store@.customer (id)
	ON DELETE CASCADE;
ALTER TABLE @store@.account_token
	ADD CONSTRAINT account_token_purpose_check
	CHECK (purpose = 'password_reset');
CREATE TRIGGER account_token_guard
	BEFORE INSERT OR UPDATE ON @store@.account_token
	FOR EACH ROW EXECUTE FUNCTION customers.account_token_guard();
CREATE TRIGGER account_token_guard_truncate
	BEFORE TRUNCATE ON @store@.account_token
	FOR EACH STATEMENT EXECUTE FUNCTION customers.account_token_guard();
CREATE TRIGGER account_token_record_insert
	AFTER INSERT ON @store@.account_token
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.account_token_record();

