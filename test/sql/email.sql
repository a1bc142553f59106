\set ECHO none
\getenv testdir PG_ABS_SRCDIR
\set prelude :testdir '/prelude.psql'
\i :prelude

-- The rule customer_email_valid: which addresses are taken, which are not and
-- why, and that e-mails are compared ignoring ASCII case only.

SELECT plan(131);

CREATE TEMP TABLE address (n serial, valid bool, email text, why text);
INSERT INTO address (valid, email, why) VALUES
	(true, 'ada@example.com', 'the plain one'),
	(true, 'a@b.co', 'labels and local part of one letter'),
	(true, 'a@b.c', 'each of one letter'),
	(true, 'Ada.King@Example.COM', 'upper case'),
	(true, 'first.last+tag@sub.example.co.uk', 'dots, a plus, four labels'),
	(true, 'o''hara@example.com', 'an apostrophe'),
	(true, '!#$%&*/=?^_`{|}~-@example.com', 'punctuation in the local part'),
	(true, '=?utf-8?q?x?=@example.com', 'what looks encoded'),
	(true, 'a..b@example.com', 'the local part is not looked into'),
	(true, '-@example.com', 'a hyphen as local part'),
	(true, '1@2.3', 'digits everywhere'),
	(true, 'a@123.example', 'a label of digits'),
	(true, 'a@ex-am--ple.com', 'inner hyphens'),
	(true, 'a@xn--bcher-kva.example', 'punycode'),
	(true, 'jörg@müller.example', 'non-ASCII letters'),
	(true, '王芳@例子.中国', 'Chinese'),
	(true, 'иван@пример.рф', 'Cyrillic'),
	(true, 'a@é.à', 'labels of one non-ASCII letter'),
	(true, repeat('l', 64) || '@example.com', 'a local part of 64 bytes'),
	(true, repeat('ä', 32) || '@example.com', 'a local part of 32 letters in 64 bytes'),
	(true, 'a@' || repeat('d', 63) || '.com', 'a label of 63 letters'),
	(true, 'a@com.' || repeat('d', 63), 'a last label of 63 letters'),
	(true, 'a@' || repeat('ä', 63) || '.com', 'a label of 63 non-ASCII letters'),
	(true, '☃@example.com', 'a sign in the local part'),
	(true, repeat('l', 64) || '@' || repeat('d', 63) || '.' || repeat('e', 63) || '.' || repeat('f', 61), '254 bytes'),
	(true, 'a@' || repeat('b.', 125) || 'cc', '254 bytes in 126 labels'),
	(true, '  ada@example.com  ', 'blanks around'),
	(true, E'\t\n\x0b\f\rada@example.com\r\f\x0b\n\t', 'ASCII white space around'),
	(true, ' ' || repeat('l', 64) || '@' || repeat('d', 63) || '.' || repeat('e', 63) || '.' || repeat('f', 61) || ' ', '254 bytes once trimmed'),
	(false, '"quoted"@example.com', 'quotes in the local part'),
	(false, 'a"da@example.com', 'a quote inside'),
	(false, 'a\da@example.com', 'a backslash'),
	(false, 'ada,king@example.com', 'a comma'),
	(false, 'ada;king@example.com', 'a semicolon'),
	(false, 'mailto:ada@example.com', 'a scheme'),
	(false, 'friends:ada@example.com', 'a group'),
	(false, '<ada@example.com', 'a bracket in front'),
	(false, '<ada>@example.com', 'brackets in the local part'),
	(false, 'ada[1@example.com', 'a square bracket'),
	(false, 'ada]1@example.com', 'a closing one'),
	(false, 'ada(king)@example.com', 'a comment'),
	(false, 'ada)@example.com', 'the end of one'),
	(false, 'ada>@example.com', 'a closing bracket'),
	(false, '', 'empty'),
	(false, ' ', 'blank'),
	(false, E'\t\n', 'white space'),
	(false, 'ada', 'no @'),
	(false, 'example.com', 'a domain only'),
	(false, '@', 'an @ only'),
	(false, '@example.com', 'no local part'),
	(false, 'ada@', 'no domain'),
	(false, 'ada@example', 'one label'),
	(false, 'ada@localhost', 'one label, well known'),
	(false, 'ada@@example.com', 'two @ in a row'),
	(false, 'ada@example@com.org', 'two @'),
	(false, 'ada@example.com@', 'an @ at the end'),
	(false, 'a@b.com,c@d.com', 'two addresses'),
	(false, 'ada@.example.com', 'an empty first label'),
	(false, 'ada@example..com', 'an empty inner label'),
	(false, 'ada@example.com.', 'an empty last label'),
	(false, 'ada@.', 'two empty labels'),
	(false, 'ada@-example.com', 'a hyphen first in a label'),
	(false, 'ada@example-.com', 'a hyphen last in a label'),
	(false, 'ada@example.-com', 'a hyphen first in the last label'),
	(false, 'ada@example.com-', 'a hyphen last in the last label'),
	(false, 'ada@-.com', 'a label of a hyphen'),
	(false, 'ada@ex_ample.com', 'an underscore in the domain'),
	(false, 'ada@example.com>', 'a bracket in the domain'),
	(false, 'ada@[127.0.0.1]', 'an address literal'),
	(false, 'ada@exam/ple.com', 'a slash in the domain'),
	(false, 'ada@exam''ple.com', 'an apostrophe in the domain'),
	(false, 'ada@example.com:25', 'a port'),
	(false, 'Ada <ada@example.com>', 'a name with brackets'),
	(false, 'ada king@example.com', 'a space in the local part'),
	(false, 'ada @example.com', 'a space before the @'),
	(false, 'ada@ example.com', 'a space after the @'),
	(false, 'ada@exam ple.com', 'a space in the domain'),
	(false, E'a\tda@example.com', 'a tab inside'),
	(false, E'ada@example.com\nBcc: x@example.com', 'a line break inside'),
	(false, E'a\rda@example.com', 'a carriage return inside'),
	(false, E'a\x01da@example.com', 'a control character'),
	(false, E'a\x1bda@example.com', 'an escape character'),
	(false, E'a\x7fda@example.com', 'DEL'),
	(false, E'ada@exam\x7fple.com', 'DEL in the domain'),
	(false, E'a\u0085da@example.com', 'a control character beyond ASCII'),
	(false, E'ada@exam\u0085ple.com', 'one in the domain'),
	(false, E'a\u00a0da@example.com', 'a no-break space'),
	(false, E'ada@exam\u00a0ple.com', 'one in the domain'),
	(false, E'a\u2003da@example.com', 'an em space'),
	(false, E'a\u2028da@example.com', 'a line separator'),
	(false, E'a\u3000da@example.com', 'an ideographic space'),
	(false, E'\u00a0ada@example.com', 'a no-break space in front: only ASCII white space is trimmed'),
	(false, repeat('l', 65) || '@example.com', 'a local part of 65 bytes'),
	(false, repeat('ä', 33) || '@example.com', 'a local part of 33 letters in 66 bytes'),
	(false, 'a@' || repeat('d', 64) || '.com', 'a label of 64 letters'),
	(false, 'a@com.' || repeat('d', 64), 'a last label of 64 letters'),
	(false, 'a@' || repeat('ä', 64) || '.com', 'a label of 64 non-ASCII letters'),
	(false, 'ada@☃.example', 'a sign in the domain'),
	(false, repeat('l', 64) || '@' || repeat('d', 63) || '.' || repeat('e', 63) || '.' || repeat('f', 62), '255 bytes'),
	(false, 'a@' || repeat('b.', 125) || 'ccc', '255 bytes in 126 labels'),
	(false, repeat('x', 100000), 'a very long text'),
	(false, repeat('x', 100000) || '@example.com', 'a very long local part'),
	(false, 'a@' || repeat('x.', 100000) || 'com', 'a very long domain');

