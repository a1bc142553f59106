# Single rows are written without a statement where the tables are as they were
# made, and by a statement as soon as an owner added something: pg_stat_statements
# sees the one and not the other.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('direct',
	conf => "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = all\n");

$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
fill_shop($node, 4);
$node->safe_psql('postgres', "
	SELECT customers.create_group('first');
	SELECT customers.request_order_transfer(n, 2) FROM generate_series(1, 4) n;");
my %token = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
	"SELECT e.payload ->> 'transfer_id', d.confidential ->> 'token' FROM shop.delivery d JOIN shop.event e ON e.id = d.event_id WHERE d.confidential ? 'token'");

# The statements on tables of the store that a call ran, but for its reads.
sub statements
{
	my ($call) = @_;

	return $node->safe_psql('postgres', "
		SELECT pg_stat_statements_reset() IS NULL AS was \\gset
		SELECT customers.$call \\gset
		SELECT coalesce(string_agg(substring(query FROM '^(?:INSERT INTO|UPDATE) \\S+'), ', ' ORDER BY query), 'none')
		FROM pg_stat_statements WHERE query ~ '^(INSERT INTO|UPDATE) shop'");
}

my ($one, $two) = sort { $a <=> $b } keys %token;
my @calls = (
	[ 'customer', "create_customer('a%d\@example.com', 'A') AS id", 'INSERT INTO shop.customer' ],
	[ 'customer', q{update_customer(1, '{"phone": "%d", "metadata": {"k": %1$d}}') AS id}, 'UPDATE shop.customer' ],
	[ 'customer_group', "create_group('group %d') AS id", 'INSERT INTO shop.customer_group' ],
	[ 'customer_group', q{update_group(1, '{"name": "renamed %d"}') AS id}, 'UPDATE shop.customer_group' ],);

foreach my $call (@calls)
{
	my ($table, $sql, $statement) = @$call;

	is(statements(sprintf $sql, 1), 'none', "$statement: not on tables as they were made");
	foreach my $addition ('ADD CHECK (true)', 'ADD COLUMN his text DEFAULT \'x\'', 'ALTER created_at SET DEFAULT clock_timestamp()', 'ENABLE ROW LEVEL SECURITY')
	{
		my $mend = {
			'ADD CHECK (true)' => "DROP CONSTRAINT ${table}_check",
			'ADD COLUMN his text DEFAULT \'x\'' => 'DROP COLUMN his',
			'ALTER created_at SET DEFAULT clock_timestamp()' => 'ALTER created_at SET DEFAULT now()',
			'ENABLE ROW LEVEL SECURITY' => 'DISABLE ROW LEVEL SECURITY',
		}->{$addition};

		$node->safe_psql('postgres', "ALTER TABLE shop.$table $addition");
		is(statements(sprintf $sql, 2 + length $addition), $statement, "$statement: by the statement after $addition");
		$node->safe_psql('postgres', "ALTER TABLE shop.$table $mend");
	}
	is(statements(sprintf $sql, 99), 'none', "$statement: not any more, when all that is gone");
}

is(statements("accept_order_transfer($one, '$token{$one}') AS done"), 'none', 'an accepted transfer: no statement');
$node->safe_psql('postgres', 'ALTER TABLE shop.orders ADD CHECK (true)');
is(statements("accept_order_transfer($two, '$token{$two}') AS done"), 'UPDATE shop.orders', 'an accepted transfer: the order by a statement after ADD CHECK');
$node->stop;
done_testing();
