-- Stores, their repair and their profiles while no cache lasts.
\ir walk.psql
SELECT plan(7);

\o /dev/null
:discard
SELECT customers.create_store('second') AS made \gset
DROP TRIGGER customer_guard ON second.customer;
SELECT count(*) AS findings FROM customers.check_store('second') \gset
SELECT customers.create_store('second') AS repaired \gset
SELECT count(*) AS after FROM customers.check_store('second') \gset
SELECT string_agg(name, ' ' ORDER BY name) AS stores FROM customers.stores() \gset
SELECT customers.grant_access('customers_clerk', profile) FROM (SELECT DISTINCT profile FROM customers.profile_privileges()) p;
SELECT has_table_privilege('customers_clerk', 'shop.customer', 'UPDATE') AS granted \gset
SELECT customers.revoke_access('customers_clerk', profile) FROM (SELECT DISTINCT profile FROM customers.profile_privileges()) p;
SELECT has_table_privilege('customers_clerk', 'shop.customer', 'UPDATE') AS revoked \gset
SELECT count(*) > 0 AS helped, customers.version() IS NOT NULL AS versioned FROM customers.help('create_customer') \gset
SELECT customers.drop_store('second', 'second');
:keep
\o
SELECT is(:'made'::text, 'created', 'create_store: a second one');
SELECT is(:findings, 1, 'check_store: the trigger that is gone');
SELECT is(:'repaired' ~ '^repaired', true, 'create_store: brings it back');
SELECT is(:after, 0, 'check_store: then all is well');
SELECT is(:'stores'::text, 'second shop', 'stores: both');
SELECT is(concat(:'granted', :'revoked', :'helped', :'versioned'), 'tftt', 'grant_access, revoke_access, help, version');
SELECT is((SELECT count(*) FROM pg_namespace WHERE nspname = 'second'), 0::bigint, 'drop_store: it is gone');
SELECT finish();
ROLLBACK;
