# customers-notifyd end to end: what commands are handed and what becomes of
# it, mails, and that nothing gets lost however either side ends.
#
# NOTIFYD_KILLS=20 in the environment kills more often than the default of 2;
# each time at another random moment.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use IPC::Run qw(start finish);
use JSON::PP;
use MIME::QuotedPrint;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $program = (grep { -x } map { "$_/customers-notifyd" } split /:/, $ENV{PATH})[0];

plan skip_all => 'customers-notifyd is not installed' unless defined $program;

my $kills = $ENV{NOTIFYD_KILLS} // 2;
my $node = shop_node('notifyd', conf => "max_connections = 30\n");
my $dir = $node->basedir;
my $limit = $PostgreSQL::Test::Utils::timeout_default;
my $runs = 0;

# ---------------------------------------------------------------------------
# Tools
# ---------------------------------------------------------------------------

sub sql { return $node->safe_psql('postgres', join('; ', @_)) }

sub put
{
	my ($name, $text, $mode) = @_;

	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $text;
	close $file;
	chmod $mode, "$dir/$name" if defined $mode;
	return "$dir/$name";
}

sub lines_of
{
	my ($name) = @_;

	open my $file, '<', "$dir/$name" or return ();
	my @lines = <$file>;
	close $file;
	chomp @lines;
	return @lines;
}

# Waits until it is true; false after a long time.
sub wait_for
{
	my ($condition) = @_;
	my $end = time + $limit;

	until ($condition->())
	{
		return 0 if time > $end;
		sleep 0.05;
	}
	return 1;
}

# The command of --exec: notes when it began and ended in the file "did", and
# does what the files "pause", "says" and "exit" tell.
my $command = put('command', <<'END', 0755);
#!/usr/bin/perl
use strict;
use Time::HiRes qw(sleep time);
my $dir = $0 =~ s{/[^/]*$}{}r;
sub note { open my $f, '>>', "$dir/did"; syswrite $f, join(' ', @_) . "\n"; close $f; }
sub told { open my $f, '<', "$dir/$_[0]" or return $_[1]; local $/; return <$f>; }
my $began = time;
my $json = do { local $/; <STDIN> };
my ($id) = $json =~ /"event_id"\s*:\s*(\d+)/;
note('began', $id, $began, $$);
{ open my $f, '>>', "$dir/json"; syswrite $f, $json; }
sleep told('pause', 0);
print STDERR told('says', '');
my $code = told('exit', 0);
note('ended', $id, time, $$) if $code == 0;
exit $code;
END

sub reset_command
{
	my (%tells) = @_;

	unlink map { "$dir/$_" } qw(did json pause says exit);
	put($_, $tells{$_}) foreach keys %tells;
	return;
}

# Starts the daemon, in a process of its own; its log is the file "log<n>".
sub daemon
{
	my (@arguments) = @_;
	my $self = { log => 'log' . ++$runs, out => 'out' . $runs };
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/$self->{out}";
		open STDERR, '>', "$dir/$self->{log}";
		exec $program, @arguments, $node->connstr('postgres')
		  or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	return $self;
}

my @daemons;

