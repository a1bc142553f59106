# What the server's log and statistics say of a password or a token that a
# client sent as a parameter: by itself, with what doc/operations.md tells to
# set, and without it (which shows that the test would see a secret).
use strict;
use warnings;

use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('log', conf => q{
shared_preload_libraries = 'auto_explain, pg_stat_statements'
pg_stat_statements.track = all
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_triggers = on
auto_explain.log_verbose = on
log_min_duration_statement = 0
log_statement = all
log_parameter_max_length_on_error = -1
});
my $major = $node->safe_psql('postgres', 'SHOW server_version_num') / 10000;
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');


$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_stat_statements;
	ALTER DATABASE postgres SET customers.password_memory = 64;
	ALTER DATABASE postgres SET customers.password_passes = 1;
	CREATE ROLE keeper LOGIN;
	CREATE ROLE webshop LOGIN;
	GRANT CREATE ON DATABASE postgres TO keeper;
	SELECT customers.grant_access('webshop', 'storefront');});

my %secret = (
	password => 'Plum-Harbour-71',
	other => 'Velvet-Anchor-29',
	wrong => 'Quartz-Meadow-58',
	third => 'Saffron-Kettle-46');

# Runs a statement in the extended protocol, with the secrets as parameters;
# returns what the log says of it.
sub call_and_read
{
	my ($role, $sql, %more) = @_;
	my $file = $node->basedir . '/call.sql';
	my $offset = -s $node->logfile;
	my %values = (%secret, %more);
	my ($out, $err);

	open my $handle, '>', $file or die $!;
	print $handle "$sql;\n";
	close $handle;
	IPC::Run::run([ 'pgbench', '-n', '-t', '1', '-M', 'extended', '-f', $file, map({ ('-D', "$_=$values{$_}") } keys %values), $node->connstr('postgres') . " user=$role" ],
		'>', \$out, '2>', \$err);
	return slurp_file($node->logfile, $offset);
}

sub found
{
	my ($text, @words) = @_;

	return join ', ', grep { index($text, $_) >= 0 } @words;
}

# ------------------------------------------------------------------ with the remedy

# what doc/operations.md says under "The log"
my $remedy = q{ALTER ROLE webshop SET log_parameter_max_length = 0; ALTER ROLE webshop SET log_parameter_max_length_on_error = 0; ALTER ROLE webshop SET auto_explain.log_verbose = off;};
$remedy .= 'ALTER ROLE webshop SET auto_explain.log_parameter_max_length = 0;' if $major >= 16;

my @calls = (
	[ q{SELECT customers.register_customer('ada@example.com', :password)}, qr/Insert on (?:shop\.)?credential/ ],
	[ q{SELECT customers.authenticate('ada@example.com', :password)}, qr/customers\.authenticate/ ],
	[ q{SELECT customers.authenticate('ada@example.com', :wrong)}, qr/Update on (?:shop\.)?credential/ ],
	[ q{SELECT customers.authenticate('nobody@example.com', :wrong)}, qr/Update on (?:shop\.)?credential/ ],
	[ q{SELECT customers.change_password(1, :wrong, :other)}, qr/Update on (?:shop\.)?credential/ ],
	[ q{SELECT customers.change_password(1, :password, :other)}, qr/Update on (?:shop\.)?credential/ ],
	[ q{SELECT customers.change_password(1, :other, 'short')}, qr/credential_password_length|a password has at least/ ],
	[ q{SELECT customers.register_customer('ada@example.com', :third)}, qr/a registered customer has this e-mail already/ ],
	[ q{SELECT customers.reset_password(:wrong, :third)}, qr/wrong token, e-mail or password/ ]);
my $told = '';
$node->safe_psql('postgres', $remedy);
foreach my $call (@calls)
{
	my ($sql, $seen) = @$call;
	my $log = call_and_read('webshop', $sql);

	like($log, $seen, "log: of $sql");
	is(found($log, values %secret), '', 'log: no password');
	$told .= $log;
}
is($node->safe_psql('postgres', q{SELECT customers.authenticate('ada@example.com', 'Velvet-Anchor-29')}), '1', 'log: and the passwords were those');

