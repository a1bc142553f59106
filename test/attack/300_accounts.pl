# What the owner of a store, and whoever guesses, can do with accounts: hashes
# that cost hours, NULL and extremes in every column, guessing that is always
# rolled back, accounts told from strangers by what a login writes.
use strict;
use warnings;

use Shop;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = shop_node('accounts', store => 0, conf => "log_min_messages = error\n");

$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN;
	CREATE ROLE keeper LOGIN;
	GRANT CREATE ON DATABASE postgres TO mallory, keeper;
	ALTER DATABASE postgres SET customers.password_memory = 64;
	ALTER DATABASE postgres SET customers.password_passes = 1;});
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# A session as a role, which goes on after errors.
sub session_of
{
	my ($role, $on) = @_;
	my $session = open_session($on // $node);

	$session->tolerate;
	$session->ask("SET SESSION AUTHORIZATION $role; SELECT customers.version();");
	return $session;
}

# What a statement answers, or the rule and the SQLSTATE of its error.
sub answer
{
	my ($session, $sql) = @_;
	my $out = $session->ask("\\set VERBOSITY verbose\n$sql;\n\\warn said");

	$session->{run}->pump until $session->{err} =~ /^said$/m;
	my ($state) = $session->{err} =~ /ERROR:\s+(\w{5}):/;
	my ($rule) = $session->{err} =~ /CONSTRAINT NAME:\s+(\S+)/;
	$session->{err} = '';
	return $out if !defined $state;
	return defined $rule ? "$rule $state" : $state;
}

my $mallory = session_of('mallory');
is(answer($mallory, q{SELECT customers.create_store()}), 'created', 'fixture: a stranger owns a store');
my $id = answer($mallory, q{SELECT customers.register_customer('ada@example.com', 'the right one')});
like($id, qr/^\d+$/, 'fixture: with an account');
my $right = q{SELECT customers.authenticate('ada@example.com', 'the right one')};
my $wrong = q{SELECT customers.authenticate('ada@example.com', 'a wrong one')};
my $change = "SELECT customers.change_password($id, 'the right one', 'the right one')";

# Writes to a table as its owner can: with the triggers off.
sub write_rows
{
	my ($table, $sql) = @_;

	return answer($mallory, "BEGIN; ALTER TABLE $table DISABLE TRIGGER USER; $sql; ALTER TABLE $table ENABLE TRIGGER USER; COMMIT");
}

# Ends all waits, for the rows and for what is remembered of them.
my $forgive = 'UPDATE shop.credential SET failed_attempts = 0, locked_until = NULL;';

# ------------------------------------------------------------------ credential_hash_bounded

my $hash = answer($mallory, 'SELECT password_hash FROM shop.credential');
my ($salt, $sum) = $hash =~ /\$([^\$]{22})\$([^\$]{43})$/ or die $hash;
my @bounds = ('its cost is out of bounds', 'it is no hash of argon2id');
foreach my $case (
	[ "\$argon2id\$v=19\$m=1048576,t=20,p=1\$$salt\$$sum", 0 ], [ "\$argon2id\$v=19\$m=64,t=400000000,p=1\$$salt\$$sum", 0 ],
	[ "\$argon2id\$v=19\$m=131073,t=1,p=1\$$salt\$$sum", 0 ], [ "\$argon2id\$v=19\$m=64,t=11,p=1\$$salt\$$sum", 0 ], [ "\$argon2id\$v=19\$m=7,t=1,p=1\$$salt\$$sum", 0 ],
	[ "\$argon2id\$v=19\$m=4294967295,t=4294967295,p=1\$$salt\$$sum", 0 ], [ "\$argon2id\$v=19\$m=4294967296,t=1,p=1\$$salt\$$sum", 1 ],
	[ "\$argon2id\$v=19\$m=18446744073709551680,t=1,p=1\$$salt\$$sum", 1 ], [ "\$argon2id\$v=19\$m=064,t=1,p=1\$$salt\$$sum", 1 ],
	[ "\$argon2id\$v=19\$m=64,t=0,p=1\$$salt\$$sum", 1 ], [ "\$argon2id\$v=19\$m=-64,t=1,p=1\$$salt\$$sum", 1 ], [ "\$argon2id\$v=19\$m=64,t=1,p=8\$$salt\$$sum", 1 ],
	[ "\$argon2id\$v=19\$m=64,t=1,p=16777215\$$salt\$$sum", 1 ], [ "\$argon2id\$v=16\$m=64,t=1,p=1\$$salt\$$sum", 1 ], [ "\$argon2i\$v=19\$m=64,t=3,p=1\$$salt\$$sum", 1 ],
	[ "\$argon2id\$m=64,t=1,p=1\$$salt\$$sum", 1 ], [ "\$argon2id\$v=19\$m=64,t=1,p=1\$\$$sum", 1 ], [ "\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$", 1 ],
	[ "\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$${sum}A", 1 ], [ "\$argon2id\$v=19\$m=64,t=1,p=1\$$salt\$" . substr($sum, 0, 42), 1 ], [ "$hash\$", 1 ], [ "$hash ", 1 ],
	[ "\$argon2id\$v=19\$m=64,t=1,p=1\$" . substr($salt, 0, 21) . "=\$$sum", 1 ], [ "\$argon2id\$v=19\$m=64,t=1,p=1\$" . substr($salt, 0, 21) . "B\$$sum", 1 ],
	[ '', 1 ], [ 'x', 1 ], [ '$', 1 ], [ '$2b$12$abcdefghijklmnopqrstuv', 1 ], [ 'é' x 48, 1 ], [ '$argon2id$' x 50000, 1 ])
{
	my ($stored, $kind) = @$case;
	my $name = length $stored > 60 ? substr($stored, 0, 45) . '..' : $stored;
	my $begun = time();

	is(write_rows('shop.credential', "UPDATE shop.credential SET password_hash = '$stored'"), '', "credential_hash_bounded: the owner writes '$name'");
	is(answer($mallory, $forgive), '', 'credential_hash_bounded: without failures');
	is(answer($mallory, "SELECT customers.password_hash_fault(password_hash) FROM shop.credential"), $bounds[$kind], 'credential_hash_bounded: which has a fault');
	is(answer($mallory, $right), '', 'credential_hash_bounded: and nobody logs in');
	is(answer($mallory, $change), 'f', 'credential_hash_bounded: nor changes it');
	is(answer($mallory, "UPDATE shop.credential SET new_password = 'another one', proof = 'the right one'"), 'credential_password_not_editable 28P01', 'credential_hash_bounded: nor by a statement');
	is(answer($mallory, 'SELECT failed_attempts FROM shop.credential'), '2', 'credential_hash_bounded: like a wrong password');
	cmp_ok(time() - $begun, '<', 30, 'credential_hash_bounded: at once');
}
is(write_rows('shop.credential', "UPDATE shop.credential SET password_hash = '$hash'"), '', 'credential_hash_bounded: the hash as it was');
is(answer($mallory, "$forgive SELECT customers.password_hash_fault(password_hash) FROM shop.credential"), '', 'credential_hash_bounded: has no fault');
is(answer($mallory, $right), $id, 'credential_hash_bounded: and lets in');

# the most that can be asked for is run, and takes no longer than it should
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET customers.password_memory = '128MB'; ALTER DATABASE postgres SET customers.password_passes = 10});
my $dear = session_of('mallory');
my $dearest = answer($dear, q{SELECT customers.register_customer('dear@example.com', 'the right one')});
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET customers.password_memory = 64; ALTER DATABASE postgres SET customers.password_passes = 1});
is(answer($mallory, "SELECT split_part(password_hash, '\$', 4) FROM shop.credential WHERE customer_id = $dearest"), 'm=131072,t=10,p=1', 'credential_hash_bounded: a hash at the settings\' maxima');
my $begun = time();
is(answer($mallory, q{SELECT customers.authenticate('dear@example.com', 'a wrong one')}), '', 'credential_hash_bounded: is run');
diag(sprintf 'a run at the maxima took %.2f s', time() - $begun);
is(answer($mallory, q{SELECT customers.authenticate('dear@example.com', 'the right one')}), $dearest, 'credential_hash_bounded: right');
is(answer($mallory, "SELECT split_part(password_hash, '\$', 4) FROM shop.credential WHERE customer_id = $dearest"), 'm=64,t=1,p=1', 'credential_hash_bounded: and made anew at the lower cost');
$dear->close;

