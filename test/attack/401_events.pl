# What the owner of a store can do to the log and its deliveries: subscriptions
# of any kind and number, tables that change while events are written, queues
# that never end.
use strict;
use warnings;

use Shop;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = shop_node('events', store => 0, conf => "log_min_messages = error\n");

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE postgres TO mallory');
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# What mallory's statements say: the SQLSTATEs of their errors and what they
# return, in a session that lives on to the end.
sub answers
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "$sql\n;\\echo lives\n",
		on_error_stop => 0, timeout => 120,
		extra_params => [ '-U', 'mallory', '-v', 'VERBOSITY=verbose' ]);

	return 'the session ended' if $ret != 0 || ($out // '') !~ /^lives$/m;
	return join ' ', ($err =~ /ERROR:\s+(\w{5}):/g), grep { $_ ne 'lives' && $_ ne '' } split /\n/, $out;
}

sub survives
{
	my ($name, $sql) = @_;

	unlike(answers($sql), qr/\b(XX\w\w\w|25P02|42601)\b|ended/, $name);
	return;
}

sub answer
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'mallory' ]);
}

answer(q{
	SELECT customers.create_store();
	INSERT INTO shop.customer (email, has_account, external_id) VALUES ('olga@example.com', true, 'c-1'), ('nina@example.com', true, 'c-2');
	INSERT INTO shop.orders (customer_id, email, currency_code, total) SELECT 1, 'olga@example.com', 'EUR', 1 FROM generate_series(1, 5);
	SELECT customers.subscribe('all', ARRAY['*'])});

# All that writes or reads events, each undone.
my @uses = map { "SAVEPOINT use; $_; ROLLBACK TO use;" } (
	q{UPDATE shop.customer SET email = 'x' || id || '@example.com'}, q{INSERT INTO shop.customer (email) VALUES ('new@example.com')}, 'SELECT customers.request_order_transfer(1, 2)',
	q{UPDATE shop.orders SET email = 'y@example.com'}, q{SELECT customers.create_group('g')}, q{SELECT customers.claim_deliveries('all', 1000)}, q{SELECT customers.claim_deliveries('notifier')},
	'SELECT customers.acknowledge_deliveries(ARRAY(SELECT id FROM shop.delivery))', q{SELECT customers.fail_delivery(id, 'x') FROM shop.delivery}, q{SELECT customers.retry_failed('all')},
	'SELECT * FROM customers.delivery_status()', q{SELECT customers.purge_events('infinity')}, q{SELECT customers.purge_events('-infinity')}, q{SELECT customers.unsubscribe('all')},
	'SELECT customers.customer_timeline(1)', q{SET LOCAL customers.purge_before = 'infinity'; DELETE FROM shop.event}, q{SET LOCAL customers.purge_before = 'no time'; DELETE FROM shop.event},
	q{SELECT customers.delete_customer(1, 'olga@example.com')}, q{SELECT customers.subscribe('more', ARRAY['customer.*'])});

# ------------------------------------------------------------------ values

my %values = (
	text => [ q{''}, q{repeat('x', 100000)} ], bigint => [ '0', '-1', '9223372036854775807', '-9223372036854775808' ], integer => [ '-2147483648', '2147483647' ], boolean => [],
	'timestamp with time zone' => [ q{'infinity'}, q{'-infinity'}, q{'294276-01-01'}, q{'4713-01-01 BC'} ],
	jsonb => [ q{'1'}, q{'[]'}, q{'["token"]'}, q{'"token"'}, q{'null'} ], 'ARRAY' => [ q{'{}'}, q{'{{1,2},{3,4}}'}, q{'{NULL,1}'}, q{'[5:6]={1,2}'} ]);
my @tables = ('event', 'delivery', 'subscription');
foreach my $table (@tables)
{
	foreach my $column (split /\n/, answer(qq{
		SELECT column_name || '|' || data_type FROM information_schema.columns
		WHERE table_schema = 'shop' AND table_name = '$table' AND column_name <> 'id' ORDER BY ordinal_position}))
	{
		my ($name, $type) = split /\|/, $column;
		my $key = $table eq 'subscription' && $name eq 'name';
		my @changes = map {
			my $loosened = $_ eq 'NULL' ? "ALTER TABLE shop.$table ALTER $name DROP NOT NULL;" : '';
			qq{
			SAVEPOINT change; $loosened
			ALTER TABLE shop.$table DISABLE TRIGGER USER;
			UPDATE shop.$table SET $name = $_ @{[ $key ? q(WHERE name = 'all') : '' ]};
			ALTER TABLE shop.$table ENABLE TRIGGER USER;
			@uses
			ROLLBACK TO change;}
		} grep { !($key && /NULL|100000/) } ('NULL', @{ $values{$type} });

		survives("$table.$name: what its owner puts there", qq{
			BEGIN;
			SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
				FROM pg_constraint WHERE conrelid = 'shop.$table'::regclass AND contype IN ('c', 'f') \\gexec
			@changes
			ROLLBACK});
	}
}

# ------------------------------------------------------------------ in the middle

