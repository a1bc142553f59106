CREATE TABLE @store@.orders (
	id bigserial,
	customer_id bigint,
	email text,
	email_changed_at timestamptz,
	status text NOT NULL DEFAULT 'pending',
	currency_code text NOT NULL,
	total numeric NOT NULL DEFAULT 0,
	placed_at timestamptz NOT NULL DEFAULT now(),
	shipping_address jsonb,
	billing_address jsonb,
	metadata jsonb NOT NULL DEFAULT '{}',
	external_id text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	version bigint NOT NULL DEFAULT 1
);
ALTER TABLE @store@.orders
	ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE @store@.orders
	ADD CONSTRAINT orders_external_id_key UNIQUE (external_id);
ALTER TABLE @store@.orders
	ADD CONSTRAINT orders_customer_id_fkey
	FOREIGN KEY (customer_id) REFERENCES @store@.customer (id)
	ON DELETE SET NULL;
ALTER TABLE @store@.orders
	ADD CONSTRAINT orders_status_check
	CHECK (status IN ('draft', 'pending', 'requires_action', 'completed',
					  'archived', 'canceled'));
ALTER TABLE @store@.orders
	ADD CONSTRAINT orders_currency_code_check
	CHECK (currency_code COLLATE "C" ~ '^[A-Z]{3}$');
ALTER TABLE @store@.orders
	ADD CONSTRAINT orders_metadata_object
	CHECK (jsonb_typeof(metadata) = 'object' AND NOT metadata ? '');
CREATE INDEX orders_customer_id_placed_at_id_idx
	ON @store@.orders (customer_id, placed_at DESC, id DESC);
CREATE TRIGGER orders_guard
	BEFORE INSERT OR UPDATE ON @store@.orders
	FOR EACH ROW EXECUTE FUNCTION customers.orders_guard();
CREATE TRIGGER orders_cancel_transfer
	AFTER UPDATE ON @store@.orders
	FOR EACH ROW
	WHEN (NEW.status = 'canceled' AND OLD.status <> 'canceled')
	EXECUTE FUNCTION customers.orders_cancel_transfer();
CREATE TRIGGER orders_record_update
	AFTER UPDATE ON @store@.orders
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.orders_record();

