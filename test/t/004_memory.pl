# The memory of a session stays flat: over many calls of update_customer
# (CUSTOMERS_SOAK_CALLS, 100,000 by default; 1,000,000 for the full soak), over
# errors that are caught, and over stores that come and go.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls = $ENV{CUSTOMERS_SOAK_CALLS} || 100_000;
my $warm_up = 10_000;
my $slack = 128 * 1024;		# what a session may gain and still be called flat

plan skip_all => "CUSTOMERS_SOAK_CALLS must be at least " . 2 * $warm_up if $calls < 2 * $warm_up;

my $node = shop_node('memory', conf => "synchronous_commit = off\nmax_wal_size = 4GB\nautovacuum_naptime = 1s\n");
my $session = open_session($node);

$node->safe_psql('postgres', q{INSERT INTO shop.customer (email, has_account, external_id)
	SELECT 'c' || n || '@example.com', true, 'c-' || n FROM generate_series(1, 100) n});
$session->ask('CREATE PROCEDURE soak(first int, last int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN first..last LOOP
			PERFORM customers.update_customer(1 + n % 100, pg_catalog.jsonb_build_object(\'phone\', n::text, \'metadata\', pg_catalog.jsonb_build_object(\'k\', n)));
			IF n % 10 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
	END $$;');
$session->memory();
$session->ask("CALL soak(1, $warm_up);");
my $early = $session->memory();
$session->ask("CALL soak($warm_up + 1, $calls);");
my $late = $session->memory();
note("$calls calls of update_customer: $early bytes after $warm_up, $late bytes at the end");
diag("memory of a session: $early bytes after $warm_up calls of update_customer, $late after $calls");
cmp_ok($late, '<=', $early + $slack, "memory: flat over $calls calls of update_customer");
is($session->ask('SELECT sum(version) - 100 FROM shop.customer;'), $calls, 'memory: each call was a change');
is($session->ask("SELECT count(*) FROM shop.event WHERE type = 'customer.updated';"), $calls, 'memory: and an event');

# every other noun, and errors caught again and again
$session->ask('CREATE PROCEDURE errors(last int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN 1..last LOOP
			BEGIN
				PERFORM customers.update_customer(1, \'{"email": "bad"}\');
			EXCEPTION WHEN check_violation THEN NULL; END;
			BEGIN
				PERFORM customers.update_customer(999999, \'{}\');
			EXCEPTION WHEN foreign_key_violation THEN NULL; END;
			BEGIN
				PERFORM customers.create_customer(\'dup@example.com\');
			EXCEPTION WHEN unique_violation THEN NULL; END;
			BEGIN
				PERFORM customers.list_customers(filter => \'{"nonsense": 1}\');
			EXCEPTION WHEN invalid_parameter_value THEN NULL; END;
			PERFORM customers.list_customers(\'c1\', NULL, \'-id\', 5);
			PERFORM customers.customer_details(1);
			PERFORM customers.set_groups(1 + n % 50, ARRAY[1 + n % 2]::bigint[]);
			PERFORM customers.cancel_order_transfer(customers.request_order_transfer(1, 2));
			PERFORM customers.acknowledge_deliveries(ARRAY(SELECT delivery_id FROM customers.claim_deliveries()));
			COMMIT;
		END LOOP;
	END $$;
	SELECT customers.create_group(\'one\'), customers.create_group(\'two\');
	INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
		VALUES (1, \'c1@example.com\', \'pending\', \'EUR\', 1, \'2026-01-01\');
	SELECT customers.create_customer(\'dup@example.com\');');
$session->ask('SET customers.transfer_requests_per_day = 1000000;');
$session->ask('CALL errors(500);');
$early = $session->memory();
$session->ask('CALL errors(2000);');
$late = $session->memory();
diag("memory of a session: $early bytes after 500 rounds of other calls and errors, $late after 2500");
cmp_ok($late, '<=', $early + $slack, 'memory: flat over other calls and caught errors');

# Stores that are dropped and made anew: plans survive, and are not collected.
# The server itself keeps something of every table that is gone, with or
# without an extension: its catalog caches, plans of foreign keys, sequences.
my @servers_own = ('TopMemoryContext', 'CacheMemoryContext', 'RI constraint cache', 'Sequence values',
	'LocalBufferContext', 'Local Buffer Lookup Table', 'MessageContext');
$session->ask('CREATE PROCEDURE stores(last int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN 1..last LOOP
			PERFORM customers.create_store(\'fleeting\');
			PERFORM pg_catalog.set_config(\'customers.store\', \'fleeting\', false);
			IF customers.create_customer(\'a@example.com\') <> 1 THEN
				RAISE EXCEPTION \'a stale plan\';
			END IF;
			IF customers.update_customer(1, \'{"phone": "1"}\') <> 2 THEN
				RAISE EXCEPTION \'a stale plan\';
			END IF;
			COMMIT;
			IF customers.count_customers() <> 1 THEN
				RAISE EXCEPTION \'a stale plan\';
			END IF;
			PERFORM customers.drop_store(\'fleeting\', \'fleeting\');
			PERFORM pg_catalog.set_config(\'customers.store\', \'shop\', false);
			COMMIT;
		END LOOP;
	END $$;');
$session->ask('CALL stores(20);');
$early = $session->memory(@servers_own);
$session->ask('CALL stores(60);');
$late = $session->memory(@servers_own);
diag("memory of a session: $early bytes after 20 stores made and dropped, $late after 80");
cmp_ok($late, '<=', $early + $slack, 'memory: flat over stores made and dropped');
is($session->ask('SELECT customers.count_customers();'), '101', 'plans: the first store is served as before');

# a store dropped and made anew by another session
is($session->ask('SELECT customers.update_customer(1, \'{"phone": "last"}\') > 0;'), 't', 'plans: in use');
$node->safe_psql('postgres', "SELECT customers.drop_store('shop', 'shop')");
$session->tolerate;
$session->ask('SELECT customers.count_customers();');
like($session->{err}, qr/ERROR/, 'plans: a store dropped by another session is gone here');
@$session{'err', 'tolerant'} = ('', 0);
$node->safe_psql('postgres', 'SELECT customers.create_store()');
is($session->ask(q{SELECT customers.create_customer('new@example.com');}), '1', 'plans: a store made anew by another session is used at once');
is($session->ask(q{SELECT customers.update_customer(1, '{"phone": "1"}');}), '2', 'plans: by every plan');
# and renamed
$node->safe_psql('postgres', 'ALTER SCHEMA shop RENAME TO elsewhere; SELECT customers.create_store()');
is($session->ask('SELECT customers.count_customers();'), '0', 'plans: the name counts, not what had it before');
is($session->ask("SET customers.store = 'elsewhere'; SELECT customers.update_customer(1, '{\"phone\": \"2\"}');"), '3', 'plans: a renamed store works');
is($session->ask("SELECT type FROM customers.customer_timeline(1, 1);"), 'customer.updated', 'plans: its triggers too');

$session->close;
$node->stop;
done_testing();
