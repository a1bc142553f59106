-- ---------------------------------------------------------------------------
-- Transfers of an order to another customer
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.order_transfer_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_order_transfer_guard';
COMMENT ON FUNCTION customers.order_transfer_guard() IS
	'Trigger of table order_transfer: judges requests and their evidence.';

CREATE FUNCTION customers.order_transfer_apply() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_order_transfer_apply';
COMMENT ON FUNCTION customers.order_transfer_apply() IS
	'Trigger of table order_transfer: moves the order of an accepted transfer.';

CREATE FUNCTION customers.request_order_transfer(
	order_id bigint,
	to_customer_id bigint,
	description text = NULL,
	update_order_email boolean = false
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_request_order_transfer';
COMMENT ON FUNCTION customers.request_order_transfer(bigint, bigint, text, boolean) IS
	'Asks the owner of an order to give it to a registered customer, and returns the id of the transfer.
Example: SELECT customers.request_order_transfer(1, 2, ''bought for a friend'');';

CREATE FUNCTION customers.accept_order_transfer(transfer_id bigint, token text)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_accept_order_transfer';
COMMENT ON FUNCTION customers.accept_order_transfer(bigint, text) IS
	'Gives the order to the new owner, with the token that the approver was sent.
Example: SELECT customers.accept_order_transfer(1, ''<token>'');';

CREATE FUNCTION customers.decline_order_transfer(
	transfer_id bigint,
	token text,
	reason text = NULL
) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_decline_order_transfer';
COMMENT ON FUNCTION customers.decline_order_transfer(bigint, text, text) IS
	'Ends a transfer without effect, with the token that the approver was sent.
Example: SELECT customers.decline_order_transfer(1, ''<token>'', ''not my friend'');';

CREATE FUNCTION customers.cancel_order_transfer(transfer_id bigint) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_cancel_order_transfer';
COMMENT ON FUNCTION customers.cancel_order_transfer(bigint) IS
	'Takes the request for a transfer back.
Example: SELECT customers.cancel_order_transfer(1);';

CREATE FUNCTION customers.expire_order_transfers() RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_expire_order_transfers';
COMMENT ON FUNCTION customers.expire_order_transfers() IS
	'Records that overdue transfers have expired, and returns how many.
Example: SELECT customers.expire_order_transfers();';

CREATE FUNCTION customers.order_transfers(order_id bigint)
RETURNS TABLE (
	id bigint,
	status text,
	from_customer_id bigint,
	to_customer_id bigint,
	approver_email text,
	update_order_email boolean,
	description text,
	requested_by text,
	requested_at timestamptz,
	expires_at timestamptz,
	resolved_at timestamptz,
	resolved_by text,
	decline_reason text
)
LANGUAGE c STABLE PARALLEL SAFE ROWS 3
AS 'MODULE_PATHNAME', 'customers_order_transfers';
COMMENT ON FUNCTION customers.order_transfers(bigint) IS
	'Shows the transfers of an order, newest first.
Example: SELECT * FROM customers.order_transfers(1);';

