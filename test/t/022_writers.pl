# Writers neither fail nor wait for those who listen: a listener that is stuck
# until the notification queue is full, prepared transactions, and a
# subscription whose row is being replaced.
#
# A full queue takes 8 GB up to PostgreSQL 16, so that part runs there only
# with FULL_QUEUE=1 in the environment; later versions have a setting.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use IPC::Run qw(start finish pump timeout);
use PostgreSQL::Test::Utils;
use Test::More;

my $small_queue = `postgres --version` =~ /(\d+)/ && $1 >= 17;
my $node = shop_node('writers',
	conf => "max_prepared_transactions = 5\nautovacuum = off\nmax_wal_size = '4GB'\n"
	  . ($small_queue ? "max_notify_queue_pages = 64\n" : ''));

fill_shop($node, 20);
$node->safe_psql('postgres', "SELECT customers.subscribe('crm', ARRAY['customer.*', 'order.*'])");

# A session that stays open, and says what its statements returned.
sub session
{
	my $self = { in => '', out => '', err => '', n => 0 };

	$self->{handle} = start [ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	  '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
	  timeout($PostgreSQL::Test::Utils::timeout_default * ($ENV{FULL_QUEUE} ? 5 : 1));
	return $self;
}

sub run_in
{
	my ($self, $statements) = @_;
	my $mark = 'mark' . ++$self->{n};

	$self->{out} = '';
	$self->{in} .= "$statements;\n\\echo $mark\n";
	pump $self->{handle} until $self->{out} =~ /^$mark$/m;
	return $self->{out} =~ s/^$mark\n//mr;
}

sub end_session
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	finish $self->{handle};
	return;
}

# Each kind of writer, in a session that waits for no lock longer than a
# moment; returns what went wrong.
my $writes = 0;

sub write_all
{
	my $n = ++$writes;
	my ($ret, $out, $err) = $node->psql(
		'postgres', qq{
		SET lock_timeout = '1s';
		SET statement_timeout = '20s';
		SET customers.email_change_hold = 0;
		SET customers.transfer_requests_per_day = 100;
		SELECT customers.create_customer('writer$n\@example.com');
		UPDATE shop.customer SET phone = '$n' WHERE id = 1;
		SELECT customers.update_customer(1, '{"email": "owner$n\@example.com"}');
		INSERT INTO shop.customer (email) SELECT 'bulk$n-' || g || '\@example.com' FROM generate_series(1, 50) g;
		SELECT customers.cancel_order_transfer(customers.request_order_transfer(2, 3));
		SELECT customers.delete_customer(id, email) FROM shop.customer WHERE email = 'writer$n\@example.com';},
		on_error_stop => 1);

	return $err;
}

sub waiting
{
	my ($subscription) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) FROM shop.delivery WHERE subscription = '$subscription'");
}

# What write_all leaves: of customer.*: the updates, email_changed, 50 created,
# the deletion; of order.*: requested and canceled.  What named the customer
# that was deleted went with it.
sub writes_arrive
{
	my ($what) = @_;
	my $before = waiting('crm');

	is(write_all(), '', "$what: writers neither fail nor wait");
	is(waiting('crm') - $before, 56, "$what: their deliveries are there");
	return;
}

writes_arrive('nobody listens');

# ---------------------------------------------------------------------------
# A subscription's row being replaced, or removed, by an open transaction
# ---------------------------------------------------------------------------

my $other = session();
run_in($other, "BEGIN; SELECT customers.subscribe('crm', ARRAY['nothing'])");
writes_arrive('subscribe in an open transaction');
run_in($other, "ROLLBACK; BEGIN; SELECT customers.subscribe('later', ARRAY['*'])");
writes_arrive('a new subscription in an open transaction');
run_in($other, "ROLLBACK; BEGIN; SELECT * FROM shop.subscription FOR UPDATE");
writes_arrive('subscriptions locked');
run_in($other, "ROLLBACK; BEGIN; DELETE FROM shop.subscription WHERE name = 'crm'");
writes_arrive('a subscription deleted in an open transaction');
run_in($other, 'ROLLBACK');

