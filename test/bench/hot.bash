# test/bench/hot.bash: single calls, beside the limit and PL/pgSQL.

# shellcheck disable=SC2034,SC2154

# Rounds of a piece of work: name of its scripts, what it is, clients, fsync,
# then variant:target.  With $each_runs, each round of each variant makes so
# many calls, on rows of its own.
compare() {
	local script=$1 what=$2 count=$3 fsync=$4 round variant calls=$each_runs
	local variants=(customers) each
	shift 4
	for each in "$@"; do variants+=("${each%%:*}"); done
	rm -f "$work"/*.rate "$work"/*.ms
	[ -n "$calls" ] || calls=$(calls_each "$script.customers" "$count" "$fsync")
	for ((round = 0; round < rounds; round++)); do
		for variant in $(in_turn "$round" "${variants[@]}"); do
			run_script "$variant" "$script.$variant" "$count" "$fsync" \
				-t "$calls" -D n=$((first_row + round * calls))
		done
	done
	show_rates "$what" "$count" "$fsync" "$@"
	settle_shop
}

# All variants have left as many rows; otherwise one did not do its work.
same_rows() {
	local counts
	counts=$(for schema in shop limit_ plain; do
		sql -c "SELECT count(*) FROM $schema.$1"
	done | sort -u | wc -l)
	[ "$counts" = 1 ] || fail "the variants have not written the same: $1"
}

part_hot() {
	local n each_runs='' first_row=0 waiting=$((transfers * rounds))
	need_shop
	heading "single calls in a store of $rows customers, transactions a second"
	compare create "create a customer with its event" 1 off \
		"limit:>= 1.00" "plpgsql:>= 1.40"
	for n in $clients; do
		compare create "create a customer with its event" "$n" on \
			"limit:>= 1.00" "plpgsql:>= 1.30"
	done
	compare insert "INSERT by the user with its event" 1 off "limit:>= 0.90"
	compare insert "INSERT by the user with its event" 8 on "limit:>= 0.85"
	compare update "update one field" 1 off "limit:>= 0.95" "plpgsql:>= 1.30"
	compare details "details with groups and order count" 1 off \
		"limit:>= 0.80" "plpgsql:"
	each_runs=$transfers
	compare groups "add to a group" 1 off "limit:" "plpgsql:"
	same_rows "customer_group_member"
	first_row=$waiting
	compare request "request a transfer" 1 off "limit:>= 0.80" "plpgsql:>= 1.20"
	same_rows "order_transfer WHERE status = 'requested'"
	same_rows "delivery"
	first_row=0
	compare accept "accept a transfer" 1 off "limit:>= 0.80" "plpgsql:>= 1.20"
	same_rows "order_transfer WHERE status = 'accepted'"
	same_rows "delivery"
}

# The store as create_store makes it, with the search index, which the tables by
# hand have not.
part_indexed() {
	local n each_runs='' first_row=0
	if [ "${SEARCH:-false}" = true ]; then
		say "indexed: skipped, all variants have the search index"
		return
	fi
	need_shop
	sql -o /dev/null -c "UPDATE shop.store_info SET search = true" \
		-c "SELECT customers.create_store('shop')"
	settle_shop
	heading "the default store, whose customers are searched by an index, transactions a second"
	compare create "create, with the search index" 1 off "limit:" "plpgsql:"
	for n in $clients; do
		compare create "create, with the search index" "$n" on "limit:" "plpgsql:"
	done
	compare update "update one field, with the search index" 1 off "limit:" "plpgsql:"
	sql -c "UPDATE shop.store_info SET search = false" \
		-c "DROP INDEX shop.customer_search_idx"
	settle_shop
}
