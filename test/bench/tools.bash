# test/bench/tools.bash: what the parts of test/bench/run share.
#
# Every figure goes through `show`, which prints it as a line of the table and
# writes it as a line of bench.csv.  Variants take turns, round by round, in an
# order that alternates; ratios are taken within a round, where other work on
# the machine slows both.

# shellcheck disable=SC2154

background=()

say() { printf '%s\n' "$*"; }

# Ends the run; from a subshell, at the end of the part.
fail() {
	printf 'bench: %s\n' "$*" >&2
	: >"$work/failed"
	exit 1
}

sql() {
	psql -XAtq -v ON_ERROR_STOP=1 "$@" || fail "a statement failed"
}

end_background() {
	local pid
	for pid in "${background[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	background=()
}

# --------------------------------------------------------------- statistics

# The value below which a part of the numbers on standard input lies: 0.5 is
# the median.
quantile() {
	sort -g | awk -v p="$1" '{ v[NR] = $1 } END {
		if (!NR) exit
		k = 1 + (NR - 1) * p
		printf "%.4g", v[int(k)] + (k - int(k)) * (v[int(k) + (k > int(k))] - v[int(k)]) }'
}

# The ratios of two files line by line: median and ends of the middle half.
ratio() {
	paste "$1" "$2" | awk '{ print $1 / $2 }' | sort -g | awk '
		{ v[NR] = $1 }
		function at(p,  k) {
			k = 1 + (NR - 1) * p
			return v[int(k)] + (k - int(k)) * (v[int(k) + (k > int(k))] - v[int(k)])
		}
		END { printf "%.2f %.2f %.2f", at(0.5), at(0.25), at(0.75) }'
}

# Is the value as the target, such as ">= 0.90", wants it?
judge() {
	[ -n "$2" ] || return 0
	# shellcheck disable=SC2086
	set -- "$1" $2
	awk -v v="$1" -v op="$2" -v t="$3" 'BEGIN {
		good = op == ">=" ? v >= t : op == "<=" ? v <= t : v < t
		print good ? "met" : "MISSED" }'
}

# -------------------------------------------------------------------- table

heading() {
	printf '\n== %s: %s\n' "$part" "$1"
	printf '%-46s %7s %5s %-11s %9s %-5s %8s %8s  %-18s %-8s\n' work clients \
		fsync variant value unit "p50 ms" "p99 ms" "${2:-ratio}" target
}

# Shows a figure.  Named values, without commas: work, variant, rows, clients, fsync, unit,
# value, p50, p99, ratio ("median low high"), target; without a ratio, the
# target is the value's.
show() {
	local work='' variant=customers rows=$rows clients='' fsync='' unit=''
	local value='' p50='' p99='' ratio='' target='' met='' shown='' named
	for named in "$@"; do
		printf -v "${named%%=*}" '%s' "${named#*=}"
	done
	# shellcheck disable=SC2086
	set -- $ratio
	met=$(judge "${1:-$value}" "$target")
	[ -z "$ratio" ] || shown="$1 ($2-$3)"
	printf '%-46s %7s %5s %-11s %9s %-5s %8s %8s  %-18s %-8s %s\n' "$work" \
		"$clients" "$fsync" "$variant" "$value" "$unit" "$p50" "$p99" "$shown" \
		"$target" "$met"
	printf '%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n' \
		"$started_at" "$server_version" "$extension_version" "$part" \
		"$work" "$variant" "$rows" "$clients" "$fsync" "$unit" "$value" \
		"$p50" "$p99" "${1:-}" "${2:-}" "${3:-}" "$target" "$met" >>"$csv"
}

# ------------------------------------------------------------------ pgbench

# Runs a script and adds its transactions a second to $work/<label>.rate, its
# latencies to $work/<label>.ms: label, script, clients, fsync, and options of
# pgbench.  fsync off is synchronous_commit off, for the session.  The first
# calls of a session, which read the catalogs and make plans, do not count.
run_script() {
	local label=$1 script=$2 clients=$3 fsync=$4 log=$work/pgbench.log
	local threads=$((clients > 2 ? 2 : 1))
	shift 4
	rm -f "$work"/latency.*
	PGOPTIONS="${PGOPTIONS:-} -c synchronous_commit=$fsync" \
		pgbench -n -M prepared -c "$clients" -j "$threads" -D rows="$rows" \
		-l --log-prefix="$work/latency" -f "$here/scripts/$script.pgbench" "$@" \
		>"$log" 2>&1 || { cat "$log" >&2; fail "$script does not run"; }
	awk -v clients="$clients" -v rates="$work/$label.rate" '
		{ turn[NR] = $2; took[NR] = $3; if ($2 > last) last = $2 }
		END {
			first = last > 100 ? 20 : int(last / 5)
			for (i = 1; i <= NR; i++)
				if (turn[i] >= first) {
					print took[i] / 1000
					sum += took[i]
					n++
				}
			print clients * n / sum * 1e6 >>rates
		}' "$work"/latency.* >>"$work/$label.ms" || fail "$script made no call"
	rm -f "$work"/latency.*
}

# The calls that each client makes in a round, after a first run of a second:
# script, clients, fsync.
calls_each() {
	run_script first "$@" -T 1
	tail -n 1 "$work/first.rate" | awk -v s="$seconds" -v clients="$2" '{
		n = int($1 * s / clients)
		print n < 20 ? 20 : n }'
}

# The words in the order of a round: forth and back in turns.
in_turn() {
	local round=$1 i
	shift
	if [ $((round % 2)) = 1 ]; then
		printf '%s\n' "$@"
	else
		for ((i = $#; i > 0; i--)); do printf '%s\n' "${!i}"; done
	fi
}

# A line for customers and for each variant beside it: what, clients, fsync,
# and variant:target, where the rates of $work/<variant>.rate are.
show_rates() {
	local what=$1 clients=$2 fsync=$3 each variant
	shift 3
	for each in customers: "$@"; do
		variant=${each%%:*}
		show work="$what" variant="$variant" clients="$clients" fsync="$fsync" \
			unit=/s value="$(quantile 0.5 <"$work/$variant.rate" | awk '{ printf "%.0f", $1 }')" \
			p50="$(quantile 0.5 <"$work/$variant.ms" | awk '{ printf "%.3f", $1 }')" \
			p99="$(quantile 0.99 <"$work/$variant.ms" | awk '{ printf "%.3f", $1 }')" \
			target="${each#*:}" \
			ratio="$([ "$variant" = customers ] ||
				ratio "$work/customers.rate" "$work/$variant.rate")"
	done
}

# Milliseconds of the statements and files that psql is given, as it says by
# \timing, and nothing of them stays: all is rolled back.
timed() {
	sql -c BEGIN -c '\o /dev/null' -c '\timing on' "$@" -c '\timing off' \
		-c ROLLBACK | awk '/^Time: / { sum += $2 } END { print sum }'
}
