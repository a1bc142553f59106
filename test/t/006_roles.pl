# Roles in real sessions: the extension installed and the store owned by roles
# that are not superusers, the store used by another role with what it was
# granted, and by a superuser.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Shop;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('roles');

$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE keeper LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE dba LOGIN SUPERUSER;
	CREATE DATABASE shopdb;});

# Runs sql as a role that logged in; returns its output, then its error.
sub run_as
{
	my ($role, $sql) = @_;
	my ($ret, $out, $err) = $node->psql('shopdb', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);

	return wantarray ? ($out, $err) : $out;
}

sub refused_like
{
	my ($role, $sql, $pattern, $name) = @_;
	my ($out, $err) = run_as($role, $sql);

	like($err, $pattern, $name);
	return;
}

# installation
refused_like('keeper', 'CREATE EXTENSION customers', qr/ERROR:\s+42501/, 'trusted: without CREATE on the database nobody installs it');
$node->safe_psql('postgres', 'GRANT CREATE ON DATABASE shopdb TO keeper');
my ($out, $err) = run_as('keeper', 'CREATE EXTENSION customers');
is($err, '', 'trusted: a role with CREATE on the database installs it');
is($node->safe_psql('shopdb', "SELECT extowner::regrole FROM pg_extension WHERE extname = 'customers'"), 'keeper', 'trusted: and owns it');
is(run_as('keeper', 'SELECT customers.create_store()'), 'created', 'create_store: by the same role');
is(run_as('keeper', 'SELECT customers.create_store()'), 'complete', 'create_store: is idempotent');
is($node->safe_psql('shopdb', "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'shop'::regnamespace"), 'keeper',
	'create_store: everything is his');
is($node->safe_psql('shopdb', "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'shop'"), 'keeper', 'create_store: the schema too');
is(run_as('keeper', q{SELECT * FROM customers.check_store('shop')}), '', 'check_store: nothing to report');
is(run_as('keeper', q{SELECT name || ' ' || owner || ' ' || layout_current FROM customers.stores()}), 'shop keeper true', 'stores: one');
is(run_as('keeper', q{
	SELECT customers.create_customer('owner@example.com', 'Olga');
	INSERT INTO shop.customer (email, has_account, external_id) VALUES ('nina@example.com', true, 'c-2');
	INSERT INTO shop.orders (customer_id, email, status, currency_code, total, placed_at)
		SELECT 1, 'owner@example.com', 'pending', 'EUR', n, '2026-01-01' FROM generate_series(1, 5) n;}), '1', 'owner: in use');

# a stranger: functions may be called, and end in 42501
refused_like('stranger', 'SELECT customers.list_customers()', qr/ERROR:\s+42501/, 'stranger: list_customers');
refused_like('stranger', q{SELECT customers.create_customer('x@example.com')}, qr/ERROR:\s+42501/, 'stranger: create_customer');
refused_like('stranger', 'SELECT customers.request_order_transfer(1, 2)', qr/ERROR:\s+42501/, 'stranger: request_order_transfer');
refused_like('stranger', 'SELECT customers.claim_deliveries()', qr/ERROR:\s+42501/, 'stranger: claim_deliveries');
refused_like('stranger', 'SELECT * FROM shop.customer', qr/ERROR:\s+42501/, 'stranger: the tables');
refused_like('stranger', q{SELECT customers.create_store('mine')}, qr/ERROR:\s+42501/, 'stranger: create_store');
refused_like('stranger', q{SELECT customers.drop_store('shop', 'shop')}, qr/ERROR:\s+42501/, 'stranger: drop_store');
like(run_as('stranger', 'SELECT customers.version()'), qr/^\d+\.\d+\.\d+/, 'stranger: version');
cmp_ok(run_as('stranger', 'SELECT count(*) FROM customers.help()'), '>', 40, 'stranger: help');
refused_like('stranger', 'SET customers.email_change_hold = 0; SELECT customers.version(); SHOW customers.email_change_hold', qr/(WARNING|ERROR):\s+42501/,
	'stranger: the hold is a superuser setting, also before the library is loaded');
refused_like('keeper', 'SELECT customers.version(); SET customers.record_events = off', qr/ERROR:\s+42501/, 'owner: record_events is a superuser setting');
is(run_as('stranger', 'SET customers.email_change_hold = 0; SELECT customers.version() IS NOT NULL; SHOW customers.email_change_hold') =~ s/\n.*$//sr, 't',
	'stranger: the session goes on');

# a clerk with what he was granted, no more
run_as('keeper', q{
	GRANT USAGE ON SCHEMA shop TO clerk;
	GRANT SELECT, INSERT, UPDATE ON shop.customer TO clerk;
	GRANT SELECT ON shop.customer_group, shop.customer_group_member, shop.orders TO clerk;
	GRANT USAGE ON SEQUENCE shop.customer_id_seq TO clerk;});
