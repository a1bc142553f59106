# A store's owner is a stranger: what he puts in the place of its objects, and
# what he takes away, is seen before it is used, whoever calls.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t";
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('stores', store => 0);

$node->safe_psql(
	'postgres', q{
	CREATE ROLE stranger LOGIN;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE dba LOGIN SUPERUSER;
	GRANT CREATE ON DATABASE postgres TO stranger;
	CREATE TABLE public.trophies (as_whom name);
	GRANT INSERT ON public.trophies TO PUBLIC;});
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# Runs sql as a role that logged in; returns its output and its error.
sub run_as
{
	my ($role, $sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);

	return ($out, $err);
}

sub refused_like
{
	my ($role, $sql, $pattern, $name) = @_;
	my ($out, $err) = run_as($role, $sql);

	like($err, $pattern, $name);
	return;
}

run_as('stranger', q{
	SELECT customers.create_store();
	SELECT customers.create_customer('ada@example.com', 'Ada');
	SELECT customers.create_group('VIP');
	CREATE FUNCTION shop.trap() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.trophies VALUES (current_user);
		RETURN true;
	END $$;
	CREATE FUNCTION shop.trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.trophies VALUES (current_user);
		RETURN NEW;
	END $$;});

# the triggers are gone: functions do not write without rules
run_as('stranger', 'ALTER TABLE shop.customer DISABLE TRIGGER USER');
refused_like('stranger', q{SELECT customers.update_customer(1, '{"email": "no address"}')}, qr/ERROR:\s+3F000.*create_store/s, 'disabled triggers: update_customer');
refused_like('stranger', q{SELECT count(*) FROM customers.list_customers()}, qr/ERROR:\s+3F000/, 'disabled triggers: list_customers');
$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP EXTENSION customers CASCADE; CREATE EXTENSION customers;');
refused_like('stranger', qq{SELECT customers.update_customer(1, '{"$_": "no address"}')}, qr/ERROR:\s+3F000.*customers\.create_store\('shop'\)/s,
	"extension dropped and made again: update_customer, $_") foreach qw(email first_name);
is($node->safe_psql('postgres', 'SELECT email, first_name, version FROM shop.customer'), 'ada@example.com|Ada|1', 'extension dropped and made again: nothing was stored');
like((run_as('stranger', 'SELECT customers.create_store()'))[0], qr/^repaired: /, 'extension dropped and made again: the hint is true');
is((run_as('stranger', q{SELECT customers.update_customer(1, '{"first_name": "Augusta"}')}))[0], '2', 'extension dropped and made again: and all is well');

# one session's verification does not outlive what another session does
my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'stranger' ]);
is($session->query('SELECT customers.count_customers()'), '1', 'two sessions: the store is verified');
foreach my $case (
	[ 'a missing trigger', 'DROP TRIGGER customer_guard ON shop.customer', 'customer_guard' ],
	[ 'a key that is no longer unique',
		'DROP INDEX shop.customer_email_key; CREATE INDEX customer_email_key ON shop.customer (lower(email COLLATE "C"), has_account)', 'customer_email_key' ],
	[ 'a renamed key', 'ALTER INDEX shop.customer_email_key RENAME TO other_key', 'customer_email_key' ],
	[ 'a column that takes NULL', 'ALTER TABLE shop.customer ALTER email DROP NOT NULL', 'email' ],
	[ 'a view in place of a table',
		'ALTER TABLE shop.customer RENAME TO customers; CREATE VIEW shop.customer AS SELECT * FROM shop.customers WHERE shop.trap()', 'ordinary table' ],
	[ 'a table of another owner', 'GRANT CREATE ON SCHEMA shop TO stranger2; ALTER TABLE shop.customer OWNER TO stranger2', 'owner' ])
{
	my ($what, $damage, $named) = @$case;

	$node->safe_psql('postgres', 'CREATE ROLE stranger2; GRANT stranger2 TO stranger') if $damage =~ /stranger2/;
	$node->safe_psql('postgres', "BEGIN; $damage; COMMIT") if $damage !~ /OWNER/;
	run_as('stranger', $damage) if $damage =~ /OWNER/;
	$session->{stderr} = '';
	$session->query(q{SELECT customers.update_customer(1, '{"phone": "1"}')});
	like($session->{stderr}, qr/cannot be used.*\Q$named\E/s, "two sessions: $what");
	if ($damage =~ /VIEW/)
	{
		$node->safe_psql('postgres', 'DROP VIEW shop.customer; ALTER TABLE shop.customers RENAME TO customer');
	}
	$node->safe_psql('postgres', 'ALTER TABLE shop.customer OWNER TO stranger') if $damage =~ /OWNER/;
	$node->safe_psql('postgres', 'ALTER INDEX shop.other_key RENAME TO customer_email_key') if $damage =~ /RENAME TO other_key/;
	run_as('stranger', 'SELECT customers.create_store()');
	$session->{stderr} = '';
	$session->query(q{SELECT customers.update_customer(1, '{"phone": null}')});
	is($session->{stderr}, '', "two sessions: $what, mended");
}

