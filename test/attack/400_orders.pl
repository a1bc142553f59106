# What the owner of a store can do to orders and their transfers: NULL and
# extremes in every column, triggers of his that change what a guard decided or
# come back in the middle, guards of ours in other places.
use strict;
use warnings;

use Shop;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = shop_node('orders', store => 0, conf => "log_min_messages = error\n");

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE postgres TO mallory');
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# What mallory's statements answer: the SQLSTATEs of their errors, in a session
# that lives on to the end.
sub states
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "$sql\n;\\echo lives\n",
		on_error_stop => 0, timeout => 120,
		extra_params => [ '-U', 'mallory', '-v', 'VERBOSITY=verbose' ]);

	return 'the session ended' if $ret != 0 || ($out // '') !~ /^lives$/m;
	return join ' ', ($err =~ /ERROR:\s+(\w{5}):/g);
}

# No error is an internal one, and none keeps the others from being tried.
sub survives
{
	my ($name, $sql) = @_;

	unlike(states($sql), qr/XX|ended|25P02|42601/, $name);
	return;
}

sub answer
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'mallory' ]);
}

answer(q{
	SELECT customers.create_store();
	INSERT INTO shop.customer (email, first_name, has_account, external_id) VALUES
		('olga@example.com', 'Olga', true, 'c-1'), ('nina@example.com', 'Nina', true, 'c-2'), ('gus@example.com', 'Gus', false, NULL);
	INSERT INTO shop.orders (customer_id, email, currency_code, total)
		SELECT 1, 'olga@example.com', 'EUR', 1 FROM generate_series(1, 9);
	INSERT INTO shop.orders (email, currency_code, total) VALUES ('gus@example.com', 'EUR', 1);
	INSERT INTO shop.order_item (order_id, line_no, title) VALUES (1, 1, 'a lamp');
	INSERT INTO shop.order_transfer (order_id, to_customer_id, status, resolved_at) VALUES (9, 2, 'canceled', '2020-01-01')});
my $transfer = answer('SELECT customers.request_order_transfer(1, 2)');
my $token = answer(q{SELECT confidential ->> 'token' FROM shop.delivery WHERE confidential ? 'token'});
like($token, qr/^[\w-]{43}$/, 'fixture: an order with a request');

# What he sees of the approval is no token: it stands for one in this call only.
like(answer(qq{
	BEGIN;
	CREATE TABLE shop.seen (evidence text);
	CREATE FUNCTION shop.peek() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO shop.seen VALUES (NEW.approval_token); RETURN NEW; END \$\$;
	CREATE TRIGGER a_peek BEFORE UPDATE ON shop.order_transfer FOR EACH ROW EXECUTE FUNCTION shop.peek();
	SELECT customers.accept_order_transfer($transfer, '$token');
	SELECT 'seen ' || count(*) || ', tokens ' || count(*) FILTER (WHERE evidence = '$token') FROM shop.seen WHERE evidence IS NOT NULL;
	ROLLBACK;}), qr/^seen 1, tokens 0$/m, 'a trigger of his before the guard sees no token');

# All that reads or writes orders, each undone.
my @uses = map { "SAVEPOINT use; $_; ROLLBACK TO use;" } (
	'SELECT customers.request_order_transfer(2, 2)', 'SELECT customers.request_order_transfer(1, 2)', 'SELECT customers.request_order_transfer(10, 2, NULL, true)',
	"SELECT customers.accept_order_transfer($transfer, '$token')", "SELECT customers.decline_order_transfer($transfer, '$token', 'no')",
	"SELECT customers.cancel_order_transfer($transfer)", 'SELECT customers.expire_order_transfers()', "UPDATE shop.order_transfer SET status = 'canceled'",
	"UPDATE shop.order_transfer SET status = 'accepted', approval_token = '$token' WHERE id = $transfer", 'UPDATE shop.order_transfer SET decline_reason = \'x\'',
	'INSERT INTO shop.order_transfer (order_id, to_customer_id) VALUES (2, 2)', "UPDATE shop.orders SET status = 'canceled'", "UPDATE shop.orders SET email = 'x\@example.com'",
	'UPDATE shop.orders SET customer_id = 3 WHERE id = 10', 'UPDATE shop.orders SET customer_id = NULL', 'UPDATE shop.order_item SET line_no = 2', 'UPDATE shop.order_item SET title = \'x\'',
	'SELECT customers.customer_orders(1)', 'SELECT customers.order_details(1)', 'SELECT customers.order_transfers(1)',
	q{SELECT customers.delete_customer(1, 'olga@example.com')}, q{SELECT customers.delete_customer(2, 'nina@example.com')}, 'DELETE FROM shop.orders WHERE id = 1',
	q{SELECT customers.claim_deliveries()}, 'SELECT customers.customer_timeline(1)');

