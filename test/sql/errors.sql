\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- Bad input for every public function: the SQLSTATE of the contract, the rule
-- or the object named, a hint where there is something to do; nothing half
-- done, and the session goes on.

SELECT plan(370);

-- Something to be mistaken about.
SELECT customers.create_customer('ada@example.com', 'Ada') AS ada \gset
SELECT customers.create_customer('bob@example.com') AS bob \gset
INSERT INTO shop.customer (email, has_account, external_id)
VALUES ('reg@example.com', true, 'crm-1') RETURNING id AS reg \gset
SELECT customers.create_group('VIP', '{"discount": 10}') AS vip \gset
SELECT customers.add_to_groups(:ada, ARRAY[:vip]) AS added \gset
INSERT INTO shop.orders (customer_id, email, status, currency_code, total)
VALUES (:ada, 'ada@example.com', 'completed', 'EUR', 10) RETURNING id AS "order" \gset
SELECT customers.request_order_transfer(:order, :reg) AS transfer \gset

-- Each call is tried as it stands; {ADA}, {VIP}, {ORDER}, .. stand for ids.
CREATE TEMP TABLE attempt (n serial, call text, expected text, why text);
SELECT format('CREATE FUNCTION pg_temp.filled(call text) RETURNS text LANGUAGE sql AS %L',
			  format('SELECT replace(replace(replace(replace(replace(call, ''{ADA}'', ''%s''), ''{REG}'', ''%s''), ''{VIP}'', ''%s''), ''{ORDER}'', ''%s''), ''{TRANSFER}'', ''%s'')',
					 :ada, :reg, :vip, :order, :transfer)) \gexec
CREATE FUNCTION pg_temp.state() RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws('/',
		(SELECT string_agg(c::text, ',' ORDER BY id) FROM shop.customer c),
		(SELECT string_agg(g::text, ',' ORDER BY id) FROM shop.customer_group g),
		(SELECT string_agg(m::text, ',' ORDER BY m::text) FROM shop.customer_group_member m),
		(SELECT string_agg(o::text, ',' ORDER BY id) FROM shop.orders o),
		(SELECT string_agg(x::text, ',' ORDER BY id) FROM shop.order_transfer x),
		(SELECT string_agg(s::text, ',' ORDER BY name) FROM shop.subscription s),
		(SELECT string_agg(d::text, ',' ORDER BY id) FROM shop.delivery d),
		(SELECT count(*) FROM shop.event))
$$;
SELECT pg_temp.state() AS before \gset

