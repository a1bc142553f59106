# What the owner of a store can do to its rows from inside our own statements:
# guards of ours on other tables, shapes laid over each other, triggers that
# come back in the middle, NULL and extremes in every column, constraints,
# defaults and domains that change their meaning.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Attack;
use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = attack_node('rows');

answer($node, q{
	INSERT INTO shop.customer (email, first_name, last_name, metadata, has_account, external_id) VALUES
		('ada@example.com', 'Ada', 'Ash', '{"a": 1, "b": 2}', true, 'c-1'), ('bo@example.com', 'Bo', 'Birch', '{}', false, NULL);
	INSERT INTO shop.customer_group (name) VALUES ('VIP'), ('Press');
	SELECT customers.add_to_groups(1, '{1,2}');
	INSERT INTO shop.orders (customer_id, email, currency_code, total) VALUES (1, 'ada@example.com', 'EUR', 1);});

# ------------------------------------------------- a guard on another table

# The columns of orders beside those of customer, with their types: orders_guard
# would read them, and come to see the guard of customer on the same table.
my $columns = answer($node, q{
	SELECT string_agg(format('ADD COLUMN %I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
			CASE WHEN a.attnotnull THEN ' NOT NULL DEFAULT ' || CASE a.attname WHEN 'status' THEN '''pending''' WHEN 'currency_code' THEN '''EUR''' WHEN 'total' THEN '1' ELSE 'now()' END ELSE '' END), ', ')
	FROM pg_attribute a WHERE attrelid = 'shop.orders'::regclass AND attnum > 0
	AND attname NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = 'shop.customer'::regclass)});
like($columns, qr/shipping_address jsonb/, 'fixture: the columns of orders beside those of customer');
foreach my $table (qw(event account_token delivery subscription customer_group_member))
{
	survives($node, "two guards of ours on customer, and a trigger on $table that writes to it in the middle", qq{
		BEGIN;
		ALTER TABLE shop.customer $columns;
		CREATE TRIGGER a_orders BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION customers.orders_guard();
		CREATE TRIGGER z_orders BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW EXECUTE FUNCTION customers.orders_guard();
		CREATE TRIGGER z_record AFTER UPDATE ON shop.customer REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION customers.orders_record();
		CREATE SEQUENCE shop.turn;
		CREATE FUNCTION shop.back() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
			IF pg_trigger_depth() < 4 AND nextval('shop.turn') % 100 = 1 THEN
				BEGIN
					UPDATE shop.customer SET phone = coalesce(phone, '') || '1' WHERE id = 2;
				EXCEPTION WHEN OTHERS THEN NULL;
				END;
			END IF;
			RETURN coalesce(NEW, OLD); END \$\$;
		CREATE TRIGGER back BEFORE INSERT OR UPDATE OR DELETE ON shop.$table FOR EACH ROW EXECUTE FUNCTION shop.back();
		CREATE TRIGGER back_too BEFORE INSERT OR UPDATE OR DELETE ON shop.$table FOR EACH STATEMENT EXECUTE FUNCTION shop.back();
		SAVEPOINT a;
		SELECT customers.update_customer(1, '{"email": "ada\@other.example"}');
		ROLLBACK TO a;
		ALTER SEQUENCE shop.turn RESTART;
		SELECT customers.create_customer('new\@example.com');
		ROLLBACK TO a;
		ALTER SEQUENCE shop.turn RESTART;
		INSERT INTO shop.customer (email, customer_id, status, currency_code, total, placed_at)
			SELECT i || '\@example.com', 4702111234474983745, repeat('A', 50), 'EUR', 1, now() FROM generate_series(1, 1100) i;
		UPDATE shop.customer SET email = 'x' || email;
		ROLLBACK;});
}

