# What the Perl tests share: a node with a store, sessions that run at the
# same moment, sessions that listen.  Only IPC::Run and what PostgreSQL's
# test modules have had since version 15.
package Shop;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run qw(start finish pump timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(shop_node at_once open_session listener heard fill_shop data_of);

# A running node whose database postgres has the extension and, unless
# store => 0, the store shop.  conf => text is added to postgresql.conf.
sub shop_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	# names of people in the tests are not ASCII
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf',
		"timezone = 'UTC'\n" . ($params{conf} // ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION customers');
	$node->safe_psql('postgres', 'SELECT customers.create_store()')
	  if $params{store} // 1;
	return $node;
}

sub psql_command
{
	my ($node, @more) = @_;

	return ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-v',
		'VERBOSITY=verbose', '-d', $node->connstr('postgres'), @more);
}

# One session of psql, to ask again and again.
sub open_session
{
	my ($node) = @_;
	my $self = bless { in => '', out => '', err => '', marks => 0, tolerant => 0 }, 'Shop::Session';

	$self->{run} = start [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
	  '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, timeout(3600);
	return $self;
}

# Runs sql and returns its output.  Dies of an error, unless the session is
# tolerant: then {err} has it.
sub Shop::Session::ask
{
	my ($self, $sql) = @_;
	my $mark = 'mark' . ++$self->{marks};

	$self->{in} .= "$sql\n\\echo $mark\n";
	while ($self->{out} !~ /^$mark$/m)
	{
		$self->{run}->pump;
		die "the session failed: $self->{err}" if $self->{err} ne '' && !$self->{tolerant};
	}
	my $answer = $self->{out} =~ s/^$mark\n//mr;
	$self->{out} = '';
	chomp $answer;
	return $answer;
}

# From now on, errors are expected.
sub Shop::Session::tolerate
{
	my ($self) = @_;

	$self->{in} .= "\\set ON_ERROR_STOP 0\n";
	$self->{tolerant} = 1;
}

# Bytes of all memory contexts of the session, but for those that are named.
sub Shop::Session::memory
{
	my ($self, @but) = @_;
	my $named = join ', ', map { "'$_'" } @but;

	return $self->ask('SELECT sum(total_bytes) FROM pg_backend_memory_contexts'
		  . (@but ? " WHERE name NOT IN ($named)" : '') . ';');
}

sub Shop::Session::close
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	return $self->{run}->finish;
}

# Runs the scripts in sessions of their own, released at the same moment.
# Returns a hash with out and err for each.
sub at_once
{
	my ($node, @scripts) = @_;
	my $limit = $PostgreSQL::Test::Utils::timeout_default;
	my ($in, $out) = ("SELECT pg_advisory_lock(4711);\n\\echo held\n", '');
	my $holder = start [ psql_command($node) ], '<', \$in, '>', \$out,
	  timeout($limit);
	my @runs;

	pump $holder until $out =~ /held/;
	foreach my $script (@scripts)
	{
		my $run = { out => '', err => '' };
		my $file = $node->basedir . '/at_once_' . @runs . '.sql';

		open my $handle, '>', $file or die "$file: $!";
		print $handle "SELECT pg_advisory_lock_shared(4711);\n$script";
		close $handle;
		$run->{handle} = start [ psql_command($node, '-f', $file) ],
		  '>', \$run->{out}, '2>', \$run->{err}, timeout($limit);
		push @runs, $run;
	}
	my $count = scalar @scripts;
	$node->poll_query_until('postgres',
		"SELECT count(*) = $count FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
	) or die 'the sessions did not line up';
	$in .= "SELECT pg_advisory_unlock(4711);\n\\q\n";
	finish $holder;
	finish $_->{handle} foreach @runs;
	return @runs;
}

# A session that listens on channel; end it with heard().
sub listener
{
	my ($node, $channel) = @_;
	my $self = { in => "LISTEN \"$channel\";\n\\echo listening\n", out => '',
		err => '' };

	$self->{handle} = start [ psql_command($node) ], '<', \$self->{in}, '>',
	  \$self->{out}, '2>', \$self->{err},
	  timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $self->{handle} until $self->{out} =~ /listening/;
	return $self;
}

# The payloads a listener got since it began or since the last call.
# A notification is in the queue when its sender's COMMIT returns, and psql
# reports what is there after each statement.
sub heard
{
	my ($self) = @_;
	my $mark = 'mark' . ++$self->{marks};

	$self->{in} .= "SELECT 1;\nSELECT pg_sleep(0.05);\n\\echo $mark\n";
	pump $self->{handle} until $self->{out} =~ /^$mark$/m;
	my @payloads =
	  $self->{out} =~ /^Asynchronous notification .* with payload "(.*)" received/mg;
	$self->{out} = '';
	return @payloads;
}

# Customers 1 to 3 (2 and 3 registered) and that many orders of customer 1.
sub fill_shop
{
	my ($node, $orders) = @_;

	$node->safe_psql(
		'postgres', "
		INSERT INTO shop.customer (email, first_name, has_account, external_id) VALUES
			('owner\@example.com', 'Olga', false, NULL),
			('nina\@example.com', 'Nina', true, 'c-2'),
			('tom\@example.com', 'Tom', true, 'c-3');
		INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
			SELECT 1, 'owner\@example.com', 'pending', 'EUR', n, '2026-01-01'
			FROM generate_series(1, $orders) n;");
	return;
}

# Every row of every table of the schema, as text: "table row".
sub data_of
{
	my ($node, $database, $schema) = @_;

	return $node->safe_psql(
		$database, "
		SELECT format('SELECT %L || '' '' || r::text FROM %I.%I r ORDER BY r::text COLLATE \"C\"',
					  relname, nspname, relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname = '$schema' AND relkind = 'r' ORDER BY relname COLLATE \"C\" \\gexec");
}

1;