# What the owner's trigger does between the event and its deliveries: the store
# was verified, the subscriptions are still to be read.
foreach my $middle (
	'ALTER TABLE shop.subscription ALTER event_types DROP NOT NULL; UPDATE shop.subscription SET event_types = NULL',
	'ALTER TABLE shop.subscription ALTER doorbell DROP NOT NULL; UPDATE shop.subscription SET doorbell = NULL',
	'ALTER TABLE shop.subscription DROP CONSTRAINT subscription_pkey, ALTER name DROP NOT NULL; UPDATE shop.subscription SET name = NULL',
	q{ALTER TABLE shop.subscription DROP CONSTRAINT subscription_name_given; UPDATE shop.subscription SET name = repeat(name, 100000)},
	q{ALTER TABLE shop.subscription DROP CONSTRAINT subscription_name_given, ALTER name SET STORAGE EXTERNAL; UPDATE shop.subscription SET name = repeat(name, 1000)},
	'DROP TABLE shop.subscription', 'DROP TABLE shop.subscription; CREATE VIEW shop.subscription AS SELECT NULL::text AS name, NULL::text[] AS event_types, true AS doorbell, now() AS created_at',
	'DROP TABLE shop.subscription; CREATE TABLE shop.subscription (name int, event_types int, doorbell int, created_at int)',
	'ALTER TABLE shop.subscription RENAME event_types TO patterns', 'ALTER TABLE shop.subscription ALTER event_types TYPE text USING event_types::text', 'ALTER TABLE shop.subscription DROP COLUMN doorbell',
	'TRUNCATE shop.subscription', q{INSERT INTO shop.subscription (name, event_types) SELECT 's' || n, ARRAY['*'] FROM generate_series(1, 500) n ON CONFLICT DO NOTHING},
	'DROP TABLE shop.delivery', 'ALTER TABLE shop.delivery RENAME TO deliveries', 'ALTER TABLE shop.delivery DROP COLUMN confidential', 'DROP SEQUENCE shop.delivery_id_seq CASCADE',
	'ALTER SEQUENCE shop.delivery_id_seq MINVALUE -5 RESTART 0', 'ALTER SEQUENCE shop.delivery_id_seq MAXVALUE 1000 RESTART 1000', 'DROP TABLE shop.store_info',
	'ALTER TABLE shop.customer RENAME TO people', 'ALTER SCHEMA shop RENAME TO ' . ('x' x 63), 'DROP EXTENSION customers CASCADE')
{
	survives("an event's trigger in the middle: " . substr($middle, 0, 100), qq{
		BEGIN;
		CREATE FUNCTION shop.middle() RETURNS trigger LANGUAGE plpgsql AS \$f\$ BEGIN IF pg_trigger_depth() < 4 THEN $middle; END IF; RETURN NEW; END \$f\$;
		CREATE TRIGGER zzz BEFORE INSERT ON shop.event FOR EACH ROW EXECUTE FUNCTION shop.middle();
		@uses
		ROLLBACK});
}
foreach my $change (map { "NEW.$_" } ('id := 0', 'id := NULL', 'subscription := NULL', 'event_id := 0', q{person_ids := NULL}, q{person_ids := '{{1},{2}}'}, 'expires_at := NULL', q{expires_at := '-infinity'},
	'attempts := NULL', 'attempts := 2147483647', q{available_at := '-infinity'}, q{confidential := '"x"'}, 'confidential := NULL', q{failed_at := now()}))
{
	survives("a delivery's trigger: $change", qq{
		BEGIN;
		CREATE FUNCTION shop.later() RETURNS trigger LANGUAGE plpgsql AS \$f\$ BEGIN $change; RETURN NEW; END \$f\$;
		CREATE TRIGGER zzz BEFORE INSERT OR UPDATE ON shop.delivery FOR EACH ROW EXECUTE FUNCTION shop.later();
		@uses
		ROLLBACK});
}

# An event and a delivery whose sequences give 0 have that id.
is(answers(q{
	BEGIN; ALTER SEQUENCE shop.event_id_seq MINVALUE -5 RESTART 0; ALTER SEQUENCE shop.delivery_id_seq MINVALUE -5 RESTART 0;
	INSERT INTO shop.customer (email) VALUES ('zero@example.com');
	SELECT e.id, d.id, d.event_id FROM shop.event e JOIN shop.delivery d ON d.event_id = e.id WHERE e.id <= 0;
	ROLLBACK}), '0|0|0', 'an id of 0 is no NULL');

# ------------------------------------------------------------------ time

# Runs statements for which a second must do, and says how long they took.
sub seconds_of
{
	my ($sql) = @_;
	my $start = time;
	my $answer = answers("SET statement_timeout = '1s'; $sql");

	return ($answer, time - $start);
}

sub ends_in_time
{
	my ($name, $expected, $sql) = @_;
	my ($answer, $seconds) = seconds_of($sql);

	like($answer, $expected, $name);
	cmp_ok($seconds, '<', 20, "$name: ends when its time is over");
	return;
}

