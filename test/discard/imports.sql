-- The import while no cache lasts.
\ir walk.psql
SELECT plan(2);

\o /dev/null
:discard
SELECT imported || ' ' || updated || ' ' || jsonb_array_length(refused) AS first FROM customers.import_customers('[
	{"email": "ada@example.com", "external_id": "x1", "first_name": "Ada", "metadata": {"tier": "gold"}},
	{"email": "reg@example.com", "has_account": true, "external_id": "r1"},
	{"email": "bad"}]') \gset
SELECT imported || ' ' || updated || ' ' || jsonb_array_length(refused) AS again FROM customers.import_customers('[
	{"email": "ada@example.com", "external_id": "x1", "first_name": "Ada L."},
	{"email": "new@example.com"},
	{"external_id": "x1", "has_account": true}]') \gset
:keep
\o
SELECT is(:'first'::text, '2 0 1', 'import_customers: two new ones, one refused');
SELECT is((SELECT first_name FROM shop.customer WHERE external_id = 'x1'), 'Ada L.', 'import_customers: again, one changed');
SELECT finish();
ROLLBACK;
