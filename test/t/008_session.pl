# What a session keeps after it has called every function: less than 10 MB
# above a bare one, and no more after many rounds of them
# (CUSTOMERS_SOAK_CALLS, 20,000 by default; 1,000,000 for the full soak).
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls = $ENV{CUSTOMERS_SOAK_CALLS} || 20_000;
my $limit = 10 * 1024 * 1024;
my $slack = 128 * 1024;

my $node = shop_node('session', conf => "customers.password_memory = 8\nsynchronous_commit = off\nmax_wal_size = 4GB\nautovacuum_naptime = 1s\n");
$node->safe_psql('postgres', q{CREATE ROLE clerk;
	INSERT INTO shop.customer (email, first_name, has_account, external_id)
	SELECT 'c' || n || '@example.com', 'Ada', true, 'c-' || n FROM generate_series(1, 100) n;
	INSERT INTO shop.orders (customer_id, email, status, currency_code, total)
	SELECT n, 'c' || n || '@example.com', 'pending', 'EUR', n FROM generate_series(1, 100) n;
	INSERT INTO shop.order_item (order_id, line_no, title, quantity, unit_price) SELECT n, 1, 'Lamp', 1, n FROM generate_series(1, 100) n});

# One round of calls about the n-th customer, all undone: every function but
# those of whole stores.  asked() tells the token that the approver was sent.
my $round = q{
	SELECT customers.create_group('g' || n, '{"a": 1}') INTO g;
	PERFORM customers.update_group(g, '{"name": "h", "metadata": {"a": null}}');
	PERFORM customers.create_customer('new' || n || '@example.com', metadata => '{"k": 1}');
	id := customers.find_or_create_guest('found' || n || '@example.com', 'Ada');
	PERFORM customers.import_customers(pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('email', 'i' || n || '@example.com', 'external_id', 'i-' || n)));
	PERFORM customers.update_customer(n, '{"phone": "1", "metadata": {"a": 1, "b": 2}}');
	PERFORM customers.save_metadata(n, '[{"key": "x", "value": 1}]');
	PERFORM customers.insert_metadata_row(n, 'y', '2', above => 'x');
	PERFORM customers.set_metadata(n, 'y', '3');
	PERFORM customers.delete_metadata_row(n, 'x');
	PERFORM customers.metadata_rows(n), customers.customer_details(n), customers.customer_groups(n), customers.customer_timeline(n);
	PERFORM customers.list_customers('c' || n, '{"type": "registered"}', 'last_name', 5), customers.count_customers('ada');
	PERFORM customers.add_to_groups(n, ARRAY[g]), customers.set_groups(n, ARRAY[g]), customers.in_group(n, 'h', 'shop');
	PERFORM customers.add_customers_to_group(g, ARRAY[1, 2, 3]), customers.group_customers(g), customers.list_groups('h');
	PERFORM customers.remove_customers_from_group(g, ARRAY[1, 2]), customers.remove_from_groups(n, ARRAY[g]), customers.delete_group(g);
	PERFORM customers.customer_orders(n), customers.order_details(n), customers.order_transfers(n);
	PERFORM customers.cancel_order_transfer(customers.request_order_transfer(n, 1 + n % 100));
	PERFORM customers.decline_order_transfer(d.id, d.token) FROM asked(customers.request_order_transfer(n, 1 + n % 100)) AS d;
	PERFORM customers.accept_order_transfer(d.id, d.token) FROM asked(customers.request_order_transfer(n, 1 + n % 100, update_order_email => true)) AS d;
	PERFORM customers.expire_order_transfers();
	id := customers.register_customer('r' || n || '@example.com', 'a long password');
	PERFORM customers.authenticate('r' || n || '@example.com', 'a long password'), customers.change_password(id, 'a long password', 'another password');
	PERFORM customers.request_password_reset('r' || n || '@example.com');
	PERFORM customers.reset_password(d.confidential ->> 'token', 'a third password') FROM shop.delivery d WHERE d.confidential ->> 'email' = 'r' || n || '@example.com' AND d.confidential ? 'token';
	PERFORM customers.delete_customer(id, 'r' || n || '@example.com', true);
	PERFORM customers.subscribe('crm', '{customer.*}', false);
	PERFORM customers.create_customer('heard' || n || '@example.com');
	SELECT pg_catalog.array_agg(c.delivery_id) INTO ids FROM customers.claim_deliveries('crm', 10) AS c;
	PERFORM customers.fail_delivery(ids[1], 'no');
	PERFORM customers.retry_failed('crm'), customers.delivery_status();
	PERFORM customers.acknowledge_deliveries(ids);
	PERFORM customers.unsubscribe('crm'), customers.purge_events('2000-01-01');
	PERFORM customers.email_fault('x'), customers.password_hash_fault('x'), customers.search_grams('a', 'b', 'c', 'd', 'e'), customers.search_matches('{a}', 'a', 'b', 'c', 'd', 'e');
	PERFORM customers.version(), customers.help('create_customer'), customers.stores(), customers.profile_privileges('reader');
};
my $whole_stores = q{
	SELECT customers.create_store('other'), customers.grant_access('clerk', 'admin'), customers.revoke_access('clerk', 'admin');
	SELECT * FROM customers.check_store('other');
	SELECT customers.drop_store('other', 'other');
};

my @unnamed = grep { ($round . $whole_stores) !~ /\bcustomers\.$_\(/ } split /\n/, $node->safe_psql('postgres',
	q{SELECT proname FROM pg_proc WHERE pronamespace = 'customers'::regnamespace AND prorettype <> 'trigger'::regtype AND proname !~ '^_'});
is("@unnamed", '', 'every function is called');
my $per_round = () = $round =~ /\bcustomers\.\w+\(/g;

$node->safe_psql('postgres', q{
	CREATE FUNCTION asked(transfer bigint, OUT id bigint, OUT token text) LANGUAGE plpgsql AS $$
	BEGIN
		SELECT transfer, d.confidential ->> 'token' INTO id, token FROM shop.delivery d ORDER BY d.id DESC LIMIT 1;
	END $$;
	CREATE PROCEDURE rounds(last int) LANGUAGE plpgsql AS $$
	DECLARE
		n bigint; g bigint; id bigint; ids bigint[];
	BEGIN
		FOR i IN 1..last LOOP
			n := 1 + i % 100;
			BEGIN} . $round . q{
				RAISE EXCEPTION SQLSTATE 'ZZ000';
			EXCEPTION WHEN SQLSTATE 'ZZ000' THEN NULL;
			END;
			COMMIT;
		END LOOP;
	END $$});

my $session = open_session($node);

$session->memory();
my $bare = $session->memory();
$session->ask($whole_stores =~ s/\n//gr);
$session->ask('CALL rounds(20);');
my $touched = $session->memory();
my $rounds = int($calls / $per_round);
$session->ask("CALL rounds($rounds);");
my $late = $session->memory();
diag("memory of a session: $bare bytes when bare, $touched after every function, $late after " . $rounds * $per_round . ' calls');
cmp_ok($touched - $bare, '<', $limit, 'a session that has called every function');
cmp_ok($late, '<=', $touched + $slack, 'and after many calls more');
is($node->safe_psql('postgres', 'SELECT count(*) FROM shop.customer'), '100', 'the rounds left nothing');

$session->close;
$node->stop;
done_testing();
