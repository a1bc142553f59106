# Every function of the extension and every table of a store with random and
# extreme values, as the owner and as a role of each profile; and each trigger
# function on tables of somebody's own.  Through test/with-server:
#
#   test/with-server perl test/fuzz/functions.pl
#
# FUZZ_SECONDS bounds it (60), SEED repeats it: the same statements in the same
# order.  What may not happen: a session that ends, a server that restarts, an
# SQLSTATE of class XX, memory beyond bounds, a statement that goes on for long
# after its timeout.  Each such statement is printed; exit status 1.
use strict;
use warnings;
use utf8;

use File::Basename;
use FindBin;
use IPC::Run qw(start timeout);
use Time::HiRes qw(time);

my $seconds = $ENV{FUZZ_SECONDS} || 60;
my $seed = $ENV{SEED} // int(rand(1e9));
my $per_fixture = 800;		# statements on one store, until it is made anew
my $per_role = 40;			# statements in a row by one role
my $most_findings = 10;
my $timeout = 5;			# seconds, of a statement
my $patience = 10;			# seconds that it may take to end then
my $deadline = time + $seconds;

my @roles = map { "fuzz_$_" } qw(owner owner owner nobody reader admin checkout storefront orders notifier);
my (@functions, @triggers, @tables, @naughty);
my (%count, @findings);

# How the owner treats his store until it is made anew: as it is; without its
# NOT NULLs and CHECKs, and written behind the triggers' back; or changed.
my @moods = qw(plain weak changing);
my $mood = $moods[0];

srand $seed;

sub pick { return $_[ int rand @_ ]; }

# ---------------------------------------------------------------------- values

sub literal
{
	my ($s) = @_;

	return "'" . $s =~ s/'/''/gr . "'";
}

# Bytes that are no text in UTF-8: as escapes, which the server judges.
my @broken = map { "E'$_'" } '\xFF', 'a\xC3', '\xED\xA0\x80', '\xC0\x80', 'a@b\xE2\x82.co';

my @texts = (
	'', ' ', "\t\n", 'a', 'A@b.co', 'c1@example.com', 'C2@EXAMPLE.COM', 'reg@example.com', 'shop', 'other', 'fuzz',
	'public', 'customers', 'pg_catalog', 'notifier', 'all', '*', '**', 'order.*', 'customer.created', 'order.transfer_requested',
	'correct horse', 'x1', 'tier', 'Group 1', 'id', '-id', 'email', '-last_name', 'created_at', 'admin', 'reader', 'infinity',
	'-infinity', 'now', 'NaN', '0', '-1', 'null', '{}', '[]', '%', '%s%n', '_', '\\', '"', "'", '$1', '@', 'a@', '@b', '..',
	'../../etc/passwd', '@store@', 'Müller', "\x{202E}", 'İIıi', "\x{FFFD}\x{1F600}", 'e' . "\x{301}" x 50,
	'$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA', '$argon2id$v=19$m=8,t=1,p=1$$', 'Y3VzdG9tZXJzfDF8LmE',
	'A' x 43, 'x' x 63, 'y' x 64, 'ä' x 255, '2026-01-01', '1:c1@example.com');

# A text as an expression; huge ones are made by the server.
sub random_text
{
	my $kind = rand;

	return 'NULL' if $kind < 0.12;
	return literal(pick(@naughty)) if @naughty && $kind < 0.25;
	return pick(@broken) if $kind < 0.27;
	return "repeat('" . pick('x', ' ', 'ä', 'a@', '{', 'x y ') . "', " . pick(1000, 10_000, 100_000, 1_000_000) . ')' if $kind < 0.33;
	return "repeat('x', 100000000)" if $kind < 0.331;
	return literal(join '', map { chr pick(1 .. 0x7F, 0xA0 .. 0x17F, 0x2028, 0x1F600) } 1 .. rand 12) if $kind < 0.4;
	return literal(pick(@texts));
}

my @integers = (0, -1, 1, 2, 3, 4, 10, 50, 1000, 1001, 2147483647, -2147483648);
my @bigints = (@integers, '9223372036854775807', "'-9223372036854775808'", 4294967296, 21);