INSERT INTO attempt (call, expected, why) VALUES
	-- unknown ids
	('customer_details(42000)', '23503', 'unknown customer'),
	('customer_details(0)', '23503', 'customer 0'),
	('customer_details(-1)', '23503', 'a negative id'),
	('update_customer(42000, ''{"phone": "1"}'')', '23503', 'unknown customer'),
	('update_customer(42000, ''{}'')', '23503', 'unknown customer, nothing to change'),
	('update_customer(42000, ''{"phone": "1"}'', 1)', '23503', 'unknown customer, with a version'),
	('delete_customer(42000, ''ada@example.com'')', '23503', 'unknown customer'),
	('metadata_rows(42000)', '23503', 'unknown customer'),
	('save_metadata(42000, ''[]'')', '23503', 'unknown customer'),
	('insert_metadata_row(42000, ''k'', ''1'')', '23503', 'unknown customer'),
	('delete_metadata_row(42000, ''k'')', '23503', 'unknown customer'),
	('set_metadata(42000, ''k'', ''1'')', '23503', 'unknown customer'),
	('update_group(42000, ''{"name": "x"}'')', '23503', 'unknown group'),
	('delete_group(42000)', '23503', 'unknown group'),
	('add_to_groups(42000, ARRAY[{VIP}])', '23503', 'unknown customer'),
	('add_to_groups(42000, ''{}'')', '23503', 'unknown customer, no group'),
	('add_to_groups({ADA}, ARRAY[{VIP}, 42000])', '23503', 'unknown group'),
	('remove_from_groups(42000, ARRAY[{VIP}])', '23503', 'unknown customer'),
	('set_groups(42000, ARRAY[{VIP}])', '23503', 'unknown customer'),
	('set_groups(42000, ''{}'')', '23503', 'unknown customer, no group'),
	('set_groups({ADA}, ARRAY[42000])', '23503', 'unknown group'),
	('add_customers_to_group(42000, ARRAY[{ADA}])', '23503', 'unknown group'),
	('add_customers_to_group(42000, ''{}'')', '23503', 'unknown group, no customer'),
	('add_customers_to_group({VIP}, ARRAY[42000])', '23503', 'unknown customer'),
	('remove_customers_from_group(42000, ARRAY[{ADA}])', '23503', 'unknown group'),
	('customer_groups(42000)', '23503', 'unknown customer'),
	('group_customers(42000)', '23503', 'unknown group'),
	('customer_orders(42000)', '23503', 'unknown customer'),
	('order_details(42000)', '23503', 'unknown order'),
	('request_order_transfer(42000, {REG})', '23503', 'unknown order'),
	('request_order_transfer({ORDER}, 42000)', '23503', 'unknown customer'),
	('accept_order_transfer(42000, ''x'')', '23503', 'unknown transfer'),
	('decline_order_transfer(42000, ''x'')', '23503', 'unknown transfer'),
	('cancel_order_transfer(42000)', '23503', 'unknown transfer'),
	('order_transfers(42000)', '23503', 'unknown order'),
	('claim_deliveries(''nobody'')', '23503', 'unknown subscription'),
	('fail_delivery(42000, ''down'')', '23503', 'unknown delivery'),
	('retry_failed(''nobody'')', '23503', 'unknown subscription'),
	('unsubscribe(''nobody'')', '23503', 'unknown subscription'),
	-- NULL for a required argument
	('create_customer(NULL)', '22023', 'NULL e-mail'),
	('find_or_create_guest(NULL)', '22023', 'NULL e-mail'),
	('import_customers(NULL)', '22023', 'NULL rows'),
	('import_customers(''{}'')', '22023', 'rows are no array'),
	('import_customers(''"x"'')', '22023', 'rows are a string'),
	('customer_details(NULL)', '22023', 'NULL id'),
	('update_customer(NULL, ''{}'')', '22023', 'NULL id'),
	('update_customer({ADA}, NULL)', '22023', 'NULL changes'),
	('delete_customer(NULL, ''ada@example.com'')', '22023', 'NULL id'),
	('delete_customer({ADA}, NULL)', '23514 customer_delete_confirmed', 'NULL e-mail'),
	('delete_customer({ADA}, ''ada@example.com'', NULL)', '22023', 'NULL anonymize_orders'),
	('list_customers(sort => NULL)', '22023', 'NULL sort'),
	('list_customers(page_size => NULL)', '22023', 'NULL page_size'),
	('metadata_rows(NULL)', '22023', 'NULL id'),
	('save_metadata(NULL, ''[]'')', '22023', 'NULL id'),
	('save_metadata({ADA}, NULL)', '22023', 'NULL rows'),
	('insert_metadata_row(NULL, ''k'', ''1'')', '22023', 'NULL id'),
	('insert_metadata_row({ADA}, NULL, ''1'')', '22023', 'NULL key'),
	('insert_metadata_row({ADA}, ''k'', NULL)', '22023', 'NULL value'),
	('delete_metadata_row(NULL, ''k'')', '22023', 'NULL id'),
	('delete_metadata_row({ADA}, NULL)', '22023', 'NULL key'),
	('set_metadata(NULL, ''k'', ''1'')', '22023', 'NULL id'),
	('set_metadata({ADA}, NULL, ''1'')', '22023', 'NULL key'),
	('set_metadata({ADA}, ''k'', NULL)', '22023', 'NULL value'),
	('create_group(NULL)', '22023', 'NULL name'),
	('update_group(NULL, ''{}'')', '22023', 'NULL id'),
	('update_group({VIP}, NULL)', '22023', 'NULL changes'),
	('delete_group(NULL)', '22023', 'NULL id'),
	('list_groups(page_size => NULL)', '22023', 'NULL page_size'),
	('add_to_groups(NULL, ARRAY[{VIP}])', '22023', 'NULL id'),
	('add_to_groups({ADA}, NULL)', '22023', 'NULL ids'),
	('add_to_groups({ADA}, ARRAY[{VIP}, NULL])', '22023', 'NULL among the ids'),
	('remove_from_groups(NULL, ARRAY[{VIP}])', '22023', 'NULL id'),
	('remove_from_groups({ADA}, NULL)', '22023', 'NULL ids'),
	('remove_from_groups({ADA}, ARRAY[{VIP}, NULL])', '22023', 'NULL among the ids'),
	('set_groups(NULL, ARRAY[{VIP}])', '22023', 'NULL id'),
	('set_groups({ADA}, NULL)', '22023', 'NULL ids'),
	('set_groups({ADA}, ARRAY[NULL]::bigint[])', '22023', 'NULL among the ids'),
	('add_customers_to_group(NULL, ARRAY[{ADA}])', '22023', 'NULL id'),
	('add_customers_to_group({VIP}, NULL)', '22023', 'NULL ids'),
	('add_customers_to_group({VIP}, ARRAY[NULL, {ADA}])', '22023', 'NULL among the ids'),
	('remove_customers_from_group(NULL, ARRAY[{ADA}])', '22023', 'NULL id'),
	('remove_customers_from_group({VIP}, NULL)', '22023', 'NULL ids'),
	('remove_customers_from_group({VIP}, ARRAY[NULL, {ADA}])', '22023', 'NULL among the ids'),
	('customer_groups(NULL)', '22023', 'NULL id'),
	('group_customers(NULL)', '22023', 'NULL id'),
	('group_customers({VIP}, NULL)', '22023', 'NULL page_size'),
	('customer_orders(NULL)', '22023', 'NULL id'),
	('customer_orders({ADA}, NULL)', '22023', 'NULL page_size'),
	('order_details(NULL)', '22023', 'NULL id'),
	('request_order_transfer(NULL, {REG})', '22023', 'NULL order'),
	('request_order_transfer({ORDER}, NULL)', '22023', 'NULL customer'),
	('request_order_transfer({ORDER}, {REG}, NULL, NULL)', '22023', 'NULL update_order_email'),
	('accept_order_transfer(NULL, ''x'')', '22023', 'NULL id'),
	('accept_order_transfer({TRANSFER}, NULL)', '23514 order_transfer_approved', 'NULL token'),
	('decline_order_transfer(NULL, ''x'')', '22023', 'NULL id'),
	('decline_order_transfer({TRANSFER}, NULL)', '23514 order_transfer_approved', 'NULL token'),
	('cancel_order_transfer(NULL)', '22023', 'NULL id'),
	('order_transfers(NULL)', '22023', 'NULL id'),
	('subscribe(NULL, ''{*}'')', '22023', 'NULL name'),
	('subscribe(''s'', NULL)', '22023', 'NULL patterns'),
	('subscribe(''s'', ''{order.*,NULL}'')', '22023', 'NULL among the patterns'),
	('subscribe(''s'', ''{*}'', NULL)', '22023', 'NULL doorbell'),
	('unsubscribe(NULL)', '22023', 'NULL name'),
	('claim_deliveries(NULL)', '22023', 'NULL subscription'),
	('claim_deliveries(''notifier'', NULL)', '22023', 'NULL batch'),
	('claim_deliveries(''notifier'', 1, NULL)', '22023', 'NULL lease'),
	('acknowledge_deliveries(NULL)', '22023', 'NULL ids'),
	('acknowledge_deliveries(ARRAY[NULL]::bigint[])', '22023', 'NULL among the ids'),
	('fail_delivery(NULL, ''down'')', '22023', 'NULL id'),
	('retry_failed(NULL)', '22023', 'NULL subscription'),
	('customer_timeline(NULL)', '22023', 'NULL id'),
	('customer_timeline({ADA}, NULL)', '22023', 'NULL page_size'),
	('purge_events(NULL)', '22023', 'NULL time'),
	('register_customer(NULL, ''long enough'')', '22023', 'NULL e-mail'),
	('register_customer(''new@example.com'', NULL)', '22023', 'NULL password'),
	('authenticate(NULL, ''long enough'')', '22023', 'NULL e-mail'),
	('authenticate(''reg@example.com'', NULL)', '22023', 'NULL password'),
	('change_password(NULL, ''x'', ''long enough'')', '22023', 'NULL id'),
	('change_password({REG}, NULL, ''long enough'')', '23514 credential_password_not_editable', 'NULL current password'),
	('change_password({REG}, ''x'', NULL)', '22023', 'NULL new password'),
	('request_password_reset(NULL)', '22023', 'NULL e-mail'),
	('reset_password(NULL, ''long enough'')', '23514 credential_password_not_editable', 'NULL token'),
	('reset_password(''x'', NULL)', '22023', 'NULL new password'),
	('grant_access(NULL, ''reader'')', '22023', 'NULL role'),
	('grant_access(''customers_other'', NULL)', '22023', 'NULL profile'),
	('revoke_access(NULL, ''reader'')', '22023', 'NULL role'),
	('revoke_access(''customers_other'', NULL)', '22023', 'NULL profile'),
	('create_store(NULL)', '22023', 'NULL name'),
	('create_store(''other'', NULL)', '22023', 'NULL search'),
	('drop_store(NULL, ''shop'')', '22023', 'NULL name'),
	('drop_store(''shop'', NULL)', '22023', 'NULL confirmation'),
	-- empty and blank texts
	('create_customer('''')', '23514 customer_email_valid', 'empty e-mail'),
	('create_customer(''   '')', '23514 customer_email_valid', 'blank e-mail'),
	('find_or_create_guest('''')', '23514 customer_email_valid', 'empty e-mail'),
	('update_customer({ADA}, ''{"email": ""}'')', '23514 customer_email_valid', 'empty e-mail'),
	('delete_customer({ADA}, '''')', '23514 customer_delete_confirmed', 'empty e-mail'),
	('delete_customer({ADA}, ''bob@example.com'')', '23514 customer_delete_confirmed', 'somebody else''s e-mail'),
	('create_group('''')', '23514 customer_group_name_given', 'empty name'),
	('update_group({VIP}, ''{"name": " "}'')', '23514 customer_group_name_given', 'blank name'),
	('delete_metadata_row({ADA}, '''')', '22023', 'empty key'),
	('subscribe('''', ''{*}'')', '22023', 'empty name'),
	('subscribe(''s'', ''{}'')', '22023', 'no pattern'),
	('subscribe(''s'', ''{""}'')', '22023', 'an empty pattern'),
	('accept_order_transfer({TRANSFER}, ''no such token'')', '28P01 order_transfer_approved', 'a wrong token'),
	('decline_order_transfer({TRANSFER}, ''no such token'')', '28P01 order_transfer_approved', 'a wrong token'),
	('register_customer('''', ''long enough'')', '23514 customer_email_valid', 'empty e-mail'),
	('register_customer(''new@example.com'', '''')', '23514 credential_password_length', 'empty password'),
	('change_password({REG}, ''x'', ''short'')', '23514 credential_password_length', 'a short password'),
	('reset_password('''', ''long enough'')', '28P01 credential_password_not_editable', 'empty token'),
	('reset_password(''no such token'', ''long enough'')', '28P01 credential_password_not_editable', 'a wrong token'),
	('grant_access(''customers_other'', ''owner'')', '22023', 'an unknown profile'),
	('revoke_access(''customers_other'', '''')', '22023', 'an empty profile'),
	('create_store('''')', '22023', 'empty name'),
	('drop_store(''shop'', '''')', '22023', 'empty confirmation'),
	-- wrong JSON
	('update_customer({ADA}, ''[]'')', '22023', 'an array for the changes'),
	('update_customer({ADA}, ''"x"'')', '22023', 'a text for the changes'),
	('update_customer({ADA}, ''null'')', '22023', 'a JSON null for the changes'),
	('update_customer({ADA}, ''{"colour": "red"}'')', '22023', 'an unknown key'),
	('update_customer({ADA}, ''{"phone": "1", "colour": "red"}'')', '22023', 'an unknown key beside a known one'),
	('update_customer({ADA}, ''{"Phone": "1"}'')', '22023', 'a key in another case'),
	('update_customer({ADA}, ''{"version": 7}'')', '22023', 'a column that is the engine''s'),
	('update_customer({ADA}, ''{"has_account": true}'')', '22023', 'a column that is no key'),
	('update_customer({ADA}, ''{"first_name": 7}'')', '22023', 'a number for a name'),
	('update_customer({ADA}, ''{"first_name": ["x"]}'')', '22023', 'an array for a name'),
	('update_customer({ADA}, ''{"email": {}}'')', '22023', 'an object for an e-mail'),
	('update_customer({ADA}, ''{"phone": true}'')', '22023', 'a boolean for a phone'),
	('update_customer({ADA}, ''{"external_id": 5}'')', '22023', 'a number for external_id'),
	('update_customer({ADA}, ''{"password": "12345678"}'')', '23514 credential_password_not_editable', 'a password'),
	('update_customer({ADA}, ''{"password": null}'')', '23514 credential_password_not_editable', 'no password'),
	('update_customer({ADA}, ''{'')', '22P02', 'no JSON'),
	('update_group({VIP}, ''[]'')', '22023', 'an array for the changes'),
	('update_group({VIP}, ''{"title": "x"}'')', '22023', 'an unknown key'),
	('update_group({VIP}, ''{"name": 7}'')', '22023', 'a number for a name'),
	('save_metadata({ADA}, ''{"a": 1}'')', '22023', 'an object for the rows'),
	('save_metadata({ADA}, ''[{"key": "a"}, 7]'')', '22023', 'a number for a row'),
	('save_metadata({ADA}, ''[{"key": "a", "value": 1}, {"key": "a", "value": 2}]'')', '22023', 'a key twice'),
	('list_customers(filter => ''[]'')', '22023', 'an array for a filter'),
	('list_customers(filter => ''{"colour": "red"}'')', '22023', 'an unknown key'),
	('count_customers(filter => ''{"colour": "red"}'')', '22023', 'an unknown key'),
	('create_customer(''new@example.com'', metadata => ''[1]'')', '23514 customer_metadata_object', 'metadata that is no object'),
	('create_group(''New'', ''"x"'')', '23514 customer_group_metadata_object', 'metadata that is no object'),
	-- numbers out of range
	('list_customers(page_size => 0)', '22023', 'pages of 0'),
	('list_customers(page_size => -1)', '22023', 'pages of -1'),
	('list_customers(page_size => 1001)', '22023', 'pages of 1001'),
	('list_groups(page_size => 0)', '22023', 'pages of 0'),
	('list_groups(page_size => 1001)', '22023', 'pages of 1001'),
	('group_customers({VIP}, 0)', '22023', 'pages of 0'),
	('group_customers({VIP}, 1001)', '22023', 'pages of 1001'),
	('customer_orders({ADA}, 0)', '22023', 'pages of 0'),
	('customer_orders({ADA}, 1001)', '22023', 'pages of 1001'),
	('customer_timeline({ADA}, -5)', '22023', 'pages of -5'),
	('customer_timeline({ADA}, 1001)', '22023', 'pages of 1001'),
	('claim_deliveries(''notifier'', 0)', '22023', 'a batch of 0'),
	('claim_deliveries(''notifier'', -1)', '22023', 'a batch of -1'),
	('claim_deliveries(''notifier'', 1001)', '22023', 'a batch of 1001'),
	('claim_deliveries(''notifier'', 1, ''-1 second'')', '22023', 'a lease of less than nothing'),
	('fail_delivery(1, ''down'', ''-1 hour'')', '22023', 'a retry in the past'),
	('update_customer({ADA}, ''{"phone": "1"}'', -1)', '23514 customer_version_current', 'a negative version'),
	('update_customer({ADA}, ''{"phone": "1"}'', 7)', '23514 customer_version_current', 'a version to come'),
	-- cursors and sorts
	('list_customers(after => ''x'')', '22023', 'a cursor made up'),
	('list_customers(after => '''')', '22023', 'an empty cursor'),
	('list_customers(sort => ''phone'')', '22023', 'an unknown sort'),
	('list_customers(sort => '''')', '22023', 'an empty sort'),
	('list_groups(after => ''x'')', '22023', 'a cursor made up'),
	('group_customers({VIP}, after => ''x'')', '22023', 'a cursor made up'),
	('customer_orders({ADA}, after => ''x'')', '22023', 'a cursor made up'),
	('customer_timeline({ADA}, after => ''x'')', '22023', 'a cursor made up'),
	-- taken
	('create_customer(''ADA@example.com'')', '23505 customer_email_key', 'an e-mail that is taken'),
	('update_customer({ADA}, ''{"email": "bob@example.com"}'')', '23505 customer_email_key', 'an e-mail that is taken'),
	('update_customer({ADA}, ''{"external_id": "crm-1"}'')', '23505 customer_external_id_key', 'an external_id that is taken'),
	('register_customer(''REG@example.com'', ''long enough'')', '23505 customer_email_key', 'an e-mail that has an account'),
	('create_group(''vip'')', '23505 customer_group_name_key', 'a name that is taken'),
	('request_order_transfer({ORDER}, {REG})', '23505 order_transfer_open_key', 'an order with an open transfer'),
	-- stores
	('check_store(''nowhere'')', '3F000', 'no such store'),
	('drop_store(''nowhere'', ''nowhere'')', '3F000', 'no such store'),
	('drop_store(''shop'', ''shoq'')', '22023', 'a name typed differently'),
	('create_store(''public'')', '22023', 'public'),
	('in_group({ADA}, ''VIP'', ''nowhere'')', '3F000', 'no such store');
