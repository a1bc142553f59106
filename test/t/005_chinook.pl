# A real shop: 59 customers of the Chinook sample database, its 412 invoices as
# orders with their lines, totals to the cent.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = ($ENV{SHARED_DATA} || "$FindBin::RealBin/../../../shared/data") . '/chinook';

plan skip_all => "no Chinook data in $data (SHARED_DATA names the data directory)" if !-r "$data/invoice_line.csv";

my $node = shop_node('chinook');

sub ask
{
	return $node->safe_psql('postgres', $_[0]);
}

# the files as they are
ask('
	CREATE SCHEMA raw;
	CREATE TABLE raw.customer (customer_id int, first_name text, last_name text, company text, address text, city text, state text,
		country text, postal_code text, phone text, fax text, email text, support_rep_id int);
	CREATE TABLE raw.invoice (invoice_id int, customer_id int, invoice_date timestamp, billing_address text, billing_city text,
		billing_state text, billing_country text, billing_postal_code text, total numeric);
	CREATE TABLE raw.invoice_line (invoice_line_id int, invoice_id int, track_id int, track_name text, unit_price numeric, quantity int);');
ask("\\copy raw.$_ from '$data/$_.csv' with (format csv, header, encoding 'UTF8')") foreach qw(customer invoice invoice_line);
is(ask('SELECT (SELECT count(*) FROM raw.customer), (SELECT count(*) FROM raw.invoice), (SELECT count(*) FROM raw.invoice_line)'),
	'59|412|2240', 'chinook: the files');

# into the store, in plain SQL
ask(q{
	SELECT customers.create_group(country) FROM (SELECT DISTINCT country FROM raw.customer ORDER BY country) c;
	INSERT INTO shop.customer (email, first_name, last_name, company_name, phone, has_account, external_id, metadata)
		SELECT email, first_name, last_name, company, phone, true, 'chinook-' || customer_id, jsonb_build_object('city', city, 'rep', support_rep_id)
		FROM raw.customer ORDER BY customer_id;
	INSERT INTO shop.customer_group_member (customer_group_id, customer_id)
		SELECT g.id, c.id FROM raw.customer r JOIN shop.customer c ON c.external_id = 'chinook-' || r.customer_id JOIN shop.customer_group g ON g.name = r.country;
	INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at, billing_address, external_id)
		SELECT c.id, c.email, 'completed', 'USD', i.total, i.invoice_date,
			jsonb_strip_nulls(jsonb_build_object('address', i.billing_address, 'city', i.billing_city, 'state', i.billing_state, 'country', i.billing_country, 'postal_code', i.billing_postal_code)),
			'invoice-' || i.invoice_id
		FROM raw.invoice i JOIN shop.customer c ON c.external_id = 'chinook-' || i.customer_id ORDER BY i.invoice_id;
	INSERT INTO shop.order_item (order_id, line_no, title, sku, quantity, unit_price)
		SELECT o.id, row_number() OVER (PARTITION BY o.id ORDER BY l.invoice_line_id), l.track_name, 'track-' || l.track_id, l.quantity, l.unit_price
		FROM raw.invoice_line l JOIN shop.orders o ON o.external_id = 'invoice-' || l.invoice_id;});
is(ask('SELECT customers.count_customers(), (SELECT count(*) FROM shop.orders), (SELECT count(*) FROM shop.order_item)'), '59|412|2240', 'chinook: all of it is in the store');

# totals, to the cent
is(ask('SELECT sum(total) FROM shop.orders'), ask('SELECT sum(total) FROM raw.invoice'), 'chinook: the total of all orders');
is(ask('SELECT sum(total) FROM shop.orders'), '2328.60', 'chinook: which is the published one');
my $per_customer = q{SELECT r.customer_id, sum(i.total), count(*) FROM raw.customer r JOIN raw.invoice i USING (customer_id) GROUP BY 1 ORDER BY 1};
is(ask(q{SELECT replace(c.external_id, 'chinook-', '')::int, sum(o.total), count(*) FROM shop.customer c, LATERAL customers.customer_orders(c.id, 1000) o GROUP BY 1 ORDER BY 1}),
	ask($per_customer), 'chinook: the total of every customer, through customer_orders');
is(ask(q{SELECT replace(external_id, 'chinook-', '')::int, orders_count FROM customers.list_customers(page_size => 100) ORDER BY 1}),
	ask('SELECT customer_id, count(*) FROM raw.invoice GROUP BY 1 ORDER BY 1'), 'chinook: orders_count of every customer');
is(ask(q{SELECT count(*) FROM shop.orders o WHERE total <> (SELECT sum((i ->> 'quantity')::numeric * (i ->> 'unit_price')::numeric)
	FROM jsonb_array_elements(customers.order_details(o.id) -> 'items') i)}), '0', 'chinook: the lines of every order make its total');
is(ask(q{SELECT sum(items_count) FROM shop.customer c, LATERAL customers.customer_orders(c.id, 1000)}), '2240', 'chinook: items_count');