# replaced all the time while eight clients write
my $script = $node->basedir . '/write.sql';
my $replace = $node->basedir . '/replace.sql';
foreach ([ $script, "SELECT customers.create_customer('p' || nextval('shop.customer_id_seq') || '\@example.com');\n" ],
	[ $replace, "SELECT customers.subscribe('crm', ARRAY['customer.*', 'order.*'], random() < 0.5);\n" ])
{
	open my $file, '>', $_->[0] or die $!;
	print $file $_->[1];
	close $file;
}
my $before = waiting('crm');
my ($replaced, $replaced_err) = ('', '');
my $replacing = start [ 'pgbench', '-n', '-c', '2', '-T', '2', '-f', $replace, $node->connstr('postgres') ],
  '>', \$replaced, '2>', \$replaced_err;
my ($out, $err) = ('', '');
ok(IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '100', '-f', $script, $node->connstr('postgres') ], '>', \$out, '2>', \$err),
	'a subscription replaced all the time: 800 writes of 8 clients') or diag($err);
ok(finish($replacing), 'a subscription replaced all the time: by 2 others') or diag($replaced_err);
is(waiting('crm') - $before, 800, 'a subscription replaced all the time: a delivery for each');
$node->safe_psql('postgres', "SELECT customers.subscribe('crm', ARRAY['customer.*', 'order.*'])");

# ---------------------------------------------------------------------------
# Prepared transactions
# ---------------------------------------------------------------------------

my $ret;
$before = waiting('crm');
($ret, $out, $err) = $node->psql('postgres', "BEGIN; SELECT customers.create_customer('ring\@example.com'); PREPARE TRANSACTION 'ring'");
like($err, qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, 'prepared: not after a ring');
is($node->psql('postgres', "SET customers.notify = off; BEGIN; SELECT customers.create_customer('prepared\@example.com'); PREPARE TRANSACTION 'quiet'"),
	0, 'prepared: with customers.notify = off');
is(waiting('crm'), $before, 'prepared: no delivery before the commit');
writes_arrive('prepared: while one is');
is($node->safe_psql('postgres', "SELECT count(*) FROM customers.claim_deliveries('crm', 1)"), '1', 'prepared: claims go on');
$before = waiting('crm');
$node->safe_psql('postgres', "COMMIT PREPARED 'quiet'");
is(waiting('crm') - $before, 1, 'prepared: its delivery comes with its commit');

# ---------------------------------------------------------------------------
# A stuck listener
# ---------------------------------------------------------------------------

# it read up to here and will never read on
run_in($other, 'LISTEN customers_shop');
run_in($other, 'BEGIN; SELECT 1');
writes_arrive('a stuck listener');

SKIP:
{
	skip 'a full queue takes 8 GB before PostgreSQL 17; FULL_QUEUE=1 fills it', 8
	  unless $small_queue || $ENV{FULL_QUEUE};

	my $fill = $small_queue ? 10 : 10_000;
	my $more = sub {
		return $node->psql('postgres', "SELECT count(pg_notify('elsewhere', repeat('x', 7900) || n)) FROM generate_series(1, $fill) n");
	};
	my $usage = sub { return $node->safe_psql('postgres', 'SELECT pg_notification_queue_usage()') };

	1 until $usage->() > 0.5 || $more->() != 0;
	cmp_ok($usage->(), '>', 0.5, 'a full queue: more than half');
	my $used = $usage->();
	writes_arrive('a queue more than half full');
	is($usage->(), $used, 'a queue more than half full: nobody rings');
	1 while $more->() == 0;
	($ret, $out, $err) = $node->psql('postgres', "SELECT count(pg_notify('elsewhere', repeat('x', 7900) || n)) FROM generate_series(1, $fill) n");
	like($err, qr/too many notifications in the NOTIFY queue/, 'a full queue: others fail');
	writes_arrive('a full queue');

	# the listener goes on, and so does the bell
	run_in($other, 'COMMIT; UNLISTEN *');
	my $heard = listener($node, 'customers_shop');
	$node->safe_psql('postgres', "SELECT customers.create_customer('again\@example.com')");
	is(scalar(grep { /"customer.created"/ } heard($heard)), 1, 'a full queue: once it is read, the doorbell rings again');
}

end_session($other);
is($node->safe_psql('postgres', "SELECT count(*) FROM customers.check_store('shop')"), '0', 'check_store: nothing is broken');
$node->stop;
done_testing();