# ------------------------------------------------------------------ NULL and extremes

# What the functions of accounts answer.  A store that is no longer as it was
# made (NULL is allowed where it was not) is refused, or the code copes.
my $fine = qr/^(?:|$id|t|f|\w+ 23514|\w+ 28P01)$/;
my $refused = qr/^(?:|$id|t|f|\w+ 23514|\w+ 28P01|3F000|22023|23502)$/;
my @calls = ($right, $wrong, $change, q{SELECT customers.request_password_reset('ada@example.com')}, "INSERT INTO shop.account_token (customer_id) VALUES ($id)",
	"SELECT customers.reset_password(repeat('A', 43), 'the right one')", "UPDATE shop.credential SET new_password = 'the right one', proof = 'the right one' WHERE customer_id = $id");
my $extremes = q{ALTER TABLE shop.credential ALTER password_hash DROP NOT NULL, ALTER failed_attempts DROP NOT NULL; ALTER TABLE shop.customer ALTER has_account DROP NOT NULL, ALTER email DROP NOT NULL;
	ALTER TABLE shop.account_token ALTER token_hash DROP NOT NULL, ALTER expires_at DROP NOT NULL;};
my $checks = $node->safe_psql('postgres', q{SELECT string_agg(format('ALTER TABLE shop.customer DROP CONSTRAINT %I;', conname), ' ') FROM pg_constraint WHERE conrelid = 'shop.customer'::regclass AND contype = 'c'});
foreach my $case ([ 'credential', 'password_hash = NULL' ], [ 'credential', 'failed_attempts = NULL' ], [ 'credential', 'failed_attempts = -2147483648' ], [ 'credential', 'failed_attempts = 2147483647' ],
	[ 'credential', 'failed_attempts = NULL, locked_until = NULL, password_hash = NULL' ], [ 'credential', q{locked_until = 'infinity'} ], [ 'credential', q{locked_until = '-infinity'} ],
	[ 'credential', q{locked_until = '294276-12-31 23:59:59.999999'} ], [ 'credential', q{locked_until = '4714-11-24 00:00:00 BC'} ], [ 'credential', q{password_changed_at = 'infinity', created_at = '-infinity'} ],
	[ 'customer', q{email_changed_at = 'infinity'} ], [ 'customer', q{email_changed_at = '-infinity'} ], [ 'customer', q{email_changed_at = '294276-12-31 23:59:59.999999'} ],
	[ 'customer', q{email_changed_at = '4714-11-24 00:00:00 BC', created_at = '-infinity', updated_at = 'infinity', registered_at = 'infinity'} ],
	[ 'customer', 'email = NULL' ], [ 'customer', q{email = ''} ], [ 'customer', 'has_account = NULL' ], [ 'customer', 'has_account = false' ], [ 'customer', q{email = repeat('x', 2000)} ])
{
	my ($table, $set) = @$case;
	my $key = $table eq 'customer' ? 'id' : 'customer_id';
	my $outcome = $set =~ /NULL/ ? $refused : $fine;
	my $before = ($set =~ /NULL/ ? $extremes : '') . ($table eq 'customer' && $set !~ /_at/ ? $checks : '');

	is(answer($mallory, "BEGIN; $before ALTER TABLE shop.$table DISABLE TRIGGER USER; UPDATE shop.$table SET $set WHERE $key = $id; ALTER TABLE shop.$table ENABLE TRIGGER USER;"), '', 'extremes: ' . substr("$table, $set", 0, 100));
	foreach my $call (@calls)
	{
		my $got = answer($mallory, "SAVEPOINT s; $call; ROLLBACK TO s;");

		like($got, $outcome, 'extremes: ' . substr($call, 0, 60));
		answer($mallory, 'ROLLBACK TO s;');
	}
	is(answer($mallory, 'ROLLBACK; SELECT 1'), '1', 'extremes: the session goes on');
}
is(answer($mallory, "BEGIN; UPDATE shop.credential SET failed_attempts = 0, locked_until = NULL; COMMIT; $right"), $id, 'extremes: and the account is as before');