# lists
my ($cursor, @seen) = ('NULL');
while (1)
{
	my @page = split /\n/, ask("SELECT id, cursor FROM customers.list_customers(sort => 'email', page_size => 7, after => $cursor)");
	last if !@page;
	push @seen, map { (split /\|/)[0] } @page;
	$cursor = "'" . (split /\|/, $page[-1], 2)[1] . "'";
	last if @seen > 100;
}
is(join(' ', @seen), ask(q{SELECT string_agg(id::text, ' ' ORDER BY lower(email COLLATE "C") COLLATE "C", id) FROM shop.customer}),
	'chinook: list_customers by e-mail, page by page, everybody once');
is(ask(q{SELECT string_agg(last_name, ' ' ORDER BY ordinality) FROM customers.list_customers(filter => '{"groups": [1]}', sort => 'last_name') WITH ORDINALITY}),
	ask(q{SELECT string_agg(last_name, ' ' ORDER BY last_name) FROM raw.customer WHERE country = (SELECT min(country) FROM raw.customer)}),
	'chinook: the customers of a group');
is(ask(q{SELECT string_agg(name || ' ' || customers_count, ', ' ORDER BY ordinality) FROM customers.list_groups(page_size => 100) WITH ORDINALITY}),
	ask(q{SELECT string_agg(country || ' ' || n, ', ' ORDER BY lower(country) COLLATE "C") FROM (SELECT country, count(*) AS n FROM raw.customer GROUP BY country) c}),
	'chinook: the groups with their sizes');

# search of international names: every word, ignoring case
my @searches = (
	[ 'gonçalves', 'Luís Gonçalves' ], [ 'KÖHLER', 'Leonie Köhler' ], [ 'bjørn', 'Bjørn Hansen' ],
	[ 'BJØRN hansen', 'Bjørn Hansen' ], [ 'tremblay fran', 'François Tremblay' ], [ 'Wichterlová', 'František Wichterlová' ],
	[ 'zimmermann', 'Fynn Zimmermann' ], [ 'embraer', 'Luís Gonçalves' ], [ 'surfeu.de', 'Leonie Köhler' ], [ '222-2222', undef ],
	[ '%', undef ], [ '_', undef ], [ 'nobody at all', undef ]);
foreach my $search (@searches)
{
	my ($words, $name) = @$search;

	$words =~ s/'/''/g;
	my $raw = ask(qq{SELECT coalesce(string_agg(customer_id::text, ' ' ORDER BY customer_id), 'none') FROM raw.customer r
		WHERE (SELECT bool_and(strpos(lower(concat_ws(E'\\n', email, first_name, last_name, company, phone)), lower(w)) > 0)
			   FROM regexp_split_to_table('$words', ' ') w)});
	is(ask(qq{SELECT coalesce(string_agg(replace(external_id, 'chinook-', ''), ' ' ORDER BY replace(external_id, 'chinook-', '')::int), 'none')
		FROM customers.list_customers('$words', page_size => 100)}), $raw, "chinook: search $words");
	is(ask(qq{SELECT customers.count_customers('$words')}), $raw eq 'none' ? 0 : scalar(split ' ', $raw), "chinook: search $words, counted");
	like(ask(qq{SELECT full_name FROM customers.list_customers('$words')}), qr/^\Q$name\E$/m, "chinook: search $words finds $name") if defined $name;
}

# a transfer between two of them: the totals move along
my ($from, $to) = map { ask("SELECT id FROM shop.customer WHERE external_id = 'chinook-$_'") } 2, 4;
my $order = ask("SELECT id FROM shop.orders WHERE external_id = 'invoice-1'");
my ($sum_from, $sum_to) = map { ask("SELECT sum(total) FROM customers.customer_orders($_, 1000)") } $from, $to;
my $transfer = ask("SELECT customers.request_order_transfer($order, $to, 'a present', true)");
my $token = ask("SELECT confidential ->> 'token' FROM customers.claim_deliveries() WHERE confidential ->> 'approver_email' = 'leonekohler\@surfeu.de'");
ask("SELECT customers.accept_order_transfer($transfer, '$token')");
is(ask("SELECT sum(total) FROM customers.customer_orders($to, 1000)"), sprintf('%.2f', $sum_to + 1.98), 'chinook: the total of the order came to the new owner');
is(ask("SELECT sum(total) FROM customers.customer_orders($from, 1000)"), sprintf('%.2f', $sum_from - 1.98), 'chinook: and went from the old one');
is(ask("SELECT email, total FROM shop.orders WHERE id = $order"), 'bjorn.hansen@yahoo.no|1.98', 'chinook: the order has his e-mail, and its total');
is(ask('SELECT sum(total), count(*) FROM shop.orders'), '2328.60|412', 'chinook: in all nothing changed');
is(ask("SELECT count(*) FROM customers.check_store('shop')"), '0', 'chinook: check_store finds nothing');

# a customer goes, his orders stay
ask("SELECT customers.delete_customer($from, 'leonekohler\@surfeu.de')");
is(ask('SELECT sum(total), count(*) FROM shop.orders'), '2328.60|412', 'chinook: a deletion leaves all orders');
is(ask("SELECT count(*), sum(total) FROM shop.orders WHERE customer_id IS NULL"), ask("SELECT count(*) - 1, sum(total) - 1.98 FROM raw.invoice WHERE customer_id = 2"),
	'chinook: his without customer');

$node->stop;
done_testing();
