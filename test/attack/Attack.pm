# What the attacks share: a server with a stranger, mallory, who may create
# schemas and nothing else, and sessions of his that go on after errors.
package Attack;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Shop;
use Test::More;

our @EXPORT = qw(attack_node answer states survives end_attack);

my %started;

# A node with the extension, the role mallory, and a store "shop" of his.
sub attack_node
{
	my ($name, %params) = @_;
	my $node = shop_node($name, store => 0, conf => "log_min_messages = error\n" . ($params{conf} // ''));

	$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE postgres TO mallory');
	$started{$node->name} = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	answer($node, 'SELECT customers.create_store()');
	return $node;
}

# What sql answers to mallory, or to the role that is named; dies of an error.
sub answer
{
	my ($node, $sql, $role) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', $role // 'mallory' ]);
}

# The SQLSTATEs of the errors of his statements, in a session that goes on to
# the end.
sub states
{
	my ($node, $sql, $role) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "$sql\n;\\echo lives\n", on_error_stop => 0,
		timeout => 120, extra_params => [ '-U', $role // 'mallory', '-v', 'VERBOSITY=verbose' ]);

	return "the session ended: $err" if $ret != 0 || ($out // '') !~ /^lives$/m;
	return join ' ', ($err =~ /ERROR:\s+(\w{5}):/g);
}

# Whatever his statements answer, it is no internal error, and the session goes
# on; nor is it an error of the test's own making.
sub survives
{
	my ($node, $name, $sql, $role) = @_;

	unlike(states($node, $sql, $role), qr/XX|ended|42601/, $name);
	return;
}

# The server is the one that was started.
sub end_attack
{
	my ($node) = @_;

	is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started{$node->name}, 'the server never restarted');
	$node->stop;
	return;
}

1;