# times that cannot be added to
foreach my $case ([ 'infinity', 'account_token_email_settled 23514', 0 ], [ '294276-12-31 23:59:59.999999', 'account_token_email_settled 23514', 0 ], [ '-infinity', '', 1 ], [ '4714-11-24 00:00:00 BC', '', 1 ])
{
	my ($time, $refusal, $tokens) = @$case;

	is(write_rows('shop.customer', "UPDATE shop.customer SET email_changed_at = '$time' WHERE id = $id"), '', "account_token_email_settled: changed at $time");
	is(answer($mallory, "BEGIN; INSERT INTO shop.account_token (customer_id) VALUES ($id); ROLLBACK"), $refusal, 'account_token_email_settled: is settled or not, without overflow');
	answer($mallory, 'ROLLBACK');
	is(answer($mallory, q{BEGIN; SELECT customers.request_password_reset('ada@example.com'); SELECT count(*) FROM shop.account_token; ROLLBACK}), "\n$tokens", 'account_token_email_settled: request_password_reset agrees');
}
is(write_rows('shop.customer', "UPDATE shop.customer SET email_changed_at = NULL WHERE id = $id"), '', 'account_token_email_settled: never');

# an account that its owner closes stays closed
is(answer($mallory, "UPDATE shop.credential SET locked_until = 'infinity'; $right"), '', 'extremes: an account that waits for ever');
is(answer($mallory, "UPDATE shop.credential SET locked_until = NULL; $right"), $id, 'extremes: until its owner lets it in');

