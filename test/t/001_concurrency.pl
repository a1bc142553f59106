# Sessions at the same moment: one request wins, one answer counts, and calls
# of the functions never deadlock.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('concurrency', conf => "deadlock_timeout = 100ms\n");

fill_shop($node, 60);

# Eight sessions request a transfer of one order, five times over.
foreach my $order (1 .. 5)
{
	my @runs = at_once($node,
		map { 'SELECT customers.request_order_transfer(' . $order . ', ' . (2 + $_ % 2) . ");\n" } 1 .. 8);
	my $won = grep { $_->{err} eq '' } @runs;
	my $refused = grep { $_->{err} =~ /23505/ && $_->{err} =~ /CONSTRAINT NAME:\s+order_transfer_open_key$/m } @runs;

	is($won, 1, "order_transfer_open_key: order $order, one of eight requests wins");
	is($refused, 7, "order_transfer_open_key: order $order, seven are refused")
	  or diag(join "\n", map { $_->{err} } @runs);
}
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT order_id) FROM shop.order_transfer"),
	'5|5', 'order_transfer_open_key: one row an order');
is($node->safe_psql('postgres', "SELECT count(*) FROM shop.delivery WHERE confidential ? 'token'"),
	'5', 'order_transfer_open_key: one token a row');

# The same by plain INSERT.
my @inserts = at_once($node,
	map { "INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (6, 2);\n" } 1 .. 8);
is(scalar(grep { $_->{err} eq '' } @inserts), 1, 'order_transfer_open_key: by INSERT, one of eight wins');
is(scalar(grep { $_->{err} =~ /23505/ } @inserts), 7, 'order_transfer_open_key: by INSERT, seven are refused');

# Accept, decline and cancel at once, on forty orders one after the other.
$node->safe_psql('postgres', 'SELECT customers.request_order_transfer(n, 2) FROM generate_series(11, 50) n');
my %token = map { split /\|/ } split /\n/, $node->safe_psql(
	'postgres', "
	SELECT e.payload ->> 'transfer_id', d.confidential ->> 'token' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
	WHERE e.order_id BETWEEN 11 AND 50 AND d.confidential ? 'token'");
is(scalar(keys %token), 40, 'fixture: forty tokens');
my @calls = ('accept_order_transfer(%d, \'%s\')', 'decline_order_transfer(%d, \'%s\')', 'cancel_order_transfer(%d)');
my @answers = ('', '', '');
foreach my $id (sort { $a <=> $b } keys %token)
{
	# each session in turn accepts, declines and cancels
	$answers[$_] .= sprintf("SELECT 'done %d ' || customers.$calls[($_ + $id) % 3];\n", $id, $id, $token{$id})
	  foreach 0 .. 2;
}
my @runs = at_once($node, @answers);
my %done;
foreach my $run (@runs)
{
	$done{$_}++ foreach $run->{out} =~ /^done (\d+)/mg;
}
is(scalar(keys %done), 40, 'order_transfer_state: every transfer got an answer');
is(scalar(grep { $_ != 1 } values %done), 0, 'order_transfer_state: exactly one takes effect');
my @errors = map { $_->{err} =~ /ERROR:\s+(\w{5}):/g } @runs;
is(scalar(@errors), 80, 'order_transfer_state: the other two are refused');
is(scalar(grep { $_ ne '23514' } @errors), 0, 'order_transfer_state: by a rule, without deadlock')
  or diag(join "\n", map { $_->{err} } @runs);
is($node->safe_psql('postgres', "
		SELECT count(*) FROM shop.order_transfer t JOIN shop.orders o ON o.id = t.order_id WHERE o.id BETWEEN 11 AND 50
		AND (t.status = 'accepted') <> (o.customer_id = 2)"),
	'0', 'order_owner_by_transfer: an order moved if and only if its transfer was accepted');
is($node->safe_psql('postgres', "
		SELECT count(*) FROM shop.event WHERE order_id BETWEEN 11 AND 50
		AND type IN ('order.transfer_accepted', 'order.transfer_declined', 'order.transfer_canceled')"),
	'40', 'order_transfer_state: one event each');
note($node->safe_psql('postgres', "SELECT status, count(*) FROM shop.order_transfer WHERE order_id > 10 GROUP BY status ORDER BY status"));

# Everything at once, by functions, from eight clients: rules refuse, nothing
# deadlocks.  attack() lets only the errors pass that no rule explains.
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION attack(kind int, o int, c int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		open_one bigint;
		word text;
	BEGIN
		SELECT id INTO open_one FROM shop.order_transfer WHERE order_id = o AND status = 'requested';
		SELECT confidential ->> 'token' INTO word FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
		WHERE (e.payload ->> 'transfer_id')::bigint = open_one AND confidential ? 'token';
		IF kind = 1 OR open_one IS NULL THEN
			PERFORM customers.request_order_transfer(o, c);
		ELSIF kind = 2 THEN
			PERFORM customers.accept_order_transfer(open_one, word);
		ELSIF kind = 3 THEN
			PERFORM customers.decline_order_transfer(open_one, word, 'no');
		ELSIF kind = 4 THEN
			PERFORM customers.cancel_order_transfer(open_one);
		ELSIF kind = 5 THEN
			PERFORM customers.update_customer(c, jsonb_build_object('phone', random()::text));
		ELSIF kind = 6 THEN
			PERFORM customers.set_groups(c, ARRAY[1 + o % 3, 1 + (o + 1) % 3]::bigint[]);
		ELSIF kind = 7 THEN
			PERFORM customers.add_customers_to_group(1 + o % 3, ARRAY[c, 2, 5, 3]::bigint[]);
		ELSIF kind = 8 THEN
			PERFORM customers.expire_order_transfers();
		ELSIF kind = 9 THEN
			PERFORM customers.acknowledge_deliveries(ARRAY(SELECT delivery_id FROM customers.claim_deliveries('busy', 5)));
		ELSIF kind = 10 THEN
			PERFORM customers.delete_customer(c, email) FROM shop.customer WHERE id = c AND c > 10;
		END IF;
	EXCEPTION WHEN check_violation OR unique_violation OR foreign_key_violation OR invalid_password THEN
		NULL;
	END $$;
	SELECT customers.create_group('g' || n) FROM generate_series(1, 3) n;
	SELECT customers.subscribe('busy', ARRAY['customer.*', 'group.*'], false);
	INSERT INTO shop.customer (email, has_account, external_id) SELECT 'more' || n || '@example.com', true, 'm-' || n FROM generate_series(1, 30) n;
	});
my $script = $node->basedir . '/attack.sql';
open my $file, '>', $script or die $!;
print $file "\\set kind random(1, 10)\n\\set o random(51, 56)\n\\set c random(2, 33)\nSELECT attack(:kind, :o, :c);\n";
close $file;
my ($out, $err);
my $ok = IPC::Run::run(
	[ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '300', '-f', $script, $node->connstr('postgres') ],
	'>', \$out, '2>', \$err);
ok($ok, 'deadlock: none in 2,400 calls of the functions from eight clients') or diag($err);
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'deadlock: none in the server log');
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT order_id FROM shop.order_transfer WHERE status = 'requested' GROUP BY order_id HAVING count(*) > 1) d"),
	'0', 'order_transfer_open_key: never two open transfers');