# ------------------------------------------------------------------ values

my %values = (
	text => [ 'NULL', q{''}, q{repeat('x', 100000)}, q{E'\\\\x01'} ], bigint => [ 'NULL', '0', '-1', '9223372036854775807', '-9223372036854775808' ],
	integer => [ 'NULL', '-2147483648', '2147483647' ], boolean => ['NULL'], 'timestamp with time zone' => [ 'NULL', q{'infinity'}, q{'-infinity'}, q{'294276-01-01'}, q{'4713-01-01 BC'} ],
	jsonb => [ 'NULL', q{'1'}, q{'[]'}, q{'"x"'}, q{'null'} ], bytea => [ 'NULL', q{'\\x'}, q{'\\x00'}, q{decode(repeat('00', 32), 'hex')}, q{decode(repeat('ff', 1000), 'hex')} ],
	numeric => [ 'NULL', q{'NaN'} ]);

my %row = (orders => 'id = 1', order_transfer => "id = $transfer", order_item => 'order_id = 1', customer => 'id = 1');
foreach my $table (sort keys %row)
{
	foreach my $column (split /\n/, answer(qq{
		SELECT column_name || '|' || data_type FROM information_schema.columns
		WHERE table_schema = 'shop' AND table_name = '$table' AND column_name NOT IN ('id', 'order_id', 'metadata_order') ORDER BY ordinal_position}))
	{
		my ($name, $type) = split /\|/, $column;
		my @changes = map {
			my $loosened = $_ eq 'NULL' ? "ALTER TABLE shop.$table ALTER $name DROP NOT NULL;" : '';
			qq{
			SAVEPOINT change; $loosened
			ALTER TABLE shop.$table DISABLE TRIGGER USER;
			UPDATE shop.$table SET $name = $_ WHERE $row{$table};
			ALTER TABLE shop.$table ENABLE TRIGGER USER;
			@uses
			ROLLBACK TO change;}
		} grep { $_ ne 'NULL' || $name ne 'line_no' } @{ $values{$type} };

		survives("$table.$name: what its owner puts there", qq{
			BEGIN;
			SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
				FROM pg_constraint WHERE conrelid = 'shop.$table'::regclass AND contype IN ('c', 'f') \\gexec
			@changes
			ROLLBACK});
	}
}

# A row of its making when the guard has decided, in a table that is still
# verified: no constraint forbids these.
my @later = map { "NEW.$_" } ('token_hash := NULL', q{token_hash := '\\x00'}, q{token_hash := decode(repeat('00', 32), 'hex')}, q{token_hash := decode(repeat('ab', 5000), 'hex')},
	'expires_at := NULL', q{expires_at := 'infinity'}, q{expires_at := '-infinity'}, q{expires_at := '294276-12-31'}, 'approver_email := NULL', q{approver_email := repeat('x', 1000000)},
	q{status := 'lost'}, q{status := repeat('x', 100000)}, q{status := 'accepted'}, 'from_customer_id := -1', 'to_customer_id := NULL', q{description := repeat('y', 10000000)},
	q{requested_at := 'infinity'}, q{resolved_at := '-infinity'}, q{requested_by := NULL}, 'id := 0', 'order_id := 3');
foreach my $change (@later)
{
	survives("order_transfer, a trigger behind the guard: $change", qq{
		BEGIN;
		ALTER TABLE shop.order_transfer DROP CONSTRAINT order_transfer_from_customer_id_fkey;
		CREATE FUNCTION shop.later() RETURNS trigger LANGUAGE plpgsql AS \$f\$ BEGIN $change; RETURN NEW; END \$f\$;
		CREATE TRIGGER zzz BEFORE INSERT OR UPDATE ON shop.order_transfer FOR EACH ROW EXECUTE FUNCTION shop.later();
		SAVEPOINT checked; @uses
		ALTER TABLE shop.order_transfer DROP CONSTRAINT order_transfer_status_check, DROP CONSTRAINT order_transfer_token_check;
		@uses
		ROLLBACK});
}