-- Through plain SQL and the function.
SELECT is(t.error(format('INSERT INTO shop.customer (email) VALUES (%L)', email)),
		  CASE WHEN valid THEN 'no error' ELSE '23514 customer_email_valid' END,
		  CASE WHEN valid THEN 'customer_email_valid: yes, ' ELSE 'customer_email_valid: no, ' END || why)
FROM address
ORDER BY n;
SELECT is((SELECT string_agg(why, '; ' ORDER BY n) FROM address
		   WHERE t.error(format('SELECT customers.create_customer(%L)', email))
			   <> CASE WHEN valid THEN 'no error' ELSE '23514 customer_email_valid' END),
		  NULL, 'customer_email_valid: create_customer agrees on each');
SELECT is((SELECT string_agg(why, '; ' ORDER BY n) FROM address
		   WHERE t.error(format('SELECT customers.find_or_create_guest(%L)', email))
			   <> CASE WHEN valid THEN 'no error' ELSE '23514 customer_email_valid' END),
		  NULL, 'customer_email_valid: find_or_create_guest agrees on each');
INSERT INTO shop.customer (email) VALUES ('victim@example.com');
SELECT is((SELECT string_agg(why, '; ' ORDER BY n) FROM address
		   WHERE t.error(format('UPDATE shop.customer SET email = %L', email))
			   <> CASE WHEN valid THEN 'no error' ELSE '23514 customer_email_valid' END),
		  NULL, 'customer_email_valid: UPDATE agrees on each');
