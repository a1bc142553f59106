-- Groups and who is in them while no cache lasts.
\ir walk.psql
SELECT plan(8);

\o /dev/null
INSERT INTO shop.customer (email) SELECT format('c%s@example.com', n) FROM generate_series(1, 3) n;
:discard
SELECT customers.create_group('Wholesale', '{"discount": 10}') AS w \gset
SELECT customers.create_group('VIP') AS v \gset
SELECT customers.update_group(:w, '{"name": "Trade", "metadata": {"discount": null}}');
SELECT customers.add_to_groups(1, ARRAY[:w, :v]::bigint[]) AS added \gset
SELECT customers.remove_from_groups(1, ARRAY[:v]::bigint[]) AS removed \gset
SELECT customers.set_groups(2, ARRAY[:v]::bigint[]) AS set \gset
SELECT customers.add_customers_to_group(:w, '{2,3}') AS more \gset
SELECT customers.remove_customers_from_group(:w, '{3}') AS fewer \gset
INSERT INTO shop.customer_group_member (customer_group_id, customer_id) VALUES (:v, 3);
:keep
\o
SELECT is(concat_ws(' ', :added, :removed, :set, :more, :fewer), '2 1 1 2 1', 'members: how many changed');
SELECT is((SELECT string_agg(customer_group_id || ':' || customer_id, ' ' ORDER BY 1, customer_id) FROM shop.customer_group_member WHERE customer_group_id = :w),
	:'w' || ':1 ' || :'w' || ':2', 'members: those that are stored');

\o /dev/null
:discard
SELECT string_agg(name || '=' || customers_count, ' ') AS groups FROM customers.list_groups('t') \gset
SELECT string_agg(name, ' ') AS of_two FROM customers.customer_groups(2) \gset
SELECT string_agg(email, ' ') AS members, min(cursor) AS cursor FROM customers.group_customers(:w, 1) \gset
SELECT string_agg(email, ' ') AS further FROM customers.group_customers(:w, 1, :'cursor') \gset
SELECT customers.in_group(2, 'trade', 'shop') AS inside, customers.in_group(3, 'trade', 'shop') AS outside \gset
SELECT customers.delete_group(:v);
:keep
\o
SELECT is(:'groups'::text, 'Trade=2', 'list_groups: the group with its count');
SELECT is(:'of_two'::text, 'Trade VIP', 'customer_groups: by name');
SELECT isnt(:'members'::text, :'further'::text, 'group_customers: a page and the next');
SELECT is(:'inside'::boolean, true, 'in_group: a member');
SELECT is(:'outside'::boolean, false, 'in_group: no member');
SELECT is((SELECT string_agg(name, ' ') FROM shop.customer_group), 'Trade', 'delete_group: the other stays');
SELECT finish();
ROLLBACK;