# what a trigger of the owner makes of a token, before its event is recorded
is(answer($mallory, q{CREATE FUNCTION shop.mangle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$}), '', 'fixture: a trigger of the owner');
foreach my $mangled (q{NEW.token_hash = '\x'}, q{NEW.token_hash = '\x00'}, q{NEW.token_hash = substr(NEW.token_hash, 1, 31)}, q{NEW.token_hash = NEW.token_hash || '\x00'},
	q{NEW.token_hash = decode(repeat('00', 32), 'hex')}, q{NEW.token_hash = NULL}, q{NEW.expires_at = NULL}, q{NEW.expires_at = 'infinity'}, q{NEW.expires_at = '-infinity'},
	q{NEW.expires_at = '294276-12-31 23:59:59.999999'}, q{NEW.customer_id = -1}, q{NEW.customer_id = NULL})
{
	my $nothing = $mangled =~ /NULL/;
	my $drop = $nothing ? 'ALTER TABLE shop.account_token ALTER token_hash DROP NOT NULL, ALTER expires_at DROP NOT NULL;' : '';

	is(answer($mallory, "CREATE OR REPLACE FUNCTION shop.mangle() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $mangled; RETURN NEW; END \$\$;
		BEGIN; $drop CREATE TRIGGER zz BEFORE INSERT ON shop.account_token FOR EACH ROW EXECUTE FUNCTION shop.mangle();"), '', "tokens: $mangled");
	like(answer($mallory, q{SELECT customers.request_password_reset('ada@example.com')}), $nothing ? qr/^(?:|3F000|22023|23502)$/ : $mangled =~ /customer_id/ ? qr/^account_token_customer_id_fkey 23503$/ : qr/^$/, 'tokens: asked for, or refused');
	like(answer($mallory, q{SELECT count(*) FROM shop.delivery WHERE confidential ->> 'token' !~ '^[A-Za-z0-9_-]{43}$'}), qr/^(?:0|25P02)$/, 'tokens: what is delivered is one, or none');
	is(answer($mallory, 'ROLLBACK; SELECT 1'), '1', 'tokens: the session goes on');
}

# many tokens in one transaction, each waiting for its event, none of them taken
is(answer($mallory, q{BEGIN; DO $$ BEGIN FOR n IN 1..20000 LOOP BEGIN INSERT INTO shop.account_token (customer_id) SELECT id FROM shop.customer WHERE email = 'ada@example.com'; RAISE EXCEPTION USING ERRCODE = 'ZZ000';
	EXCEPTION WHEN SQLSTATE 'ZZ000' THEN NULL; END; END LOOP; END $$; ROLLBACK}), '', 'tokens: thousands that came to nothing');
$mallory->close;

# ------------------------------------------------------------------ guessing that is rolled back

# Where the server has memory for it, one more failure from another session
# counts; else those of one session do.
my $preloaded = shop_node('preloaded', store => 0, conf => "shared_preload_libraries = 'customers'\nlog_min_messages = error\n");
$preloaded->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN;
	CREATE ROLE keeper LOGIN;
	GRANT CREATE ON DATABASE postgres TO mallory, keeper;
	ALTER DATABASE postgres SET customers.password_memory = 64;
	ALTER DATABASE postgres SET customers.password_passes = 1;});