# what is swapped while a call waits for a lock is not used
foreach my $case (
	[ 'a view', 'ALTER TABLE shop.customer RENAME TO customers; CREATE VIEW shop.customer AS SELECT * FROM shop.customers WHERE shop.trap()',
		'DROP VIEW shop.customer; ALTER TABLE shop.customers RENAME TO customer' ],
	[ 'a missing trigger', 'DROP TRIGGER customer_guard ON shop.customer', '' ])
{
	my ($what, $damage, $undo) = @$case;
	my $other = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'stranger' ]);

	$other->query("BEGIN; LOCK shop.customer; $damage");
	$session->{stderr} = '';
	$session->query_until(qr/sent/, "\\echo sent\nSELECT customers.update_customer(1, '{\"phone\": \"2\"}');\n");
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')});
	$other->query('COMMIT');
	$other->quit;
	$session->query('SELECT 1');
	like($session->{stderr}, qr/cannot be used|was changed while|is not "customer"/, "race: $what that came while the call waited");
	$node->safe_psql('postgres', $undo) if $undo ne '';
	run_as('stranger', 'SELECT customers.create_store()');
}
is($session->query(q{SELECT first_name || coalesce(phone, '') FROM shop.customer}), 'Augusta', 'race: the session goes on, and nothing was stored');
$session->quit;

# a store that never rests: a bounded number of looks, and no crash
{
	my $busy = IPC::Run::start(
		[ 'psql', '-XqU', 'stranger', '-d', $node->connstr('postgres') ],
		'<', \join('', map { "ALTER TABLE shop.customer ALTER email SET STATISTICS $_;\n" } 1 .. 400),
		'>', \my $out, '2>', \my $err);
	my $bad = 0;

	for (1 .. 20)
	{
		my ($o, $e) = run_as('stranger', 'SELECT customers.count_customers()');
		$bad++ unless $o eq '1' || $e =~ /55006|40001/;
	}
	is($bad, 0, 'a store that changes all the time: an answer or an ordinary error');
	$busy->finish;
}

# a superuser's look at the store of a stranger runs nothing of his
run_as('stranger', q{
	CREATE FUNCTION shop.index_trap(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
		IF current_user <> 'stranger' THEN RAISE EXCEPTION 'hijacked, as %', current_user; END IF;
		RETURN $1;
	END $$;
	CREATE INDEX trap ON shop.subscription (shop.index_trap(name), shop.index_trap('x'));
	CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON shop.store_info FOR EACH ROW EXECUTE FUNCTION shop.trap_row();
	ALTER TABLE shop.store_info ADD CHECK (shop.trap());});
$node->safe_psql('postgres', 'DELETE FROM public.trophies');
foreach my $call (
	q{SELECT * FROM customers.stores()}, q{SELECT count(*) FROM customers.check_store('shop')},
	q{SELECT customers.grant_access('clerk', 'reader')}, q{SELECT customers.grant_access('clerk', 'notifier')},
	q{SELECT customers.revoke_access('clerk', 'reader')}, q{SELECT customers.count_customers()})
{
	my ($out, $err) = run_as('dba', $call);

	is($err, '', "a superuser: $call");
}
foreach my $call (q{SELECT customers.create_store('shop')}, q{SELECT customers.drop_store('shop', 'shop')}, q{SELECT customers.create_group('x')})
{
	refused_like('dba', $call, qr/ERROR:\s+42501/, "a superuser: $call is refused");
	my ($out, $err) = run_as('dba', $call);
	unlike($err, qr/SET ROLE/, "a superuser: $call, and nobody tells him to SET ROLE");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM public.trophies WHERE as_whom <> 'stranger'}), '0', 'a superuser: nothing of the stranger ran with his rights');