SELECT is(t.error(pg_temp.filled('SELECT * FROM customers.' || call)), expected,
		  split_part(call, '(', 1) || ': ' || why)
FROM attempt ORDER BY n;
SELECT is(string_agg(call, ', ' ORDER BY n), NULL, 'no refusal has an SQLSTATE that front ends make an HTTP 500')
FROM attempt
WHERE t.error(pg_temp.filled('SELECT * FROM customers.' || call)) ~ '^(09|39|55|P0002|XX)';
SELECT is(string_agg(split_part(m.message, ' | ', 1), '; ' ORDER BY n), NULL,
		  'every message begins in lower case or with a name, ends without a full stop, in one line')
FROM attempt, LATERAL t.message(pg_temp.filled('SELECT * FROM customers.' || call)) m(message)
WHERE split_part(m.message, ' | ', 1) !~ '^[a-z"]' OR split_part(m.message, ' | ', 1) ~ '\.$'
	OR split_part(m.message, ' | ', 1) ~ '\n';
SELECT is((SELECT string_agg(p.proname, ', ' ORDER BY p.proname) FROM pg_proc p
		   WHERE p.pronamespace = 'customers'::regnamespace AND p.proname NOT LIKE '\_%'
			   AND p.prorettype <> 'trigger'::regtype AND p.pronargs > 0
			   AND has_function_privilege('customers_other', p.oid, 'EXECUTE')
			   AND p.proname NOT IN ('help',	-- takes any text
				'profile_privileges',
				'email_fault', 'password_hash_fault', 'search_grams', 'search_matches')	-- for checks and the search index
			   AND NOT EXISTS (SELECT FROM attempt a WHERE a.call LIKE p.proname || '(%')), NULL,
		  'no public function with arguments is left out here');