my $shared_started = $preloaded->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

foreach my $on ([ 'one session', $node ], [ 'preloaded', $preloaded ])
{
	my ($where, $server) = @$on;
	my $keeper = session_of('keeper', $server);
	my $store = $server == $node ? 'kept' : 'shop';

	is(answer($keeper, "SELECT customers.create_store('$store')"), 'created', "rolled back, $where: a store");
	answer($keeper, "SET customers.store = '$store'");
	my ($bob, $eve) = map { answer($keeper, "SELECT customers.register_customer('$_\@example.com', 'the right one')") } qw(bob eve);
	my $mend = $forgive =~ s/shop\./$store./r;
	my $in = q{SELECT customers.authenticate('bob@example.com', 'the right one')};
	my $guess = q{SELECT customers.authenticate('bob@example.com', 'a guess');};
	my $long_wait = "BEGIN; UPDATE $store.credential SET failed_attempts = 20; $guess ROLLBACK;";

	foreach my $way (
		[ 'a transaction each', ("BEGIN; $guess ROLLBACK;") x 6 ],
		[ 'a savepoint each', 'BEGIN;', ("SAVEPOINT s; $guess ROLLBACK TO s;") x 6, 'COMMIT;' ],
		[ 'blocks of plpgsql', q{DO $$ BEGIN FOR n IN 1..6 LOOP BEGIN PERFORM customers.authenticate('bob@example.com', 'a guess'); RAISE EXCEPTION USING ERRCODE = 'ZZ000';
			EXCEPTION WHEN SQLSTATE 'ZZ000' THEN NULL; END; END LOOP; END $$;} ],
		[ 'change_password', ("BEGIN; SELECT customers.change_password($bob, 'a guess', 'long enough'); ROLLBACK;") x 6 ],
		[ 'either', ("BEGIN; SELECT customers.change_password($bob, 'a guess', 'long enough'); ROLLBACK; BEGIN; $guess ROLLBACK;") x 3 ],
		[ 'every other', ("BEGIN; $guess ROLLBACK; $guess") x 3 ],
		[ 'a failing statement', ("SELECT 1 / coalesce(customers.authenticate('bob\@example.com', 'a guess'), 0);") x 6 ],
		[ 'a serializable transaction each', ("BEGIN ISOLATION LEVEL SERIALIZABLE; $guess ROLLBACK;") x 6 ])
	{
		my ($name, @script) = @$way;

		answer($keeper, $_) foreach @script;
		answer($keeper, $guess);
		is(answer($keeper, "SELECT failed_attempts FROM $store.credential WHERE customer_id = $bob"), '7', "rolled back, $where: $name, and the next that commits counts them all");
		is(answer($keeper, "SELECT failed_attempts FROM $store.credential WHERE customer_id = $eve"), '0', "rolled back, $where: of nobody else");
		is(answer($keeper, $in), $bob, "rolled back, $where: the right one");
		is(answer($keeper, "SELECT failed_attempts FROM $store.credential WHERE customer_id = $bob"), '0', "rolled back, $where: forgets them");
	}
	# Sixty in a row, and the account waits.  Its first wait is a second: what
	# took longer says nothing, and is tried again.
	my $says = '';
	foreach my $try (1 .. 3)
	{
		answer($keeper, "BEGIN; $guess ROLLBACK;") foreach 1 .. 60;
		$says = answer($keeper, "SELECT coalesce(customers.authenticate('bob\@example.com', 'the right one')::text, 'none'), customers.change_password($bob, 'the right one', 'the right one')");
		last if $says eq 'none|f';
	}
	is($says, 'none|f', "rolled back, $where: sixty, and the account waits");
	is(answer($keeper, q{SELECT customers.authenticate('eve@example.com', 'the right one')}), $eve, "rolled back, $where: others do not");
	is(answer($keeper, "$mend $in"), $bob, "rolled back, $where: the owner of the store ends it");
	# ten in a row, and the right one in between
	answer($keeper, "BEGIN; $guess ROLLBACK;") foreach 1 .. 9;
	is(answer($keeper, $in), $bob, "rolled back, $where: nine do not make it wait");
	answer($keeper, "BEGIN; $guess ROLLBACK;") foreach 1 .. 9;
	is(answer($keeper, $in), $bob, "rolled back, $where: the right one forgot the first nine");
	# a new password by mail ends the wait
	answer($keeper, $long_wait);
	is(answer($keeper, $in), '', "rolled back, $where: a long wait");
	answer($keeper, q{SELECT customers.request_password_reset('bob@example.com')});
	my $token = answer($keeper, "SELECT confidential ->> 'token' FROM $store.delivery WHERE confidential ? 'token'");
	is(answer($keeper, "SELECT customers.reset_password('$token', 'the right one')"), $bob, "rolled back, $where: a reset");
	is(answer($keeper, $in), $bob, "rolled back, $where: ends the wait");
	$keeper->close;
}