# Each trigger function on each other table of the store: refused by its name.
is(answer($node, q{
	CREATE FUNCTION shop.wrong() RETURNS TABLE (said text) LANGUAGE plpgsql AS $$
	DECLARE
		f record; t record; message text;
	BEGIN
		FOR f IN SELECT DISTINCT p.oid::regprocedure AS call, p.proname FROM pg_proc p WHERE pronamespace = 'customers'::regnamespace AND prorettype = 'trigger'::regtype LOOP
			FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' LOOP
				CONTINUE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgfoid = f.call AND tgrelid = ('shop.' || t.relname)::regclass);
				BEGIN
					EXECUTE format('CREATE TRIGGER wrong BEFORE INSERT OR UPDATE OR DELETE ON shop.%I FOR EACH ROW EXECUTE FUNCTION %s', t.relname, f.call);
					EXECUTE format('INSERT INTO shop.%I SELECT * FROM shop.%1$I LIMIT 1', t.relname);
					EXECUTE format('DELETE FROM shop.%I', t.relname);
					RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = f.proname || ' on ' || t.relname;
				EXCEPTION WHEN OTHERS THEN
					said := SQLSTATE;
					RETURN NEXT;
				END;
			END LOOP;
		END LOOP;
	END $$;
	SELECT string_agg(DISTINCT said, ' ') FROM shop.wrong() WHERE said LIKE 'XX%'}), '', 'trigger functions on the other tables: no internal error');

# --------------------------------------------------------------- the values

# All that reads or writes customers, groups and lists, each undone.
my @uses = map { "SAVEPOINT use; $_; ROLLBACK TO use;" } (
	'SELECT customers.customer_details(1)', 'SELECT customers.list_customers()', "SELECT customers.list_customers('a', '{\"groups\": [1], \"not_groups\": [2]}', 'email', 1)",
	(map { "SELECT customers.list_customers(sort => '$_', after => (SELECT cursor FROM customers.list_customers(sort => '$_', page_size => 1)))" } qw(id email last_name created_at -email -last_name)),
	"SELECT customers.count_customers('a')", "SELECT customers.create_customer('new\@example.com')", "SELECT customers.find_or_create_guest('ada\@example.com')", "SELECT customers.find_or_create_guest('bo\@example.com')",
	'SELECT customers.update_customer(1, \'{"phone": "1", "metadata": {"a": null, "c": 3}}\')', 'SELECT customers.update_customer(1, \'{"email": "other@example.com"}\', 1)',
	'SELECT customers.metadata_rows(1)', 'SELECT customers.save_metadata(1, \'[{"key": "z", "value": 1}]\')', "SELECT customers.insert_metadata_row(1, 'n', '1', above => 'b')", "SELECT customers.insert_metadata_row(1, 'n', '1', below => 'a')",
	"SELECT customers.insert_metadata_row(1, 'n', '1')", "SELECT customers.set_metadata(1, 'a', '2')", "SELECT customers.delete_metadata_row(1, 'a')",
	"SELECT customers.delete_customer(1, 'ada\@example.com')", "SELECT customers.delete_customer(2, NULL)", "SET customers.confirm_delete = '1:ada\@example.com'; DELETE FROM shop.customer WHERE id = 1", "SET customers.confirm_delete = '1:'; DELETE FROM shop.customer WHERE id = 1",
	"SELECT customers.create_group('new')", 'SELECT customers.update_group(1, \'{"metadata": {"x": 1}}\')', 'SELECT customers.delete_group(1)', "SELECT customers.list_groups('p', 1)", 'SELECT customers.set_groups(1, \'{2}\')',
	'SELECT customers.add_to_groups(2, \'{1,2}\')', 'SELECT customers.remove_from_groups(1, \'{1}\')', 'SELECT customers.customer_groups(1)', 'SELECT customers.group_customers(1)', "SELECT customers.in_group(1, 'vip')",
	'SELECT customers.import_customers(\'[{"email": "ada@example.com", "phone": "9", "metadata": {"n": 1}}, {"external_id": "c-1", "metadata": null, "last_name": "X"}, {"email": "zoe@example.com"}]\')',
	'UPDATE shop.customer SET phone = \'2\'', 'UPDATE shop.customer SET metadata = metadata || \'{"q": 1}\'', 'UPDATE shop.customer_group SET name = name || \'x\'',
	"SELECT customers.subscribe('crm', '{*}'); UPDATE shop.customer SET email = 'x' || email", 'SELECT count(*) FROM customers.check_store()');

