# What the owner of a store, and whoever has a name or gives a reason, can do
# with the daemon: links in the shop's mails, rows that it cannot read, answers
# that no server gives, another store's deliveries, secrets of its environment.
use strict;
use warnings;
use utf8;

use Shop;
use Encode;
use JSON::PP;
use MIME::QuotedPrint;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $program = (grep { -x } map { "$_/customers-notifyd" } split /:/, $ENV{PATH})[0];
my ($templates) = grep { -f "$_/order.transfer_requested.txt" }
  (map { "$_/customers/templates" } split /\n/, `pg_config --sharedir`), "$ENV{TESTDIR}/../src/notifyd/templates";

plan skip_all => 'customers-notifyd is not installed' unless defined $program && defined $templates;

my $node = shop_node('mail', store => 0);
my $dir = $node->basedir;
my $limit = $PostgreSQL::Test::Utils::timeout_default;
my $link = 'https://shop.example.com/transfers';

$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN;
	CREATE ROLE victim LOGIN;
	CREATE ROLE mailer LOGIN;
	GRANT CREATE ON DATABASE postgres TO mallory, victim;
	SET SESSION AUTHORIZATION victim;
	SELECT customers.create_store('victims');
	SET customers.store = victims;
	SELECT customers.grant_access('mailer', 'notifier');
	SET SESSION AUTHORIZATION mallory;
	SELECT customers.create_store('shop');
	SET customers.store = shop;
	SELECT customers.grant_access('mailer', 'notifier');});
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

sub as { my ($role, @sql) = @_; return $node->safe_psql('postgres', join('; ', "SET SESSION AUTHORIZATION $role", @sql)) }