sub random_json
{
	my ($depth) = @_;
	my @keys = qw(email first_name last_name company_name phone locale metadata name external_id has_account created_at
	  created_from created_before updated_from type groups key value password id version customer_id to token);
	my $kind = rand;

	return pick('null', 'true', 'false', '0', '-1', '1e400', '"x"', '""', '"c1@example.com"', '"infinity"', '9223372036854775808',
		'"2026-01-01"', '"\\ud83d\\ude00"', '"' . 'x' x 3000 . '"')
	  if $depth <= 0 || $kind < 0.35;
	return '[' . join(',', map { random_json($depth - 1) } 1 .. rand 4) . ']' if $kind < 0.55;
	return '{' . join(',', map { '"' . (rand() < 0.1 ? pick('', ' ', 'x' x 500, '\\u00e9') : pick(@keys)) . '":' . random_json($depth - 1) } 1 .. rand 5) . '}';
}

sub random_jsonb
{
	my $kind = rand;
	my $deep = pick(10, 200, 1000, 20_000);

	return 'NULL' if $kind < 0.1;
	return "(repeat('[', $deep) || repeat(']', $deep))::jsonb" if $kind < 0.13;
	return "(repeat('{\"a\":', $deep) || '1' || repeat('}', $deep))::jsonb" if $kind < 0.16;
	return "(SELECT jsonb_object_agg(k, k) FROM generate_series(1, " . pick(10, 1000, 5000) . ') k)' if $kind < 0.18;
	return "(SELECT jsonb_agg(jsonb_build_object('key', k, 'email', k || '\@example.com')) FROM generate_series(1, " . pick(10, 1000) . ') k)'
	  if $kind < 0.22;
	return literal(random_json(4)) . '::jsonb';
}

# An array: of any dimensions and lower bounds, with and without NULL.
sub random_array
{
	my ($type, @elements) = @_;
	my $kind = rand;
	my @some = map { pick(@elements) } 1 .. rand 5;

	return 'NULL' if $kind < 0.1;
	return "'{}'::$type" if $kind < 0.2;
	return "'{NULL}'::$type" if $kind < 0.25;
	return "array_fill(" . pick(@elements) . "::" . $type =~ s/\[\]//r . ", ARRAY[" . pick('1', '3', '2,2', '1,1,1', '2,2,2,2,2,2', '100000', '0') . '], ARRAY['
	  . pick('1') . ']::int[])' if $kind < 0.3;
	return "array_fill(" . pick(@elements) . "::" . $type =~ s/\[\]//r . ", ARRAY[2], ARRAY[" . pick(-5, 0, 7, -2147483648, 2147483640) . '])' if $kind < 0.4;
	return "array_fill(" . pick(@elements) . "::" . $type =~ s/\[\]//r . ", ARRAY[2,2])" if $kind < 0.5;
	return "ARRAY(SELECT n::text FROM generate_series(1, " . pick(10, 1000, 20_000) . ") n)::$type" if $kind < 0.55;
	return 'ARRAY[' . join(',', @some, rand() < 0.3 ? 'NULL' : ()) . "]::$type";
}

my %of_type = (
	text => \&random_text,
	bigint => sub { return pick('NULL', @bigints, map { int rand 30 } 1 .. 12); },
	integer => sub { return pick('NULL', @integers, int rand 30); },
	boolean => sub { return pick('NULL', 'true', 'false'); },
	jsonb => \&random_jsonb,
	numeric => sub { return pick('NULL', 0, -1, '1e1000', "'NaN'", "'infinity'", 3.14); },
	bytea => sub { return pick('NULL', "''", "'\\x00'", "decode(repeat('ab', 32), 'hex')", "decode(repeat('00', 100000), 'hex')"); },
	'timestamp with time zone' => sub {
		return pick('NULL', map { "'$_'" } 'infinity', '-infinity', '4713-01-01 BC', '294276-12-31', '2026-01-01', 'now', 'epoch', '2000-02-29 23:59:60+14');
	},
	interval => sub {
		return pick('NULL', map { "'$_'" } '0', '-1 day', '178000000 years', '-178000000 years', '1 second', '1 day', '25 hours', '1 month -1 day',
			'9223372036854775807 microseconds', '1 microsecond');
	},
	regrole => sub { return pick('NULL', "'fuzz_owner'", "'fuzz_nobody'", "'fuzz_admin'", '0', '4294967295', "'postgres'", "'pg_monitor'"); },
	'text[]' => sub { return random_array('text[]', map { literal($_) } @texts[ 0 .. 30 ], 'customer.*'); },
	'bigint[]' => sub { return random_array('bigint[]', @bigints, 1 .. 15); },
	'integer[]' => sub { return random_array('integer[]', @integers); });

sub random_value
{
	my ($type) = @_;
	my $make = $of_type{$type};

	return 'NULL' unless $make;
	return $make->() =~ s/^(NULL|'.*')$/$1::$type/rs;
}