SELECT is((SELECT string_agg(why, '; ' ORDER BY n) FROM address
		   WHERE t.error(format('INSERT INTO shop.orders (email, status, currency_code, total) VALUES (%L, ''pending'', ''EUR'', 1)', email))
			   <> CASE WHEN valid THEN 'no error' ELSE '23514 orders_email_valid' END),
		  NULL, 'orders_email_valid: an order agrees on each');

-- Stored trimmed, as typed.
SELECT customers.create_customer(E'\t Ada.King@Example.COM \r\n') AS ada \gset
SELECT is((SELECT email FROM shop.customer WHERE id = :ada), 'Ada.King@Example.COM',
		  'customer_email_valid: stored trimmed, as typed');
INSERT INTO shop.orders (email, status, currency_code, total)
VALUES (E' Ada.King@Example.COM\n', 'pending', 'EUR', 1);
SELECT is((SELECT email FROM shop.orders), 'Ada.King@Example.COM',
		  'orders_email_valid: stored trimmed, as typed');

-- Compared ignoring ASCII case: in the key, the finding, the filter.
SELECT is(t.error('SELECT customers.create_customer(''ADA.KING@EXAMPLE.COM'')'),
		  '23505 customer_email_key', 'customer_email_key: the case makes no second address');
SELECT is(customers.find_or_create_guest('aDA.kING@eXAMPLE.cOM'),
		  (SELECT id FROM shop.customer WHERE email = 'Ada.King@Example.COM'),
		  'find_or_create_guest ignores it');
SELECT is(customers.count_customers(filter => '{"email": " ada.KING@example.com "}'), 1::bigint,
		  'and so does the filter');
SELECT customers.create_customer('JÖRG@MÜLLER.example') AS upper \gset
SELECT customers.create_customer('jörg@müller.example') AS lower \gset
SELECT isnt(:upper::bigint, :lower::bigint, 'the case of other letters makes another address');
SELECT is(customers.find_or_create_guest('JÖRG@MÜLLER.EXAMPLE'), :upper::bigint,
		  'which is found by it');
SELECT is(customers.find_or_create_guest('jörg@müller.EXAMPLE'), :lower::bigint,
		  'each of them');
