CREATE TABLE @store@.customer_group (
	id bigserial,
	name text NOT NULL,
	metadata jsonb NOT NULL DEFAULT '{}',
	created_by text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	version bigint NOT NULL DEFAULT 1
);
ALTER TABLE @store@.customer_group
	ADD CONSTRAINT customer_group_pkey PRIMARY KEY (id);
ALTER TABLE @store@.customer_group
	ADD CONSTRAINT customer_group_name_given CHECK (name <> '');
ALTER TABLE @store@.customer_group
	ADD CONSTRAINT customer_group_metadata_object
	CHECK (jsonb_typeof(metadata) = 'object' AND NOT metadata ? '');
CREATE UNIQUE INDEX customer_group_name_key
	ON @store@.customer_group (lower(name COLLATE "C"));
CREATE TRIGGER customer_group_guard
	BEFORE INSERT OR UPDATE ON @store@.customer_group
	FOR EACH ROW EXECUTE FUNCTION customers.customer_group_guard();
CREATE TRIGGER customer_group_record_insert
	AFTER INSERT ON @store@.customer_group
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_group_record();
CREATE TRIGGER customer_group_record_update
	AFTER UPDATE ON @store@.customer_group
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_group_record();
CREATE TRIGGER customer_group_record_delete
	AFTER DELETE ON @store@.customer_group
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.customer_group_record();