SELECT is(pg_temp.state(), :'before', 'after all that every row is as before');

-- Inside one plpgsql block that goes on after each error.
DO $$
DECLARE
	a record;
	caught int := 0;
BEGIN
	FOR a IN SELECT * FROM attempt ORDER BY n LOOP
		BEGIN
			EXECUTE pg_temp.filled('SELECT * FROM customers.' || a.call);
		EXCEPTION WHEN OTHERS THEN
			caught := caught + 1;
		END;
		PERFORM customers.count_customers();
	END LOOP;
	PERFORM set_config('test.caught', caught::text, true);
END $$;
SELECT is(current_setting('test.caught')::bigint, (SELECT count(*) FROM attempt), 'each is caught in an EXCEPTION block');
SELECT is(pg_temp.state(), :'before', 'which changes nothing');
SELECT is(customers.update_customer(:bob, '{"phone": "1"}'), 2::bigint, 'and the session goes on');

-- A missing store, for every function that needs one ----------------------------------------

CREATE TEMP TABLE needy (n serial, call text);
INSERT INTO needy (call) VALUES
	('create_customer(''x@example.com'')'), ('find_or_create_guest(''x@example.com'')'), ('customer_details(1)'),
	('import_customers(''[]'')'),
	('update_customer(1, ''{"phone": "1"}'')'), ('delete_customer(1, ''x@example.com'')'), ('list_customers()'), ('count_customers()'),
	('metadata_rows(1)'), ('save_metadata(1, ''[]'')'), ('insert_metadata_row(1, ''k'', ''1'')'),
	('delete_metadata_row(1, ''k'')'), ('set_metadata(1, ''k'', ''1'')'),
	('create_group(''x'')'), ('update_group(1, ''{"name": "x"}'')'), ('delete_group(1)'), ('list_groups()'),
	('add_to_groups(1, ''{1}'')'), ('remove_from_groups(1, ''{1}'')'), ('set_groups(1, ''{1}'')'),
	('add_customers_to_group(1, ''{1}'')'), ('remove_customers_from_group(1, ''{1}'')'),
	('customer_groups(1)'), ('group_customers(1)'), ('in_group(1, ''x'')'),
	('customer_orders(1)'), ('order_details(1)'), ('request_order_transfer(1, 1)'), ('accept_order_transfer(1, ''x'')'),
	('decline_order_transfer(1, ''x'')'), ('cancel_order_transfer(1)'), ('expire_order_transfers()'), ('order_transfers(1)'),
	('register_customer(''x@example.com'', ''long enough'')'), ('authenticate(''x@example.com'', ''long enough'')'),
	('change_password(1, ''x'', ''long enough'')'), ('request_password_reset(''x@example.com'')'), ('reset_password(''x'', ''long enough'')'),
	('grant_access(''customers_other'', ''reader'')'), ('revoke_access(''customers_other'', ''reader'')'),
	('subscribe(''x'', ''{*}'')'), ('unsubscribe(''x'')'), ('claim_deliveries()'), ('acknowledge_deliveries(''{1}'')'),
	('fail_delivery(1, ''x'')'), ('retry_failed(''x'')'), ('delivery_status()'), ('customer_timeline(1)'), ('purge_events(''2024-01-01'')');