answer(q{INSERT INTO shop.subscription (name, event_types, doorbell) SELECT 's' || n, ARRAY['customer.*'], false FROM generate_series(1, 3000) n});
ends_in_time('1,000 rows for 3,000 subscriptions', qr/57014/, q{INSERT INTO shop.customer (email) SELECT n || '@many.example.com' FROM generate_series(1, 1000) n});
my $session = open_session($node);
$session->ask('SET SESSION AUTHORIZATION mallory; INSERT INTO shop.customer (email) SELECT n || \'@some.example.com\' FROM generate_series(1, 20) n;');
SKIP:
{
	my $pid = $session->ask('SELECT pg_backend_pid();');
	my $peak = sub {
		open my $status, '<', "/proc/$pid/status" or return undef;
		my ($kb) = join('', <$status>) =~ /^VmHWM:\s+(\d+) kB/m;
		return $kb;
	};
	my $before = $peak->();

	skip 'no peak of memory is told here', 1 if !defined $before;
	$session->ask(q{INSERT INTO shop.customer (email) SELECT n || '@more.example.com' FROM generate_series(1, 100) n;});
	# 300,000 deliveries at once take some hundred bytes each
	cmp_ok($peak->() - $before, '<', 100000, 'the deliveries of 100 rows for 3,000 subscriptions take no memory for all at once');
}
$session->close;
answer(q{DELETE FROM shop.subscription WHERE name LIKE 's%'; TRUNCATE shop.delivery});

answer(q{INSERT INTO shop.subscription (name, event_types, doorbell)
	SELECT 'p' || n, ARRAY(SELECT '*a*b*c*d*e*f' || m FROM generate_series(1, 50000) m), false FROM generate_series(1, 40) n});
ends_in_time('2,000,000 patterns', qr/57014/, q{UPDATE shop.customer SET phone = 'p' || id FROM generate_series(1, 1) n; UPDATE shop.customer SET phone = 'q' || id, email = 'q' || email;
	UPDATE shop.customer SET phone = 'r' || id, email = 'r' || email; UPDATE shop.customer SET phone = 's' || id, email = 's' || email WHERE id < 100; SELECT pg_sleep(2)});
answer(q{DELETE FROM shop.subscription WHERE name LIKE 'p%'});

# a queue of expired deliveries that come back whenever they are claimed
answer(q{
	TRUNCATE shop.delivery;
	CREATE FUNCTION shop.keep() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
		IF TG_OP = 'DELETE' THEN RETURN NULL; END IF;
		NEW.available_at := '-infinity'; RETURN NEW;
	END $f$;
	CREATE TRIGGER zzz BEFORE UPDATE OR DELETE ON shop.delivery FOR EACH ROW EXECUTE FUNCTION shop.keep();
	INSERT INTO shop.delivery (subscription, event_id, expires_at) SELECT 'all', n, '2020-01-01' FROM generate_series(1, 100) n});
ends_in_time('expired deliveries that do not go', qr/^0$/, q{SELECT count(*) FROM customers.claim_deliveries('all', 1000)});
ends_in_time('purging them', qr/^\d+$/, q{SELECT customers.purge_events('2020-01-01')});
answer('DROP TRIGGER zzz ON shop.delivery');

# deliveries that are made anew whenever they go
answer(q{
	CREATE FUNCTION shop.again() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
		INSERT INTO shop.delivery (subscription, event_id, expires_at) VALUES ('all', OLD.event_id, '2020-01-01');
		RETURN OLD;
	END $f$;
	CREATE TRIGGER zzz BEFORE DELETE ON shop.delivery FOR EACH ROW EXECUTE FUNCTION shop.again()});
ends_in_time('expired deliveries that come back', qr/^(57014|0)$/, q{SELECT count(*) FROM customers.claim_deliveries('all', 1000)});
ends_in_time('purging those', qr/^(57014|\d+)$/, q{SELECT customers.purge_events('2020-01-01')});
answer('DROP TRIGGER zzz ON shop.delivery; TRUNCATE shop.delivery');

# ------------------------------------------------------------------ the doorbell

# No ring makes a writer fail: not one that is too long, nor a channel that is.
like(answers('BEGIN; ALTER SCHEMA shop RENAME TO ' . ('y' x 63) . '; UPDATE ' . ('y' x 63) . q{.customer SET phone = 'bell'; COMMIT}), qr/^$/, 'a schema of 63 bytes is written to');
answer('ALTER SCHEMA ' . ('y' x 63) . ' RENAME TO shop');
answer(q{
	INSERT INTO shop.customer (id, email, has_account, external_id) VALUES (9000, 'tina@example.com', true, 'c-9000');
	INSERT INTO shop.orders (id, customer_id, currency_code, total) VALUES (9001, 9000, 'EUR', 1), (9002, 9000, 'EUR', 1)});
is(answers(q{
	BEGIN;
	DO $d$ BEGIN FOR n IN 1..50 LOOP
		BEGIN
			PERFORM customers.request_order_transfer(9001, 2);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL; END;
	END LOOP; END $d$;
	SELECT customers.request_order_transfer(9002, 2) > 0;
	SELECT count(*) FROM shop.delivery WHERE confidential ? 'token';
	COMMIT}), 't 2', 'savepoints that are rolled back leave no token behind');

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
done_testing();