# a token on its way out, and back
my $log = call_and_read('webshop', q{SELECT customers.request_password_reset('ada@example.com')});
my $token = $node->safe_psql('postgres', q{SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential ? 'token'});
like($token, qr/^[\w-]{43}$/, 'log: a token was made');
is(found($log, $token), '', 'log: request_password_reset does not tell it');
$log = call_and_read('webshop', 'SELECT customers.reset_password(:token, :third)', token => $token);
like($log, qr/Update on (?:shop\.)?credential/, 'log: of reset_password');
is(found($log, $token, values %secret), '', 'log: no token, and no password');
is($node->safe_psql('postgres', q{SELECT customers.authenticate('ada@example.com', 'Saffron-Kettle-46')}), '1', 'log: which is in force');

# ------------------------------------------------------------------ our own statements

# The client's statement says nothing, so that what is told was told by the
# statements of the functions.  Nothing is set against it.
$node->safe_psql('postgres', q{CREATE TABLE vault (who text, word text); GRANT SELECT ON vault TO webshop; ALTER ROLE webshop RESET ALL;});
$node->safe_psql('postgres', "INSERT INTO vault VALUES ('$_', '$secret{$_}')") foreach keys %secret;
my @ours = ('register_customer(who || \'@example.com\', word)', 'authenticate(who || \'@example.com\', word)', 'authenticate(\'wrong@example.com\', word)',
	'change_password(n, word, word || \' new\')', 'reset_password(word, word)');
$told = '';
foreach my $call (@ours)
{
	$told .= call_and_read('webshop', "SELECT count(customers.$call) FROM vault" . ($call =~ /\bn\b/ && ', generate_series(1, 10) n'));
}
like($told, qr/Insert on (?:shop\.)?credential/, 'our statements: are in the log');
is($node->safe_psql('postgres', q{SELECT count(*) FROM vault WHERE customers.authenticate(who || '@example.com', word || ' new') IS NOT NULL}), '4', 'our statements: four passwords were changed');
is(found($told, values %secret), '', 'our statements: do not tell a password');