SELECT is(t.error('SET LOCAL customers.store = ''nowhere''; SELECT * FROM customers.' || call), '3F000',
		  'no such store: ' || split_part(call, '(', 1))
FROM needy ORDER BY n;
SELECT is(string_agg(m.message, '; ' ORDER BY n), NULL, 'each message names the store and create_store')
FROM needy, LATERAL t.message('SET LOCAL customers.store = ''nowhere''; SELECT * FROM customers.' || call) m(message)
WHERE m.message !~ '"nowhere".*create_store';
SELECT matches(t.error(format('SET LOCAL customers.store = %L; SELECT customers.count_customers()', s)), '^(3F000|22023)$',
			   'no such store: ' || why)
FROM (VALUES (1, '', 'empty'), (2, ' ', 'blank'), (3, 'public', 'public'), (4, 'pg_catalog', 'pg_catalog'), (5, 'customers', 'customers'),
	(6, 'SHOP', 'in another case'), (7, '"shop"', 'in quotes'), (8, repeat('s', 200), 'of great length')) v(n, s, why)
ORDER BY n;

-- Nobody's rights are not enough, for every function ---------------------------------------------

SELECT is(t.error('SELECT * FROM customers.' || pg_temp.filled(call), 'customers_other'), '42501',
		  'no rights: ' || split_part(call, '(', 1))