my %extremes = (
	'shop.customer' => {
		id => [ 'NULL', '0', '-9223372036854775808', '9223372036854775807' ],
		email => [ 'NULL', q{''}, q{'no address'}, q{repeat('x', 100000)}, q{E'a\\nb@example.com'} ],
		has_account => ['NULL'],
		email_changed_at => [ q{'infinity'}, q{'-infinity'}, q{'294276-12-31'}, q{'4713-01-01 BC'} ],
		first_name => [ q{repeat('x', 1000000)}, q{''} ],
		metadata => [ 'NULL', q{'[]'}, q{'null'}, q{'1'}, q{'"text"'}, q{'{"": 1}'}, q{(SELECT jsonb_object_agg(i, i) FROM generate_series(1, 20000) i)} ],
		metadata_order => [ 'NULL', q{'{NULL}'}, q{'{NULL,a,NULL,b}'}, q{'{{a,b},{c,d}}'}, q{'[5:6]={a,b}'}, q{'{a,a,a}'}, q{array_fill('x'::text, '{50000}')} ],
		created_at => [ 'NULL', q{'infinity'}, q{'-infinity'} ],
		updated_at => ['NULL'],
		version => [ 'NULL', '9223372036854775807', '-9223372036854775808' ],
	},
	'shop.customer_group' => {
		id => ['NULL'], name => [ 'NULL', q{''}, q{repeat('x', 2000)} ], metadata => [ 'NULL', q{'[]'}, q{'1'} ],
		created_at => [ 'NULL', q{'infinity'} ], version => [ 'NULL', '9223372036854775807' ],
	},
	'shop.customer_group_member' => { customer_id => ['NULL'], customer_group_id => ['NULL'], added_at => [ 'NULL', q{'infinity'} ] },
	'shop.store_info' => { layout_version => [ 'NULL', '0', '-1', '2147483647' ], search => ['NULL'], created_at => ['NULL'] },);

# NULL where none must be: NOT NULL is his to drop, and then the store is none.
foreach my $table (sort keys %extremes)
{
	foreach my $column (grep { $extremes{$table}{$_}[0] eq 'NULL' } sort keys %{ $extremes{$table} })
	{
		my $states = states($node, join "\n", qq{
			BEGIN;
			DO \$\$ DECLARE c record; BEGIN
				FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE connamespace = 'shop'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
						AND (conrelid = '$table'::regclass OR confrelid = '$table'::regclass) ORDER BY contype = 'p' LOOP
					EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
				END LOOP;
				EXECUTE 'ALTER TABLE $table ALTER $column DROP NOT NULL, DISABLE TRIGGER USER';
				UPDATE $table SET $column = NULL;
				EXECUTE 'ALTER TABLE $table ENABLE TRIGGER USER';
			END \$\$;}, @uses, 'ROLLBACK;');

		unlike($states, qr/XX|ended/, "$table.$column is NULL");
		like($states, qr/3F000/, "$table.$column is NULL: the store is refused");
	}
}

# What the constraints of a whole store let through, and a little more.
foreach my $table (sort keys %extremes)
{
	foreach my $column (sort keys %{ $extremes{$table} })
	{
		foreach my $value (grep { $_ ne 'NULL' } @{ $extremes{$table}{$column} })
		{
			my $shown = length $value > 40 ? substr($value, 0, 40) . '..' : $value;

			survives($node, "$table.$column = $shown", join "\n", qq{
				BEGIN;
				DO \$\$ BEGIN
					ALTER TABLE $table DISABLE TRIGGER USER;
					ALTER TABLE $table DROP CONSTRAINT IF EXISTS customer_metadata_object, DROP CONSTRAINT IF EXISTS customer_group_metadata_object;
					UPDATE $table SET $column = $value WHERE ctid = (SELECT min(ctid) FROM $table);
					ALTER TABLE $table ENABLE TRIGGER USER;
				EXCEPTION WHEN OTHERS THEN NULL; END \$\$;}, @uses, 'ROLLBACK;');
		}
	}
}

# ------------------------------- code of his in the middle of our statements

# What he can run while a statement of ours is running.
my %middle = (
	'drops a subscription and makes another' => "PERFORM customers.unsubscribe('notifier'); PERFORM customers.subscribe('notifier', '{*}');",
	'has the column map forgotten' => 'ALTER TABLE shop.order_item ADD COLUMN IF NOT EXISTS x int; ANALYZE shop.customer_group;',
	'makes a hundred stores of plans' => "FOR i IN 1 .. 70 LOOP PERFORM customers.count_customers('w' || i, jsonb_build_object('groups', jsonb_build_array(i), 'type', 'guest')), customers.list_customers('x', sort => (ARRAY['id', '-id', 'email', '-email', 'last_name', '-last_name', 'created_at'])[1 + i % 7], page_size => 1 + i); END LOOP;",
	'comes back with the same call' => 'IF pg_trigger_depth() < 5 THEN PERFORM customers.update_customer(2, jsonb_build_object(\'phone\', clock_timestamp()::text)); END IF;',
	'catches errors of ours' => "BEGIN PERFORM customers.customer_details(4711); EXCEPTION WHEN OTHERS THEN NULL; END; BEGIN PERFORM customers.create_customer('ada\@example.com'); EXCEPTION WHEN OTHERS THEN NULL; END;",
	'changes the setting of the store' => "PERFORM set_config('customers.store', 'nowhere', true);",
	'deletes who is changed' => "PERFORM set_config('customers.confirm_delete', '1:ada\@example.com', true); DELETE FROM shop.customer WHERE id = 1;",
	'makes another store and drops it' => "PERFORM customers.create_store('other'); PERFORM customers.drop_store('other', 'other');",
	'fails' => "RAISE EXCEPTION 'no';",);

