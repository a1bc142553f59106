# A store is ordinary tables: pg_dump and pg_restore bring it back as it was,
# with what its owner added, and without events of the restore.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('dump', store => 0);

# a store of a plain role, with something of everything
$node->safe_psql(
	'postgres', q{
	CREATE ROLE keeper LOGIN;
	GRANT CREATE ON DATABASE postgres TO keeper;
	SET ROLE keeper;
	SELECT customers.create_store();
	INSERT INTO shop.customer (email, first_name, metadata, has_account, external_id) VALUES
		('owner@example.com', 'Zoë', '{"z": 1, "a": 2}', false, NULL),
		('nina@example.com', 'Nina', '{}', true, 'c-2'),
		('tom@example.com', NULL, '{}', true, 'c-3'),
		('gone@example.com', 'Gone', '{}', false, NULL);
	SELECT customers.save_metadata(1, '[{"key": "z", "value": 1}, {"key": "b", "value": null}, {"key": "a", "value": "x"}]');
	SELECT customers.create_group('VIP'), customers.create_group('staff');
	SELECT customers.add_to_groups(1, '{1,2}'), customers.add_to_groups(2, '{1}');
	INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
		SELECT 1 + n % 2 * 3, 'owner@example.com', 'pending', 'EUR', n + 0.25, '2026-01-01' FROM generate_series(1, 12) n;
	INSERT INTO shop.order_item (order_id, line_no, title, quantity, unit_price) SELECT n, 1, 'item ' || n, 1, n + 0.25 FROM generate_series(1, 12) n;
	SELECT customers.subscribe('crm', ARRAY['customer.*'], false);
	SELECT customers.update_customer(2, '{"phone": "1"}');
	SELECT customers.request_order_transfer(n, 2, 'dump', true) FROM generate_series(2, 10, 2) n;
	DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT (e.payload ->> 'transfer_id')::bigint AS id, d.confidential ->> 'token' AS token, row_number() OVER (ORDER BY e.id) AS n
				 FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE d.confidential ? 'token' LOOP
			IF r.n <= 2 THEN PERFORM customers.accept_order_transfer(r.id, r.token);
			ELSIF r.n = 3 THEN PERFORM customers.decline_order_transfer(r.id, r.token, 'no');
			ELSIF r.n = 4 THEN PERFORM customers.cancel_order_transfer(r.id); END IF;
		END LOOP;
	END $$;
	INSERT INTO shop.order_transfer (order_id, to_customer_id, from_customer_id, approver_email, status, requested_by, requested_at, expires_at, resolved_at)
		VALUES (1, 3, 1, 'old@example.com', 'accepted', 'legacy', '2020-01-01', '2020-01-08', '2020-01-02');
	SELECT customers.delete_customer(4, 'gone@example.com');
	UPDATE shop.customer SET email = 'tom2@example.com' WHERE id = 3;
	ALTER TABLE shop.customer ADD COLUMN loyalty_points int DEFAULT 5;
	CREATE INDEX owners_own ON shop.customer (loyalty_points);
	CREATE TABLE shop.audit (what text);
	CREATE FUNCTION shop.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.audit VALUES (TG_OP || NEW.id); RETURN NULL; END $$;
	CREATE TRIGGER owners_own AFTER INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.audit();
	UPDATE shop.customer SET loyalty_points = 7 WHERE id = 1;
	});
my $before = data_of($node, 'postgres', 'shop');
my $objects_sql = q{
	SELECT format('trigger %s %s', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger
		WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace) AND NOT tgisinternal
	UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'shop'
	UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
		WHERE connamespace = 'shop'::regnamespace AND contype <> 'n'
	UNION ALL SELECT format('relation %s %s %s', relname, relkind, relowner::regrole) FROM pg_class WHERE relnamespace = 'shop'::regnamespace
	ORDER BY 1};
my $objects = $node->safe_psql('postgres', $objects_sql);
is($node->safe_psql('postgres', "SELECT string_agg(status, ' ' ORDER BY id) FROM shop.order_transfer"),
	'accepted accepted declined canceled requested accepted', 'fixture: transfers of every kind');
is($node->safe_psql('postgres', "SELECT * FROM customers.check_store('shop')"), '', 'fixture: the store is healthy');