FROM needy
WHERE call NOT LIKE 'acknowledge%'
ORDER BY n;
SELECT is(t.error('SELECT customers.acknowledge_deliveries(''{1}'')', 'customers_other'), '42501', 'no rights: acknowledge_deliveries');

-- Trigger functions are harmless when called -----------------------------------------------------------

SELECT is(string_agg(p.proname || ' ' || e.code, ', ' ORDER BY p.proname), NULL, 'trigger functions called by hand: refused, not with 39xxx')
FROM pg_proc p, LATERAL t.error(format('SELECT customers.%I()', p.proname)) e(code)
WHERE p.pronamespace = 'customers'::regnamespace AND p.prorettype = 'trigger'::regtype
	AND e.code ~ '^(no error|39|09|55|XX)';
CREATE TABLE pg_temp.stranger (id int, email text);
SELECT is(string_agg(p.proname || ' ' || e.code, ', ' ORDER BY p.proname), NULL, 'trigger functions on a table of another shape: refused')
FROM pg_proc p, LATERAL t.error(format('CREATE TRIGGER x BEFORE INSERT ON pg_temp.stranger FOR EACH ROW EXECUTE FUNCTION customers.%I(); INSERT INTO pg_temp.stranger VALUES (1, ''x'')', p.proname)) e(code)
WHERE p.pronamespace = 'customers'::regnamespace AND p.prorettype = 'trigger'::regtype
	AND e.code ~ '^(no error|39|09|55|XX)';

