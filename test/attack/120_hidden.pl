# What row security hides stays hidden: delete_customer answers of a customer
# whom the caller may not see, or not delete, what it answers of none.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Attack;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = attack_node('hidden');

$node->safe_psql('postgres', 'CREATE ROLE clerk LOGIN');
answer($node, q{
	SELECT customers.grant_access('clerk', 'admin');
	INSERT INTO shop.customer (email, last_name) VALUES ('hidden@example.com', 'theirs'), ('seen@example.com', 'ours'), ('kept@example.com', 'kept');
	INSERT INTO shop.orders (customer_id, email, currency_code) SELECT id, email, 'EUR' FROM shop.customer;
	ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
	CREATE POLICY sees ON shop.customer FOR SELECT USING (last_name <> 'theirs');
	CREATE POLICY deletes ON shop.customer FOR DELETE USING (last_name = 'ours');});

# The message of the error, without ids.
sub said
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'clerk', '-v', 'VERBOSITY=verbose' ]);

	return $err =~ /ERROR:\s+(.*)/ ? $1 =~ s/customer \d+/customer/r : 'no error';
}

my $unknown = said(q{SELECT customers.delete_customer(4711, 'a@example.com')});

is($unknown, '23503: customer does not exist', 'an unknown customer');
foreach my $call (
	q{SELECT customers.delete_customer(1, 'hidden@example.com')}, q{SELECT customers.delete_customer(1, 'wrong@example.com')}, q{SELECT customers.delete_customer(1, NULL)},
	q{SELECT customers.delete_customer(1, 'hidden@example.com', true)}, q{SELECT customers.delete_customer(3, 'kept@example.com')}, q{SELECT customers.delete_customer(3, 'wrong@example.com')},
	q{SELECT customers.update_customer(1, '{"phone": "1"}')}, q{SELECT customers.update_customer(1, '{"phone": "1"}', 7)}, q{SELECT customers.update_customer(1, '{}')},
	q{SELECT customers.customer_details(1)}, q{SELECT * FROM customers.metadata_rows(1)}, q{SELECT customers.save_metadata(1, '[]')}, q{SELECT customers.insert_metadata_row(1, 'k', '1')},
	q{SELECT customers.set_metadata(1, 'k', '1')}, q{SELECT customers.delete_metadata_row(1, 'k')}, q{SELECT * FROM customers.customer_groups(1)}, q{SELECT * FROM customers.customer_orders(1)},)
{
	is(said($call), $unknown, "hidden or kept is unknown: $call");
}
like(said(q{SELECT customers.delete_customer(2, 'wrong@example.com')}), qr/^23514/, 'whom he may delete he is asked about');
is(said(q{SELECT customers.delete_customer(2, 'seen@example.com')}), 'no error', 'and deletes');
is(answer($node, q{SELECT string_agg(email, ' ' ORDER BY id) FROM shop.customer}), 'hidden@example.com kept@example.com', 'and nobody else');
end_attack($node);
done_testing();
