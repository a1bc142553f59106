# CREATE EXTENSION takes no schema in which somebody else has a say: his
# functions beside ours would run as whoever calls ours.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('install');

$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE stranger LOGIN;
	CREATE ROLE keeper LOGIN;
	CREATE ROLE dba LOGIN SUPERUSER;
	CREATE DATABASE shopdb;
	GRANT CREATE ON DATABASE shopdb TO stranger, keeper;});
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

sub run_as
{
	my ($role, $sql) = @_;
	my ($ret, $out, $err) = $node->psql('shopdb', "\\set VERBOSITY verbose\nSET client_min_messages = warning;\n$sql", extra_params => [ '-U', $role ]);

	return ($out, $err);
}

sub clean
{
	$node->safe_psql('shopdb', 'SET client_min_messages = warning; DROP EXTENSION IF EXISTS customers CASCADE; DROP SCHEMA IF EXISTS customers CASCADE');
	return;
}

# somebody else's schema
foreach my $what ('', 'CREATE FUNCTION customers.customer_details(integer) RETURNS text LANGUAGE sql AS $$ SELECT current_user::text $$;')
{
	run_as('stranger', "CREATE SCHEMA customers; $what");
	foreach my $role (qw(dba keeper))
	{
		my ($out, $err) = run_as($role, 'CREATE EXTENSION customers');

		like($err, qr/ERROR:\s+42501: schema "customers" belongs to role "stranger".*HINT:/s,
			"$role: not in the schema of a stranger" . ($what ? ', with an overload of his' : ''));
	}
	clean();
}

# the schema of a superuser, or of who installs, with something in it
foreach my $object (
	'CREATE FUNCTION customers.count_customers(integer) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
	'CREATE TABLE customers.t (id int)',
	'CREATE VIEW customers.v AS SELECT 1 AS id',
	'CREATE SEQUENCE customers.s',
	'CREATE TYPE customers.y AS (a int)',
	q{CREATE TYPE customers.e AS ENUM ('a')},
	'CREATE DOMAIN customers.text AS varchar(3)',
	'CREATE COLLATION customers."C" FROM pg_catalog."C"',
	'CREATE CONVERSION customers.c FOR \'LATIN1\' TO \'UTF8\' FROM iso8859_1_to_utf8',
	'CREATE TEXT SEARCH DICTIONARY customers.d (TEMPLATE = simple)',
	'CREATE OPERATOR customers.= (LEFTARG = name, RIGHTARG = text, FUNCTION = nameeqtext)',
	'ALTER DEFAULT PRIVILEGES IN SCHEMA customers GRANT EXECUTE ON FUNCTIONS TO stranger')
{
	foreach my $role (qw(dba keeper))
	{
		my ($out, $err) = run_as($role, "CREATE SCHEMA customers; $object");
		is($err, '', "$role: $object");
		($out, $err) = run_as($role, 'CREATE EXTENSION customers');
		like($err, qr/ERROR:\s+42710: schema "customers" is not empty.*HINT:/s, "$role: not beside it");
		clean();
	}
}

# operators that a better match of types would choose run nothing
run_as('dba', q{
	CREATE SCHEMA customers;
	CREATE TABLE public.trophies (as_whom name);
	CREATE FUNCTION public.spring(name, text) RETURNS boolean LANGUAGE sql AS $$ INSERT INTO public.trophies VALUES (current_user); SELECT true $$;
	CREATE OPERATOR customers.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.spring);});
like((run_as('keeper', 'CREATE EXTENSION customers'))[1], qr/is not empty/, 'operators laid out beforehand: refused');
is($node->safe_psql('shopdb', 'SELECT count(*) FROM public.trophies'), '0', 'and none of them ran');
clean();

# others may create in it
run_as('dba', 'CREATE SCHEMA customers; GRANT CREATE ON SCHEMA customers TO PUBLIC');
like((run_as('dba', 'CREATE EXTENSION customers'))[1], qr/ERROR:\s+42501: others than its owner may create objects in schema "customers"/, 'PUBLIC may create in it: refused');
run_as('dba', 'REVOKE CREATE ON SCHEMA customers FROM PUBLIC');
is((run_as('dba', 'CREATE EXTENSION customers'))[1], '', 'and not any more: installed');
clean();

# what is taken
foreach my $case (
	[ 'keeper', 'nothing', '' ], [ 'dba', 'nothing', '' ], [ 'keeper', 'an empty schema of his own', 'CREATE SCHEMA customers' ],
	[ 'dba', 'an empty schema of his own', 'CREATE SCHEMA customers' ])
{
	my ($role, $what, $sql) = @$case;

	is((run_as($role, "$sql; CREATE EXTENSION customers; SELECT customers.version() IS NOT NULL"))[1], '', "$role installs, where there is $what");
	is($node->safe_psql('shopdb', q{SELECT rolsuper FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE nspname = 'customers'}),
		't', "$role: the schema is a superuser's");
	like((run_as('keeper', 'CREATE FUNCTION customers.stores(integer) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$'))[1],
		qr/ERROR:\s+42501/, "$role: keeper lays no function beside ours afterwards") if $role eq 'keeper';
	is((run_as($role, 'DROP EXTENSION customers; CREATE EXTENSION customers; SELECT count(*) FROM customers.stores()'))[1], '', "$role drops it and installs it again");
	clean();
}

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
$node->stop;
done_testing();