# Deliveries as only the owner can write them, each with an event.
sub deliver
{
	my (@rows) = @_;
	my $values = join ', ', map { "('$_')" } map { s/'/''/gr } @rows;

	open my $file, '>', "$dir/deliver.sql" or die $!;
	print $file "SET SESSION AUTHORIZATION mallory;
		ALTER TABLE shop.event DISABLE TRIGGER USER;
		CREATE TEMP TABLE given (n serial, c jsonb, event_id bigint DEFAULT nextval('shop.event_id_seq'));
		INSERT INTO given (c) VALUES $values;
		INSERT INTO shop.event (id, type, customer_id, order_id, payload)
		SELECT event_id, coalesce(c ->> 'type', 'order.transfer_requested'), 1, 1, coalesce(c -> 'payload', '{\"transfer_id\": 7}')
		FROM given ORDER BY n;
		INSERT INTO shop.delivery (subscription, event_id, confidential, expires_at)
		SELECT 'notifier', event_id, nullif(c -> 'confidential', '\"none\"'), '2100-01-01' FROM given ORDER BY n;
		ALTER TABLE shop.event ENABLE TRIGGER USER;\n";
	close $file;
	$node->psql('postgres', "\\i $dir/deliver.sql", on_error_die => 1);
	return;
}

sub untried { return as('mallory', 'SELECT count(*) FROM shop.delivery WHERE attempts = 0') }
sub failed { return as('mallory', 'SELECT count(*) FROM shop.delivery WHERE last_error IS NOT NULL') }
sub clear { as('mallory', 'DELETE FROM shop.delivery'); return }

# Runs the daemon until nothing is due; its exit code, or why it has none.
my $runs = 0;

sub once
{
	my ($mode, $database) = @_;
	my $end = time + $limit;
	my $connection = $node->connstr($database // 'postgres') . ' user=mailer';

	$runs++;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/out$runs";
		open STDERR, '>', "$dir/log$runs";
		$ENV{PGPASSWORD} = 'the secret of the database';
		$ENV{PGSSLKEY} = '/nowhere/but/secret';
		exec $program, '--once', @$mode, $connection or POSIX::_exit(127);
	}
	while (waitpid($pid, POSIX::WNOHANG()) == 0)
	{
		if (time > $end)
		{
			kill 'KILL', $pid;
			waitpid $pid, 0;
			return 'it did not end';
		}
		sleep 0.02;
	}
	return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
}

# As the name of a test.
sub shown { my ($text) = @_; return substr($text, 0, 40) =~ s/[^ -~]/sprintf '\\x{%x}', ord $&/ger }

sub text_of
{
	my ($name) = @_;

	return '' unless open my $file, '<', "$dir/$name";
	local $/;
	return <$file> // '';
}

# What the mail program got since the last call, decoded.
my @mail = ('--templates', $templates, '--from', 'Shop <shop@example.com>', '--link', $link, '--sendmail', "tee -a $dir/mails");

sub mails
{
	my @mails;

	foreach my $raw (split /^(?=From: )/m, text_of('mails'))
	{
		my ($head, $body) = split /\n\n/, $raw, 2;
		my %fields;

		$head =~ s/\n[ \t]+/ /g;
		push @{ $fields{ lc $1 } }, decode('MIME-Header', $2) while $head =~ /^([\w-]+): (.*)$/mg;
		push @mails, { fields => \%fields, to => $head =~ /^To: (.*)$/m ? decode('UTF-8', $1) : '',
			body => decode('UTF-8', $head =~ /quoted-printable/ ? decode_qp($body) : $body) };
	}
	unlink "$dir/mails";
	return @mails;
}

# ---------------------------------------------------------------------------
# No link but the shop's own
# ---------------------------------------------------------------------------

my @bait = (
	'http://evil.example/login', 'https://evil.example', 'HTTPS://EVIL.EXAMPLE', 'www.evil.example', 'evil.example',
	'evil.example/path?x=1', 'ftp://evil.example', 'mailto:eve@evil.example', 'eve@evil.example', 'eve＠evil.example',
	'mailto:eve%40evil.example', 'tel:+4912345', 'javascript:alert(1)', 'file:/etc/passwd', '//evil.example', '\\\\evil\\share',
	'1.2.3.4', 'http://1.2.3.4:8080/', 'http://[2001:db8::1]/', 'http://0x7f000001/', 'evil。example', 'evil．example', 'evil｡example',
	'evil․example', 'http：//evil．example', 'http:／／evil', "evil\x{200B}.\x{200B}example", "http\x{2060}://evil.example",
	"evil.\x{AD}example", "http:\x{200D}//evil.example", "eve\x{200B}\@evil.example", "\x{202E}elpmaxe.live\x{202C}",
	'(evil.example)', '<http://evil.example>', '[here](http://evil.example)', 'a.b.c.d.evil.example', 'evil.example.', 'x:evil.example',
	'evil.xn--p1ai', 'президент.рф', '例子.中国', 'evil .example', 'evil. example', 'évil.example', "evil.\x{301}example");

deliver(map { encode_json({ confidential => { to => ['owner@example.com'], token => 'A' x 43, new_owner_name => $_, description => "see $_ now" } }) } @bait);
is(once(\@mail), 0, 'links: sent') or diag(text_of("log$runs"));
my @got = mails();
is(scalar(@got), scalar(@bait), 'links: a mail for each');

# What mail programs make links of, and more: a dot or colon with something
# close behind, slashes side by side, an @.
my $clickable = qr{[.．。｡․][^\s.)\]\},;!?"']|(?<!\d)[:：]\S|[:：](?!\d)\S|[/／\\]{2}|[@＠]};
foreach my $i (0 .. $#bait)
{
	my $body = $got[$i]{body};
	my $name = shown($bait[$i]);

	is(scalar($body =~ s{\Q$link\E/\S+}{LINK}g), 2, "links: $name: the shop's own two are there");
	like($body, qr/see /, "links: $name: so is the description");
	unlike($body, $clickable, "links: $name: no other");
	unlike($body, qr/[\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{AD}]/, "links: $name: nothing invisible");
}
clear();

# People can read what becomes of what is no bait.
my %read = (
	'J.R.R. Tolkien' => 'J. R. R. Tolkien', 'Dr. Ada King-Noel' => 'Dr. Ada King-Noel',
	"O'Hara & Sons (Ltd.), at 10:30, 24/7..." => "O'Hara & Sons (Ltd.), at 10:30, 24/7...",
	'  山田　太郎 ' => '山田 太郎', "می\x{200C}خواهم" => "می\x{200C}خواهم", "e\x{301}té" => "e\x{301}té",
	"a\x{300}\x{300}\x{300}\x{300}\x{300}\x{300}b" => "a\x{300}\x{300}\x{300}b",
	"two\r\n\r\nparagraphs\tand   blanks\x{A0}\x{2003}\x{3000}\x{3164}\x{2028}end" => 'two paragraphs and blanks end',
	'x' x 1000 => ('x' x 100) . ' [..]', 'ada@example.com' => '[..]', "\x{1F468}\x{200D}\x{1F469}" => "\x{1F468}\x{200D}\x{1F469}",
	'{{token}} {{accept_link}}' => '{{token}} {{accept_link}}');
my @names = sort keys %read;
deliver(map { encode_json({ confidential => { to => ['owner@example.com'], new_owner_name => $_, description => ('word ' x 10000) } }) } @names);
is(once(\@mail), 0, 'values: sent');
@got = mails();
foreach my $i (0 .. $#names)
{
	my ($name) = $got[$i]{body} =~ /^New owner: (.*)$/m;

	is($name, $read{ $names[$i] }, 'values: ' . shown($read{ $names[$i] }));
}
cmp_ok(length($got[0]{body}), '<', 1500, 'values: a long description does not get far');
clear();

# Values that want to be lines of the head, in the subject too.
mkdir "$dir/templates";
open my $template, '>', "$dir/templates/order.transfer_requested.txt" or die $!;
print $template "Subject: {{new_owner_name}} {{description}} {{transfer_id}} {{type}}\n\n{{recipient}}|{{transfer_id}}|{{new_owner_name}}|{{description}}|{{expires_at}}|{{accept_link}}\n";
close $template;
my $lines = "x\r\nBcc: eve\@evil.example\r\n\r\nBody\n.\nFrom eve";
deliver(encode_json({ payload => { transfer_id => "7\r\nBcc: http://evil.example/" },
	confidential => { to => ['owner@example.com'], token => "t\r\nBcc: x&y=z ", new_owner_name => $lines, description => $lines, expires_at => $lines } }));
is(once([ '--templates', "$dir/templates", @mail[ 2 .. $#mail ] ]), 0, 'head: sent') or diag(text_of("log$runs"));
@got = mails();
is(scalar(@got), 1, 'head: one mail');
is_deeply([ sort keys %{ $got[0]{fields} } ], [ sort qw(from to date message-id auto-submitted mime-version content-type subject content-transfer-encoding) ], 'head: no header but ours');
is(scalar(grep { @$_ != 1 } values %{ $got[0]{fields} }), 0, 'head: each once');
is(scalar(split /\n/, $got[0]{body}), 1, 'head: the body has its one line');
unlike($got[0]{fields}{subject}[0], $clickable, 'head: the subject cannot be clicked either');
like($got[0]{body}, qr/^owner@ example\. com\|7 Bcc: http: \/ \/evil\. example\//, 'head: neither can ids, or the address itself');
like($got[0]{body}, qr{\Q$link\E/accept\?transfer_id=7%0D%0ABcc%3A%20http%3A%2F%2Fevil\.example%2F&token=t%0D%0ABcc%3A%20x%26y%3Dz%20$}m, 'head: in the link they are encoded');
clear();

# ---------------------------------------------------------------------------
# What is valid in the database can be sent to, and nothing else
# ---------------------------------------------------------------------------

srand 42;
my @alphabet = (qw(a Z 0 - + . . @ @ !), '#', qw($ % & ' * / = ? ^ _ ` { | } ~ ( ) < > [ ] : ;), ',', qw(" \\ ä 王 ß), ' ', "\t", "\n", "\x{A0}", "\x{3000}", "\x{2028}", "\x{85}", "\x{200B}");
my @addresses = map { my $n = 1 + rand 6; join '', (map { $alphabet[ rand @alphabet ] } 1 .. $n), rand(4) < 3 ? '@example.com' : () } 1 .. 300;
push @addresses, map { ("a${_}b\@example.com", "a\@b${_}c.example.com", "$_\@example.com") } @alphabet;
push @addresses, ('l' x 64) . '@example.com', ('l' x 65) . '@example.com', 'a@' . ('d' x 63) . '.com', 'a@' . ('d' x 64) . '.com', 'jörg@müller.example', '王芳@例子.中国', '.a@example.com', 'a.@example.com', 'a..b@example.com',
  'a@example', 'a@-b.com', 'a b@example.com', '"a b"@example.com', '=?utf-8?q?a?=@example.com', 'a@' . ('b.' x 125) . 'cc', 'a@' . ('b.' x 125) . 'ccc';
@addresses = sort keys %{ { map { $_ => 1 } @addresses } };
# an address with white space around it is trimmed before it is stored
my $judged = $node->safe_psql('postgres', q{SELECT jsonb_agg(customers.email_fault(a) IS NULL AND a = btrim(a, E' \t\n') ORDER BY n) FROM jsonb_array_elements_text($json$}
	  . encode_json(\@addresses) . q{$json$) WITH ORDINALITY AS e(a, n)});
my @valid = map { $_ ? 1 : 0 } @{ decode_json($judged) };
my %wanted = map { $addresses[$_] => 1 } grep { $valid[$_] } 0 .. $#addresses;
cmp_ok(scalar(keys %wanted), '>', 50, 'addresses: many are valid');
cmp_ok(scalar(@addresses), '>', keys(%wanted) + 50, 'addresses: many are not');
deliver(map { encode_json({ confidential => { to => [$_] } }) } @addresses);
is(once([ @mail, '-j', '1' ]), 1, 'addresses: the daemon has tried all');
my %sent = map { my $to = $_->{to}; ($to =~ s/^"(.*)"@/$1@/r => $to) } mails();
is_deeply([ sort keys %sent ], [ sort keys %wanted ], 'addresses: what is valid is sent to, and nothing else');
is($sent{'a..b@example.com'}, '"a..b"@example.com', 'addresses: dots where mail programs expect none are quoted');
is($sent{'jörg@müller.example'}, 'jörg@müller.example', 'addresses: other letters are sent in UTF-8');
is(failed(), @addresses - keys(%wanted), 'addresses: the others fail');
is(as('mallory', 'SELECT DISTINCT last_error FROM shop.delivery'), 'the address is not valid', 'addresses: and say why, without the address');
clear();

# ---------------------------------------------------------------------------
# Rows that are not as they should be
# ---------------------------------------------------------------------------

my $big = 'x' x 1_000_000;
my $deep = ('[' x 2000) . (']' x 2000);
my $to = '"to": ["owner@example.com"]';
# acknowledged: there is nobody to tell
my @nobody = map { qq({"confidential": $_}) } 'null', '"none"', '"text"', '42', '[]', '["to"]', 'true', '{}', '{"to": []}';
# fail, as mails
my @unsendable = map { qq({"confidential": {"to": $_}}) } '"owner@example.com"', '{"a": 1}', 'null', '[null, 1, true, {}, [["owner@example.com"]]]', '[""]',
  '["owner@example.com\nBcc: eve@evil.example"]', '["owner@example.com, eve@evil.example"]', "[\"$big\"]", $deep,
  '[' . join(', ', map { "\"a$_\@example.com\"" } 1 .. 65) . ']';
# fail always
my @large = (qq({"confidential": {$to, "description": "$big"}}), qq({"payload": {"x": "$big"}, "confidential": {$to}}), qq({"type": "$big", "confidential": {$to}}),
	'{"confidential": {"to": [' . join(', ', ('"x@example.com"') x 50000) . ']}}');
# are sent
my @odd = (
	qq({"confidential": {$to, "token": {"a": 1}, "new_owner_name": [1], "description": {"a": "b"}, "expires_at": 7}}),
	(map { qq({"confidential": {$to, "token": "t", "expires_at": $_}}) } '"never"', '"2026-99-99T99:99:99+00:00"', '"infinity"', '"10:00:00"', '"2026-01-01"', '"99999-01-01T00:00:00+00:00"',
		'"0000-00-00T00:00:00+00:00"', '"0000-01-01T00:00:00+00:00"', '"2026-01-01T00:00:00.5+14:59"', '"9999-12-31T23:59:59-15:59"', '["2026-01-01T00:00:00+00:00"]', 'null', '{}'),
	qq({"payload": "text", "confidential": {$to}}), qq({"payload": [1], "confidential": {$to}}), qq({"payload": {"transfer_id": $deep}, "confidential": {$to}}));
my @unknown = ('{"type": "own\u001b[2J\u0085\u2028type level=info", "confidential": {"to": []}}', '{"type": "", "confidential": {"to": []}}');
my $healthy = '{"confidential": {"to": ["healthy@example.com"], "token": "t"}}';
my @rows = (@nobody, @unsendable, @large, @odd, @unknown, $healthy);

foreach my $mode ([ @mail, '-j', '1' ], ['--stdout'], [ '--exec', "tee -a $dir/json", '-j', '1' ])
{
	my $mails = $mode->[0] eq '--templates';

	deliver(@rows);
	is(once($mode), 1, "rows: $mode->[0]: the daemon ends in order") or diag(text_of("log$runs"));
	is(untried(), 0, "rows: $mode->[0]: all were tried");
	my $log = text_of("log$runs");
	unlike($log, qr/event=claim/, "rows: $mode->[0]: no claim was refused");
	unlike($log, qr/[^\x20-\x7E\n]/, "rows: $mode->[0]: the log is text");
	is(scalar(grep { length > 1500 } split /\n/, $log), 0, "rows: $mode->[0]: in short lines");
	is(scalar(grep { !/^time=\S+ level=\S+ event=\S+/ } split /\n/, $log), 0, "rows: $mode->[0]: and nobody makes one");
	if ($mails)
	{
		my @mails = mails();

		is(join(' ', sort map { $_->{to} } @mails), join(' ', 'healthy@example.com', ('owner@example.com') x @odd), 'rows: mails to who may have them, and to nobody else');
		is(scalar(grep { length($_->{body}) > 3000 } @mails), 0, 'rows: no mail is long');
		like($mails[9]{body}, qr/2025-12-31 09:01 UTC/, 'rows: a time that is one is shown') or diag($mails[9]{body});
		is(failed(), @unsendable + @large, 'rows: what cannot be sent fails')
		  or diag(as('mallory', 'SELECT id, last_error, left(confidential::text, 60) FROM shop.delivery'));
	}
	else
	{
		# a list of one long address is long as well
		my $kept = @rows - @large - 1;
		my @json = split /\n/, text_of($mode->[0] eq '--stdout' ? "out$runs" : 'json');
		my @events = map { eval { JSON::PP->new->utf8->max_depth(20000)->decode($_) } } @json;

		is(scalar(@json), $kept, "rows: $mode->[0]: a line for each that is not too large");
		is(scalar(grep { ref eq 'HASH' } @events), $kept, "rows: $mode->[0]: each is a JSON object");
		is(as('mallory', q{SELECT string_agg(DISTINCT last_error, '|') FROM shop.delivery}), 'it is larger than 256 kB', "rows: $mode->[0]: the others fail, and say why");
	}
	clear();
}

# ---------------------------------------------------------------------------
# Another store
# ---------------------------------------------------------------------------

as('victim', 'SET customers.store = victims', q{INSERT INTO victims.customer (email, has_account, external_id) VALUES ('ann@example.com', false, NULL), ('ben@example.com', true, 'b')},
	q{INSERT INTO victims.orders (customer_id, email, status, currency_code, total) VALUES (1, 'ann@example.com', 'pending', 'EUR', 1)},
	'SELECT customers.request_order_transfer(1, 2)');
as('mallory', q{CREATE FUNCTION shop.turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM set_config('customers.store', 'victims', false), set_config('search_path', 'shop', false), set_config('client_encoding', 'LATIN1', false), set_config('TimeZone', '<evil.example>5', false);
		RETURN NULL;
	END $$},
	'CREATE TRIGGER turn AFTER UPDATE OR DELETE ON shop.delivery FOR EACH STATEMENT EXECUTE FUNCTION shop.turn()');
deliver(($healthy) x 5);
is(once([ @mail, '-j', '1' ]), 0, 'stores: the daemon of one store works') or diag(text_of("log$runs"));
is_deeply([ sort map { $_->{to} } mails() ], [ ('healthy@example.com') x 5 ], 'stores: and sends no mail of another, wherever the owner turns the session');
is(as('victim', 'SELECT count(*), max(attempts) FROM victims.delivery'), '1|0', 'stores: whose delivery waits untouched');
as('mallory', 'DROP TRIGGER turn ON shop.delivery');
clear();

# ---------------------------------------------------------------------------
# The environment
# ---------------------------------------------------------------------------

deliver($healthy);
is(once([ '--exec', "sh -c \"env > $dir/env; cat /proc/\$PPID/environ > $dir/parent 2>&1; true\"" ]), 0, 'environment: a command looks at it');
like(text_of('env'), qr/^PATH=/m, 'environment: it has one');
unlike(text_of('env'), qr/^PG|secret/m, 'environment: without what leads to the database');
unlike(text_of('parent'), qr/secret/, "environment: nor can the daemon's be read");

# ---------------------------------------------------------------------------
# A database that only looks like one with the extension
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE hostile');
$node->safe_psql('hostile', q{
	GRANT CREATE ON DATABASE hostile TO mallory;
	SET SESSION AUTHORIZATION mallory;
	CREATE SCHEMA customers;
	GRANT USAGE ON SCHEMA customers TO PUBLIC;
	CREATE TABLE customers.lies (claim int, delivery_id bigint, event_id bigint, type text, attempt int, customer_id bigint, order_id bigint, payload jsonb, confidential jsonb, created_at timestamptz);
	CREATE SEQUENCE customers.claims;
	GRANT ALL ON ALL TABLES IN SCHEMA customers TO PUBLIC;
	GRANT ALL ON ALL SEQUENCES IN SCHEMA customers TO PUBLIC;
	INSERT INTO customers.lies SELECT 1, n, n, 'order.transfer_requested', 1, 1, 1, '{}', '{"to": ["owner@example.com"]}', now() FROM generate_series(1, 5000) n;
	INSERT INTO customers.lies SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM generate_series(1, 50);
	INSERT INTO customers.lies SELECT 3, 7, NULL, 'order.transfer_requested', NULL, NULL, NULL, NULL, '{"to": ["owner@example.com"]}', 'infinity' FROM generate_series(1, 50);
	INSERT INTO customers.lies VALUES (4, -9223372036854775808, 9223372036854775807, '', -1, -1, -1, '{}', '{}', '-infinity');
	CREATE FUNCTION customers.claim_deliveries(text, int, interval) RETURNS TABLE (delivery_id bigint, event_id bigint, type text, attempt int, customer_id bigint, order_id bigint, payload jsonb, confidential jsonb, created_at timestamptz)
		LANGUAGE sql AS $$ SELECT l.delivery_id, l.event_id, l.type, l.attempt, l.customer_id, l.order_id, l.payload, l.confidential, l.created_at FROM customers.lies l, (SELECT nextval('customers.claims') AS n OFFSET 0) c WHERE l.claim = c.n $$;
	CREATE FUNCTION customers.acknowledge_deliveries(bigint[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT repeat('x', 100000) FROM generate_series(1, 10) $$;
	CREATE FUNCTION customers.fail_delivery(bigint, text) RETURNS SETOF int LANGUAGE sql AS $$ SELECT NULL::int WHERE false $$;
	CREATE FUNCTION customers.expire_order_transfers() RETURNS SETOF int LANGUAGE sql AS $$ SELECT NULL::int WHERE false $$;});
foreach my $mode ([ @mail, '-j', '3' ], ['--stdout'], [ '--exec', 'true', '-j', '200' ])
{
	foreach my $claim (1 .. 5)
	{
		$node->safe_psql('hostile', "SELECT setval('customers.claims', $claim, false)");
		is(once($mode, 'hostile'), 0, "lies: $mode->[0]: the daemon survives answer $claim") or diag(text_of("log$runs"));
	}
}

mails();

# ---------------------------------------------------------------------------
# Databases in other encodings, and in none
# ---------------------------------------------------------------------------

$node->safe_psql('postgres', "CREATE DATABASE $_->[0] TEMPLATE template0 ENCODING '$_->[1]' LOCALE 'C'") foreach [qw(latin LATIN1)], [qw(bytes SQL_ASCII)];
$node->safe_psql($_, 'CREATE EXTENSION customers; GRANT CREATE ON DATABASE ' . $_ . ' TO mallory') foreach qw(latin bytes);
is($node->safe_psql('latin', q{SELECT string_agg(coalesce(customers.email_fault(a), 'none'), '|' ORDER BY n) FROM
	(VALUES (1, repeat(chr(228), 32) || '@example.com'), (2, repeat(chr(228), 33) || '@example.com'), (3, 'a' || chr(160) || '@example.com'), (4, 'a@' || chr(228) || '.com'), (5, 'a@' || chr(215) || '.com')) v(n, a)}),
	'none|the part before the @ is longer than 64 bytes|it contains a space or control character|none|its domain contains a character that is neither letter, digit nor hyphen',
	'encodings: an address is judged in UTF-8');
is($node->safe_psql('bytes', q{SELECT string_agg(coalesce(customers.email_fault(a), 'none'), '|' ORDER BY n) FROM
	(VALUES (1, E'\\xc3\\xa4@example.com'), (2, E'\\xff@example.com'), (3, E'a@\\xff.com'), (4, E'a\\xc3@example.com')) v(n, a)}),
	'none|' . join('|', ('it is not valid UTF-8') x 3), 'encodings: what is no UTF-8 is no address');
foreach my $database (qw(latin bytes))
{
	my $name = $database eq 'latin' ? 'chr(228)' : q{E'\\xff'};

	$node->safe_psql($database, qq{SET SESSION AUTHORIZATION mallory;
		SELECT customers.create_store();
		SELECT customers.grant_access('mailer', 'notifier');
		INSERT INTO shop.customer (email, first_name, has_account, external_id) VALUES ('ann\@example.com', NULL, false, NULL), ('ben\@example.com', 'Ben ' || $name, true, 'b');
		INSERT INTO shop.orders (customer_id, email, status, currency_code, total) SELECT 1, 'ann\@example.com', 'pending', 'EUR', n FROM generate_series(1, 2) n;
		SELECT customers.request_order_transfer(1, 2);});
	is(once(\@mail, $database), 0, "encodings: $database: the daemon works") or diag(text_of("log$runs"));
	@got = mails();
	like($got[0]{body}, $database eq 'latin' ? qr/New owner: Ben \x{E4}$/m : qr/New owner: Ben \?$/m, "encodings: $database: and sends UTF-8");
	$node->safe_psql($database, 'SET SESSION AUTHORIZATION mallory; SELECT customers.request_order_transfer(2, 2)');
	is(once(['--stdout'], $database), 0, "encodings: $database: --stdout works");
	my ($line) = split /\n/, text_of("out$runs");
	is(eval { decode_json($line)->{confidential}{new_owner_name} }, $database eq 'latin' ? "Ben \x{E4}" : 'Ben ?', "encodings: $database: and writes UTF-8");
}

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server has not restarted');
is(as('mallory', 'SELECT count(*) FROM shop.customer'), 0, 'and goes on');

$node->stop;
done_testing();