# one guess a session
my $in = q{SELECT customers.authenticate('bob@example.com', 'the right one')};
my $keeper = session_of('keeper', $preloaded);
is(answer($keeper, $in), '1', 'many sessions: let in before');
foreach my $n (1 .. 8)
{
	my $session = session_of('keeper', $preloaded);

	is(answer($session, q{BEGIN; SELECT customers.authenticate('bob@example.com', 'a guess'); ROLLBACK}), '', "many sessions: guess $n, rolled back");
	$session->close;
}
answer($keeper, q{SELECT customers.authenticate('bob@example.com', 'a guess')});
is(answer($keeper, 'SELECT failed_attempts FROM shop.credential WHERE customer_id = 1'), '9', 'many sessions: another session counts them all');
is(answer($keeper, "$forgive $in"), '1', 'many sessions: until the owner of the store ends it');

# A stranger's accounts, more than there is memory for, and worse guessed at.
answer($keeper, q{BEGIN; UPDATE shop.credential SET failed_attempts = 20; SELECT customers.authenticate('bob@example.com', 'a guess'); ROLLBACK});
is(answer($keeper, $in), '', 'flood: an account waits');
$mallory = session_of('mallory', $preloaded);
is(answer($mallory, q{SELECT customers.create_store('flood')}), 'created', 'flood: a stranger\'s store');
answer($mallory, q{SET customers.store = 'flood'});
answer($mallory, q{SELECT customers.register_customer('first@example.com', 'the right one')});
is(answer($mallory, q{BEGIN; ALTER TABLE flood.customer DISABLE TRIGGER USER; ALTER TABLE flood.credential DISABLE TRIGGER USER;
	INSERT INTO flood.customer (email, has_account, metadata, metadata_order, version, updated_at) SELECT 'm' || n || '@example.com', true, '{}', '{}', 1, now() FROM generate_series(1, 20000) n;
	INSERT INTO flood.credential (customer_id, password_hash, failed_attempts) SELECT id, 'x', 1000 FROM flood.customer WHERE email LIKE 'm%';
	ALTER TABLE flood.customer ENABLE TRIGGER USER; ALTER TABLE flood.credential ENABLE TRIGGER USER; COMMIT; ANALYZE flood.customer, flood.credential}), '', 'flood: 20,000 accounts');