is(run_as('clerk', q{SELECT customers.create_customer('by-clerk@example.com')}), '3', 'clerk: creates a customer');
is(run_as('clerk', q{SELECT customers.update_customer(3, '{"phone": "1"}')}), '2', 'clerk: edits him');
is(run_as('clerk', q{SELECT count(*) FROM customers.list_customers()}), '3', 'clerk: lists');
is($node->safe_psql('shopdb', 'SELECT type, role, actor FROM shop.event WHERE customer_id = 3 ORDER BY id'),
	"customer.created|clerk|clerk\ncustomer.updated|clerk|clerk", 'clerk: the events name him, though event is not his');
refused_like('clerk', 'SELECT * FROM shop.event', qr/ERROR:\s+42501/, 'clerk: which he cannot read');
refused_like('clerk', q{INSERT INTO shop.event (type) VALUES ('customer.created')}, qr/ERROR:\s+42501/, 'clerk: nor write');
refused_like('clerk', q{SELECT customers.delete_customer(3, 'by-clerk@example.com')}, qr/ERROR:\s+42501/, 'clerk: deletes nobody');
refused_like('clerk', q{SELECT customers.create_group('g')}, qr/ERROR:\s+42501/, 'clerk: makes no group');
refused_like('clerk', q{SELECT customers.request_order_transfer(1, 2)}, qr/ERROR:\s+42501/, 'clerk: requests no transfer');
refused_like('clerk', q{UPDATE shop.orders SET total = 0}, qr/ERROR:\s+42501/, 'clerk: edits no order');
refused_like('clerk', q{SELECT customers.create_store('shop')}, qr/ERROR:\s+42501/, 'clerk: repairs no store of another');

# the one privilege of the functions that handle secrets
run_as('keeper', 'GRANT INSERT ON shop.order_transfer TO clerk');
is(run_as('clerk', 'SELECT customers.request_order_transfer(1, 2)'), '1', 'clerk: INSERT on order_transfer lets him request');
refused_like('clerk', 'SELECT confidential FROM shop.delivery', qr/ERROR:\s+42501/, 'clerk: the token is not his to read');
refused_like('clerk', 'SELECT token_hash FROM shop.order_transfer', qr/ERROR:\s+42501/, 'clerk: nor its hash');
refused_like('clerk', 'SELECT customers.claim_deliveries()', qr/ERROR:\s+42501/, 'clerk: nor to claim');
refused_like('clerk', 'SELECT customers.cancel_order_transfer(1)', qr/ERROR:\s+42501/, 'clerk: nor to cancel');
is($node->safe_psql('shopdb', "SELECT role FROM shop.event WHERE type = 'order.transfer_requested'"), 'clerk', 'clerk: the request is his');

# row security: data functions obey it
run_as('keeper', q{
	ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON shop.customer TO clerk USING (id = 3);});
is(run_as('clerk', 'SELECT string_agg(id::text, $$ $$) FROM customers.list_customers()'), '3', 'row security: list_customers shows what the clerk may see');
refused_like('clerk', q{SELECT customers.update_customer(1, '{"phone": "1"}')}, qr/ERROR:\s+23503/, 'row security: another customer does not exist for him');
run_as('keeper', q{ALTER TABLE shop.event FORCE ROW LEVEL SECURITY; ALTER TABLE shop.event ENABLE ROW LEVEL SECURITY;
	ALTER TABLE shop.order_transfer FORCE ROW LEVEL SECURITY; ALTER TABLE shop.order_transfer ENABLE ROW LEVEL SECURITY;
	ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY; ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;});
is(run_as('clerk', q{SELECT customers.update_customer(3, '{"phone": "5"}')}), '3', 'row security: forced on event, the event is written all the same');
is($node->safe_psql('shopdb', "SELECT count(*) FROM shop.event WHERE customer_id = 3 AND type = 'customer.updated'"), '2', 'row security: and is there');
refused_like('clerk', 'SELECT customers.request_order_transfer(1, 2)', qr/order_transfer_open_key/, 'row security: forced on order_transfer, the guard sees its rows');
run_as('keeper', q{ALTER TABLE shop.customer DISABLE ROW LEVEL SECURITY;
	ALTER TABLE shop.event DISABLE ROW LEVEL SECURITY; ALTER TABLE shop.event NO FORCE ROW LEVEL SECURITY;
	ALTER TABLE shop.order_transfer DISABLE ROW LEVEL SECURITY; ALTER TABLE shop.order_transfer NO FORCE ROW LEVEL SECURITY;
	ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY; ALTER TABLE shop.orders NO FORCE ROW LEVEL SECURITY;});

