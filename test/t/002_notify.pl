# The doorbell as another session hears it, and what the token is not in.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('notify', conf => "max_prepared_transactions = 5\nlog_statement = all\nlog_min_error_statement = error\n");
my $json = JSON::PP->new->canonical;

fill_shop($node, 70);

# The payloads, each with its keys in order, sorted.
sub rings
{
	my ($listener) = @_;

	return [ sort map { $json->encode($json->decode($_)) } heard($listener) ];
}

my $ear = listener($node, 'customers_shop');
my @everything;

# order.transfer_*: with the ids
my $transfer = $node->safe_psql('postgres', 'SELECT customers.request_order_transfer(1, 2)');
is_deeply(rings($ear), [qq({"order_id":1,"subscription":"notifier","transfer_id":$transfer,"type":"order.transfer_requested"})],
	'doorbell: a request rings with its ids');
my $token = $node->safe_psql('postgres', "SELECT confidential ->> 'token' FROM customers.claim_deliveries()");
like($token, qr/^[A-Za-z0-9_-]{43}$/, 'doorbell: the claim has the token');
is_deeply(rings($ear), [], 'doorbell: a claim rings nobody');

# the others: subscription and type, equal ones merged
$node->safe_psql('postgres', q{UPDATE shop.customer SET email = 'new-' || email WHERE id IN (2, 3)});
is_deeply(rings($ear), ['{"subscription":"notifier","type":"customer.email_changed"}'], 'doorbell: equal payloads merge');
$node->safe_psql('postgres', "SELECT customers.create_customer('quiet\@example.com')");
is_deeply(rings($ear), [], 'doorbell: no delivery, no ring');
$node->safe_psql('postgres', "SELECT customers.subscribe('crm', ARRAY['customer.*'])");
$node->safe_psql('postgres', q{UPDATE shop.customer SET email = 'newer-' || email WHERE id IN (2, 3)});
is_deeply(rings($ear), [
		'{"subscription":"crm","type":"customer.email_changed"}',
		'{"subscription":"crm","type":"customer.updated"}',
		'{"subscription":"notifier","type":"customer.email_changed"}' ],
	'doorbell: one a subscription and type');
$node->safe_psql('postgres', "BEGIN; SELECT customers.create_customer('undone\@example.com'); ROLLBACK");
is_deeply(rings($ear), [], 'doorbell: a transaction rolled back rings nobody');
$node->safe_psql('postgres', "BEGIN; SAVEPOINT s; SELECT customers.create_customer('undone\@example.com'); ROLLBACK TO s; COMMIT");
is_deeply(rings($ear), [], 'doorbell: nor a subtransaction rolled back');
$node->safe_psql('postgres', "SELECT customers.subscribe('crm', ARRAY['customer.*'], false)");
$node->safe_psql('postgres', "SELECT customers.create_customer('silent\@example.com')");
is_deeply(rings($ear), [], 'doorbell: a subscription without doorbell');
is($node->safe_psql('postgres', "SELECT count(*) FROM customers.claim_deliveries('crm') WHERE type = 'customer.created'"), '1',
	'doorbell: a subscription without doorbell has its delivery all the same');
$node->safe_psql('postgres', "SELECT customers.unsubscribe('crm')");