# ------------------------------------------------------------------ statements

sub call_of
{
	my ($function) = @_;
	my @arguments = map { random_value($_) } @{ $function->{types} };

	# the last ones may be left out
	pop @arguments while @arguments > $function->{required} && rand() < 0.3;
	return "SELECT * FROM customers.$function->{name}(" . join(', ', @arguments) . ')';
}

sub some
{
	my @columns = @_;
	my $n = 1 + int rand 4;

	my %chosen = map { $_->{name} => $_ } map { pick(@columns) } 1 .. $n;
	return @chosen{ sort keys %chosen };
}

sub write_of
{
	my ($table) = @_;
	my @columns = some(@{ $table->{columns} });
	my $kind = rand;
	my $name = "shop.$table->{name}";
	my $where = 'ctid IN (SELECT ctid FROM ' . $name . ' ORDER BY ctid LIMIT ' . pick(1, 1, 3, 1000) . ')';

	if ($kind < 0.5)
	{
		return "INSERT INTO $name (" . join(', ', map { $_->{name} } @columns) . ') VALUES ('
		  . join(', ', map { random_value($_->{type}) } @columns) . ')' . pick('', '', ' ON CONFLICT DO NOTHING', ' RETURNING *');
	}
	if ($kind < 0.9)
	{
		return "UPDATE $name SET " . join(', ', map { "$_->{name} = " . random_value($_->{type}) } @columns)
		  . " WHERE $where" . pick('', ' RETURNING *');
	}
	return "DELETE FROM $name WHERE $where" if $kind < 0.96;
	return pick("TRUNCATE $name", "TRUNCATE $name CASCADE", "SELECT * FROM $name FOR UPDATE", "COPY $name TO STDOUT", "LOCK TABLE $name");
}

# What an owner may do to his own tables.
sub change_of
{
	my ($table) = @_;
	my $column = pick(@{ $table->{columns} });
	my $name = "shop.$table->{name}";

	return pick(
		"ALTER TABLE $name ALTER $column->{name} DROP NOT NULL",
		"ALTER TABLE $name ALTER $column->{name} DROP DEFAULT",
		"ALTER TABLE $name ALTER $column->{name} SET DEFAULT " . random_value($column->{type}),
		"ALTER TABLE $name ADD CHECK ($column->{name} IS NOT NULL) NOT VALID",
		"ALTER TABLE $name RENAME $column->{name} TO renamed",
		"ALTER TABLE $name RENAME renamed TO $column->{name}",
		"ALTER TABLE $name DROP COLUMN $column->{name} CASCADE",
		"ALTER TABLE $name ALTER $column->{name} TYPE " . pick('text', 'integer', 'jsonb', 'bytea') . ' USING NULL',
		"ALTER TABLE $name DISABLE TRIGGER USER",
		"ALTER TABLE $name ENABLE TRIGGER USER",
		"ALTER TABLE $name ENABLE ROW LEVEL SECURITY",
		"ALTER TABLE $name RENAME TO renamed",
		"ALTER TABLE shop.renamed RENAME TO $table->{name}",
		"CREATE VIEW shop.$table->{name} AS SELECT 1 AS id",
		"CREATE INDEX ON $name ($column->{name})",
		"SELECT * FROM customers.create_store('shop')",
		"SELECT * FROM customers.check_store('shop')");
}

