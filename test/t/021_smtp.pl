# The approval of a transfer by a real mail: customers-notifyd hands it to
# msmtp, msmtp to an SMTP server on loopback, and the link in the mailbox
# moves the order.
#
# Needs msmtp and aiosmtpd; on Debian: apt-get install msmtp python3-aiosmtpd
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use IO::Socket::INET;
use MIME::QuotedPrint;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

sub find_program { return (grep { -x } map { "$_/$_[0]" } split(/:/, $ENV{PATH}), '/usr/bin')[0] }

my $notifyd = find_program('customers-notifyd');
my $msmtp = find_program('msmtp');
my ($python) = grep { -x && system("$_ -c 'import aiosmtpd' 2>/dev/null") == 0 } '/usr/bin/python3', find_program('python3') // ();

plan skip_all => 'customers-notifyd is not installed' unless defined $notifyd;
plan skip_all => 'msmtp is not installed' unless defined $msmtp;
plan skip_all => 'aiosmtpd is not installed' unless defined $python;

my ($templates) = grep { -f "$_/order.transfer_requested.txt" }
  (map { ("$_/customers/templates", "$_/customers/notifyd/templates") } split /\n/, `pg_config --sharedir`),
  "$FindBin::RealBin/../../src/notifyd/templates";

plan skip_all => 'the templates are not installed' unless defined $templates;

my $node = shop_node('smtp');
my $dir = $node->basedir;
my $server;

# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

END
{
	my $status = $?;

	if ($server)
	{
		kill 'TERM', $server;
		waitpid $server, 0;
	}
	$? = $status;
}

# Starts it on a port, with a Maildir; false if it does not come up there.
sub start_server
{
	my ($port) = @_;
	my $end = time + 20;

	$server = fork // die "fork: $!";
	if ($server == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/smtp.log";
		open STDERR, '>&', \*STDOUT;
		exec $python, '-m', 'aiosmtpd', '-n', '-l', "127.0.0.1:$port", '-c',
		  'aiosmtpd.handlers.Mailbox', "$dir/mailbox"
		  or POSIX::_exit(127);
	}
	while (time < $end)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 2);

		if ($socket)
		{
			$socket->timeout(5);
			my $greeting = <$socket> // '';
			print $socket "QUIT\r\n";
			close $socket;
			return 1 if $greeting =~ /^220 /;
		}
		last if waitpid($server, POSIX::WNOHANG()) != 0;
		sleep 0.1;
	}
	return 0;
}

my $port = PostgreSQL::Test::Cluster::get_free_port();
start_server($port) or die "no SMTP server: " . slurp_file("$dir/smtp.log");

open my $config, '>', "$dir/msmtprc" or die $!;
print $config "account default\nhost 127.0.0.1\nport $port\nfrom shop\@example.com\nauth off\ntls off\n";
close $config;
chmod 0600, "$dir/msmtprc";

# Runs the daemon once; its exit code.
sub send_mails
{
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		open STDERR, '>', "$dir/log";
		exec $notifyd, '--once', '--templates', $templates, '--sendmail', "$msmtp -C $dir/msmtprc -t",
		  '--from', 'Shop <shop@example.com>', '--link', 'https://shop.example.com/transfers', $node->connstr('postgres')
		  or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return $? & 127 ? -1 : $? >> 8;
}

# The mails that came since the last call; the server notes the envelope.
sub mails
{
	my @mails;

	foreach my $file (sort glob "$dir/mailbox/new/*")
	{
		my $message = slurp_file($file) =~ s/\r\n/\n/gr;
		my ($head, $body) = split /\n\n/, $message, 2;
		my %fields;

		unlink $file;
		$head =~ s/\n[ \t]+/ /g;
		push @{ $fields{ lc $1 } }, $2 while $head =~ /^([\w-]+):[ \t]*(.*)$/mg;
		push @mails, { fields => \%fields, all => $message, body => $head =~ /quoted-printable/i ? decode_qp($body) : $body };
	}
	return @mails;
}

# ---------------------------------------------------------------------------
# The transfer
# ---------------------------------------------------------------------------

fill_shop($node, 1);
my $transfer = $node->safe_psql('postgres', "SELECT customers.request_order_transfer(1, 2, 'she paid for it')");

is(send_mails(), 0, 'the daemon sends') or diag(slurp_file("$dir/log"));
my @got = mails();
is(scalar(@got), 1, 'one mail arrives');
is_deeply($got[0]{fields}{'x-rcptto'}, ['owner@example.com'], 'its envelope is addressed to the approver');
is_deeply($got[0]{fields}{'x-mailfrom'}, ['shop@example.com'], 'and comes from the shop');
is_deeply($got[0]{fields}{to}, ['owner@example.com'], 'so is its header');
unlike($got[0]{all}, qr/nina\@example/, "the new owner's address is not in it");
my ($token) = $got[0]{body} =~ m{https://shop\.example\.com/transfers/accept\S*?token=([\w-]{43})};
ok(defined $token, 'its link carries the token');
is($node->safe_psql('postgres', 'SELECT customer_id FROM shop.orders WHERE id = 1'), '1', 'the order has not moved yet');
is($node->psql('postgres', "SELECT customers.accept_order_transfer($transfer, '" . ($token // '') . "')"), 0, 'the token is accepted');
is($node->safe_psql('postgres', 'SELECT customer_id FROM shop.orders WHERE id = 1'), '2', 'and the order moves');
is(send_mails(), 0, 'the daemon sends again');
is(join(' ', sort map { $_->{fields}{'x-rcptto'}[0] } mails()), 'nina@example.com owner@example.com', 'both are told');

# a server that is away: tried again later
kill 'TERM', $server;
waitpid $server, 0;
undef $server;
$node->safe_psql('postgres', "UPDATE shop.customer SET email = 'olga\@example.com' WHERE id = 1");
isnt(send_mails(), 0, 'without SMTP server: the daemon tells that it failed');
like($node->safe_psql('postgres', 'SELECT attempts, last_error FROM shop.delivery'), qr/^1\|msmtp: /, 'without SMTP server: and keeps the reason');
start_server($port) or die "no SMTP server: " . slurp_file("$dir/smtp.log");
$node->safe_psql('postgres', 'UPDATE shop.delivery SET available_at = now()');
is(send_mails(), 0, 'the SMTP server is back');
is(join(' ', sort map { $_->{fields}{'x-rcptto'}[0] } mails()), 'olga@example.com owner@example.com', 'and gets the mails');
is($node->safe_psql('postgres', 'SELECT count(*) FROM shop.delivery'), '0', 'nothing waits');

$node->stop;
done_testing();
