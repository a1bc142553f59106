-- ---------------------------------------------------------------------------
-- Subscriptions, deliveries and the log of events
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.event_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_event_guard';
COMMENT ON FUNCTION customers.event_guard() IS
	'Trigger of table event: notes who acted and keeps the log append-only.';

CREATE FUNCTION customers.event_guard_deleted() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_event_guard_deleted';
COMMENT ON FUNCTION customers.event_guard_deleted() IS
	'Trigger of table event: keeps events that are still to be delivered.';

CREATE FUNCTION customers.subscribe(
	name text,
	event_types text[],
	doorbell boolean = true
) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_subscribe';
COMMENT ON FUNCTION customers.subscribe(text, text[], boolean) IS
	'Makes a delivery of every event to come whose type matches one of the patterns; again: replaces them.
Example: SELECT customers.subscribe(''crm'', ARRAY[''customer.*'', ''group.*'']);';

CREATE FUNCTION customers.unsubscribe(
	name text
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_unsubscribe';
COMMENT ON FUNCTION customers.unsubscribe(text) IS
	'Removes a subscription and its deliveries, and returns how many these were.
Example: SELECT customers.unsubscribe(''crm'');';

CREATE FUNCTION customers.claim_deliveries(
	subscription text = 'notifier',
	batch integer = 10,
	lease interval = '1 minute',
	OUT delivery_id bigint,
	OUT event_id bigint,
	OUT type text,
	OUT attempt integer,
	OUT customer_id bigint,
	OUT order_id bigint,
	OUT payload jsonb,
	OUT confidential jsonb,
	OUT created_at timestamptz
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10
AS 'MODULE_PATHNAME', 'customers_claim_deliveries';
COMMENT ON FUNCTION customers.claim_deliveries(text, integer, interval) IS
	'Leases deliveries that are due to the caller, who acknowledges or fails each before the lease ends.
Example: SELECT * FROM customers.claim_deliveries(''notifier'', 10, ''5 minutes'');';

CREATE FUNCTION customers.acknowledge_deliveries(
	ids bigint[]
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_acknowledge_deliveries';
COMMENT ON FUNCTION customers.acknowledge_deliveries(bigint[]) IS
	'Ends deliveries that were made, and returns how many there were.
Example: SELECT customers.acknowledge_deliveries(ARRAY[1, 2]);';

CREATE FUNCTION customers.fail_delivery(
	delivery_id bigint,
	error text,
	retry_in interval = NULL
) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_fail_delivery';
COMMENT ON FUNCTION customers.fail_delivery(bigint, text, interval) IS
	'Puts a delivery off: for retry_in, by default 30 seconds doubling to an hour; after 12 failures it is kept as failed.
Example: SELECT customers.fail_delivery(1, ''mail server does not answer'');';

CREATE FUNCTION customers.retry_failed(
	subscription text
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_retry_failed';
COMMENT ON FUNCTION customers.retry_failed(text) IS
	'Lets the failed deliveries of a subscription be claimed again, and returns how many they are.
Example: SELECT customers.retry_failed(''notifier'');';

CREATE FUNCTION customers.delivery_status(
	OUT subscription text,
	OUT waiting bigint,
	OUT scheduled bigint,
	OUT leased bigint,
	OUT failed bigint,
	OUT oldest_waiting interval,
	OUT last_error text
) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 5
AS 'MODULE_PATHNAME', 'customers_delivery_status';
COMMENT ON FUNCTION customers.delivery_status() IS
	'Counts the deliveries of each subscription: waiting to be claimed, scheduled after a failure, leased, failed.
Example: SELECT * FROM customers.delivery_status();';

CREATE FUNCTION customers.customer_timeline(
	customer_id bigint,
	page_size integer = 50,
	after text = NULL,
	OUT event_id bigint,
	OUT type text,
	OUT actor text,
	OUT payload jsonb,
	OUT created_at timestamptz,
	OUT cursor text
) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'customers_customer_timeline';
COMMENT ON FUNCTION customers.customer_timeline(bigint, integer, text) IS
	'Lists what happened to a customer, newest first; after is the cursor of the last row seen.
Example: SELECT * FROM customers.customer_timeline(1);';

CREATE FUNCTION customers.purge_events(
	before timestamptz
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_purge_events';
COMMENT ON FUNCTION customers.purge_events(timestamptz) IS
	'Deletes the events from before that time that are not to be delivered any more, and returns how many went.
Example: SELECT customers.purge_events(now() - interval ''1 year'');';

