# A store with a table that Citus distributed is refused: the table at hand is
# an empty shell.  Citus itself is not needed for that; a table with the name
# and the column of its catalog stands in.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t";
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('citus');
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

sub error_of
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	return $err;
}

$node->safe_psql('postgres', q{SELECT customers.create_customer('ada@example.com')});
$node->safe_psql(
	'postgres', q{
	CREATE ROLE stranger;
	GRANT CREATE ON DATABASE postgres TO stranger;
	SET ROLE stranger;
	CREATE SCHEMA lookalike;
	CREATE TABLE lookalike.pg_dist_partition AS SELECT oid::regclass AS logicalrelid FROM pg_class WHERE relname = 'customer';
	SET search_path = lookalike, pg_catalog;
	SELECT customers.create_store('his');});
is(error_of(q{SET search_path = lookalike, pg_catalog; SELECT customers.create_customer('bob@example.com')}), '', 'a table of that name elsewhere says nothing');
$node->safe_psql(
	'postgres', q{
	SET allow_system_table_mods = on;
	CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char");});
is(error_of(q{SELECT customers.create_customer('eva@example.com')}), '', 'Citus without a distributed table: the store works');
foreach my $table (qw(customer subscription store_info delivery))
{
	$node->safe_psql('postgres', "INSERT INTO pg_catalog.pg_dist_partition VALUES ('shop.$table', 'h')");
	like(error_of(q{SELECT customers.create_customer('x@example.com')}), qr/ERROR:\s+3F000: .*table "$table" is distributed by Citus/s, "$table: functions refuse");
	like(error_of(q{SELECT customers.count_customers()}), qr/ERROR:\s+3F000: .*distributed by Citus/s, "$table: reading ones, too");
	like(error_of(q{INSERT INTO shop.customer (email) VALUES ('x@example.com')}), qr/ERROR:\s+3F000: .*distributed by Citus/s, "$table: so do triggers");
	like($node->safe_psql('postgres', q{SELECT object, finding FROM customers.check_store('shop')}), qr/^table $table\|is distributed by Citus/m, "$table: check_store says so");
	like(error_of(q{SELECT customers.create_store('shop')}), qr/ERROR:\s+3F000: .*distributed by Citus/s, "$table: create_store does not mend it");
	$node->safe_psql('postgres', 'DELETE FROM pg_catalog.pg_dist_partition');
}
is(error_of(q{SELECT customers.create_customer('eve@example.com')}), '', 'undistributed: the store works again');
is($node->safe_psql('postgres', q{SELECT count(*) FROM shop.customer}), '4', 'nothing else was written');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
$node->stop;
done_testing();