# a superuser
is(run_as('dba', 'SELECT count(*) FROM customers.list_customers()'), '3', 'superuser: reads the store');
refused_like('dba', q{SELECT customers.create_customer('x@example.com')}, qr/ERROR:\s+42501.*HINT:.*Connect as its owner/s, 'superuser: does not write in a store of another');
is(run_as('dba', q{SET ROLE keeper; SELECT customers.update_customer(3, '{"phone": "9"}')}), '4', 'superuser: writes after SET ROLE');
is(run_as('dba', q{UPDATE shop.customer SET phone = '10' WHERE id = 3 RETURNING version}), '5', 'superuser: plain SQL is his own risk, rules and events as ever');
is($node->safe_psql('shopdb', "SELECT role FROM shop.event WHERE customer_id = 3 ORDER BY id DESC LIMIT 1"), 'dba', 'superuser: the event names him');
refused_like('dba', 'UPDATE shop.orders SET customer_id = 2 WHERE id = 2', qr/order_owner_by_transfer/, 'superuser: order_owner_by_transfer holds for him too');
refused_like('dba', 'DELETE FROM shop.customer WHERE id = 3', qr/customer_delete_confirmed/, 'superuser: customer_delete_confirmed too');

# several stores, several owners
$node->safe_psql('postgres', 'GRANT CREATE ON DATABASE shopdb TO stranger');
is(run_as('stranger', q{SELECT customers.create_store('Ström''s "best" %s')}), 'created', 'create_store: an awkward name, another owner');
is(run_as('stranger', q{SET customers.store = 'Ström''s "best" %s'; SELECT customers.create_customer('a@example.com'); SELECT customers.update_customer(1, '{"phone": "1"}')}),
	"1\n2", 'stranger: his own store is his');
refused_like('keeper', q{SET customers.store = 'Ström''s "best" %s'; SELECT customers.list_customers()}, qr/ERROR:\s+42501/, 'owner: of one store has nothing on another');
refused_like('stranger', q{SELECT customers.create_store('shop')}, qr/ERROR:\s+42501/, 'create_store: not in the schema of another');
is(run_as('stranger', q{SELECT customers.drop_store('Ström''s "best" %s', 'Ström''s "best" %s') IS NOT NULL}), 't', 'drop_store: the name typed twice');
is($node->safe_psql('shopdb', "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'Str%'"), '0', 'drop_store: the empty schema goes too');
refused_like('keeper', q{SELECT customers.drop_store('shop', 'shopp')}, qr/ERROR:\s+22023/, 'drop_store: a typing error drops nothing');

# A superuser looks after the store of another: no code of its owner runs as
# superuser.  The server computes the constant parts of an index expression
# whenever it plans a query of the table; trap.proof shows that it does.
run_as('stranger', q{
	SELECT customers.create_store('trap');
	CREATE FUNCTION trap.constant(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
		IF current_user <> 'stranger' THEN RAISE EXCEPTION 'hijacked, as %', current_user; END IF;
		RETURN 'x';
	END $$;
	DO $$ DECLARE tab regclass; BEGIN
		FOR tab IN SELECT oid FROM pg_class WHERE relnamespace = 'trap'::regnamespace AND relkind = 'r' LOOP
			EXECUTE (SELECT format('CREATE INDEX ON %s ((trap.constant(1) || %I::text))', tab, attname) FROM pg_attribute
				WHERE attrelid = tab AND atttypid IN ('text'::regtype, 'bigint'::regtype, 'int'::regtype) AND attnum > 0 ORDER BY attnum LIMIT 1);
		END LOOP;
	END $$;
	CREATE TABLE trap.proof (a text);
	CREATE INDEX ON trap.proof ((trap.constant(1) || a));});
refused_like('dba', 'SELECT count(*) FROM trap.proof', qr/hijacked, as dba/, 'superuser: the trap works where he plans a query himself');
($out, $err) = run_as('dba', q{SELECT name FROM customers.stores() WHERE name = 'trap'});
is("$out$err", 'trap', 'superuser: stores runs none of it');
($out, $err) = run_as('dba', q{SELECT count(*) FROM customers.check_store('trap')});
is("$out$err", '0', 'superuser: check_store runs none of it');
foreach my $call (q{create_customer('x@example.com')}, 'request_order_transfer(1, 2)', 'claim_deliveries()', q{delete_customer(1, 'x@example.com')},
	'expire_order_transfers()', q{purge_events('2020-01-01')}, q{subscribe('x', '{*}')}, q{create_group('g')})
{
	refused_like('dba', "SET customers.store = 'trap'; SELECT customers.$call", qr/ERROR:\s+42501/, "superuser: $call is refused before anything is planned");
}

# a setting of the role
run_as('keeper', q{SELECT customers.create_store('second'); ALTER ROLE keeper SET customers.store = 'second'});
is(run_as('keeper', q{SELECT customers.create_customer('first-here@example.com')}), '1', 'customers.store: as a setting of the role');

$node->stop;
done_testing();
