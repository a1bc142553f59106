# The layout stands in SQL, which makes the tables, and in C, which reads them:
# both say the same of every column and every CHECK.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = slurp_file("$FindBin::RealBin/../../src/stores/layout.c");

# The values between a pair of braces, with the strings in C's quotes joined.
sub values_of
{
	my ($text) = @_;
	my @values;

	push @values, $1 while $text =~ /\G\s*((?:"(?:[^"\\]|\\.)*"\s*)+|[^",\s]+)\s*,?/gc;
	foreach (@values)
	{
		next unless s/^"//;
		s/"\s*$//;
		s/"\s*"//g;
		s/\\(.)/$1/g;
	}
	return @values;
}

# the expression that has a name of its own
my ($macro, $expression) = $source =~ /^#define (\w+)\s*\\\n((?:\s*".*"\s*\\?\n)+)/m;

$expression =~ s/\\\n/\n/g;
($expression) = values_of($expression);

my (@columns, @checks);

foreach my $part (split /^\t\[STORE_\w+\] =\n/m, $source)
{
	my ($table) = $part =~ /^\t\t\{\n\t\t\t"(\w+)"/ or next;

	while ($part =~ /\[\w+\] =\s*\{([^{}]*(?:\{\}[^{}]*)*)\}/g)
	{
		my ($name, $type, $required, $default) = values_of($1);

		push @columns, join '|', $table, $name, lc($type =~ s/OID$//r),
		  ($required // 'false') eq 'true' ? 't' : 'f',
		  !defined $default ? '' : $default eq 'SHAPE_OWN_SEQUENCE' ? "nextval('shop.${table}_id_seq'::regclass)" : $default;
	}
	while ($part =~ /^\t{4}\{(.*?)\},$/msg)
	{
		my ($name, $text) = values_of($1);

		push @checks, join '|', $table, $name, $text eq $macro ? $expression : $text;
	}
}

my $node = PostgreSQL::Test::Cluster->new('layout');

$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION customers; SELECT customers.create_store();');

is(join("\n", sort @columns), $node->safe_psql('postgres', q{
	SET search_path = pg_catalog;
	SELECT c.relname, a.attname, ltrim(CASE WHEN t.typelem <> 0 THEN (SELECT e.typname || 'array' FROM pg_type e WHERE e.oid = t.typelem) ELSE t.typname END, '_'),
		a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
	LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
	ORDER BY concat_ws('|', c.relname, a.attname || '|') COLLATE "C"}), 'columns: types, NOT NULLs and defaults are the same in C and in SQL');
is(join("\n", sort @checks), $node->safe_psql('postgres', q{
	SET search_path = pg_catalog;
	SELECT c.relname, k.conname, pg_get_expr(k.conbin, k.conrelid)
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
	WHERE c.relnamespace = 'shop'::regnamespace AND k.contype = 'c'
	ORDER BY concat_ws('|', c.relname, k.conname || '|') COLLATE "C"}), 'CHECKs: the same in C and in SQL');
$node->stop;
done_testing();