my @calls = (
	"customers.create_customer('mid\@example.com', 'M', metadata => '{\"x\": 1}')", 'customers.update_customer(1, \'{"phone": "3", "metadata": {"k": 1}}\')', "customers.delete_customer(2, 'bo\@example.com')",
	"customers.find_or_create_guest('mid\@example.com')", 'customers.set_groups(1, \'{1}\')', "customers.save_metadata(1, '[]')", 'customers.delete_group(1)',
	'customers.import_customers(\'[{"email": "i@example.com"}, {"email": "bo@example.com", "phone": "5"}]\')', 'customers.add_customers_to_group(1, \'{1,2}\')', "customers.insert_metadata_row(1, 'm', '1', above => 'a')",);

foreach my $what (sort keys %middle)
{
	foreach my $table (qw(customer event delivery customer_group_member))
	{
		survives($node, "a trigger on $table that $what", join "\n", qq{
			BEGIN;
			SELECT customers.subscribe('all', '{*}');
			CREATE FUNCTION shop.middle() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
				IF pg_trigger_depth() < 3 THEN $middle{$what} END IF;
				RETURN coalesce(NEW, OLD); END \$\$;
			CREATE TRIGGER a_middle BEFORE INSERT OR UPDATE OR DELETE ON shop.$table FOR EACH ROW EXECUTE FUNCTION shop.middle();
			CREATE TRIGGER z_middle AFTER INSERT OR UPDATE OR DELETE ON shop.$table FOR EACH STATEMENT EXECUTE FUNCTION shop.middle();},
			(map { "SAVEPOINT call; SELECT $_; ROLLBACK TO call;" } @calls), 'ROLLBACK;');
	}
}

