-- ---------------------------------------------------------------------------
-- Orders
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.orders_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_orders_guard';
COMMENT ON FUNCTION customers.orders_guard() IS
	'Trigger of table orders: normalises rows and guards the rules.';

CREATE FUNCTION customers.orders_cancel_transfer() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_orders_cancel_transfer';
COMMENT ON FUNCTION customers.orders_cancel_transfer() IS
	'Trigger of table orders: a canceled order takes its open transfer along.';

CREATE FUNCTION customers.order_item_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_order_item_guard';
COMMENT ON FUNCTION customers.order_item_guard() IS
	'Trigger of table order_item: keys are fixed.';

CREATE FUNCTION customers.customer_orders(
	customer_id bigint,
	page_size integer = 15,
	after text = NULL
) RETURNS TABLE (
	id bigint,
	status text,
	currency_code text,
	total numeric,
	placed_at timestamptz,
	items_count bigint,
	open_transfer_id bigint,
	cursor text
)
LANGUAGE c STABLE PARALLEL SAFE ROWS 15
AS 'MODULE_PATHNAME', 'customers_customer_orders';
COMMENT ON FUNCTION customers.customer_orders(bigint, integer, text) IS
	'Shows the orders of a customer, newest first, without drafts.
Example: SELECT * FROM customers.customer_orders(1);';

CREATE FUNCTION customers.order_details(order_id bigint) RETURNS jsonb
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'customers_order_details';
COMMENT ON FUNCTION customers.order_details(bigint) IS
	'Shows one order with its items, its customer and its transfers.
Example: SELECT pg_catalog.jsonb_pretty(customers.order_details(1));';