# under SET ROLE create_store runs the owner's trigger, who cannot go back
run_as('stranger', q{
	CREATE OR REPLACE FUNCTION shop.trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RESET ROLE;
		INSERT INTO public.trophies VALUES (current_user);
		RETURN NEW;
	END $$;
	ALTER TABLE shop.store_info DROP CONSTRAINT store_info_check;
	DELETE FROM shop.store_info;});
is($node->safe_psql('postgres', 'SELECT count(*) FROM shop.store_info'), '0', 'a superuser under SET ROLE: the trap is set');
refused_like('dba', q{SET ROLE stranger; SELECT customers.create_store('shop')}, qr/cannot set parameter "role"/, 'a superuser under SET ROLE: create_store keeps the role');
is($node->safe_psql('postgres', q{SELECT count(*) FROM public.trophies WHERE as_whom = 'dba'}), '0', 'a superuser under SET ROLE: the trap stays empty');
run_as('stranger', q{DROP TRIGGER trap ON shop.store_info; DROP INDEX shop.trap;});
is((run_as('stranger', 'SELECT customers.create_store()'))[0], 'repaired: table store_info', 'create_store brings the row of store_info back');
is((run_as('stranger', q{SELECT customers.update_customer(1, '{"phone": "3"}')}))[0] =~ /^\d+$/ ? 1 : 0, 1, 'and the store is in use again');

# check_store reads whatever the stranger left, and comes to an end
foreach my $damage (
	'ALTER TABLE shop.%s ALTER COLUMN %s DROP NOT NULL; UPDATE shop.%1$s SET %2$s = NULL',
	'ALTER TABLE shop.%s ALTER COLUMN %s DROP NOT NULL, ALTER COLUMN %2$s DROP DEFAULT',
	'ALTER TABLE shop.%s DROP COLUMN %s CASCADE',
	'ALTER TABLE shop.%s ALTER COLUMN %s DROP DEFAULT, ALTER COLUMN %2$s TYPE char USING NULL')
{
	my ($out, $err) = run_as('stranger', qq{
	SET client_min_messages = warning;
	CREATE TEMP TABLE result (what text, outcome text);
	DO \$do\$
	DECLARE
		c record; n bigint;
	BEGIN
		FOR c IN SELECT k.relname, a.attname, a.attnotnull FROM pg_class k JOIN pg_attribute a ON a.attrelid = k.oid
			WHERE k.relnamespace = 'shop'::regnamespace AND k.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2 LOOP
			BEGIN
				EXECUTE format('ALTER TABLE shop.%I DISABLE TRIGGER USER', c.relname);
				EXECUTE format('$damage', c.relname, c.attname);
				SELECT count(*) INTO n FROM customers.check_store('shop');
				RAISE EXCEPTION USING ERRCODE = 'ZZ000';
			EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
				IF n = 0 AND (c.attnotnull OR '$damage' !~ 'DROP NOT NULL') THEN INSERT INTO result VALUES (c.relname || '.' || c.attname, 'not seen'); END IF;
			WHEN not_null_violation OR invalid_table_definition OR dependent_objects_still_exist OR feature_not_supported OR datatype_mismatch OR undefined_function
				OR invalid_object_definition THEN NULL;
			WHEN OTHERS THEN INSERT INTO result VALUES (c.relname || '.' || c.attname, SQLSTATE || ' ' || SQLERRM);
			END;
		END LOOP;
	END \$do\$;
	SELECT what || ': ' || outcome FROM result;});

	is($out . $err, '', "check_store after: $damage");
}

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
$node->stop;
done_testing();
