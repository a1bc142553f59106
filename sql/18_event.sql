-- ---------------------------------------------------------------------------
-- Events: the statement triggers that record them
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.customer_record() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_customer_record';
COMMENT ON FUNCTION customers.customer_record() IS
	'Trigger of table customer: records the events of a statement.';

CREATE FUNCTION customers.customer_group_record() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_customer_group_record';
COMMENT ON FUNCTION customers.customer_group_record() IS
	'Trigger of table customer_group: records the events of a statement.';

CREATE FUNCTION customers.customer_group_member_record() RETURNS trigger
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'customers_customer_group_member_record';
COMMENT ON FUNCTION customers.customer_group_member_record() IS
	'Trigger of table customer_group_member: records the events of a statement.';

CREATE FUNCTION customers.orders_record() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_orders_record';
COMMENT ON FUNCTION customers.orders_record() IS
	'Trigger of table orders: records the events of a statement.';

CREATE FUNCTION customers.order_transfer_record() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_order_transfer_record';
COMMENT ON FUNCTION customers.order_transfer_record() IS
	'Trigger of table order_transfer: records the events of a statement.';

CREATE FUNCTION customers.credential_record() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_credential_record';
COMMENT ON FUNCTION customers.credential_record() IS
	'Trigger of table credential: records the events of a statement.';

CREATE FUNCTION customers.account_token_record() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_account_token_record';
COMMENT ON FUNCTION customers.account_token_record() IS
	'Trigger of table account_token: records the events of a statement.';