my $dir = $node->basedir;
my %restore = (
	'plain text' => [
		[ 'pg_dump', '-f', "$dir/plain.sql", '-d', $node->connstr('postgres') ],
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/plain.sql", '-d', 'TARGET' ] ],
	'custom format, two jobs' => [
		[ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", '-d', $node->connstr('postgres') ],
		[ 'pg_restore', '-e', '-j', '2', '-d', 'TARGET', "$dir/custom.dump" ] ],
	'inserts' => [
		[ 'pg_dump', '--inserts', '-f', "$dir/inserts.sql", '-d', $node->connstr('postgres') ],
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/inserts.sql", '-d', 'TARGET' ] ]);
my $n = 0;
foreach my $kind (sort keys %restore)
{
	my $database = 'restored' . ++$n;
	my ($dump, $load) = @{ $restore{$kind} };
	my ($out, $err) = ('', '');

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	ok(IPC::Run::run($dump, '>', \$out, '2>', \$err), "$kind: dumped") or diag($err);
	ok(IPC::Run::run([ map { $_ eq 'TARGET' ? $node->connstr($database) : $_ } @$load ], '>', \$out, '2>', \$err),
		"$kind: restored without error") or diag($err);
	is(data_of($node, $database, 'shop'), $before, "$kind: every row of every table as it was");
	is($node->safe_psql($database, $objects_sql), $objects, "$kind: triggers, indexes, constraints and owners as they were");
	is($node->safe_psql($database, "SELECT * FROM customers.check_store('shop')"), '', "$kind: check_store finds nothing");
	is($node->safe_psql($database, "SET ROLE keeper; SELECT customers.create_store('shop')"), 'complete', "$kind: create_store has nothing to do");
	# and it works on
	my $events = $node->safe_psql($database, 'SELECT count(*) FROM shop.event');
	is($node->safe_psql($database, "SET ROLE keeper; SELECT customers.create_customer('after\@example.com')"), '5', "$kind: ids go on where they were");
	is($node->safe_psql($database, 'SELECT count(*) FROM shop.event'), $events + 1, "$kind: one change, one event");
	my ($ret, $o, $e) = $node->psql($database, "SET ROLE keeper; UPDATE shop.orders SET customer_id = 3 WHERE id = 2");
	like($e, qr/ERROR/, "$kind: order_owner_by_transfer holds");
	is($node->safe_psql($database, "SET ROLE keeper; SELECT string_agg(key, ' ') FROM customers.metadata_rows(1)"), 'z b a', "$kind: metadata keeps its order");
	($ret, $o, $e) = $node->psql($database, "SET ROLE keeper; DO \$\$ BEGIN PERFORM customers.accept_order_transfer(
		(SELECT id FROM shop.order_transfer WHERE status = 'requested'),
		(SELECT confidential ->> 'token' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id JOIN shop.order_transfer t
			ON t.id = (e.payload ->> 'transfer_id')::bigint WHERE t.status = 'requested' AND d.confidential ? 'token')); END \$\$");
	is($ret, 0, "$kind: an open transfer is accepted after the restore") or diag($e);
}

# DROP EXTENSION
my ($ret, $out, $err) = $node->psql('postgres', 'DROP EXTENSION customers');
isnt($ret, 0, 'DROP EXTENSION: refused');
like($err, qr/other objects depend on it/, 'DROP EXTENSION: the triggers of the store depend on it');
is(data_of($node, 'postgres', 'shop'), $before, 'DROP EXTENSION: refused, nothing is lost');
$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP EXTENSION customers CASCADE');
is(data_of($node, 'postgres', 'shop'), $before, 'DROP EXTENSION CASCADE: every row is still there');
is($node->safe_psql('postgres', "SELECT string_agg(tgname, ' ') FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace)"),
	'owners_own', 'DROP EXTENSION CASCADE: our triggers go, that of the owner stays');
$node->safe_psql('postgres', 'CREATE EXTENSION customers');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM customers.check_store('shop')"), '>', 5, 'check_store: reports what is missing');
like($node->safe_psql('postgres', "SET ROLE keeper; SELECT customers.create_store('shop')"), qr/^repaired: /, 'create_store: repairs');
is($node->safe_psql('postgres', $objects_sql), $objects, 'create_store: everything is as it was');
is($node->safe_psql('postgres', "SELECT * FROM customers.check_store('shop')"), '', 'check_store: finds nothing any more');
is(data_of($node, 'postgres', 'shop'), $before, 'create_store: repairing changes no row');
is($node->safe_psql('postgres', "SET ROLE keeper; SELECT customers.create_store('shop')"), 'complete', 'create_store: again, nothing to do');

$node->stop;
done_testing();
