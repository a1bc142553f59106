# What the owner of a store can make of a superuser who calls our functions for
# it: code of his in triggers, deferred ones too, in expressions of indexes,
# constraints, defaults, policies, rules and views, which tries to act as the
# superuser, at once or by resetting the role, or to leave something behind.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Attack;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = attack_node('superuser');

my $fixture = q{
	INSERT INTO shop.customer (email, first_name, has_account, external_id) VALUES
		('ada@example.com', 'Ada', true, 'c-1'), ('bo@example.com', 'Bo', false, NULL), ('cy@example.com', 'Cy', true, 'c-3');
	INSERT INTO shop.customer_group (name) VALUES ('VIP');
	SELECT customers.add_to_groups(1, '{1}');
	INSERT INTO shop.orders (customer_id, email, currency_code, total) SELECT 1, 'ada@example.com', 'EUR', 1 FROM generate_series(1, 5);
	INSERT INTO shop.order_item (order_id, line_no, title) VALUES (1, 1, 'a lamp');};
answer($node, $fixture);
answer($node, q{
	CREATE SCHEMA trap;
	-- what he would do if he could; it says what he did
	CREATE TABLE trap.caught (what text);
	CREATE FUNCTION trap.spring() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE way text;
	BEGIN
		FOREACH way IN ARRAY ARRAY['SELECT 1', 'RESET ROLE', 'SET ROLE NONE', 'SET ROLE postgres', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION postgres',
				'SET LOCAL ROLE NONE', 'SELECT set_config(''role'', ''none'', false)', 'SELECT set_config(''session_authorization'', ''postgres'', true)'] LOOP
			BEGIN
				EXECUTE way;
				EXECUTE 'ALTER ROLE mallory SUPERUSER';
				INSERT INTO trap.caught VALUES (way);
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END LOOP;
		BEGIN
			EXECUTE 'CREATE TEMP TABLE pg_class (x int)';
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
		BEGIN
			PERFORM set_config('search_path', 'trap', false);
			PERFORM set_config('lc_messages', 'C', false);
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
		RETURN 'sprung';
	END $$;
	CREATE FUNCTION trap.pure(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
	CREATE FUNCTION trap.row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.spring(); RETURN coalesce(NEW, OLD); END $$;
	CREATE FUNCTION trap.true(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;});

# Every function of the contract that touches a store.
my @reading = ('customer_details(1)', 'list_customers()', "list_customers('a', '{\"groups\": [1]}', 'email')", "count_customers('ad')", 'metadata_rows(1)', 'list_groups()', 'customer_groups(1)',
	'group_customers(1)', "in_group(1, 'vip')", "in_group(1, 'vip', 'shop')", 'customer_orders(1)', 'order_details(1)', 'order_transfers(1)', 'customer_timeline(1)', 'delivery_status()');
my @looking = ('stores()', 'check_store()', "check_store('shop')");
my @writing = ("create_customer('new\@example.com')", "find_or_create_guest('new\@example.com')", 'update_customer(1, \'{"phone": "1", "email": "ada@other.example"}\')', "delete_customer(2, 'bo\@example.com', true)",
	'import_customers(\'[{"email": "bo@example.com", "phone": "2"}, {"email": "i@example.com", "external_id": "i", "has_account": true}]\')', "save_metadata(1, '[]')", "insert_metadata_row(1, 'k', '1')", "set_metadata(1, 'k', '1')",
	"create_group('new')", 'update_group(1, \'{"name": "renamed"}\')', 'delete_group(1)', "add_to_groups(2, '{1}')", "remove_from_groups(1, '{1}')", "set_groups(1, '{}')", "add_customers_to_group(1, '{1,2}')", "remove_customers_from_group(1, '{1}')",
	'request_order_transfer(1, 3)', 'cancel_order_transfer(1)', 'expire_order_transfers()', "register_customer('reg\@example.com', 'long enough')", "authenticate('ada\@example.com', 'whatever it is')", "request_password_reset('ada\@example.com')",
	"change_password(1, 'old', 'new and long')", "subscribe('crm', '{*}')", "unsubscribe('notifier')", 'claim_deliveries()', "acknowledge_deliveries('{1}')", "fail_delivery(1, 'no')", "retry_failed('notifier')", "purge_events('2030-01-01')");

# His ways to be there when they run.
my %traps = (
	'triggers' => q{
		DO $$ DECLARE t text; BEGIN
			FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
				EXECUTE format('CREATE TRIGGER a_trap BEFORE INSERT OR UPDATE OR DELETE ON shop.%I FOR EACH ROW EXECUTE FUNCTION trap.row()', t);
				EXECUTE format('CREATE TRIGGER z_trap AFTER INSERT OR UPDATE OR DELETE ON shop.%I FOR EACH STATEMENT EXECUTE FUNCTION trap.row()', t);
			END LOOP; END $$;},
	'deferred triggers' => q{
		DO $$ DECLARE t text; BEGIN
			FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
				EXECUTE format('CREATE CONSTRAINT TRIGGER z_trap AFTER INSERT OR UPDATE OR DELETE ON shop.%I DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap.row()', t);
			END LOOP; END $$;},
	'expressions of indexes, of constants too' => q{
		CREATE INDEX trap_1 ON shop.customer (trap.pure(email)); CREATE INDEX trap_2 ON shop.customer ((trap.pure('x') || email)); CREATE INDEX trap_3 ON shop.customer (id) WHERE trap.pure('x') = 'x';
		CREATE INDEX trap_4 ON shop.orders (id) WHERE trap.pure('x') = 'x'; CREATE INDEX trap_5 ON shop.event ((trap.pure('x') || type)); CREATE INDEX trap_6 ON shop.order_transfer ((trap.pure('x') || status));
		CREATE INDEX trap_7 ON shop.delivery ((trap.pure('x'))); CREATE INDEX trap_8 ON shop.customer_group ((trap.pure('x') || name)); CREATE INDEX trap_9 ON shop.customer_group_member ((trap.pure('x')));
		CREATE INDEX trap_10 ON shop.subscription (name) WHERE trap.pure('x') = 'x'; CREATE INDEX trap_11 ON shop.credential (customer_id) WHERE trap.pure('x') = 'x';
		CREATE STATISTICS trap.s ON (trap.pure(email)), (trap.pure(phone)) FROM shop.customer;
		CREATE OR REPLACE FUNCTION trap.pure(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM trap.spring(); RETURN $1; END $$;},
	'constraints and defaults' => q{
		ALTER TABLE shop.customer ADD CHECK (trap.true(email)), ADD COLUMN extra text DEFAULT trap.spring();
		ALTER TABLE shop.event ADD CHECK (trap.true(type)); ALTER TABLE shop.order_transfer ADD CHECK (trap.true(status)); ALTER TABLE shop.delivery ALTER last_error SET DEFAULT trap.spring();
		CREATE OR REPLACE FUNCTION trap.true(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM trap.spring(); RETURN true; END $$;},
	'policies' => q{
		DO $$ DECLARE t text; BEGIN
			FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
				EXECUTE format('ALTER TABLE shop.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
				EXECUTE format('CREATE POLICY p ON shop.%I USING (trap.spring() IS NOT NULL) WITH CHECK (trap.spring() IS NOT NULL)', t);
			END LOOP; END $$;},);

# The sessions of a superuser: as himself, and in the role of the owner.
my %sessions = (
	'a superuser' => '',
	'a superuser under SET ROLE' => 'SET ROLE mallory;',
	'a superuser under SET SESSION AUTHORIZATION' => 'SET SESSION AUTHORIZATION mallory;',);

sub caught
{
	my $what = $node->safe_psql('postgres', "SELECT coalesce((SELECT string_agg(DISTINCT what, ', ') FROM trap.caught), '') || CASE WHEN rolsuper THEN ' superuser' ELSE '' END FROM pg_roles WHERE rolname = 'mallory'");

	$node->safe_psql('postgres', 'ALTER ROLE mallory NOSUPERUSER; TRUNCATE trap.caught');
	return $what;
}

# the trap works where nobody is careful: a superuser's own statement
$node->safe_psql('postgres', "INSERT INTO trap.caught VALUES ('x')");
is(caught(), 'x', 'fixture: what is caught is seen');
answer($node, 'CREATE TRIGGER a_trap BEFORE UPDATE ON shop.order_item FOR EACH ROW EXECUTE FUNCTION trap.row()');
states($node, q{UPDATE shop.order_item SET title = 'a lamp'}, 'postgres');
like(caught(), qr/superuser$/, 'fixture: a plain UPDATE by a superuser springs it');
states($node, q{SET ROLE mallory; UPDATE shop.order_item SET title = 'the lamp'}, 'postgres');
like(caught(), qr/superuser$/, 'fixture: under SET ROLE, too');
answer($node, 'DROP TRIGGER a_trap ON shop.order_item');

# The store as it was before.
sub mend
{
	answer($node, q{
		SELECT customers.drop_store('shop', 'shop');
		CREATE OR REPLACE FUNCTION trap.pure(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1; END $$;
		CREATE OR REPLACE FUNCTION trap.true(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
		SELECT customers.create_store();});
	answer($node, $fixture);
	return;
}

foreach my $trap (sort keys %traps)
{
	answer($node, $traps{$trap});
	foreach my $session (sort keys %sessions)
	{
		my $all = join "\n", $sessions{$session}, (map { "BEGIN; SELECT customers.$_; COMMIT;" } @reading, @looking, @writing),
		  'RESET SESSION AUTHORIZATION; RESET ROLE; SELECT count(*) FROM pg_class;';

		unlike(states($node, $all, 'postgres'), qr/XX|ended|42601/, "$session, $trap: each function");
		is(caught(), '', "$session, $trap: nothing is caught");
		is($node->safe_psql('postgres', "$sessions{$session} SELECT count(*) FROM customers.list_customers() \\gset\nRESET SESSION AUTHORIZATION; RESET ROLE; SHOW search_path"),
			'"$user", public', "$session, $trap: the search_path is his own");
		next if $session ne 'a superuser';
		is(join(' ', grep { states($node, "SELECT customers.$_", 'postgres') !~ /^(42501|22023)$/ } @writing), '', "$session, $trap: writes by none");
		is(join(' ', grep { states($node, "SELECT customers.$_", 'postgres') ne '' } @reading, @looking), '', "$session, $trap: reads by each");
	}
	mend();
}

# ---------------------------------------- a view, between two looks at the table

# The function is called in a statement that began before the tables were
# changed, in a session that had verified the store and kept its plans.
foreach my $session (sort keys %sessions)
{
	my @runs = at_once($node,
		(map { "$sessions{$session} SELECT customers.$_;\nSELECT pg_sleep(2), customers.$_;\n" } @reading[ 0, 1, 4, 11, 13 ], $session eq 'a superuser' ? () : q{create_customer('v' || random() || '@example.com')}),
		q{SET SESSION AUTHORIZATION mallory;
			SELECT pg_sleep(1);
			DO $$ DECLARE t text; BEGIN
				FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND relname <> 'store_info' LOOP
					EXECUTE format('ALTER TABLE shop.%I RENAME TO real_%1$s', t);
					EXECUTE format('CREATE VIEW shop.%I AS SELECT * FROM shop.real_%1$s WHERE trap.spring() IS NOT NULL', t);
				END LOOP; END $$;});
	my $errors = join ' ', map { $_->{err} =~ /ERROR:\s+(\w{5})/g } @runs[ 0 .. $#runs - 1 ];

	like($errors, qr/^3F000( 3F000)*$/, "$session: tables that became views are refused");
	is($runs[-1]->{err}, '', 'fixture: he made the views');
	is(caught(), '', "$session: no view of his is read");
	answer($node, q{DO $$ DECLARE t text; BEGIN
		FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'v' LOOP
			EXECUTE format('DROP VIEW shop.%I', t);
			EXECUTE format('ALTER TABLE shop.real_%1$s RENAME TO %1$I', t);
		END LOOP; END $$;});
}

end_attack($node);
done_testing();
