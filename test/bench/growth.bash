# test/bench/growth.bash: the same calls in a store and in one with a hundredth
# of its customers; both have the search index.

# shellcheck disable=SC2034,SC2154

need_small() {
	local small=$1
	[ -z "$(sql -c "SELECT to_regnamespace('small')")" ] || return 0
	sql -o /dev/null -c "SELECT customers.create_store('small')"
	fill small "$small" $((small / 5 + transfers * rounds)) $((transfers * rounds))
	settle_shop
}

# Script, what, customers of the small store; and $each_runs, as compare.
grow() {
	local script=$1 what=$2 small=$3 round store calls=$each_runs
	rm -f "$work"/*.rate "$work"/*.ms
	[ -n "$calls" ] ||
		calls=$(rows=$small PGOPTIONS="-c customers.store=small" \
			calls_each "$script.customers" 1 off)
	for ((round = 0; round < rounds; round++)); do
		for store in $(in_turn "$round" small large); do
			rows=$([ "$store" = small ] && echo "$small" || echo "$all_rows") \
				PGOPTIONS="-c customers.store=$store" \
				run_script "$store" "$script.customers" 1 off \
				-t "$calls" -D n=$((round * calls))
		done
	done
	for store in small large; do
		show work="$what" clients=1 fsync=off unit=/s \
			rows="$([ "$store" = small ] && echo "$small" || echo "$all_rows")" \
			variant="$([ "$store" = small ] && echo "$small" || echo "$all_rows")" \
			value="$(quantile 0.5 <"$work/$store.rate" | awk '{ printf "%.0f", $1 }')" \
			p50="$(quantile 0.5 <"$work/$store.ms" | awk '{ printf "%.3f", $1 }')" \
			p99="$(quantile 0.99 <"$work/$store.ms" | awk '{ printf "%.3f", $1 }')" \
			target="$([ "$store" = small ] || echo "<= 1.30")" \
			ratio="$([ "$store" = small ] || ratio "$work/small.rate" "$work/large.rate")"
	done
	settle_shop
}

part_growth() {
	local small=$((all_rows / 100)) each_runs=''
	[ "$small" -ge 1000 ] || small=1000
	if [ "$small" -ge "$all_rows" ]; then
		say "growth: skipped, a store of $all_rows customers is too small"
		return
	fi
	need_large
	need_small "$small"
	heading "the same calls in a store of $small and of $all_rows customers" "time, x"
	grow create "create a customer with its event" "$small"
	grow update "update one field" "$small"
	grow details "details with groups and order count" "$small"
	each_runs=$transfers
	grow request "request a transfer" "$small"
}