# What they carry in place of a secret is worth nothing when they are over.
my @seals = $told =~ /'([\w-]{43})'/g;
isnt(scalar @seals, 0, 'seals: the log shows some');
foreach my $seal (@seals[ 0 .. ($#seals > 5 ? 5 : $#seals) ])
{
	my ($ret, $out, $err) = $node->psql('postgres', "SELECT customers.authenticate('ada\@example.com', '$seal') IS NULL, customers.change_password(1, '$seal', 'long enough')");

	is($out, 't|f', 'seals: no password');
	$node->safe_psql('postgres', 'UPDATE shop.credential SET failed_attempts = 0');
	($ret, $out, $err) = $node->psql('postgres', "UPDATE shop.credential SET new_password = 'long enough', proof = '$seal'");
	like($err, qr/wrong token, e-mail or password/, 'seals: no proof');
}

# Nor can an owner who looks at the row in the middle of a call make use of
# what is there, once the call is over; while it lasts, what he sees is a seal.
my $keeper = open_session($node);
$keeper->tolerate;
my $errors = sub {
	my ($sql) = @_;
	my $out = $keeper->ask("$sql\n\\warn said");

	$keeper->{run}->pump until $keeper->{err} =~ /^said$/m;
	my ($error) = $keeper->{err} =~ /ERROR:\s+(.*)/;
	$keeper->{err} = '';
	return $error // $out;
};
$errors->(q{SET SESSION AUTHORIZATION keeper; SELECT customers.create_store('own'); SET customers.store = 'own';
	CREATE TABLE own.seen (what text, word text);
	CREATE FUNCTION own.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO own.seen VALUES ('new', NEW.new_password), ('proof', NEW.proof); RETURN NEW; END $$;
	CREATE TRIGGER aa BEFORE INSERT OR UPDATE ON own.credential FOR EACH ROW EXECUTE FUNCTION own.look();});
is($errors->(q{SELECT customers.register_customer('ida@example.com', 'Cobalt-Thicket-93');}), '1', 'seals: an owner has a trigger before ours');
is($errors->(q{SELECT customers.change_password(1, 'Cobalt-Thicket-93', 'Juniper-Lantern-37');}), 't', 'seals: in two calls');
is($errors->(q{SELECT string_agg(what || ' ' || (word ~ '^[\w-]{43}$'), ', ' ORDER BY what) FROM own.seen WHERE word IS NOT NULL;}), 'new true, new true, proof true', 'seals: and sees seals');
is($errors->(q{UPDATE own.credential SET new_password = 'long enough', proof = (SELECT word FROM own.seen WHERE what = 'proof' AND word IS NOT NULL);}), 'wrong token, e-mail or password',
	'seals: which are no proof when the call is over');
is($errors->(q{SELECT customers.authenticate('ida@example.com', 'Juniper-Lantern-37');}), '1', 'seals: the password is the one that was typed');
# a call that fails in a savepoint leaves no seal that stands for anything
is($errors->(q{CREATE OR REPLACE FUNCTION own.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('own.proof', NEW.proof, false); RAISE 'no'; END $$;
	BEGIN; SAVEPOINT s; SELECT customers.change_password(1, 'Juniper-Lantern-37', 'long enough');}), 'no', 'seals: a call that fails');
is($errors->(q{ROLLBACK TO s; DROP TRIGGER aa ON own.credential; UPDATE own.credential SET new_password = 'long enough', proof = current_setting('own.proof');}), 'wrong token, e-mail or password',
	'seals: leaves none');
$errors->('ROLLBACK;');
$errors->(q{DROP TRIGGER aa ON own.credential;});
is($errors->(q{SELECT customers.authenticate('ida@example.com', 'Juniper-Lantern-37');}), '1', 'seals: and the session goes on');
$keeper->close;

is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_statements WHERE query ~ 'shop.credential'}) > 0, 1, 'pg_stat_statements: has the statements of the functions');
my $statements = $node->safe_psql('postgres', q{SELECT query FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE rolname = 'webshop' OR query ~ 'UPDATE shop.credential SET new_password = \$2'});
is(found($statements, $token, values %secret), '', 'pg_stat_statements: without a password or a token');

# ------------------------------------------------------------------ without

# One setting less, and the log has them: each is needed.
foreach my $setting ('log_parameter_max_length', 'log_parameter_max_length_on_error', 'auto_explain.log_verbose', $major >= 16 ? 'auto_explain.log_parameter_max_length' : ())
{
	my $sql = $setting =~ /on_error/ ? q{SELECT customers.register_customer('ada@example.com', :third)} : q{SELECT customers.authenticate('ada@example.com', :third)};

	$node->safe_psql('postgres', "$remedy ALTER ROLE webshop RESET $setting;");
	is(found(call_and_read('webshop', $sql), $secret{third}), $secret{third}, "log: tells the password without $setting");
}
$node->safe_psql('postgres', "$remedy ALTER ROLE webshop RESET auto_explain.log_verbose; ALTER ROLE webshop SET plan_cache_mode = force_generic_plan;");
is(found(call_and_read('webshop', q{SELECT customers.authenticate('ada@example.com', :third)}), $secret{third}), '', 'log: generic plans do not tell it, either');
$node->safe_psql('postgres', "ALTER ROLE webshop RESET plan_cache_mode; $remedy");
is(found(call_and_read('webshop', q{SELECT customers.authenticate('ada@example.com', :third)}), $secret{third}), '', 'log: and not with all of them');

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server has not restarted');
$node->stop;
done_testing();
