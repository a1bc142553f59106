-- Lists and the search while no cache lasts.
\ir walk.psql
SELECT plan(6);

\o /dev/null
:discard
INSERT INTO shop.customer (email, first_name, company_name) SELECT format('c%s@example.com', n), 'Name' || n, 'Müller' FROM generate_series(1, 5) n;
UPDATE shop.customer SET metadata = '{"tier": "gold"}' WHERE id = 4;
SELECT string_agg(id::text, ' ') AS newest, (array_agg(cursor))[2] AS cursor FROM customers.list_customers(sort => '-id') \gset
SELECT string_agg(id::text, ' ') AS further FROM customers.list_customers(sort => '-id', page_size => 2, after => :'cursor') \gset
SELECT string_agg(id::text, ' ') AS found FROM customers.list_customers('MÜLLER name3') \gset
SELECT string_agg(id::text, ' ') AS filtered FROM customers.list_customers(filter => '{"metadata": {"tier": "gold"}}') \gset
SELECT customers.count_customers('müller', '{"type": "guest"}') AS counted \gset
SELECT customers.search_grams('ab', NULL, 'c', NULL, 'def') AS grams \gset
SELECT customers.search_matches('{DE,b}', 'ab', NULL, 'c', NULL, 'def') AS matches \gset
:keep
\o
SELECT is(:'newest'::text, '5 4 3 2 1', 'list_customers: the newest first');
SELECT is(:'further'::text, '3 2', 'list_customers: the next page');
SELECT is(:'found'::text, '3', 'list_customers: every word');
SELECT is(:'filtered'::text, '4', 'list_customers: by metadata');
SELECT is(:counted, 5, 'count_customers: all of them');
SELECT is(cardinality(:'grams'::int[]) || ' ' || :'matches', '3 t', 'search: grams and matches');
SELECT finish();
ROLLBACK;
