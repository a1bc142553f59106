CREATE TABLE @store@.customer_group_member (
	customer_group_id bigint NOT NULL,
	customer_id bigint NOT NULL,
	added_by text,
	added_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.customer_group_member
	ADD CONSTRAINT customer_group_member_pkey
	PRIMARY KEY (customer_group_id, customer_id);
ALTER TABLE @store@.customer_group_member
	ADD CONSTRAINT customer_group_member_customer_group_id_fkey
	FOREIGN KEY (customer_group_id) REFERENCES @store@.customer_group (id)
	ON DELETE CASCADE;
ALTER TABLE @store@.customer_group_member
	ADD CONSTRAINT customer_group_member_customer_id_fkey
	FOREIGN KEY (customer_id) REFERENCES @store@.customer (id)
	ON DELETE CASCADE;
CREATE INDEX customer_group_member_customer_id_customer_group_id_idx
	ON @store@.customer_group_member (customer_id, customer_group_id);
CREATE TRIGGER customer_group_member_guard
	BEFORE INSERT OR UPDATE ON @store@.customer_group_member
	FOR EACH ROW EXECUTE FUNCTION customers.customer_group_member_guard();
CREATE TRIGGER customer_group_member_record_insert
	AFTER INSERT ON @store@.customer_group_member
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT
	EXECUTE FUNCTION customers.customer_group_member_record();
CREATE TRIGGER customer_group_member_record_delete
	AFTER DELETE ON @store@.customer_group_member
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT
	EXECUTE FUNCTION customers.customer_group_member_record();

