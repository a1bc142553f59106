# Accounts in real sessions: guessing from several sessions at once, what waits
# for whom, time and memory of a login, what a dump and the server log hold.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use IPC::Run qw(start pump finish timeout);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $limit = $PostgreSQL::Test::Utils::timeout_default;
my $node = shop_node('accounts', conf => "log_statement = none\nlog_min_messages = debug1\nmax_connections = 60\n");

sub sql { return $node->safe_psql('postgres', @_); }

# SQLSTATE and rule of the error of sql, '' without error.
sub refusal
{
	my ($text) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$text");
	my ($state) = $err =~ /ERROR:\s+(\w{5}):/;
	my ($rule) = $err =~ /CONSTRAINT NAME:\s+(\S+)/;

	return join ' ', grep { defined } $state, $rule;
}

# Cost of the hash for new sessions, in kB and passes.
sub cost
{
	my ($memory, $passes) = @_;

	sql("ALTER DATABASE postgres SET customers.password_memory = $memory");
	sql("ALTER DATABASE postgres SET customers.password_passes = $passes");
	return;
}

# A psql session of its own.
sub session
{
	my $self = { in => '', out => '', err => '', marks => 0 };

	$self->{handle} = start [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ],
	  '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, timeout($limit);
	return $self;
}

# Sends sql to a session; its output comes with answer().
sub begin
{
	my ($self, $text) = @_;

	$self->{marks}++;
	$self->{in} .= "\\echo sent$self->{marks}\n$text\n\\echo mark$self->{marks}\n";
	pump $self->{handle} until $self->{out} =~ /^sent$self->{marks}$/m;
	return;
}

sub answer
{
	my ($self) = @_;
	my $mark = "mark$self->{marks}";

	pump $self->{handle} until $self->{out} =~ /^$mark$/m;
	my $answer = $self->{out} =~ s/^(?:sent|mark)\d+\n//mgr;
	$self->{out} = '';
	chomp $answer;
	return $answer;
}

sub ask
{
	my ($self, $text) = @_;

	begin($self, $text);
	return answer($self);
}

sub leave
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	finish $self->{handle};
	return;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[ @sorted / 2 ];
}

# The passwords and addresses of the tests stand in a table, so that no
# statement contains them: what the server log has of them is not the client's.
cost(64, 1);
sql(q{
	CREATE TABLE vault (who text PRIMARY KEY, email text, password text, other text);
	INSERT INTO vault VALUES
		('ada', 'ada@example.com', 'Plum-Harbour-71', 'Velvet-Anchor-29'),
		('bob', 'bob@example.com', 'Quartz-Meadow-58', 'Saffron-Kettle-46'),
		('eve', 'eve@example.com', 'Cobalt-Thicket-93', 'Juniper-Lantern-37');
	SELECT customers.register_customer(email, password) FROM vault ORDER BY who;
	SELECT customers.register_customer('user' || n || '@example.com', 'password ' || n) FROM generate_series(1, 20) n;
	SELECT customers.create_customer('guest@example.com');
	INSERT INTO shop.customer (email, has_account, external_id) VALUES ('imported@example.com', true, 'crm-1');
	INSERT INTO shop.orders (customer_id, email, status, currency_code, total) SELECT 1, 'ada@example.com', 'pending', 'EUR', n FROM generate_series(1, 3) n;
	SELECT customers.request_order_transfer(1, 2);});
is(sql('SELECT count(*) FROM shop.credential'), '23', 'fixture: accounts');

# ------------------------------------------------------------------ rules between transactions

my $imported = sql(q{SELECT id FROM shop.customer WHERE email = 'imported@example.com'});
is(refusal("INSERT INTO shop.credential (customer_id, new_password) VALUES ($imported, 'hijacked 1')"), '23514 credential_by_registration',
	'credential_by_registration: a customer of an earlier transaction');
is(refusal("BEGIN; UPDATE shop.customer SET phone = phone WHERE id = $imported; INSERT INTO shop.credential (customer_id, new_password) VALUES ($imported, 'hijacked 1')"),
	'23514 credential_by_registration', 'credential_by_registration: touched in this one');
