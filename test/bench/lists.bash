# test/bench/lists.bash: search, filters and pages in the store large, of
# $all_rows customers with a search index, and inserts into it.

# shellcheck disable=SC2034,SC2154

need_large() {
	[ -z "$(sql -c "SELECT to_regnamespace('large')")" ] || return 0
	say "filling the store of $all_rows customers" >&2
	sql -o /dev/null -c "SELECT customers.create_store('large')"
	fill large "$all_rows" $((all_rows / 5 + transfers * rounds)) \
		$((transfers * rounds))
	settle_shop
}

# What is searched for, by kind, from 1.  No word is in a name by chance: those
# that are absent have letters of no name, and digits are in addresses only
# behind their names.
make_words() {
	sql -c "TRUNCATE bench.word" -c "
		INSERT INTO bench.word
		SELECT 'selective', n, lower(split_part(email, '@', 1))
		FROM (SELECT row_number() OVER () AS n, email FROM large.customer
			WHERE id % ($all_rows / 100) = 3) AS c
		UNION ALL
		SELECT 'surname', n, name
		FROM unnest(bench.surnames()) WITH ORDINALITY AS s (name, n)
		UNION ALL
		SELECT 'rare', n, name
		FROM unnest(bench.rare_names()) WITH ORDINALITY AS s (name, n)
		UNION ALL
		SELECT 'absent', n, 'qwx' || md5(n::text) FROM generate_series(1, 100) AS n
		UNION ALL SELECT 'common', 1, 'gmail'
		UNION ALL SELECT 'old', 1, 'altbestand'
		UNION ALL
		SELECT 'two', n, (bench.given_names())[1 + n * 7 % 60] || ' ' || name
		FROM unnest(bench.surnames()) WITH ORDINALITY AS s (name, n)" \
		-c "ANALYZE bench.word"
}