# ------------------------------------------------------------------ in the middle

# His triggers, on any table that a guard of ours or its work touches.
my %middle = (
	'takes the order' => 'UPDATE shop.orders SET customer_id = 2 WHERE id = 3',
	'changes the e-mail' => q{UPDATE shop.orders SET email = email || 'x'},
	'asks again' => 'PERFORM customers.request_order_transfer(4, 2)',
	'cancels' => q{UPDATE shop.order_transfer SET status = 'canceled' WHERE status = 'requested'},
	'deletes the order' => 'DELETE FROM shop.orders WHERE id IN (1, 2)',
	'deletes the customers' => q{PERFORM set_config('customers.confirm_delete', E'1:olga@example.com\n2:nina@example.com', true); DELETE FROM shop.customer WHERE id < 3},
	'drops the index' => 'DROP INDEX IF EXISTS shop.order_transfer_open_key',
	'drops a NOT NULL' => 'ALTER TABLE shop.order_item ALTER title DROP NOT NULL',
	'renames' => 'ALTER TABLE shop.order_item RENAME TO item_of_order',
	'becomes another' => 'ALTER SCHEMA shop RENAME TO elsewhere',
	'errs in a block' => q{BEGIN PERFORM customers.request_order_transfer(12345, 2); EXCEPTION WHEN OTHERS THEN NULL; END; BEGIN UPDATE shop.orders SET status = 'nothing'; EXCEPTION WHEN OTHERS THEN NULL; END},
	'drops the extension' => 'DROP EXTENSION customers CASCADE',
	'drops a sequence' => 'DROP SEQUENCE shop.delivery_id_seq CASCADE');
foreach my $table ('orders', 'order_transfer', 'customer', 'event', 'delivery')
{
	foreach my $name (sort keys %middle)
	{
		my @triggers = map { "CREATE TRIGGER $_->[0] $_->[1] INSERT OR UPDATE OR DELETE ON shop.$table FOR EACH ROW EXECUTE FUNCTION shop.middle();" }
		  ([ 'aaa', 'BEFORE' ], [ 'zzz', 'BEFORE' ], [ 'aab', 'AFTER' ], [ 'zzy', 'AFTER' ]);

		survives("his triggers on $table: one $name", qq{
			BEGIN;
			CREATE FUNCTION shop.middle() RETURNS trigger LANGUAGE plpgsql AS \$f\$
			BEGIN
				IF pg_trigger_depth() < 6 THEN $middle{$name}; END IF;
				RETURN COALESCE(NEW, OLD);
			END \$f\$;
			@triggers
			@uses
			ROLLBACK});
	}
}
is(states(q{
	BEGIN;
	CREATE FUNCTION shop.deeper() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN UPDATE shop.orders SET email = 'n' || (random() * 1e9)::int || '@example.com' WHERE id = 5; RETURN NEW; END $f$;
	CREATE TRIGGER zzz AFTER INSERT ON shop.event FOR EACH ROW EXECUTE FUNCTION shop.deeper();
	UPDATE shop.orders SET email = 'deep@example.com' WHERE id = 5;
	ROLLBACK}), '54001', 'an event that makes an event ends with the stack');

# ------------------------------------------------------------------ guards elsewhere

answer(q{CREATE SCHEMA his; CREATE SCHEMA bare});
my @functions = split /\n/, answer(q{
	SELECT p.oid::regproc FROM pg_proc p WHERE pronamespace = 'customers'::regnamespace AND prorettype = 'trigger'::regtype
	AND proname ~ '^(order|event)' ORDER BY 1});