is($node->safe_psql('postgres', "SELECT count(*) FROM customers.check_store('shop')"), '0', 'check_store: nothing is broken afterwards')
  or diag($node->safe_psql('postgres', "SELECT * FROM customers.check_store('shop')"));

# Eight sessions create the same guest.
@runs = at_once($node, map { "SELECT customers.find_or_create_guest('Same\@example.com');\n" } 1 .. 8);
my %ids = map { $_ => 1 } map { $_->{out} =~ /^(\d+)$/mg } @runs;
is(join('', map { $_->{err} } @runs), '', 'find_or_create_guest: eight at once, no error');
is(scalar(keys %ids), 1, 'find_or_create_guest: one guest');
@runs = at_once($node, map { "SELECT customers.create_customer('twice\@example.com');\n" } 1 .. 8);
is(scalar(grep { $_->{err} =~ /CONSTRAINT NAME:\s+customer_email_key$/m } @runs), 7, 'customer_email_key: eight at once, seven are refused');

# Eight workers claim: each delivery goes to one of them.
$node->safe_psql('postgres', "SELECT customers.subscribe('work', ARRAY['customer.created']);
	INSERT INTO shop.customer (email) SELECT 'w' || n || '\@example.com' FROM generate_series(1, 400) n");
@runs = at_once($node, map { "SELECT 'got ' || delivery_id FROM customers.claim_deliveries('work', 50);\n" x 8 } 1 .. 8);
my %got;
$got{$_}++ foreach map { $_->{out} =~ /^got (\d+)$/mg } @runs;
is(join('', map { $_->{err} } @runs), '', 'claim_deliveries: eight workers, no error');
is(scalar(keys %got), 400, 'claim_deliveries: every delivery is claimed');
is(scalar(grep { $_ > 1 } values %got), 0, 'claim_deliveries: by one of them');

$node->stop;
done_testing();
