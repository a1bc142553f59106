CREATE TABLE @store@.order_transfer (
	id bigserial,
	order_id bigint NOT NULL,
	to_customer_id bigint,
	description text,
	update_order_email boolean NOT NULL DEFAULT false,
	from_customer_id bigint,
	approver_email text,
	status text NOT NULL DEFAULT 'requested',
	token_hash bytea,
	requested_by text,
	requested_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz,
	resolved_at timestamptz,
	resolved_by text,
	decline_reason text,
	approval_token text		-- evidence for the guard, never stored
);
ALTER TABLE @store@.order_transfer
	ADD CONSTRAINT order_transfer_pkey PRIMARY KEY (id);
ALTER TABLE @store@.order_transfer
	ADD CONSTRAINT order_transfer_order_id_fkey
	FOREIGN KEY (order_id) REFERENCES @store@.orders (id) ON DELETE CASCADE;
ALTER TABLE @store@.order_transfer
	ADD CONSTRAINT order_transfer_to_customer_id_fkey
	FOREIGN KEY (to_customer_id) REFERENCES @store@.customer (id)
	ON DELETE SET NULL;
ALTER TABLE @store@.order_transfer
	ADD CONSTRAINT order_transfer_from_customer_id_fkey
	FOREIGN KEY (from_customer_id) REFERENCES @store@.customer (id)
	ON DELETE SET NULL;
ALTER TABLE @store@.order_transfer
	ADD CONSTRAINT order_transfer_status_check
	CHECK (status IN ('requested', 'accepted', 'declined', 'canceled',
					  'expired'));
ALTER TABLE @store@.order_transfer
	ADD CONSTRAINT order_transfer_token_check
	CHECK (approval_token IS NULL AND
		   (token_hash IS NOT NULL) = (status = 'requested'));
CREATE UNIQUE INDEX order_transfer_open_key
	ON @store@.order_transfer (order_id) WHERE status = 'requested';
CREATE INDEX order_transfer_order_id_idx
	ON @store@.order_transfer (order_id);
CREATE INDEX order_transfer_to_customer_id_idx
	ON @store@.order_transfer (to_customer_id);
CREATE INDEX order_transfer_from_customer_id_idx
	ON @store@.order_transfer (from_customer_id);
CREATE INDEX order_transfer_expires_at_idx
	ON @store@.order_transfer (expires_at) WHERE status = 'requested';
CREATE TRIGGER order_transfer_guard
	BEFORE INSERT OR UPDATE OR DELETE ON @store@.order_transfer
	FOR EACH ROW EXECUTE FUNCTION customers.order_transfer_guard();
CREATE TRIGGER order_transfer_guard_truncate
	BEFORE TRUNCATE ON @store@.order_transfer
	FOR EACH STATEMENT EXECUTE FUNCTION customers.order_transfer_guard();
CREATE TRIGGER order_transfer_apply
	AFTER UPDATE ON @store@.order_transfer
	FOR EACH ROW
	WHEN (OLD.status = 'requested' AND NEW.status = 'accepted')
	EXECUTE FUNCTION customers.order_transfer_apply();
CREATE TRIGGER order_transfer_record_insert
	AFTER INSERT ON @store@.order_transfer
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.order_transfer_record();
CREATE TRIGGER order_transfer_record_update
	AFTER UPDATE ON @store@.order_transfer
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.order_transfer_record();