answer($mallory, 'RESET customers.store; SET customers.store = flood; BEGIN; ');
is(answer($mallory, q{SELECT count(customers.authenticate('m' || n || '@example.com', 'a guess')) FROM generate_series(1, 20000) n}), '0', 'flood: guessed at, a thousand times each as their rows have it');
answer($mallory, 'ROLLBACK');
is(answer($keeper, $in), '', 'flood: which a store that has few of them does not forget');
is(answer($keeper, q{SELECT customers.authenticate('eve@example.com', 'the right one')}), '2', 'flood: nobody else does');
is(answer($mallory, q{SELECT customers.authenticate('first@example.com', 'the right one')}), '1', 'flood: the same id in the stranger\'s store does not wait');

# A stranger's table that has the same shape: its guard forgets nothing of others.
is(answer($mallory, 'UPDATE flood.credential SET failed_attempts = 0, locked_until = NULL WHERE customer_id = 1'), '', 'flood: a stranger ends a wait of his own');
is(answer($keeper, $in), '', 'flood: and of nobody else');
$mallory->close;
$keeper->close;

# ------------------------------------------------------------------ what a login writes

# As many records in the write-ahead log, and a transaction that has one to
# flush at commit, whoever the e-mail belongs to and whatever is wrong.
my $shop = session_of('mallory');
is(answer($shop, q{SELECT customers.create_customer('guest@example.com')}) =~ /^\d+$/, 1, 'writes: a guest');
answer($shop, q{INSERT INTO shop.customer (email, has_account, external_id) VALUES ('imported@example.com', true, 'crm-1')});
answer($shop, "SELECT customers.register_customer('$_\@example.com', 'the right one')") foreach qw(waiting blocked rolled);
is(write_rows('shop.credential', q{UPDATE shop.credential SET failed_attempts = 40, locked_until = 'infinity' WHERE customer_id = (SELECT id FROM shop.customer WHERE email = 'waiting@example.com');
	UPDATE shop.credential SET password_hash = '$argon2id$v=19$m=1048576,t=20,p=1$' || split_part(password_hash, '$', 5) || '$' || split_part(password_hash, '$', 6)
	WHERE customer_id = (SELECT id FROM shop.customer WHERE email = 'blocked@example.com')}), '', 'writes: one who waits, one whose hash is not run');
answer($shop, q{BEGIN; UPDATE shop.credential SET failed_attempts = 20; SELECT customers.authenticate('rolled@example.com', 'a guess'); ROLLBACK});
answer($shop, q{SELECT customers.authenticate('rolled@example.com', 'a guess'), customers.authenticate('nobody@example.com', 'a guess') FROM generate_series(1, 7)});
my (%records, %flushed);
my @kinds = ([ 'ada@example.com', 'a guess' ], [ 'ada@example.com', 'x' x 2000 ], [ 'nobody@example.com', 'a guess' ], [ 'guest@example.com', 'a guess' ], [ 'imported@example.com', 'a guess' ],
	[ 'waiting@example.com', 'a guess' ], [ 'waiting@example.com', 'the right one' ], [ 'blocked@example.com', 'a guess' ], [ 'rolled@example.com', 'the right one' ], [ 'no address', 'a guess' ]);