# The cursors at a tenth, half and nearly all of each sort; the first page has
# none.
make_cursors() {
	local sort key place
	sql -c "TRUNCATE bench.cursor"
	for sort in id -id email -email last_name -last_name created_at -created_at; do
		key=${sort#-}
		[ "$key" != email ] || key='lower(email COLLATE "C")'
		sql -c "INSERT INTO bench.cursor VALUES ('$sort', 1, NULL)"
		for place in 0.1 0.5 0.99; do
			sql -c "INSERT INTO bench.cursor
				SELECT '$sort', count(*) + 1, (SELECT l.cursor
					FROM (SELECT email, has_account FROM large.customer
						ORDER BY $key $([ "$key" = "$sort" ] || echo DESC),
							id $([ "$key" = "$sort" ] || echo DESC)
						OFFSET floor($all_rows * $place)::bigint LIMIT 1) AS c,
					customers.list_customers(
						filter => jsonb_build_object('email', c.email),
						sort => '$sort') AS l
					LIMIT 1)
				FROM bench.cursor WHERE sort = '$sort'"
		done
	done
	[ "$(sql -c "SELECT count(*) FROM bench.cursor WHERE cursor IS NOT NULL")" = 24 ] ||
		fail "some cursors were not found"
	sql -c "ANALYZE bench.cursor"
}

# Latencies of one statement, one client: work, quantile with a target, target
# in ms, how often, statement, variables.
show_latency() {
	local what=$1 tail=$2 target=$3 times=$4 statement=$5 value
	shift 5
	printf '%s\n' "$@" "$statement" >"$work/list.pgbench"
	rm -f "$work"/latency.*
	# the first calls of a session read its plans and the catalogs
	PGOPTIONS="-c customers.store=large" pgbench -n -M prepared -c 1 \
		-t $((times + 20)) -l --log-prefix="$work/latency" \
		-f "$work/list.pgbench" >"$work/pgbench.log" 2>&1 ||
		{ cat "$work/pgbench.log" >&2; fail "a list does not run: $what"; }
	awk '$2 >= 20 { print $3 / 1000 }' "$work"/latency.* >"$work/list.ms"
	value=$(quantile "$tail" <"$work/list.ms")
	show work="$what" rows="$all_rows" clients=1 unit=ms value="$value" \
		p50="$(quantile 0.5 <"$work/list.ms")" \
		p99="$(quantile 0.99 <"$work/list.ms")" target="$target"
}

# A page of 50 for words of a kind: what, kind, target.
search_for() {
	local words
	words=$(sql -c "SELECT count(*) FROM bench.word WHERE kind = '$2'")
	show_latency "$1, p95" 0.95 "$3" "${list_calls}" \
		"SELECT * FROM customers.list_customers((SELECT word FROM bench.word WHERE kind = '$2' AND n = :n));" \
		"\\set n random(1, $words)"
}

# How long a statement of so many ms lasts that its statement_timeout of one
# third ends.
show_timeout() {
	local statement=$1 limit=$2 ended
	ended=$(psql -XAtq -c "SET customers.store = 'large'" \
		-c "SET statement_timeout = $limit" -c '\timing on' -c "$statement" \
		2>"$work/timeout.log" | sed -n 's/^Time: \([0-9.]*\) .*/\1/p')
	grep -q 'statement timeout' "$work/timeout.log" ||
		say "the worst case ended before its statement_timeout of $limit ms"
	show work="the worst of these; statement_timeout $limit ms" \
		rows="$all_rows" clients=1 unit=ms value="$ended" target="<= $((limit + 20))"
}

# A common word under filters that nothing or little of it passes.
excluded() {
	local i worst=0 ms limit statement
	local named=("in a group without it" "not in a group with all" "a metadata that nobody has" "changed after now" "created before all")
	local filters=('{"groups": [20]}' '{"not_groups": [1,2,3,4,5,6,7], "groups": [20]}' '{"metadata": {"tier": "none"}}' '{"updated_from": "2100-01-01"}' '{"created_before": "2000-01-01"}')
	for i in "${!filters[@]}"; do
		for sort in -created_at last_name; do
			show_latency "word in 35 %, ${named[i]}, $sort" 1 "<= 300" \
				"${quick:+5}${quick:-20}" \
				"SELECT * FROM customers.list_customers('gmail', '${filters[i]}', '$sort');"
			ms=$(quantile 0.5 <"$work/list.ms")
			if awk -v a="$ms" -v b="$worst" 'BEGIN { exit !(a > b) }'; then
				worst=$ms
				statement="SELECT * FROM customers.list_customers('gmail', '${filters[i]}', '$sort')"
			fi
		done
	done
	limit=$(awk -v ms="$worst" 'BEGIN { print int(ms / 3 > 1 ? ms / 3 : 1) }')
	show_timeout "$statement" "$limit"
}

part_lists() {
	local sort list_calls=${quick:+100}
	list_calls=${list_calls:-300}
	need_large
	make_words
	make_cursors
	heading "in a store of $all_rows customers, milliseconds; pages of 50, one client"
	search_for "search: selective" selective "<= 10"
	search_for "search: surname" surname "<= 10"
	search_for "search: rare name of two characters" rare "<= 10"
	search_for "search: absent" absent "<= 10"
	search_for "search: in 35 % of the rows" common "<= 10"
	search_for "search: two words" two "<= 10"
	search_for "search: in the 5000 oldest rows" old "<= 15"
	excluded
	for sort in id -id email -email last_name -last_name created_at -created_at; do
		show_latency "page at any depth, sort $sort, p50" 0.5 "<= 1" \
			"$list_calls" \
			"SELECT * FROM customers.list_customers(sort => '$sort', after => (SELECT cursor FROM bench.cursor WHERE sort = '$sort' AND n = :n));" \
			"\\set n random(1, 4)"
	done
	show_inserts
}

# Single inserts while the index of the search grows.
show_inserts() {
	local mid tail
	rm -f "$work"/*.rate "$work"/*.ms
	rows=$all_rows PGOPTIONS="-c customers.store=large" run_script customers \
		create.customers 1 off -T "${quick:+3}${quick:-10}"
	mid=$(quantile 0.5 <"$work/customers.ms")
	tail=$(quantile 0.99 <"$work/customers.ms")
	show work="create: p99 to p50" rows="$all_rows" clients=1 fsync=off unit=times \
		value="$(awk -v a="$tail" -v b="$mid" 'BEGIN { printf "%.1f", a / b }')" \
		p50="$mid" p99="$tail" target="<= 10"
	show work="create: the slowest" rows="$all_rows" clients=1 fsync=off unit=ms \
		value="$(quantile 1 <"$work/customers.ms")"
}
