# The examples of the documents are true: every ```sql block of README.md,
# reference.md and tutorial.md is run, in order, in one psql session and one
# database per document, as the plain role that owns the database (and is a
# member of the roles clerk and webshop).  A ```text block right behind it is
# its output; a block without one must run without an error.
#
# What differs from run to run is compared as a placeholder: times (<time>),
# intervals with fractions (<interval>), tokens and cursors (<token>) and
# process ids (<pid>).  So are the widths of columns.  LOCATION lines of
# verbose errors are left out.
#
# Then the reference is compared with the catalogs: it has every function, every
# column of every table, and every setting.
#
# The documents with the outputs of this run are left in the log folder:
# after a change, read them and copy them over.
#
# The folder of the documents is ../../doc, or CUSTOMERS_DOC.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = $ENV{CUSTOMERS_DOC} || dirname(abs_path(__FILE__)) . '/../../doc';
my $mark = '@@ block';
my $start_of_cursor =
  qr/(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)/;

# README.md is beside the folder of the documents.
sub path_of
{
	my ($file) = @_;

	return $file eq 'README.md' ? "$folder/../$file" : "$folder/$file";
}

# Splits a document into parts: text to keep, or a block of SQL with its
# output (undef without one), its line and the heading that it stands under.
sub read_document
{
	my ($file) = @_;
	my @parts;
	my $text = slurp_file(path_of($file));
	my $heading = $file;
	my $done = 0;

	my $block = qr/^```sql\n(.*?)^```\n(?:(\n*```text\n)(.*?)^```\n)?/ms;

	while ($text =~ m/\G(.*?)$block/gmsc)
	{
		my ($before, $sql, $opening, $output) = ($1, $2, $3, $4);
		my $start = $-[2];

		$heading = $1 while $before =~ m/^#+ (.*)$/gm;
		push @parts, {
			before => "$before```sql\n$sql```\n" . ($opening // ''),
			sql => $sql,
			output => $output,
			heading => $heading,
			line => 1 + (substr($text, 0, $start) =~ tr/\n//)
		};
		$done = pos $text;
	}
	return (substr($text, $done), @parts);
}

# Runs the blocks and sets the result of each.
sub run_blocks
{
	my ($node, $database, @parts) = @_;
	my $script = '';
	my $said = '';
	my $n = 0;

	$script .= "\\echo $mark\n$_->{sql}" foreach @parts;
	local $ENV{PGTZ} = 'UTC';
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	IPC::Run::run(
		[ 'psql', '-X', '-q', '-d', $node->connstr($database), '-U', 'shop_owner' ],
		'<', \$script, '>&', \$said);
	my (undef, @results) = split /^\Q$mark\E\n/m, $said, -1;
	foreach my $part (@parts)
	{
		my $result = $results[$n++] // "psql ended before this block\n";

		$result =~ s/^LOCATION: .*\n//gm;
		$result =~ s/[ \t]+$//gm;
		$result =~ s/\n+\z/\n/;
		$part->{result} = $result;
	}
}

# What is the same in every run.
sub normal
{
	my ($output) = @_;

	$output =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00/<time>/g;
	$output =~ s/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00/<time>/g;
	$output =~ s/\d\d:\d\d:\d\d\.\d+/<interval>/g;
	# base64url: 43 characters, or a cursor, which has some of each kind
	$output =~ s/(?<![\w-])(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])/<token>/g;
	$output =~ s/$start_of_cursor[\w-]{20,}/<token>/g;
	$output =~ s/with PID \d+/with PID <pid>/g;
	$output =~ s/^LOCATION: .*\n//gm;
	$output =~ s/-{2,}/--/g;
	$output =~ s/[ \t]+/ /g;
	$output =~ s/ $//gm;
	$output =~ s/^\n+//;
	$output =~ s/\n+\z/\n/;
	return $output;
}

sub check_part
{
	my ($file, $part) = @_;
	my $name = "$file, line $part->{line}: $part->{heading}";

	if (defined $part->{output})
	{
		is(normal($part->{result}), normal($part->{output}), $name);
	}
	else
	{
		unlike($part->{result}, qr/^(ERROR|FATAL|psql)\b/m, $name);
	}
}

# The document with the outputs of this run.
sub write_document
{
	my ($file, $rest, @parts) = @_;
	my $path = "$PostgreSQL::Test::Utils::log_path/$file";

	open my $out, '>', $path or die "$path: $!";
	foreach my $part (@parts)
	{
		print $out $part->{before};
		if (defined $part->{output})
		{
			my $same = normal($part->{result}) eq normal($part->{output});

			print $out $same ? $part->{output} : $part->{result}, "```\n";
		}
	}
	print $out $rest;
	close $out or die "$path: $!";
}

# The text under a heading of the reference, or an empty one.
sub under
{
	my ($heading) = @_;
	my $text = slurp_file("$folder/reference.md");

	return $text =~ m/^#+ \Q$heading\E\n(.*?)(?=^#|\z)/ms ? $1 : '';
}

# What the query returns, one a line, that is not in the reference.
sub missing
{
	my ($node, $query, $is_there) = @_;
	my $result = $node->safe_psql('reference', $query);

	return join ', ', grep { !$is_there->(split /\|/) } split /\n/, $result;
}

sub check_completeness
{
	my ($node) = @_;
	my $reference = slurp_file("$folder/reference.md");

	is( missing(
			$node,
			q{SELECT p.proname FROM pg_proc p
			  JOIN pg_description d ON d.objoid = p.oid
				AND d.classoid = 'pg_proc'::regclass
			  WHERE p.pronamespace = 'customers'::regnamespace
				AND d.description LIKE E'%\nExample: %'},
			sub { $reference =~ m/^#### (?:.*, )?$_[0](?:,.*)?$/m }),
		'', 'reference.md has every function');
	is( missing(
			$node,
			q{SELECT table_name, column_name FROM information_schema.columns
			  WHERE table_schema = 'shop'},
			sub { under($_[0]) =~ m/^\|.*`$_[1]`/m }),
		'', 'reference.md has every column');
	is( missing(
			$node,
			q{SELECT customers.version();
			  SELECT name FROM pg_settings WHERE name LIKE 'customers.%'},
			sub { $_[0] !~ m/^customers/ || under('Settings') =~ m/`\Q$_[0]\E`/ }),
		'', 'reference.md has every setting');
}

my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "lc_messages = 'C'\ntimezone = 'UTC'\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE shop_owner LOGIN;
	CREATE ROLE clerk;
	CREATE ROLE webshop;
	GRANT clerk, webshop TO shop_owner;
});

foreach my $name (qw(README reference tutorial))
{
	my ($rest, @parts) = read_document("$name.md");

	$node->safe_psql('postgres', qq{CREATE DATABASE "$name" OWNER shop_owner});
	cmp_ok(scalar @parts, '>', 1, "$name.md has examples");
	run_blocks($node, $name, @parts);
	check_part("$name.md", $_) foreach @parts;
	write_document("$name.md", $rest, @parts);
}
check_completeness($node);

$node->stop;
done_testing();