-- Messages ----------------------------------------------------------------------------------------------------

SELECT is(split_part(t.message('SELECT * FROM customers.customer_details(42000)'), ' | ', 1), 'customer 42000 does not exist',
		  'message: an unknown customer');
SELECT is(split_part(t.message('SELECT customers.update_customer(42000, ''{"phone": "1"}'')'), ' | ', 1), 'customer 42000 does not exist',
		  'message: the same from every function');
SELECT is(split_part(t.message(format('SELECT customers.request_order_transfer(%s, 42000)', :order)), ' | ', 1), 'customer 42000 does not exist',
		  'message: an unknown new owner');
SELECT is(split_part(t.message(format('SELECT customers.request_order_transfer(42000, %s)', :reg)), ' | ', 1), 'order 42000 does not exist',
		  'message: an unknown order');
SELECT matches(m, re, 'message: ' || why)
FROM (VALUES
	(1, 'delete_group(42000)', '^(customer )?group 42000 does not exist', 'an unknown group'),
	(2, 'cancel_order_transfer(42000)', '^(order )?transfer 42000 does not exist', 'an unknown transfer'),
	(3, 'claim_deliveries(''nobody'')', '^subscription "nobody" does not exist', 'an unknown subscription'),
	(4, 'add_to_groups({ADA}, ARRAY[{VIP}, 42000])', 'group 42000 does not exist', 'the one id that is unknown'),
	(5, 'update_customer({ADA}, ''{"colour": "red"}'')', '"colour".*first_name.*phone', 'an unknown key, and which there are'),
	(6, 'update_group({VIP}, ''{"title": "red"}'')', '"title".*name.*metadata', 'an unknown key of a group, and which there are'),
	(7, 'list_customers(filter => ''{"colour": "red"}'')', '"colour".*type.*groups', 'an unknown filter, and which there are'),
	(8, 'list_customers(sort => ''phone'')', '"phone".*last_name.*created_at', 'an unknown sort, and which there are'),
	(9, 'list_customers(page_size => 1001)', 'page_size.*1000', 'a page size, and its limits'),
	(10, 'list_customers(after => ''x'')', '(after|cursor)', 'a bad cursor'),
	(11, 'create_customer(NULL)', 'email', 'the argument that is NULL'),
	(12, 'save_metadata({ADA}, NULL)', '"?rows"?', 'the argument that is NULL, again'),
	(13, 'create_customer(''ADA@example.com'')', '(?i)ada@example\.com.*shop\.customer', 'the e-mail that is taken, and the table'),
	(14, 'create_customer(''nonsense'')', '"nonsense".*shop\.customer\.email$', 'the bad e-mail, and the column'),
	(15, 'create_group('' vip'')', 'vip.*shop\.customer_group', 'the group''s name that is taken'),
	(16, 'update_customer({ADA}, ''{"phone": "1"}'', 7)', format('customer %s.*7', :ada), 'the version that was expected'),
	(17, 'delete_customer({ADA}, ''wrong@example.com'')', format('customer %s.*shop\.customer', :ada), 'the customer that is not deleted'),
	(18, 'insert_metadata_row({ADA}, ''k'', ''1'', above => ''nowhere'')', '"nowhere"', 'the row that is no anchor'),
	(19, 'delete_metadata_row({ADA}, ''nokey'')', '"nokey"', 'the row that is not there'),
	(20, 'save_metadata({ADA}, ''[{"key": "twice", "value": 1}, {"key": "twice", "value": 1}]'')', '"twice"', 'the key that is there twice'),
	(21, 'create_store(''public'')', 'public', 'the schema that is no store''s'),
	(22, 'drop_store(''shop'', ''shoq'')', 'shop', 'the store that is not dropped'),
	(23, 'check_store(''nowhere'')', '"nowhere".*create_store', 'the store that does not exist, and how to make it'),
	(24, 'request_order_transfer({ORDER}, {REG})', format('order %s.*shop\.order_transfer', :order), 'the order that has an open transfer')
) v(n, call, re, why), LATERAL t.message(pg_temp.filled('SELECT * FROM customers.' || call)) m(m)
ORDER BY n;
SELECT matches(t.message(format('DELETE FROM shop.customer WHERE id = %s', :ada)), 'delete_customer',
			   'message: DELETE without confirmation says what to do');