# A table of somebody's own with a trigger function of ours, and a row in it.
sub guard_of
{
	my $trigger = pick(@triggers);
	my $model = pick(@tables);
	my $like = rand() < 0.5;
	my @columns = some(@{ $model->{columns} }, @{ $model->{columns} });
	my $where = pick('fuzz.' . $model->{name}, 'fuzz.t');
	my $event = pick('BEFORE INSERT', 'BEFORE UPDATE', 'BEFORE DELETE', 'AFTER INSERT', 'AFTER UPDATE', 'AFTER DELETE', 'BEFORE INSERT OR UPDATE OR DELETE', 'AFTER INSERT OR DELETE');
	my $transition = '';
	my $row = pick('ROW', 'ROW', 'STATEMENT');

	if ($event =~ /^AFTER (INSERT|UPDATE|DELETE)$/)
	{
		$row = pick('ROW', 'STATEMENT', 'STATEMENT');
		$transition = join ' ', map { $_ eq 'NEW' ? 'NEW TABLE AS new_rows' : 'OLD TABLE AS old_rows' }
		  grep { rand() < 0.8 } ($1 eq 'INSERT' ? 'NEW' : $1 eq 'DELETE' ? 'OLD' : ('OLD', 'NEW'));
		$transition = "REFERENCING $transition" if $transition;
	}
	my @given = some(@{ $model->{columns} });
	my $columns = $like ? "LIKE shop.$model->{name}" . pick('', ' INCLUDING ALL', ' INCLUDING DEFAULTS')
	  : join ', ', map { "$_->{name} " . (rand() < 0.5 ? $_->{type} : pick('text', 'bigint', 'jsonb', 'integer', 'bytea', 'text[]')) } @columns;
	return ("DROP TABLE IF EXISTS $where CASCADE",
		"CREATE TABLE $where ($columns)",
		"CREATE TRIGGER g $event ON $where $transition FOR EACH $row EXECUTE FUNCTION customers.$trigger(" . pick('', '', "'x'") . ')',
		"INSERT INTO $where (" . join(', ', map { $_->{name} } @given) . ') VALUES (' . join(', ', map { random_value($_->{type}) } @given) . ')',
		"INSERT INTO $where DEFAULT VALUES",
		"INSERT INTO $where SELECT * FROM shop.$model->{name} LIMIT 3",
		"UPDATE $where SET $given[0]{name} = " . random_value($given[0]{type}),
		"DELETE FROM $where");
}

sub next_statements
{
	my ($role) = @_;
	my $kind = rand;

	return call_of(pick(@functions)) if $kind < 0.6;
	return write_of(pick(@tables)) if $kind < 0.85;
	return guard_of() if $kind < 0.9;
	return ('BEGIN', (map { rand() < 0.5 ? call_of(pick(@functions)) : write_of(pick(@tables)) } 1 .. 4), pick('COMMIT', 'ROLLBACK')) if $kind < 0.95;
	return "SELECT customers." . pick(@triggers) . '()' if $role ne 'fuzz_owner' || $mood eq 'plain';
	return change_of(pick(@tables)) if $mood eq 'changing';
	my $table = pick(@tables);
	return ("ALTER TABLE shop.$table->{name} DISABLE TRIGGER USER", (map { write_of($table) } 1 .. 4), "ALTER TABLE shop.$table->{name} ENABLE TRIGGER USER");
}

# ------------------------------------------------------------------- the server

sub ask
{
	my ($sql) = @_;
	# a server that is not there yet says nothing, either
	open my $out, '-|', 'sh', '-c', 'exec psql -XAtqc "$1" 2>/dev/null', 'sh', $sql or die "psql: $!";
	my @rows = map { chomp; [ split /\|/, $_, -1 ] } <$out>;

	close $out;
	return @rows;
}