# The same from the expression of an index, which the server evaluates.
foreach my $what (sort keys %middle)
{
	survives($node, "an index expression that $what", join "\n", qq{
		BEGIN;
		CREATE FUNCTION shop.hidden(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RETURN \$1; END \$\$;
		CREATE INDEX hidden_customer ON shop.customer (shop.hidden(phone));
		CREATE INDEX hidden_event ON shop.event (shop.hidden(type));
		CREATE OR REPLACE FUNCTION shop.hidden(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
			IF current_setting('my.depth', true) IS DISTINCT FROM 'in' THEN
				PERFORM set_config('my.depth', 'in', true);
				$middle{$what}
				PERFORM set_config('my.depth', 'out', true);
			END IF;
			RETURN \$1; END \$\$;},
		(map { "SAVEPOINT call; SELECT $_; ROLLBACK TO call;" } @calls), 'ROLLBACK;')
	  if $what !~ /same call/;
}

# -------------------------------------------- constraints that change meaning

is(states($node, q{
	BEGIN;
	ALTER TABLE shop.event ADD COLUMN source text NOT NULL DEFAULT 'his';
	ALTER TABLE shop.event ALTER source DROP DEFAULT;
	SELECT customers.create_group('no customer');}), '23502', 'a NOT NULL of his on event is seen');
is(states($node, q{
	BEGIN;
	ALTER TABLE shop.delivery ALTER last_error SET NOT NULL;
	SELECT customers.subscribe('all', '{*}');
	SELECT customers.create_customer('n@example.com');
	ROLLBACK;}), '23502', 'a NOT NULL of his on delivery is seen');
is(states($node, q{
	BEGIN;
	CREATE FUNCTION shop.fine(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	ALTER TABLE shop.customer ADD CHECK (shop.fine(email));
	SELECT customers.create_customer('first@example.com');
	CREATE OR REPLACE FUNCTION shop.fine(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
	SAVEPOINT a; SELECT customers.create_customer('second@example.com'); ROLLBACK TO a;
	SELECT customers.update_customer(2, '{"phone": "1"}');
	ROLLBACK;}), '23514 23514', 'a CHECK by a function means what the function means now');
is(states($node, q{
	BEGIN;
	CREATE DOMAIN shop.word AS text;
	ALTER TABLE shop.customer ADD COLUMN nick shop.word;
	SELECT customers.create_customer('first@example.com');
	ALTER DOMAIN shop.word SET NOT NULL;
	ROLLBACK;
	BEGIN;
	CREATE DOMAIN shop.word AS text DEFAULT 'old';
	ALTER TABLE shop.customer ADD COLUMN nick shop.word;
	SELECT customers.create_customer('first@example.com');
	ALTER DOMAIN shop.word ADD CHECK (VALUE <> 'old') NOT VALID;
	SELECT customers.create_customer('second@example.com');
	ROLLBACK;}), '23502 23514', 'a domain means what it means now');

# ------------------------------------------------------------- long, and ended

# Loops whose length he chooses end at a timeout.
foreach my $call (
	q{customers.save_metadata(1, (SELECT jsonb_agg(jsonb_build_object('key', i, 'value', 0)) FROM generate_series(1, 200000) i))},
	q{customers.save_metadata(1, (SELECT jsonb_agg(jsonb_build_object('key', i % 199999, 'value', 0)) FROM generate_series(1, 200000) i))},
	q{customers.list_customers(filter => jsonb_build_object('groups', (SELECT jsonb_agg(i) FROM generate_series(1, 1000000) i)))},
	q{customers.search_matches(array_fill('zz'::text, '{1000000}'), repeat('z', 2000), repeat('z', 2000), NULL, NULL, NULL)},
	q{customers.add_to_groups(1, (SELECT array_agg((random() * 1e9)::bigint) FROM generate_series(1, 2000000)))},)
{
	my $took = answer($node, qq{
		CREATE FUNCTION shop.took() RETURNS interval LANGUAGE plpgsql AS \$\$
		DECLARE began timestamptz := clock_timestamp();
		BEGIN
			BEGIN
				PERFORM $call;
			EXCEPTION WHEN query_canceled OR OTHERS THEN NULL;
			END;
			RETURN clock_timestamp() - began;
		END \$\$;
		SET statement_timeout = '20s';
		SELECT shop.took() < interval '30 s';
		DROP FUNCTION shop.took();});

	like($took, qr/^t$/m, 'ends: ' . substr($call, 0, 60));
}

# ------------------------------------- a table that goes while it is waited for

# In a session that had verified the store, a call waits for the lock of a table;
# then its owner drops it.
foreach my $case (
	[ 'order_transfer', 'cancel_order_transfer(1)' ], [ 'customer', q{create_customer('late@example.com')} ], [ 'event', q{create_customer('late@example.com')} ],
	[ 'subscription', q{create_customer('late@example.com')} ], [ 'delivery', 'claim_deliveries()' ], [ 'customer', 'customer_details(1)' ], [ 'customer_group', "add_to_groups(1, '{1}')" ])
{
	my ($table, $call) = @$case;
	my $wait_for = sub {
		return "DO \$\$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = '$table' AND $_[0]) LOOP PERFORM pg_sleep(0.02); END LOOP; END \$\$;\n";
	};

	answer($node, q{SELECT customers.drop_store('shop', 'shop'); SELECT customers.create_store();
		INSERT INTO shop.customer (email) VALUES ('ada@example.com'); INSERT INTO shop.customer_group (name) VALUES ('VIP');});
	my @runs = at_once($node,
		"SET SESSION AUTHORIZATION mallory;\nBEGIN;\nSELECT customers.$call;\nROLLBACK;\n"
		  . $wait_for->("l.mode = 'AccessExclusiveLock' AND l.granted") . "SELECT customers.$call;\n",
		"SET SESSION AUTHORIZATION mallory;\nSELECT pg_sleep(0.5);\nBEGIN;\nLOCK TABLE shop.$table;\n"
		  . $wait_for->('NOT l.granted') . "DROP TABLE shop.$table CASCADE;\nCOMMIT;\n");
	my @states = $runs[0]->{err} =~ /ERROR:\s+(\w{5})/g;

	like($states[-1] // 'no error', qr/^(3F000|42501|40P01)$/, "table $table dropped while $call waits for it");
}

end_attack($node);
done_testing();