SET CONSTRAINTS ALL IMMEDIATE;	-- a table with pending trigger events is not truncated at all
SELECT matches(t.message('TRUNCATE shop.customer CASCADE'), '"customer".*(delete_customer|drop_store)', 'message: so does TRUNCATE');
SELECT matches(t.message(format('UPDATE shop.customer SET has_account = true, external_id = ''x'' WHERE id = %s', :ada)),
			   'shop\.customer\.has_account$', 'message: a fixed column is named');
SELECT matches(t.message(format('UPDATE shop.customer SET id = 42000 WHERE id = %s', :ada)), 'shop\.customer\.id$',
			   'message: so is the id');
SELECT unalike(t.message(format('SELECT customers.accept_order_transfer(%s, ''my-Secret-Token'')', :transfer)), '%my-Secret-Token%',
			   'message: a token is not repeated');
SELECT unalike(t.message('SELECT customers.reset_password(''my-Secret-Token'', ''my-Secret-Token'')'), '%my-Secret-Token%',
			   'message: nor one for a password');
SELECT unalike(t.message(format('SELECT customers.delete_customer(%s, ''wrong@example.com'')', :ada)), '%ada@example.com%',
			   'message: the e-mail to be typed is not given away');
SELECT is(t.message('SELECT customers.create_customer(''new@example.com'')', 'customers_other') ~ 'permission denied', true,
		  'message: no privilege, as PostgreSQL says it');

SELECT * FROM finish();
ROLLBACK;