# One that stays, and is connected.
sub running
{
	my $self = daemon(@_);

	push @daemons, $self;
	wait_for(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE query ~ '(claim|acknowledge)_deliveries|expire_order_transfers' AND pid <> pg_backend_pid()") })
	  or die "the daemon does not claim: " . join("\n", lines_of($self->{log}));
	return $self;
}

# Waits for its end; its exit code, or -1 after a signal.
sub ended
{
	my ($self) = @_;
	my $end = time + $limit;

	while (waitpid($self->{pid}, POSIX::WNOHANG()) == 0)
	{
		if (time > $end)
		{
			kill 'KILL', $self->{pid};
			waitpid $self->{pid}, 0;
			return 'it did not end';
		}
		sleep 0.02;
	}
	@daemons = grep { $_ != $self } @daemons;
	return $? & 127 ? -1 : $? >> 8;
}

sub stop
{
	my ($self) = @_;

	kill 'TERM', $self->{pid};
	return ended($self);
}

END
{
	my $status = $?;

	kill 'KILL', map { $_->{pid} } @daemons if @daemons;
	$? = $status;
}

sub once { return ended(daemon('--once', @_)) }

# So many customers, each an event for the subscription.
sub make_events
{
	my ($n) = @_;

	return sql("INSERT INTO shop.customer (email) SELECT 'c' || nextval('shop.customer_id_seq') || '\@example.com' FROM generate_series(1, $n)");
}

sub waiting { return sql("SELECT count(*) FROM shop.delivery WHERE subscription = 'crm'") }

my @crm = ('--subscription', 'crm');
my @exec = (@crm, '--exec', $command);

fill_shop($node, 5);
sql("SELECT customers.subscribe('crm', ARRAY['customer.created'])");

# ---------------------------------------------------------------------------
# --once: what is handed over, and what exit codes do
# ---------------------------------------------------------------------------

is(once('--stdout', @crm), 0, '--once --stdout: nothing to do');
is_deeply([ lines_of("out$runs") ], [], '--once --stdout: no line');
make_events(3);
is(once('--stdout', @crm), 0, '--once --stdout: three events');
my @events = map { decode_json($_) } lines_of("out$runs");
is(join(' ', map { $_->{type} } @events), 'customer.created customer.created customer.created', '--once --stdout: a JSON object each');
is_deeply($events[0]{payload}, { customer_id => $events[0]{customer_id}, changed => ['email'] }, '--once --stdout: with the payload');
is(waiting(), 0, '--once --stdout: they are acknowledged');

sql('SET customers.email_change_hold = 0', 'SELECT customers.request_order_transfer(1, 2)');
reset_command();
is(once('--exec', $command), 0, '--exec: exit code 0');
my ($event) = map { decode_json($_) } lines_of('json');
is($event->{type}, 'order.transfer_requested', '--exec: the event on standard input');
like($event->{confidential}{token}, qr/^[\w-]{43}$/, '--exec: with its token');
is(sql('SELECT count(*) FROM shop.delivery'), 0, '--exec: exit code 0 acknowledges');

make_events(1);
reset_command(exit => 75, says => "trying\nthe relay is busy\n");
isnt(once(@exec), 'it did not end', '--exec: exit code 75');
is(sql("SELECT attempts, last_error, failed_at IS NULL, available_at > now() FROM shop.delivery"), '1|the relay is busy|t|t',
	'--exec: exit code 75 retries later, with the last line as the reason');
is(sql("SELECT scheduled, last_error FROM customers.delivery_status() WHERE subscription = 'crm'"), '1|the relay is busy',
	'--exec: delivery_status tells why');
sql('UPDATE shop.delivery SET available_at = now()');
reset_command(exit => 3, says => "no such mailbox\n\n");
is(once(@exec), 1, '--exec: exit code 3, --once tells that something failed');
is(sql("SELECT attempts, last_error FROM shop.delivery"), '2|no such mailbox', '--exec: other codes fail with the last line as the reason');
sql('UPDATE shop.delivery SET available_at = now()');
reset_command(exit => 4);
once(@exec);
like(sql('SELECT last_error FROM shop.delivery'), qr/\b4\b/, '--exec: without a line, the exit code is the reason');
sql('UPDATE shop.delivery SET available_at = now()');
put('pause', 30);
isnt(once(@exec, '--timeout', '1'), 0, '--timeout: the command is ended');
like(sql('SELECT last_error FROM shop.delivery'), qr/timed out/, '--timeout: and that is the reason');
sql('UPDATE shop.delivery SET available_at = now()');
reset_command();
is(once(@exec), 0, '--exec: succeeds in the end');
is(waiting(), 0, '--exec: and is acknowledged');

# the twelfth failure
sql('SELECT customers.cancel_order_transfer(1)', 'DELETE FROM shop.delivery', 'SET customers.email_change_hold = 0', 'SELECT customers.request_order_transfer(2, 2)',
	"UPDATE shop.delivery SET attempts = 11 WHERE confidential ? 'token'");
my $token = sql("SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential ? 'token'");
reset_command(exit => 1, says => "could not send $token\n");
once('--exec', $command);
is(sql('SELECT attempts, failed_at IS NOT NULL, confidential ? \'token\' FROM shop.delivery'), '12|t|f', 'twelve failures: kept as failed, without the token');
unlike(sql('SELECT last_error FROM shop.delivery'), qr/\Q$token\E/, 'twelve failures: the reason shows no token');
sql('DELETE FROM shop.delivery');

# what cannot work is said at once
isnt(ended(daemon('--stdout', '--subscription', 'nobody')), 0, 'an unknown subscription: the daemon ends');
like(join("\n", lines_of("log$runs")), qr/nobody/, 'an unknown subscription: and names it');
isnt(ended(daemon('--stdout', '--exec', 'true')), 0, 'two modes: refused');

# ---------------------------------------------------------------------------
# The daemon
# ---------------------------------------------------------------------------

# doorbell: the poll would come after the test's patience
reset_command(pause => 0.4);
my $daemon = running(@exec, '-j', '4', '--poll', '3600');
my $began = time;
make_events(8);
ok(wait_for(sub { !waiting() }), 'doorbell: wakes the daemon');
my (%from, %to, $most);
foreach (lines_of('did'))
{
	my ($what, $id, $at) = split;
	($what eq 'began' ? \%from : \%to)->{$id} = $at;
}
foreach my $moment (values %from)
{
	my $n = grep { $from{$_} <= $moment && $to{$_} > $moment } keys %from;
	$most = $n if !$most || $n > $most;
}
is(scalar(keys %to), 8, '-j: all are delivered');
cmp_ok($most, '<=', 4, '-j 4: at most four commands at once');
cmp_ok($most, '>', 1, '-j 4: more than one');

# SIGTERM: what runs is finished, nothing else begins
reset_command(pause => 1);
make_events(6);
wait_for(sub { scalar(grep { /^began/ } lines_of('did')) >= 4 });
is(stop($daemon), 0, 'SIGTERM: exit code 0');
my @began = map { (split)[1] } grep { /^began/ } lines_of('did');
my @ended = map { (split)[1] } grep { /^ended/ } lines_of('did');
is(scalar(@began), 4, 'SIGTERM: nothing else begins');
is_deeply([ sort @ended ], [ sort @began ], 'SIGTERM: what runs is finished');
is(waiting(), 2, 'SIGTERM: and acknowledged; the others wait');
is(sql("SELECT count(*) FROM customers.claim_deliveries('crm', 10, '1 second')"), 2, 'SIGTERM: for anybody, not leased');
sql('UPDATE shop.delivery SET available_at = now()');

# the log
my @log = grep { /type=customer\.created/ } lines_of($daemon->{log});
is(scalar(@log), 12, 'log: a line for each delivery');
is(scalar(grep { /result=acknowledged/ } @log), 12, 'log: that says what became of it');
unlike(join("\n", lines_of($daemon->{log})), qr/@/, 'log: no personal data');

# poll
reset_command();
$daemon = running(@exec, '--poll', '0.2');
ok(wait_for(sub { !waiting() }), 'poll: what waited before the start is delivered');
sql('SET customers.notify = off', "SELECT customers.create_customer('quiet\@example.com')");
ok(wait_for(sub { !waiting() }), 'poll: finds what NOTIFY did not tell');

# the server restarts
$node->restart;
make_events(2);
ok(wait_for(sub { !waiting() }), 'restart: the daemon comes back');
is(scalar(grep { /^ended/ } lines_of('did')), 5, 'restart: each was delivered once');
my $id = sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '(claim|acknowledge)_deliveries|expire_order_transfers' AND pid <> pg_backend_pid()");
make_events(1);
ok(wait_for(sub { !waiting() }), 'a lost connection: the daemon comes back');
is(stop($daemon), 0, 'a lost connection: and ends in order');

# ---------------------------------------------------------------------------
# Killed at random moments
# ---------------------------------------------------------------------------

# Writers go on all the time, one event a transaction.  Whatever had been
# claimed and not acknowledged when something was killed is in flight and may
# come twice; everything else comes once.
my %in_flight;

sub note_in_flight
{
	$in_flight{$_} = 1 foreach split /\n/, sql('SELECT event_id FROM shop.delivery WHERE attempts > 0');
	return;
}

sub writer
{
	my $pid = fork // die "fork: $!";

	return $pid if $pid;
	open STDOUT, '>', '/dev/null';
	open STDERR, '>', '/dev/null';
	open STDIN, '<', '/dev/null';
	exec 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
	  "DO \$\$ BEGIN LOOP PERFORM customers.create_customer('w' || nextval('shop.customer_id_seq') || '\@example.com'); COMMIT; PERFORM pg_sleep(0.02); END LOOP; END \$\$"
	  or POSIX::_exit(127);
}

sub end_writer
{
	my ($pid) = @_;

	kill 'INT', $pid;
	waitpid $pid, 0;
	return;
}

# After a kill of the daemon leases last longer than the test wants to wait.
# Whoever held them is gone, so that only the waiting is cut short.
sub end_leases { sql('UPDATE shop.delivery SET available_at = now() WHERE available_at > now()'); return }

sub check_kills
{
	my ($what) = @_;
	my $last = running(@exec, '-j', '4', '--poll', '0.2', '--timeout', '20');

	ok(wait_for(sub { !waiting() }), "$what: everything is delivered in the end");
	is(stop($last), 0, "$what: the last daemon ends in order");
	my %times;
	$times{ (split)[1] }++ foreach grep { /^ended/ } lines_of('did');
	my @events = split /\n/, sql("SELECT id FROM shop.event WHERE type = 'customer.created' AND id > $began");
	my @lost = grep { !$times{$_} } @events;
	my @doubled = grep { $times{$_} > 1 } keys %times;
	cmp_ok(scalar(@events), '>', 10 * $kills, "$what: there were events");
	is("@lost", '', "$what: none is lost");
	is(join(' ', grep { !$in_flight{$_} } @doubled), '', "$what: only those in flight come twice");
	note(scalar(@events) . " events, $kills kills, " . keys(%in_flight) . ' in flight, ' . @doubled . ' came twice');
	return;
}

sub begin_kills
{
	reset_command(pause => 0.03);
	%in_flight = ();
	$began = sql('SELECT coalesce(max(id), 0) FROM shop.event');
	return;
}

begin_kills();
my $writer = writer();
foreach (1 .. $kills)
{
	my $victim = running(@exec, '-j', '4', '--poll', '0.2', '--timeout', '20');

	sleep 0.3 + rand 0.5;
	kill 'KILL', $victim->{pid};
	is(ended($victim), -1, 'kill -9: the daemon is gone');
	# its commands, too, or they have acknowledged nothing anyway
	sleep 0.2;
	note_in_flight();
	end_leases();
}
end_writer($writer);
check_kills('kill -9');

begin_kills();
$daemon = running(@exec, '-j', '4', '--poll', '0.2', '--timeout', '20');
foreach (1 .. $kills)
{
	$writer = writer();
	sleep 0.3 + rand 0.5;
	$node->stop('immediate');
	waitpid $writer, 0;
	$node->start;
	note_in_flight();
	sleep rand 0.5;
}
# claims whose answer the crash swallowed wait for the end of their lease
wait_for(sub { sql('SELECT count(*) FROM shop.delivery WHERE attempts = 0') eq '0' });
is(stop($daemon), 0, 'stop -m immediate: the daemon lives on, and ends in order');
end_leases();
check_kills('stop -m immediate');

# ---------------------------------------------------------------------------
# Mails
# ---------------------------------------------------------------------------

my ($templates) = grep { -f "$_/order.transfer_requested.txt" }
  (map { ("$_/customers/templates", "$_/customers/notifyd/templates") } split /\n/, `pg_config --sharedir`),
  "$FindBin::RealBin/../../src/notifyd/templates";

SKIP:
{
	skip 'the templates are not installed', 1 unless defined $templates;

	# in the place of sendmail: keeps what it is handed, and refuses the
	# address that the file "refuse" names
	my $sendmail = put('sendmail', <<'END', 0755);
#!/usr/bin/perl
use strict;
use Time::HiRes;
my $dir = $0 =~ s{/[^/]*$}{}r;
local $/;
my $mail = <STDIN>;
if (open my $f, '<', "$dir/refuse")
{
	my $address = <$f>;
	exit 67 if $mail =~ /^To: \Q$address\E$/m;
}
open my $f, '>', "$dir/mail." . Time::HiRes::time() . ".$$" or exit 75;
print $f "@ARGV\n", $mail or exit 75;
close $f or exit 75;
END

	my $mails = sub {
		my @mails;

		foreach my $file (sort glob "$dir/mail.*")
		{
			open my $handle, '<', $file or die "$file: $!";
			my $text = do { local $/; <$handle> };
			close $handle;
			unlink $file;
			my ($arguments, $message) = split /\n/, $text, 2;
			my ($head, $body) = split /\r?\n\r?\n/, $message, 2;
			my $unfolded = $head =~ s/\r?\n[ \t]+/ /gr;
			my %fields;
			push @{ $fields{ lc $1 } }, $2 while $unfolded =~ /^([\w-]+):[ \t]*(.*?)\r?$/mg;
			push @mails, { arguments => $arguments, head => $head, unfolded => $unfolded, fields => \%fields, raw => $message,
				body => $head =~ /quoted-printable/i ? decode_qp($body) : $body };
		}
		return @mails;
	};

	# names and descriptions that want to be headers
	sql('DELETE FROM shop.delivery', 'DELETE FROM shop.orders');
	sql(q{UPDATE shop.customer SET email_changed_at = NULL, first_name = E'Eve\r\nBcc: bcc@evil.example\r\n\r\nA body', last_name = E'B\nTo: to@evil.example' WHERE id = 2},
		q{UPDATE shop.customer SET first_name = E'Olga\nCc: cc@evil.example' WHERE id = 1},
		q{INSERT INTO shop.orders (id, customer_id, email, status, currency_code, total) VALUES (100, 1, 'owner@example.com', 'pending', 'EUR', 10)},
		q{SELECT customers.request_order_transfer(100, 2, E'please\n\nBcc: body@evil.example\n.\n')});
	my @mail = ('--templates', $templates, '--sendmail', "$sendmail -t -i", '--from', 'Shop <shop@example.com>',
		'--link', 'https://shop.example.com/transfers');
	is(once(@mail), 0, 'mail: the approval is sent') or diag(join "\n", lines_of("log$runs"));
	my @got = $mails->();
	is(scalar(@got), 1, 'mail: one');
	my $mail = $got[0];
	is($mail->{arguments}, '-t -i', 'mail: the command got its arguments, and no address among them');
	is_deeply($mail->{fields}{to}, ['owner@example.com'], 'mail: to the approver');
	is(scalar(@{ $mail->{fields}{$_} // [] }), 1, "mail: one $_") foreach qw(from to subject date);
	is(join(' ', grep { exists $mail->{fields}{$_} } qw(cc bcc resent-to resent-cc resent-bcc reply-to)), '', 'mail: nobody else is in the headers');
	unlike($mail->{head}, qr/evil\.example\s*$|^\s*(?:Bcc|Cc|To): .*evil/mi, 'mail: names make no header');
	is(scalar(grep { !/^[\w-]+: / } split /\r?\n/, $mail->{unfolded}), 0, 'mail: all lines of the head are headers');
	like($mail->{unfolded}, qr/^[\x20-\x7E\n\r\t]*$/, 'mail: in ASCII');
	cmp_ok((sort { $b <=> $a } map { length } split /\r?\n/, $mail->{raw})[0], '<=', 998, 'mail: no line is too long');
	unlike($mail->{raw}, qr/nina\@example/, "mail: the new owner's address is not in it");
	my @links = $mail->{body} =~ m{(https://shop\.example\.com/\S+)}g;
	my ($accept) = grep { /accept/ } @links;
	my ($decline) = grep { /decline/ } @links;
	ok(defined $accept && defined $decline, 'mail: links for approving and declining');
	my ($token) = ($accept // '') =~ /([\w-]{43})/;
	my $transfer = sql("SELECT id FROM shop.order_transfer WHERE status = 'requested'");
	like($accept, qr/\b$transfer\b/, 'mail: the link names the transfer');
	is($node->psql('postgres', "SELECT customers.accept_order_transfer($transfer, '$token')"), 0, "mail: the link's token is accepted");
	is(sql('SELECT customer_id FROM shop.orders WHERE id = 100'), 2, 'mail: and the order moves');
	unlike(join("\n", lines_of("log$runs")), qr/@|\Q$token\E/, 'mail: the log has neither address nor token');

	# both are told, each by himself
	is(once(@mail), 0, 'mail: the acceptance is sent');
	@got = $mails->();
	is(join(' ', sort map { "@{ $_->{fields}{to} }" } @got), 'nina@example.com owner@example.com', 'mail: to both, one mail each');
	is(scalar(grep { ($_->{raw} =~ /owner\@example/ ? 1 : 0) + ($_->{raw} =~ /nina\@example/ ? 1 : 0) != 1 } @got), 0, 'mail: neither sees the address of the other');

	# one of two cannot be sent to: the other gets no second mail
	put('refuse', 'new-owner@example.com');
	sql("UPDATE shop.customer SET email = 'new-owner\@example.com' WHERE id = 1");
	my $mailer = running(@mail, '--poll', '0.2');
	ok(wait_for(sub { sql('SELECT count(*) FROM shop.delivery WHERE last_error IS NOT NULL') eq '1' }), 'mail: one of two recipients is refused');
	@got = $mails->();
	is_deeply([ map { "@{ $_->{fields}{to} }" } @got ], ['owner@example.com'], 'mail: the other one has his');
	unlink "$dir/refuse";
	sql('UPDATE shop.delivery SET available_at = now()');
	ok(wait_for(sub { sql('SELECT count(*) FROM shop.delivery') eq '0' }), 'mail: tried again');
	is(stop($mailer), 0, 'mail: the daemon ends in order');
	@got = $mails->();
	is_deeply([ map { "@{ $_->{fields}{to} }" } @got ], ['new-owner@example.com'], 'mail: and only to who had not got it');
}

$node->stop;
done_testing();
