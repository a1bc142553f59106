-- Customers and their metadata while no cache lasts.
\ir walk.psql
SELECT plan(8);

\o /dev/null
:discard
SELECT customers.create_customer('Ada@example.com', first_name => 'Ada', metadata => '{"tier": "gold"}') AS ada \gset
SELECT customers.find_or_create_guest('till@example.com') AS guest \gset
SELECT customers.find_or_create_guest('TILL@example.com') AS again \gset
SELECT customers.update_customer(:ada, '{"phone": "1", "email": "ada@example.org"}') AS version \gset
UPDATE shop.customer SET last_name = 'Lovelace' WHERE id = :ada;
INSERT INTO shop.customer (email) VALUES (' plain@example.com ');
:keep
\o
SELECT is(:again, :guest, 'find_or_create_guest: the same guest');
SELECT is(:version, 2, 'update_customer: the next version');

\o /dev/null
:discard
SELECT customers.insert_metadata_row(:ada, 'rep', '"Eve"', above => 'tier');
SELECT customers.set_metadata(:ada, 'tier', '"silver"');
SELECT customers.insert_metadata_row(:ada, 'gone', '1');
SELECT customers.delete_metadata_row(:ada, 'gone');
SELECT string_agg(key || '=' || (value #>> '{}'), ' ' ORDER BY row_no) AS rows FROM customers.metadata_rows(:ada) \gset
SELECT customers.save_metadata(:ada, '[{"key": "b", "value": 1}, {"key": "a", "value": 2}]') AS version \gset
SELECT email FROM customers.customer_details(:ada) \gset
:keep
\o
SELECT is(:'rows'::text, 'rep=Eve tier=silver', 'metadata: the rows in their order');
SELECT is(:version, 8, 'save_metadata: the next version');
SELECT is(:'email'::text, 'ada@example.org', 'customer_details: the address that is stored');
SELECT is((SELECT metadata_order FROM shop.customer WHERE id = :ada), '{b,a}', 'metadata: the order that is stored');

\o /dev/null
:discard
SELECT customers.delete_customer(:ada, 'ada@example.org');
SELECT customers.email_fault('no address') AS fault \gset
:keep
\o
SELECT is(:'fault'::text, 'it has no @', 'email_fault: the reason');
SELECT is((SELECT string_agg(email, ' ' ORDER BY id) FROM shop.customer), 'till@example.com plain@example.com',
	'delete_customer: the others stay');
SELECT finish();
ROLLBACK;
