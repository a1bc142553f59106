-- Subscriptions, deliveries and the log while no cache lasts.
\ir walk.psql
SELECT plan(7);

\o /dev/null
:discard
SELECT customers.subscribe('all', '{*}');
SELECT customers.subscribe('quiet', '{customer.*,group.created}', false);
SELECT customers.create_customer('ada@example.com') AS ada \gset
SELECT customers.update_customer(:ada, '{"phone": "1"}');
SELECT count(*) AS claimed, min(delivery_id) AS one, max(delivery_id) AS two FROM customers.claim_deliveries('all') \gset
SELECT customers.acknowledge_deliveries(ARRAY[:one]::bigint[]) AS done \gset
SELECT customers.fail_delivery(:two, 'down', '1 hour');
UPDATE shop.delivery SET failed_at = now() WHERE id = :two;
SELECT customers.retry_failed('all') AS retried \gset
SELECT count(*) AS subscriptions, sum(waiting) AS waiting FROM customers.delivery_status() \gset
SELECT string_agg(type, ' ') AS timeline, min(cursor) AS cursor FROM customers.customer_timeline(:ada) \gset
SELECT customers.unsubscribe('quiet') AS dropped \gset
SELECT customers.purge_events('infinity') AS purged \gset
:keep
\o
SELECT is(:claimed, 2, 'claim_deliveries: both');
SELECT is(:done, 1, 'acknowledge_deliveries: one');
SELECT is(:retried, 1, 'retry_failed: the other');
SELECT is(:subscriptions, 3, 'delivery_status: each subscription');
SELECT is(:'timeline'::text, 'customer.updated customer.created', 'customer_timeline: the newest first');
SELECT is(:dropped, 2, 'unsubscribe: what waited is dropped');
SELECT is(:purged, 1, 'purge_events: what is still to be delivered stays');
SELECT finish();
ROLLBACK;