is(refusal("BEGIN; UPDATE shop.customer SET phone = '1', updated_at = now(), version = 1, registered_at = now() WHERE id = $imported; INSERT INTO shop.credential (customer_id, new_password) VALUES ($imported, 'hijacked 1')"),
	'23514 credential_by_registration', 'credential_by_registration: changed in this one');
is(refusal("BEGIN; SELECT FROM shop.customer WHERE id = $imported FOR UPDATE; SAVEPOINT s; UPDATE shop.customer SET phone = phone WHERE id = $imported; RELEASE s; INSERT INTO shop.credential (customer_id, new_password) VALUES ($imported, 'hijacked 1')"),
	'23514 credential_by_registration', 'credential_by_registration: in a subtransaction');
is(refusal("INSERT INTO shop.credential (customer_id, new_password) VALUES ($imported, 'hijacked 1') ON CONFLICT DO NOTHING"), '23514 credential_by_registration',
	'credential_by_registration: ON CONFLICT DO NOTHING');
is(refusal(q{INSERT INTO shop.customer (email, has_account) VALUES ('late@example.com', true)}), '23514 customer_account_registered', 'customer_account_registered: at commit');
is(refusal(q{BEGIN; INSERT INTO shop.customer (email, has_account) VALUES ('late@example.com', true); SAVEPOINT s;
	INSERT INTO shop.credential (customer_id, new_password) SELECT id, 'long enough' FROM shop.customer WHERE email = 'late@example.com'; ROLLBACK TO s; COMMIT}),
	'23514 customer_account_registered', 'customer_account_registered: at commit, with the credential undone');
is(refusal(q{BEGIN; INSERT INTO shop.customer (email, has_account) VALUES ('savepoint@example.com', true); SAVEPOINT s;
	INSERT INTO shop.credential (customer_id, new_password) SELECT id, 'long enough' FROM shop.customer WHERE email = 'savepoint@example.com'; RELEASE s; COMMIT}),
	'', 'credential_by_registration: in a savepoint of the transaction');
is(refusal("BEGIN; COPY shop.customer (id, email, has_account) FROM stdin;\n4000\tcopy\@example.com\tt\n\\.\nCOPY shop.credential (customer_id, new_password) FROM stdin;\n4000\tcopied password\n\\.\nCOMMIT;"),
	'', 'credential_by_registration: COPY of customer and password');
is(sql(q{SELECT customers.authenticate('copy@example.com', 'copied password')}), '4000', 'credential_by_registration: who logs in');
is(refusal("COPY shop.credential (customer_id, new_password) FROM stdin;\n$imported\thijacked 1\n\\.\n"), '23514 credential_by_registration', 'credential_by_registration: COPY');
is(refusal("COPY shop.credential (customer_id, password_hash) FROM stdin;\n$imported\tx\n\\.\n"), '23514 credential_password_not_editable', 'credential_password_not_editable: COPY of a hash');
is(refusal("COPY shop.account_token (customer_id, token_hash) FROM stdin;\n$imported\t\\\\x00\n\\.\n"), '23514 account_token_fixed', 'account_token_fixed: COPY of a hash');
is(sql('SELECT count(*) FROM shop.credential WHERE new_password IS NOT NULL OR proof IS NOT NULL'), '0', 'credential: nothing in the write-only columns');