SELECT is(customers.count_customers(filter => '{"email": "JÖRG@müller.example"}'), 0::bigint,
		  'and by no mixture');

-- The message: which address, which column.
SELECT matches(t.message('INSERT INTO shop.customer (email) VALUES (''a b@example.com'')'),
			   'a b@example\.com.*shop\.customer\.email',
			   'customer_email_valid: the message names the address, the error the column');
SELECT is(length(t.message(format('INSERT INTO shop.customer (email) VALUES (%L)', repeat('x', 100000)))) < 1000,
		  true, 'customer_email_valid: a very long text is not repeated in full');
SELECT is(t.message(format('INSERT INTO shop.customer (email) VALUES (%L)', E'x\ny')) !~ E'^[^|]*\n', true,
		  'customer_email_valid: a line break does not get into the message');

-- Addresses that were valid when they were stored: rows that have them can be
-- worked with, and are reported.
ALTER TABLE shop.customer DISABLE TRIGGER USER;
ALTER TABLE shop.orders DISABLE TRIGGER USER;
INSERT INTO shop.customer (email) VALUES ('a,b@example.com'), ('"c"@example.com');
INSERT INTO shop.orders (email, status, currency_code, total)
VALUES ('"d"@example.com', 'pending', 'EUR', 1);
ALTER TABLE shop.customer ENABLE TRIGGER USER;
ALTER TABLE shop.orders ENABLE TRIGGER USER;
SELECT id AS old FROM shop.customer WHERE email = 'a,b@example.com' \gset
SELECT is((SELECT count(*) FROM customers.check_store('shop') WHERE finding ~ 'stands before the @'), 3::bigint,
		  'an address that is no longer valid: check_store reports each');
SELECT is(t.error(format('SELECT customers.update_customer(%s, ''{"phone": "1"}'')', :old)), 'no error',
		  'an address that is no longer valid: other columns change by the function');
SELECT is(t.error('UPDATE shop.customer SET first_name = ''Anna'' WHERE email ~ ''"'''), 'no error',
		  'an address that is no longer valid: other columns change by UPDATE');
SELECT is(t.error('UPDATE shop.customer SET email = '' "c"@example.com '' WHERE email ~ ''"'''), 'no error',
		  'an address that is no longer valid: can be written back');
SELECT is((SELECT email FROM shop.customer WHERE email ~ '"'), '"c"@example.com',
		  'an address that is no longer valid: and stays trimmed');
SELECT is(t.error('UPDATE shop.customer SET email = ''"C"@example.com'' WHERE email ~ ''"'''), '23514 customer_email_valid',
		  'an address that is no longer valid: is judged once it changes');
SELECT is(t.error('UPDATE shop.customer SET email = ''"c"@example.com'' WHERE email = ''a,b@example.com'''), '23514 customer_email_valid',
		  'an address that is no longer valid: is judged in another row');
SELECT is(t.error('UPDATE shop.orders SET status = ''completed'' WHERE email ~ ''"'''), 'no error',
		  'an order''s address that is no longer valid: other columns change');
SELECT is(t.error('UPDATE shop.orders SET email = ''"e"@example.com'' WHERE email ~ ''"'''), '23514 orders_email_valid',
		  'an order''s address that is no longer valid: is judged once it changes');
SELECT is(customers.count_customers(filter => '{"email": "a,b@example.com"}'), 1::bigint,
		  'an address that is no longer valid: is found');
SELECT is(t.error(format('SELECT customers.delete_customer(%s, %L)', :old, E'x\n' || :old || ':a,b@example.com')),
		  '23514 customer_delete_confirmed', 'what is typed for an address confirms one deletion at most');
SELECT is(t.error(format('SELECT customers.delete_customer(%s, ''A,B@example.com'')', :old)), 'no error',
		  'an address that is no longer valid: confirms a deletion');

SELECT * FROM finish();
ROLLBACK;