cmp_ok(scalar @functions, '>=', 8, 'fixture: functions of triggers');
foreach my $table ('orders', 'order_transfer', 'order_item', 'event', 'delivery', 'subscription')
{
	my @tries;

	foreach my $function (@functions)
	{
		foreach my $how (
			'BEFORE INSERT OR UPDATE OR DELETE ON % FOR EACH ROW', 'AFTER INSERT OR UPDATE OR DELETE ON % FOR EACH ROW', 'AFTER INSERT OR UPDATE OR DELETE ON % FOR EACH STATEMENT',
			'BEFORE INSERT OR UPDATE OR DELETE ON % FOR EACH STATEMENT', 'BEFORE TRUNCATE ON % FOR EACH STATEMENT', 'AFTER TRUNCATE ON % FOR EACH STATEMENT',
			'AFTER UPDATE ON % REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT', 'AFTER UPDATE ON % REFERENCING NEW TABLE AS n FOR EACH STATEMENT',
			'AFTER DELETE ON % REFERENCING OLD TABLE AS o FOR EACH STATEMENT', 'AFTER INSERT ON % REFERENCING NEW TABLE AS n FOR EACH STATEMENT',
			'AFTER UPDATE ON % REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH ROW')
		{
			my $on = $how =~ s/%/his.$table/r;

			push @tries, qq{SAVEPOINT try; SAVEPOINT act; CREATE TRIGGER t $on EXECUTE FUNCTION $function('shop', 'x');
				\\if :ERROR
				\\else
				RELEASE act; SAVEPOINT act; INSERT INTO his.$table SELECT * FROM shop.$table LIMIT 1; ROLLBACK TO act;
				UPDATE his.$table SET created_at = created_at; ROLLBACK TO act; DELETE FROM his.$table; ROLLBACK TO act; TRUNCATE his.$table;
				\\endif
				ROLLBACK TO try;};
		}
		push @tries, qq{SAVEPOINT try; CREATE CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON his.$table DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION $function();
			UPDATE his.$table SET created_at = created_at;
			\\if :ERROR
			\\else
			SET CONSTRAINTS ALL IMMEDIATE;
			\\endif
			ROLLBACK TO try;};
	}
	my $created = $table eq 'order_transfer' ? 'ALTER TABLE his.order_transfer ADD created_at timestamptz;' : '';
	survives("guards on a table of his, named $table, without a store", qq{
		BEGIN; CREATE TABLE his.$table AS SELECT * FROM shop.$table; $created @tries ROLLBACK});
	survives("guards on a partitioned table of his, named $table", qq{
		BEGIN; CREATE TABLE his.$table (LIKE shop.$table) PARTITION BY LIST (created_at); CREATE TABLE his.part PARTITION OF his.$table DEFAULT;
		INSERT INTO his.$table SELECT * FROM shop.$table; @tries ROLLBACK}) if $table ne 'order_transfer';
	survives("guards on a second store's table $table", qq{
		BEGIN; SELECT customers.create_store('his2'); INSERT INTO his2.customer SELECT * FROM shop.customer;
		@{[ map { s/\bhis\./his2./gr } @tries ]} ROLLBACK}) if $table ne 'order_transfer';
}
foreach my $function (@functions)
{
	survives("$function, called", "SELECT $function(); CALL $function()");
}

# ------------------------------------------------------------------ the request that nobody sees

# A role that may only ask: what errors say of rows that row security hides.
answer(q{
	ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
	ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
	ALTER TABLE shop.order_transfer ADD CONSTRAINT his CHECK (description IS NULL OR description <> 'no');
	ALTER TABLE shop.orders ADD CONSTRAINT hers CHECK (customer_id IS DISTINCT FROM 2 OR id <> 1)});
$node->safe_psql('postgres', 'CREATE ROLE asker LOGIN; SET ROLE mallory; GRANT USAGE ON SCHEMA shop TO asker; GRANT INSERT, UPDATE (status, approval_token) ON shop.order_transfer TO asker; GRANT USAGE ON ALL SEQUENCES IN SCHEMA shop TO asker');
foreach my $sql (q{SELECT customers.request_order_transfer(6, 2, 'no')}, 'SELECT customers.request_order_transfer(6, 1)', 'SELECT customers.request_order_transfer(1, 2)',
	"SELECT customers.accept_order_transfer($transfer, '$token')", "SELECT customers.accept_order_transfer($transfer, 'wrong')", "SELECT customers.decline_order_transfer($transfer, 'wrong')")
{
	my (undef, undef, $err) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-U', 'asker', '-v', 'VERBOSITY=verbose' ]);

	like($err, qr/ERROR:\s+(23514|23505|28P01)/, "$sql: is refused");
	unlike($err, qr/DETAIL|olga|nina|$token/, "$sql: and shows no row");
}

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server never restarted');
done_testing();