# an admin and COPY
sql(q{CREATE ROLE clerk LOGIN; SELECT customers.grant_access('clerk', 'admin')});
foreach my $copy ("COPY shop.credential (customer_id, new_password) FROM stdin;\n$imported\thijacked 1\n\\.\n", 'COPY shop.credential TO stdout;', 'COPY shop.account_token TO stdout;',
	'COPY shop.delivery TO stdout;', 'COPY shop.delivery (confidential) TO stdout;', 'COPY (SELECT token_hash FROM shop.order_transfer) TO stdout;', 'COPY shop.order_transfer TO stdout;',
	"COPY shop.order_transfer (order_id, to_customer_id, token_hash) FROM stdin;\n2\t2\t\\\\x00\n\\.\n")
{
	is(refusal("SET ROLE clerk;\n$copy"), '42501', 'admin tries: ' . $copy =~ s/;.*//sr);
}

# A transaction that began long ago changes an e-mail now: the hold begins now.
sql(q{ALTER DATABASE postgres SET customers.email_change_hold = '2s'});
my $order = sql(q{INSERT INTO shop.orders (customer_id, status, currency_code, total) SELECT id, 'pending', 'EUR', 1 FROM shop.customer WHERE email = 'user20@example.com' RETURNING id});
is(refusal(q{BEGIN; SELECT pg_sleep(2.2); UPDATE shop.customer SET email = 'evil@example.com' WHERE email = 'user20@example.com'; COMMIT;
	INSERT INTO shop.account_token (customer_id) SELECT id FROM shop.customer WHERE email = 'evil@example.com'}), '23514 account_token_email_settled',
	'account_token_email_settled: the hold begins with the change, not with its transaction');
is(refusal(qq{BEGIN; SELECT pg_sleep(2.2); UPDATE shop.customer SET email = 'evil2\@example.com' WHERE email = 'evil\@example.com'; COMMIT;
	SELECT customers.request_order_transfer($order, 2)}), '23514 order_transfer_email_settled', 'order_transfer_email_settled: nor with its transaction');
my $nobodys = sql(q{INSERT INTO shop.orders (email, status, currency_code, total) VALUES ('nobody@example.com', 'pending', 'EUR', 1) RETURNING id});
is(refusal(qq{BEGIN; SELECT pg_sleep(2.2); UPDATE shop.orders SET email = 'evil\@example.com' WHERE id = $nobodys; COMMIT;
	SELECT customers.request_order_transfer($nobodys, 2)}), '23514 order_transfer_email_settled', 'order_transfer_email_settled: of an order\'s own e-mail');
sql(q{UPDATE shop.customer SET email = 'user20@example.com' WHERE email LIKE 'evil%'});
sql(q{ALTER DATABASE postgres RESET customers.email_change_hold});

# ------------------------------------------------------------------ guessing from several sessions

my $bob = sql(q{SELECT id FROM shop.customer WHERE email = 'bob@example.com'});
my $guess = "SELECT coalesce(customers.authenticate('bob\@example.com', 'guess')::text, 'none');\n";
my $change = "SELECT customers.change_password($bob, 'guess', 'long enough');\n";
my $right = q{SELECT customers.authenticate(email, password) FROM vault WHERE who = 'bob'};
foreach my $round ([ 'authenticate', ($guess x 3) x 8 ], [ 'change_password', ($change x 3) x 8 ], [ 'both', ($guess . $change . $guess, $change . $guess . $change) x 4 ])
{
	my ($name, @scripts) = @$round;
	my ($state, $meanwhile, $errors, $answers);

	# the wait is one second: what took longer says nothing, and is tried again
	foreach my $try (1 .. 5)
	{
		my $begun = time();
		my @runs = at_once($node, @scripts);

		$state = sql("SELECT failed_attempts || ' ' || (locked_until > now()) FROM shop.credential WHERE customer_id = $bob");
		$meanwhile = sql($right);
		$errors = join '', map { $_->{err} } @runs;
		$answers = join '', map { $_->{out} =~ s/^(none|f|)\n//mgr } @runs;
		last if time() - $begun < 0.9;
		$node->poll_query_until('postgres', "SELECT locked_until < clock_timestamp() FROM shop.credential WHERE customer_id = $bob") or die;
		sql($right);
	}
	is($errors, '', "guessing: eight sessions through $name, no error");
	is($answers, '', 'guessing: no guess is right');
	is($state, '10 true', 'guessing: ten failures start the wait, attempts during it do not count');
	is($meanwhile, '', 'guessing: meanwhile the right password is NULL');
	$node->poll_query_until('postgres', "SELECT locked_until < clock_timestamp() FROM shop.credential WHERE customer_id = $bob") or die;
	is(sql($right), $bob, 'guessing: after the wait it is right');
	is(sql("SELECT failed_attempts || coalesce(locked_until::text, '') FROM shop.credential WHERE customer_id = $bob"), '0', 'guessing: and the count begins anew');
}

# ------------------------------------------------------------------ the same thing at the same time

my @runs = at_once($node, map { "SELECT customers.register_customer('Race\@example.com', 'password $_');\n" } 1 .. 8);
is(scalar(grep { $_->{err} eq '' } @runs), 1, 'customer_email_key: eight register one e-mail, one does');
is(scalar(grep { $_->{err} =~ /23505.*CONSTRAINT NAME:\s+customer_email_key/s } @runs), 7, 'customer_email_key: seven are refused')
  or diag(join "\n", map { $_->{err} } @runs);
is(sql(q{SELECT count(*) FROM generate_series(1, 8) n WHERE customers.authenticate('race@example.com', 'password ' || n) IS NOT NULL}), '1', 'customer_email_key: with one password');

@runs = at_once($node, map { "SELECT customers.request_password_reset('eve\@example.com');\n" } 1 .. 8);
is(join('', map { $_->{err} } @runs), '', 'request_password_reset: eight at once, no error');
is(sql(q{SELECT count(*) FROM shop.event e JOIN shop.customer c ON c.id = e.customer_id WHERE type = 'account.password_reset_requested' AND email = 'eve@example.com'}), '1', 'request_password_reset: one token');
my $token = sql(q{SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential -> 'to' ? 'eve@example.com' AND confidential ? 'token'});
@runs = at_once($node, map { "SELECT 'done ' || customers.reset_password('$token', 'reset by $_');\n" } 1 .. 8);
is(scalar(grep { $_->{out} =~ /^done/m } @runs), 1, 'reset_password: eight use one token, one does');
is(scalar(grep { $_->{err} =~ /28P01.*CONSTRAINT NAME:\s+credential_password_not_editable/s } @runs), 7, 'reset_password: seven are refused')
  or diag(join "\n", map { $_->{err} } @runs);
my ($winner) = grep { $runs[ $_ - 1 ]{out} =~ /^done/m } 1 .. 8;
isnt(sql("SELECT customers.authenticate('eve\@example.com', 'reset by $winner')"), '', 'reset_password: and his password it is');
my $eve = sql(q{SELECT id FROM shop.customer WHERE email = 'eve@example.com'});
@runs = at_once($node, map { "SELECT 'changed ' || customers.change_password($eve, 'reset by $winner', 'changed by $_');\n" } 1 .. 8);
is(scalar(grep { $_->{out} =~ /^changed true/m } @runs), 1, 'change_password: eight with one proof, one changes');
is(join('', map { $_->{err} } @runs), '', 'change_password: no error');
($winner) = grep { $runs[ $_ - 1 ]{out} =~ /^changed true/m } 1 .. 8;
isnt(sql("SELECT customers.authenticate('eve\@example.com', 'changed by $winner')"), '', 'change_password: and his password it is');

# A login that hashes the old password anew never undoes a change.
my $password = "changed by $winner";
foreach my $n (1 .. 6)
{
	cost(64 + 8 * $n, 1 + $n % 3);
	@runs = at_once($node,
		("SELECT customers.authenticate('eve\@example.com', '$password');\n") x 3,
		"SELECT 'changed ' || customers.change_password($eve, '$password', 'round $n of it');\n");
	like($runs[3]{out}, qr/^changed true/m, "re-hash: round $n, the password is changed");
	isnt(sql("SELECT customers.authenticate('eve\@example.com', 'round $n of it')"), '', "re-hash: round $n, and stays so");
	$password = "round $n of it";
}
cost(64, 1);

# Everything at once: rules refuse, nothing deadlocks.
sql(q{
	CREATE FUNCTION attack(kind int, n int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		address text := 'mob' || n || '@example.com';
		who bigint;
		word text;
	BEGIN
		SELECT id INTO who FROM shop.customer WHERE email = address AND has_account;
		IF kind = 1 OR who IS NULL THEN
			PERFORM customers.register_customer(address, 'first password');
		ELSIF kind = 2 THEN
			-- two calls, one transaction: the second has rows of the first
			PERFORM customers.authenticate(address, 'guess');
			PERFORM customers.authenticate(address, 'first password');
		ELSIF kind = 3 THEN
			PERFORM customers.authenticate(address, 'guess');
		ELSIF kind = 4 THEN
			PERFORM customers.change_password(who, 'first password', 'second password');
		ELSIF kind = 5 THEN
			PERFORM customers.request_password_reset(address);
		ELSIF kind = 6 THEN
			INSERT INTO shop.account_token (customer_id) VALUES (who);
		ELSIF kind = 7 THEN
			SELECT confidential ->> 'token' INTO word FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id
			WHERE e.customer_id = who AND e.type = 'account.password_reset_requested' ORDER BY e.id DESC LIMIT 1;
			PERFORM customers.reset_password(coalesce(word, 'none'), 'first password');
		ELSIF kind = 8 THEN
			PERFORM customers.update_customer(who, jsonb_build_object('phone', random()::text));
		ELSIF kind = 9 THEN
			PERFORM customers.delete_customer(who, address);
		ELSIF kind = 10 THEN
			PERFORM customers.acknowledge_deliveries(ARRAY(SELECT delivery_id FROM customers.claim_deliveries('notifier', 5)));
		END IF;
	EXCEPTION WHEN check_violation OR unique_violation OR foreign_key_violation OR invalid_password THEN
		NULL;
	END $$;});
my $script = $node->basedir . '/attack.sql';
open my $file, '>', $script or die $!;
print $file "\\set kind random(1, 10)\n\\set n random(1, 4)\nSELECT attack(:kind, :n);\n";
close $file;
my ($out, $err);
my $ok = IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '500', '-f', $script, $node->connstr('postgres') ], '>', \$out, '2>', \$err);
ok($ok, 'account functions: 4,000 calls from eight clients, refused by rules alone') or diag($err);
is(join("\n", slurp_file($node->logfile) =~ /(deadlock detected.*(?:\n\t.*|\n.*(?:DETAIL|CONTEXT|STATEMENT).*)*)/g), '', 'deadlock: none in the server log');
sql(q{SELECT setval('shop.customer_id_seq', max(id)) FROM shop.customer});	# some ids above were given
is(sql(q{SELECT * FROM customers.check_store('shop')}), '', 'check_store: nothing is broken afterwards');

# ------------------------------------------------------------------ what waits for whom

# a hash that takes about a second or more
cost(131072, 10);
sql(q{SELECT customers.register_customer('slow@example.com', 'slow password')});
my $slow = sql(q{SELECT id FROM shop.customer WHERE email = 'slow@example.com'});
my $running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT customers.%slow%' AND state = 'active' AND pid <> pg_backend_pid()";
my $login = session();
foreach my $call ([ 'authenticate', "SELECT customers.authenticate('slow\@example.com', 'wrong')" ],
	[ 'change_password', "SELECT customers.change_password($slow, 'slow password', 'slow password') /* slow */" ])
{
	my ($name, $text) = @$call;
	my $admin = session();

	ask($admin, "SET statement_timeout = '20s'; SELECT customers.version();");
	begin($login, "$text;");
	$node->poll_query_until('postgres', "SELECT ($running) = 1") or die;
	usleep(50_000);
	my $begun = time();
	like(ask($admin, "SELECT 'edited ' || customers.update_customer($slow, '{\"phone\": \"1\", \"last_name\": \"$name\"}');"), qr/^edited \d+$/, "waiting for a hash: an admin edits the customer meanwhile, $name");
	my $took = time() - $begun;
	like(ask($admin, "SELECT 'edited' FROM (SELECT customers.add_to_groups($slow, ARRAY[customers.create_group('$name')])) g;"), qr/^edited$/, 'waiting for a hash: and his groups');
	is(ask($admin, "UPDATE shop.customer SET email = '$name\@example.com' WHERE id = $slow RETURNING 'address';"), 'address', 'waiting for a hash: and his e-mail');
	is(ask($admin, "$running;"), '1', "waiting for a hash: while $name still runs") or diag("an edit took $took s");
	ask($admin, "UPDATE shop.customer SET email = 'slow\@example.com' WHERE id = $slow;");
	answer($login);
	is($admin->{err} . $login->{err}, '', 'waiting for a hash: no error');
	leave($admin);
}
is(ask($login, "SELECT customers.authenticate('slow\@example.com', 'slow password');"), $slow, 'waiting for a hash: the login works');

# a statement_timeout ends a call cleanly
foreach my $call ("SELECT customers.authenticate('slow\@example.com', 'slow password')", "SELECT customers.authenticate('nobody\@example.com', 'slow password')",
	"SELECT customers.change_password($slow, 'slow password', 'other password')", "SELECT customers.register_customer('slow2\@example.com', 'slow password')")
{
	my ($name) = $call =~ /customers\.(\w+)/;

	ask($login, "SET statement_timeout = '100ms';");
	ask($login, "$call;");
	like($login->{err}, qr/ERROR:\s+57014/, "statement_timeout: ends $name");
	$login->{err} = '';
	is(ask($login, 'SET statement_timeout = 0; SELECT customers.version() IS NOT NULL;'), 't', 'statement_timeout: the session goes on');
}
is(sql("SELECT failed_attempts FROM shop.credential WHERE customer_id = $slow") . sql(q{SELECT count(*) FROM shop.customer WHERE email = 'slow2@example.com'}), '00', 'statement_timeout: nothing half done');
is(ask($login, "SELECT customers.authenticate('slow\@example.com', 'slow password');"), $slow, 'statement_timeout: and the password is as before');
leave($login);

# ------------------------------------------------------------------ time and memory at the default cost

sql('ALTER DATABASE postgres RESET customers.password_memory; ALTER DATABASE postgres RESET customers.password_passes');
is(sql('SELECT customers.version() IS NOT NULL; SHOW customers.password_memory; SHOW customers.password_passes') =~ s/\n/ /gr, 't 19MB 2', 'cost: 19 MB, 2 passes')
  or diag(sql('SHOW customers.password_memory'));
sql(q{
	SELECT customers.register_customer('known@example.com', 'known password');
	SELECT customers.register_customer('waiting@example.com', 'known password');
	SELECT customers.authenticate('waiting@example.com', 'wrong') FROM generate_series(1, 14);
	CREATE FUNCTION ms(kind text) RETURNS numeric LANGUAGE plpgsql AS $$
	DECLARE
		begun timestamptz := clock_timestamp();
	BEGIN
		PERFORM customers.authenticate(split_part(kind, ' ', 1) || '@example.com', CASE WHEN kind LIKE '% right' THEN 'known password' ELSE 'wrong password' END);
		RETURN 1000 * extract(epoch FROM clock_timestamp() - begun);
	END $$;});
my @kinds = ('known right', 'known wrong', 'nobody right', 'guest right', 'imported right', 'nonsense@ right', 'waiting right', 'waiting wrong');
my (%median, $ratio);
my $measure = session();
foreach my $try (1 .. 3)
{
	my %ms;

	sql(q{SELECT set_config('session_replication_role', 'replica', false); UPDATE shop.credential SET failed_attempts = 40, locked_until = now() + interval '1 hour'
		WHERE customer_id = (SELECT id FROM shop.customer WHERE email = 'waiting@example.com')});
	foreach my $n (0 .. 15)
	{
		foreach my $kind (@kinds)
		{
			my $took = ask($measure, "SELECT ms('$kind');");

			push @{ $ms{$kind} }, $took if $n > 0;		# the first makes plans
		}
	}
	%median = map { $_ => median(@{ $ms{$_} }) } @kinds;
	$ratio = (sort { $b <=> $a } values %median)[0] / (sort { $a <=> $b } values %median)[0];
	last if $ratio <= 1.2;
	note("a busy machine? try $try: " . join ', ', map { sprintf '%s %.1f', $_, $median{$_} } @kinds);
}
cmp_ok($ratio, '<=', 1.2, 'time: the same within 20 percent for known and unknown e-mails, right and wrong passwords');
diag('milliseconds of authenticate: ' . join ', ', map { sprintf '%s %.1f', $_, $median{$_} } @kinds);

SKIP:
{
	my $pid = ask($measure, 'SELECT pg_backend_pid();');

	skip 'no /proc here', 3 unless -r "/proc/$pid/status";
	my $kilobytes = sub {
		my ($which) = @_;
		my ($value) = slurp_file("/proc/$pid/status") =~ /^$which:\s+(\d+) kB/m;
		return $value;
	};
	leave($measure);
	$measure = session();
	$pid = ask($measure, 'SELECT pg_backend_pid();');
	ask($measure, 'SELECT customers.customer_details(1);');
	my $before = $kilobytes->('RssAnon');
	ask($measure, q{SELECT count(customers.authenticate('known@example.com', 'known password')), count(customers.authenticate('nobody@example.com', 'x')) FROM generate_series(1, 15);});
	my $after = $kilobytes->('RssAnon');
	my $peak = $kilobytes->('VmHWM') - $kilobytes->('VmRSS');
	diag("kB of a session: $before before 30 logins, $after after, peak $peak above that");
	cmp_ok($after, '<', $before + 4096, 'memory: returned after logins');
	cmp_ok($peak, '<', 25 * 1024, 'memory: under 25 MB during one');
	cmp_ok($peak, '>', 10 * 1024, 'memory: but it is spent, 19 MB a hash');
}
leave($measure);

# Sixteen sessions log in at once while another reads other customers.
my $reader = session();
my $reading = q{DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM customers.customer_details(1 + n % 20); END LOOP; END $$;};
ask($reader, $reading);
my $begun = time();
ask($reader, $reading);
my $alone = time() - $begun;
my @logins = map { session() } 1 .. 16;
ask($_, 'SELECT customers.version();') foreach @logins;
begin($logins[ $_ - 1 ], "SELECT count(customers.authenticate('user$_\@example.com', 'password $_')) FROM generate_series(1, 8);") foreach 1 .. 16;
usleep(100_000);
$begun = time();
ask($reader, $reading);
my $beside = time() - $begun;
my @counts = map { answer($_) } @logins;
is(join(' ', @counts), join(' ', (8) x 16), 'logins: sixteen sessions at once, all of them in');
is(join('', map { $_->{err} } @logins, $reader), '', 'logins: no error');
diag(sprintf '1,000 customer_details: %.3f s alone, %.3f s beside sixteen sessions that log in', $alone, $beside);
cmp_ok($beside, '<=', 17 * $alone + 0.5, 'logins: others are slowed by the shared processors at most');
leave($_) foreach @logins, $reader;

# ------------------------------------------------------------------ what a dump and the log hold

cost(64, 1);
sql(q{
	DELETE FROM shop.delivery;
	SELECT customers.request_password_reset('user1@example.com'), customers.request_password_reset('imported@example.com'), customers.request_order_transfer(2, 2);
	SELECT customers.update_customer(5, '{"email": "elsewhere@example.com"}');
	SELECT customers.change_password(c.id, v.password, v.other) FROM vault v JOIN shop.customer c USING (email) WHERE who IN ('ada', 'bob');
	SELECT customers.authenticate(email, other) FROM vault;
	CREATE TABLE secret AS SELECT password AS word FROM vault UNION SELECT other FROM vault UNION SELECT 'password ' || n FROM generate_series(1, 20) n
		UNION SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential ? 'token';});
my @secrets = grep { $_ ne '' } split /\n/, sql(q{SELECT word FROM secret});
is(scalar(grep { /^[A-Za-z0-9_-]{43}$/ } @secrets), 3, 'fixture: three tokens');
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '--schema=shop', '--exclude-table-data=shop.delivery', '-f', $dump, $node->connstr('postgres') ], 'dump: of everything but the deliveries');
my $text = slurp_file($dump);
is(join(', ', grep { index($text, $_) >= 0 } @secrets), '', 'dump: contains no token and no password');
like($text, qr/\$argon2id\$/, 'dump: but the hashes');
is(join(', ', grep { my $h = unpack('H*', $_); index($text, $h) >= 0 } @secrets), '', 'dump: nor in hexadecimal');
command_ok([ 'pg_dump', '--schema=shop', '-f', $dump, $node->connstr('postgres') ], 'dump: with the deliveries');
$text = slurp_file($dump);
is(scalar(grep { index($text, $_) >= 0 } @secrets), 3, 'dump: which are where the tokens are');