# When the processes beside the sessions began: after a crash of any session
# they begin anew, which pg_postmaster_start_time does not tell.
sub server_start
{
	for (1 .. 60)
	{
		my @rows = ask("SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
		return $rows[0][0] if @rows && $rows[0][0] ne '';
		sleep 1;
	}
	die "the server does not come back\n";
}

sub read_catalog
{
	foreach my $row (ask("SELECT proname, pronargs - pronargdefaults, prorettype = 'trigger'::regtype,
			array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) WITH ORDINALITY a(t, n) ORDER BY n), ',')
		FROM pg_proc WHERE pronamespace = 'customers'::regnamespace ORDER BY proname"))
	{
		if ($row->[2] eq 't') { push @triggers, $row->[0]; }
		else { push @functions, { name => $row->[0], required => $row->[1], types => [ split /,/, $row->[3] ] }; }
	}
	foreach my $row (ask("SELECT relname, attname, format_type(atttypid, NULL) FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
		WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum"))
	{
		push @tables, { name => $row->[0], columns => [] } unless @tables && $tables[-1]{name} eq $row->[0];
		push @{ $tables[-1]{columns} }, { name => $row->[1], type => $row->[2] };
	}
	die "the catalog names no functions or tables\n" unless @functions && @triggers && @tables;
	foreach my $type (map { @{ $_->{types} } } @functions)
	{
		die "no values are known for type $type\n" unless $of_type{$type};
	}
}

sub read_naughty
{
	my $file = ($ENV{SHARED_DATA} // "$FindBin::RealBin/../../../shared/data") . '/naughty/blns.json';

	if (!-r $file)
	{
		print "functions: without naughty strings, no $file\n";
		return;
	}
	open my $in, '<', $file or die "$file: $!";
	while (my $line = <$in>)
	{
		utf8::decode($line);
		next unless $line =~ /^\s*"(.*)",?\s*$/;
		my $s = $1 =~ s/\\(["\\\/])/$1/gr;
		push @naughty, $s unless $s =~ /[\0]/;
	}
}

sub make_fixture
{
	my ($weak) = @_;

	system('psql', '-Xqt', '-o', '/dev/null', '-v', "weak=$weak", '-f', "$FindBin::RealBin/fixture.sql") == 0
	  or die "no store could be made\n";
}

# ------------------------------------------------------------------- a session

sub note_finding
{
	my ($role, $what, $statement) = @_;

	return if grep { $_->{what} eq $what } @findings;
	push @findings, { what => $what };
	$statement = substr($statement, 0, 2000) . ' ..' if length $statement > 2000;
	print "functions: FOUND $what, as $role, store $mood: $statement\n";
}

# What the server said of the last session that crashed.
sub last_words
{
	open my $log, '<', "$ENV{WITH_SERVER_DIR}/server.log" or return '';
	my @words = grep { /TRAP:|was terminated by/ } <$log>;

	return join ' ', map { s/^.*?(TRAP:|terminated)/$1/r =~ s/\s+$//r } @words[ $#words > 0 ? -2 : 0, -1 ] if @words;
	return '';
}

# Runs statements in one session; returns how many were answered.
sub run_session
{
	my ($role, @statements) = @_;
	my $in = "\\set ON_ERROR_STOP 0\n\\o /dev/null\nSET client_min_messages = error;\n"
	  . "SET statement_timeout = '${timeout}s';\nSET SESSION AUTHORIZATION $role;\n\\timing on\n";
	my ($out, $err, $n) = ('', '', 0);

	$in .= "$statements[$_];\n\\echo \@$_ :SQLSTATE :'LAST_ERROR_MESSAGE'\n" foreach 0 .. $#statements;
	utf8::encode($in);
	my $run = start [ 'psql', '-Xqt', '-v', 'VERBOSITY=sqlstate' ], '<', \$in, '>', \$out, '2>', \$err,
	  timeout(60 + ($timeout + $patience) * @statements);
	if (!eval { $run->finish; 1 })
	{
		$run->kill_kill;
		$err = 'no answer';
	}
	while ($out =~ /^Time: ([\d.]+) ms.*\n\@(\d+) (\S{5}) +E?'(.*)$/mg)
	{
		my ($milliseconds, $index, $state, $message) = ($1, $2, $3, $4);

		$n = $index + 1;
		$count{$state}++;
		note_finding($role, 'an end ' . int($milliseconds / 1000) . " s after the start, $state", $statements[$index])
		  if $milliseconds > 1000 * ($timeout + $patience);
		note_finding($role, "$state $message", $statements[$index]) if $state =~ /^XX/ || $state eq '53200' && $statements[$index] !~ /0000000/;
	}
	return ($n, $err);
}

# ------------------------------------------------------------------------ main

binmode STDOUT, ':utf8';
print "functions: SEED=$seed\n";
read_naughty();
make_fixture(0);
read_catalog();
my $started = server_start();
my ($statements, $on_fixture, $fixtures) = (0, 0, 0);

while (time < $deadline && @findings < $most_findings)
{
	my $role = pick(@roles);
	my @batch;

	push @batch, next_statements($role) while @batch < $per_role;
	my ($answered, $err) = run_session($role, @batch);
	my $now = server_start();
	if ($answered < @batch || $now ne $started)
	{
		note_finding($role, $now ne $started ? "a crash (" . last_words() . ') by ' . ($batch[$answered] =~ /(^\S+ (?:\* FROM |INTO |TABLE )?[\w.]+)/ ? $1 : '?') : "a session that ended (" . ($err =~ /^((?!ERROR).+)$/m ? $1 : '') . ")",
			$batch[$answered] // '(after the last statement)');
		$started = $now;
		$on_fixture = $per_fixture;
	}
	$statements += $answered;
	$on_fixture += @batch;
	if ($on_fixture >= $per_fixture)
	{
		$mood = $moods[ ++$fixtures % @moods ];
		make_fixture($mood eq 'weak' ? 1 : 0);
		$on_fixture = 0;
	}
}
my @states = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
printf "functions: %s findings in %d statements, %d functions, %d triggers, %d tables, SEED=%s (%s)\n", scalar @findings || 'no',
  $statements, scalar @functions, scalar @triggers, scalar @tables, $seed, join(' ', map { "$_ $count{$_}" } @states[ 0 .. ($#states < 15 ? $#states : 15) ]);
exit(@findings > 0);
