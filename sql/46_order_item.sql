CREATE TABLE @store@.order_item (
	order_id bigint NOT NULL,
	line_no integer NOT NULL,
	title text NOT NULL,
	sku text,
	quantity numeric NOT NULL DEFAULT 1,
	unit_price numeric NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.order_item
	ADD CONSTRAINT order_item_pkey PRIMARY KEY (order_id, line_no);
ALTER TABLE @store@.order_item
	ADD CONSTRAINT order_item_order_id_fkey
	FOREIGN KEY (order_id) REFERENCES @store@.orders (id) ON DELETE CASCADE;
CREATE TRIGGER order_item_guard
	BEFORE UPDATE ON @store@.order_item
	FOR EACH ROW EXECUTE FUNCTION customers.order_item_guard();