foreach my $n (1 .. 5)
{
	answer($shop, q{UPDATE shop.credential SET failed_attempts = 0, locked_until = NULL WHERE customer_id IN (SELECT id FROM shop.customer WHERE email IN ('ada@example.com', 'blocked@example.com'))});
	foreach my $kind (@kinds)
	{
		my ($email, $password) = @$kind;
		my $name = "$email, " . substr($password, 0, 20);
		my $plan = answer($shop, "BEGIN; EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT customers.authenticate('$email', '$password')");
		my ($count) = $plan =~ /WAL: records=(\d+)/;

		# pages that are cleaned up by the way have records of their own
		$records{$name} = $count // 0 if !defined $records{$name} || ($count // 0) < $records{$name};
		$flushed{$name} = answer($shop, 'SELECT pg_current_xact_id_if_assigned() IS NOT NULL');
		answer($shop, 'COMMIT');
	}
}
cmp_ok($records{'ada@example.com, a guess'}, '>', 0, 'writes: a wrong password is written down');
is($records{$_}, $records{'ada@example.com, a guess'}, "writes: as many records, $_") foreach sort keys %records;
is($flushed{$_}, 't', "writes: and a commit to be flushed, $_") foreach sort keys %flushed;
foreach my $change ("$id, 'a guess'", "-1, 'a guess'", "9223372036854775807, 'a guess'", q{(SELECT id FROM shop.customer WHERE email = 'imported@example.com'), 'a guess'},
	q{(SELECT id FROM shop.customer WHERE email = 'guest@example.com'), 'a guess'}, q{(SELECT id FROM shop.customer WHERE email = 'waiting@example.com'), 'the right one'})
{
	my $least;

	foreach my $n (1 .. 3)
	{
		answer($shop, "UPDATE shop.credential SET failed_attempts = 0, locked_until = NULL WHERE customer_id = $id");
		my $plan = answer($shop, "EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT customers.change_password($change, 'long enough')");
		my ($count) = $plan =~ /WAL: records=(\d+)/;
		$least = $count // 0 if !defined $least || ($count // 0) < $least;
	}
	is($least, $records{'ada@example.com, a guess'}, "writes: change_password as well, $change");
}

# Attempts on the same e-mail queue, whoever it belongs to; others do not.
my $second = session_of('mallory');
answer($second, q{SET lock_timeout = '200ms'});
foreach my $email ('ada@example.com', 'nobody@example.com', 'guest@example.com', 'imported@example.com', 'waiting@example.com', 'blocked@example.com', 'no address')
{
	answer($shop, "BEGIN; SELECT customers.authenticate('$email', 'a guess')");
	is(answer($second, "SELECT customers.authenticate('\U$email\E', 'a guess')"), '55P03', "queue: the second attempt waits for the first, $email");
	is(answer($second, q{SELECT customers.authenticate('somebody@example.com', 'a guess')}), '', 'queue: one on another e-mail does not');
	answer($shop, 'ROLLBACK');
}
foreach my $who ($id, -1)
{
	answer($shop, "BEGIN; SELECT customers.change_password($who, 'a guess', 'long enough')");
	is(answer($second, "SELECT customers.change_password($who, 'a guess', 'long enough')"), '55P03', "queue: change_password as well, $who");
	answer($shop, 'ROLLBACK');
}
is(answer($shop, q{BEGIN; SELECT count(customers.authenticate('many' || n || '@example.com', 'a guess')) FROM generate_series(1, 20000) n; SELECT count(*) <= 1100 FROM pg_locks WHERE pid = pg_backend_pid(); ROLLBACK}), "0\nt",
	'queue: thousands in one transaction do not fill the table of locks');
$second->close;
$shop->close;

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server has not restarted');
is($preloaded->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $shared_started, 'nor has the other');
$node->stop;
$preloaded->stop;
done_testing();