# Statements without a secret in them: what the log has of one, we wrote.
my $offset = -s $node->logfile;
sql(q{CREATE FUNCTION quietly(call text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		r text;
	BEGIN
		EXECUTE call INTO r;
		RETURN r;
	END $$;});
my ($ret, $o, $e);
foreach my $call ('customers.register_customer(who || \'2@example.com\', password)', 'customers.authenticate(email, other)', 'customers.authenticate(email, password)',
	'customers.change_password((SELECT id FROM shop.customer c WHERE c.email = v.email), other, password || \' new\')',
	'customers.change_password((SELECT id FROM shop.customer c WHERE c.email = v.email), password || \' new\', other)',
	'customers.reset_password(other, password)', 'customers.register_customer(email, password)',
	'customers.register_customer(who || \'3@example.com\', password || repeat(\'x\', 1024))',
	'customers.update_customer(1, jsonb_build_object(\'password\', password))')
{
	foreach my $prefix ('', "SET log_error_verbosity = verbose; SET client_min_messages = debug5; SET log_min_messages = debug5; SET log_min_error_statement = debug5;\n")
	{
		($ret, $o, $e) = $node->psql('postgres', "${prefix}PREPARE p AS SELECT $call FROM vault v; EXECUTE p;");
		$text .= $e;
		is(join(', ', grep { index($e, $_) >= 0 } @secrets), '', "messages: no secret, at " . ($prefix ? 'debug5' : 'debug1') . ", $call");
	}
}
my @plain = ('UPDATE shop.credential k SET new_password = v.other FROM vault v', 'UPDATE shop.credential k SET new_password = v.other, proof = v.password FROM vault v',
	'UPDATE shop.credential k SET password_hash = v.other FROM vault v', 'INSERT INTO shop.credential (customer_id, new_password, proof) SELECT 1, other, password FROM vault',
	'INSERT INTO shop.credential (customer_id, new_password, proof) SELECT NULL, other, password FROM vault', 'INSERT INTO shop.credential (customer_id, new_password, proof, failed_attempts) SELECT 1, other, password, NULL FROM vault',
	'UPDATE shop.credential k SET new_password = v.other, proof = v.password, failed_attempts = NULL FROM vault v', 'UPDATE shop.credential k SET proof = v.password FROM vault v');
foreach my $statement (@plain)
{
	($ret, $o, $e) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");
	like($e, qr/ERROR/, "messages: refused, $statement");
	is(join(', ', grep { index($e, $_) >= 0 } @secrets), '', 'messages: without a secret');
	unlike($e, qr/\$argon2id/, 'messages: without a hash');
}
my $log = slurp_file($node->logfile, $offset);
like($log, qr/PREPARE p AS SELECT customers.authenticate/, 'log: the statements are there');
is(join(', ', grep { index($log, $_) >= 0 } @secrets), '', 'log: no token and no password');

# A doorbell says that there is something, nothing of what.
my $ear = listener($node, 'customers_shop');
sql(q{SELECT customers.request_password_reset('user4@example.com'); SELECT customers.register_customer('bell@example.com', 'bell password')});
my @heard = heard($ear);
is(join(' ', sort @heard), '{"subscription": "notifier", "type": "account.password_reset_requested"} {"subscription": "notifier", "type": "account.registered"}',
	'doorbell: type and subscription, nothing of the person');
$ear->{in} .= "\\q\n";
finish $ear->{handle};

# ------------------------------------------------------------------ profiles survive a dump

sql(q{CREATE ROLE front LOGIN; SELECT customers.grant_access('front', 'storefront'); CREATE ROLE reads LOGIN; SELECT customers.grant_access('reads', 'reader'); CREATE ROLE rings LOGIN; SELECT customers.grant_access('rings', 'notifier')});
my $grants = q{
	SELECT a.grantee::regrole, a.privilege_type, c.relname, t.attname FROM pg_class c LEFT JOIN pg_attribute t ON t.attrelid = c.oid AND t.attacl IS NOT NULL, aclexplode(coalesce(t.attacl, c.relacl)) a
		WHERE c.relnamespace = 'shop'::regnamespace AND a.grantee <> c.relowner
	UNION ALL SELECT a.grantee::regrole, a.privilege_type, nspname, NULL FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'shop' AND a.grantee <> nspowner
	ORDER BY 1, 2, 3, 4};
sql('CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'pg_dump', '-Fc', '-f', $node->basedir . '/whole.dump', $node->connstr('postgres') ], 'profiles: dumped');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), $node->basedir . '/whole.dump' ], 'profiles: restored');
is($node->safe_psql('restored', $grants), sql($grants), 'profiles: every privilege as it was');
is($node->safe_psql('restored', q{SET ROLE front; SELECT customers.authenticate('user3@example.com', 'password 3') IS NOT NULL}), 't', 'profiles: a storefront works in the restored store, with the passwords');

$node->stop;
done_testing();