# more than 20 different ones
$node->safe_psql('postgres', 'SET customers.email_change_hold = 0; SELECT customers.request_order_transfer(n, 2) FROM generate_series(11, 30) n');
my $rings = rings($ear);
is(scalar(@$rings), 20, 'doorbell: twenty different ones ring twenty times');
is(scalar(grep { /"order_id"/ } @$rings), 20, 'doorbell: all of them with ids');
$node->safe_psql('postgres', 'SET customers.email_change_hold = 0; SELECT customers.request_order_transfer(n, 2) FROM generate_series(31, 60) n');
$rings = rings($ear);
is(scalar(@$rings), 21, 'doorbell: thirty different ones ring 20 times and once more');
is(scalar(grep { /"order_id"/ } @$rings), 20, 'doorbell: twenty of them with ids');
is((grep { !/"order_id"/ } @$rings)[0], '{"subscription":"notifier","type":"order.transfer_requested"}', 'doorbell: the last one without');
$node->safe_psql('postgres', 'SET customers.email_change_hold = 0; INSERT INTO shop.order_transfer (order_id, to_customer_id) SELECT n, 2 FROM generate_series(2, 10) n');
is(scalar(@{ rings($ear) }), 9, 'doorbell: the count starts anew in every transaction');
$node->safe_psql('postgres', "BEGIN; SELECT customers.cancel_order_transfer(id) FROM shop.order_transfer WHERE order_id BETWEEN 11 AND 35;
	SELECT customers.update_customer(1, '{\"email\": \"owner2\@example.com\"}'); COMMIT");
$rings = rings($ear);
is_deeply([ grep { !/"order_id"/ } @$rings ], [
		'{"subscription":"notifier","type":"customer.email_changed"}',
		'{"subscription":"notifier","type":"order.transfer_canceled"}' ],
	'doorbell: beyond 20, once more per subscription and type');
is(scalar(@$rings), 22, 'doorbell: beyond 20, nothing else');

# customers.notify = off
$node->safe_psql('postgres', "SET customers.notify = off; SELECT customers.update_customer(2, '{\"email\": \"n\@example.com\"}')");
is_deeply(rings($ear), [], 'doorbell: customers.notify = off');
is($node->safe_psql('postgres', "SELECT count(*) FROM shop.delivery WHERE confidential ->> 'new_email' = 'n\@example.com'"), '1',
	'doorbell: customers.notify = off leaves events and deliveries');
my ($ret, $out, $err) = $node->psql('postgres', "SET customers.notify = off; BEGIN; SELECT customers.update_customer(2, '{\"email\": \"p\@example.com\"}');
	PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'");
is($ret, 0, 'doorbell: customers.notify = off lets a transaction be prepared') or diag($err);
is($node->safe_psql('postgres', "SELECT count(*) FROM shop.delivery WHERE confidential ->> 'new_email' = 'p\@example.com'"), '1',
	'doorbell: and its deliveries are there');
is_deeply(rings($ear), [], 'doorbell: a prepared transaction rings nobody');

# other stores have other channels
$node->safe_psql('postgres', q{SELECT customers.create_store('Näh "shop"')});
my $second = listener($node, q{customers_Näh ""shop""});
$node->safe_psql('postgres', q{SET customers.store = 'Näh "shop"'; SELECT customers.create_customer('a@example.com'); SELECT customers.update_customer(1, '{"email": "b@example.com"}')});
is_deeply(rings($second), ['{"subscription":"notifier","type":"customer.email_changed"}'], 'doorbell: a store of an awkward name has its channel');
is_deeply(rings($ear), [], 'doorbell: and rings no other');

# real time: a lease that ends
my $delivery = $node->safe_psql('postgres', "SELECT delivery_id, attempt FROM customers.claim_deliveries('notifier', 1, '1 second')");
like($delivery, qr/^\d+\|1$/, 'claim_deliveries: the first attempt');
my ($id) = split /\|/, $delivery;
is($node->safe_psql('postgres', "SELECT count(*) FROM customers.claim_deliveries('notifier', 1000, '1 second') WHERE delivery_id = $id"), '0',
	'claim_deliveries: leased to the first');
is($node->safe_psql('postgres', "SELECT pg_sleep(1.1); SELECT attempt FROM customers.claim_deliveries('notifier', 1000) WHERE delivery_id = $id"), "\n2",
	'claim_deliveries: claimed again when the lease has ended, attempt 2');

# the token is in no message, no NOTIFY, no log, no table but delivery
my @tokens = split /\n/, $node->safe_psql('postgres', "SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential ? 'token'");
cmp_ok(scalar(@tokens), '>=', 20, 'token: there are some to look for');
my $any = join '|', map { quotemeta } @tokens;
my ($all, $without, $errors) = ('', '', '');
command_ok_into(\$all, 'pg_dump', '--inserts', '-d', $node->connstr('postgres'));
command_ok_into(\$without, 'pg_dump', '--inserts', '--exclude-table-data=shop.delivery', '-d', $node->connstr('postgres'));
like($all, qr/$any/, 'token: is in a dump with delivery');
unlike($without, qr/$any/, 'token: is in no other table');
my $log = slurp_file($node->logfile);
unlike($log, qr/$any/, 'token: is not in the server log');

# errors in the middle of a request: nothing that looks like a token
my $offset = -s $node->logfile;
$node->safe_psql('postgres', q{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by the owner'; END $$;
	CREATE TRIGGER refuse AFTER INSERT ON shop.delivery FOR EACH ROW EXECUTE FUNCTION refuse();});
foreach my $statement ('SELECT customers.request_order_transfer(61, 3)',
	'INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (61, 3)')
{
	($ret, $out, $err) = $node->psql('postgres', "SET customers.email_change_hold = 0; $statement");
	like($err, qr/refused by the owner/, "token: the owner's trigger refuses: $statement");
	unlike($err, qr/[A-Za-z0-9_-]{43}/, 'token: the error and its context have none');
}
$log = substr slurp_file($node->logfile), $offset;
unlike($log, qr/[A-Za-z0-9_-]{43}/, 'token: neither has the log');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON shop.delivery');

# a wrong token, and a used one
my ($wrong) = ($transfer);
($ret, $out, $err) = $node->psql('postgres', "SELECT customers.accept_order_transfer($wrong, '" . 'x' x 43 . "')");
isnt($ret, 0, 'token: a wrong one is refused');
unlike($err =~ s/^LINE \d+:.*$//mgr, qr/x{43}/, 'token: the message does not repeat it');
$node->safe_psql('postgres', "SELECT customers.accept_order_transfer($transfer, '$token')");
is_deeply(rings($ear), [qq({"order_id":1,"subscription":"notifier","transfer_id":$transfer,"type":"order.transfer_accepted"})],
	'doorbell: an acceptance rings with its ids');
command_ok_into(\$without, 'pg_dump', '--inserts', '--exclude-table-data=shop.delivery', '-d', $node->connstr('postgres'));
unlike($without, qr/\Q$token\E/, 'token: after acceptance in no table');

sub command_ok_into
{
	my ($into, @command) = @_;

	$$into = '';
	IPC::Run::run(\@command, '>', $into) or die "@command failed";
	return;
}

$node->stop;
done_testing();
