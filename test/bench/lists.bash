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
		SELECT 'short', n, words
		FROM unnest('{qx,an qx,li zy,gmail qj}'::text[]) WITH ORDINALITY AS s (words, n)
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

# Latencies of one statement, one client: work, its quantile that counts,
# target in ms, how often, statement, how its variables are set.  $by is the
# variant, $warm the number of calls before, which read plans and catalogs.
show_latency() {
	local what=$1 tail=$2 target=$3 times=$4 statement=$5
	local warm=${warm:-20}
	shift 5
	printf '%s\n' "$@" "$statement" >"$work/list.pgbench"
	rm -f "$work"/latency.*
	pgbench -n -M prepared -c 1 -t $((times + warm)) -l \
		--log-prefix="$work/latency" -f "$work/list.pgbench" \
		>"$work/pgbench.log" 2>&1 ||
		{ cat "$work/pgbench.log" >&2; fail "a list does not run: $what"; }
	awk -v warm="$warm" '$2 >= warm { print $3 / 1000 }' "$work"/latency.* \
		>"$work/list.ms"
	show work="$what" variant="${by:-customers}" rows="$all_rows" clients=1 \
		unit=ms value="$(quantile "$tail" <"$work/list.ms")" \
		p50="$(quantile 0.5 <"$work/list.ms")" \
		p99="$(quantile 0.99 <"$work/list.ms")" target="$target"
}

# A page of 50 for words of a kind, the newest first: what, kind, target.
search_for() {
	local words
	words=$(sql -c "SELECT count(*) FROM bench.word WHERE kind = '$2'")
	show_latency "search: $1 (p95)" 0.95 "$3" "$list_calls" \
		"SELECT * FROM customers.list_customers((SELECT word FROM bench.word WHERE kind = '$2' AND n = :n));" \
		"\\set n random(1, $words)"
}

# The same by hand, without an index of words.
search_by_hand() {
	local words pattern="'%' || (SELECT word FROM bench.word WHERE kind = '$2' AND n = :n) || '%'"
	words=$(sql -c "SELECT count(*) FROM bench.word WHERE kind = '$2'")
	by=ILIKE warm=1 show_latency "search: $1 (p95)" 0.95 "" 4 \
		"SELECT * FROM large.customer WHERE email ILIKE $pattern OR first_name ILIKE $pattern OR last_name ILIKE $pattern OR company_name ILIKE $pattern OR phone ILIKE $pattern ORDER BY created_at DESC, id DESC LIMIT 50;" \
		"\\set n random(1, $words)"
}

# How long a statement of so many ms lasts that its statement_timeout of one
# third ends.
show_timeout() {
	local statement=$1 limit=$2 ended
	ended=$(psql -XAtq -c "SET statement_timeout = $limit" -c '\timing on' -c "$statement" \
		2>"$work/timeout.log" | sed -n 's/^Time: \([0-9.]*\) .*/\1/p')
	grep -q 'statement timeout' "$work/timeout.log" ||
		say "the worst case ended before its statement_timeout of $limit ms"
	show work="the worst at statement_timeout $limit ms" \
		rows="$all_rows" clients=1 unit=ms value="$ended" target="<= $((limit + 20))"
}

# A common word under filters that let nothing of it through, or little.
excluded() {
	local i sort ms statement worst=0
	local named=(group groups metadata updated_from created_before)
	local filters=('{"groups": [20]}'
		'{"groups": [20], "not_groups": [1, 2, 3, 4, 5, 6, 7]}'
		'{"metadata": {"tier": "none"}}' '{"updated_from": "2100-01-01"}'
		'{"created_before": "2000-01-01"}')
	for i in "${!filters[@]}"; do
		for sort in -created_at last_name; do
			statement="SELECT * FROM customers.list_customers('gmail', '${filters[i]}', '$sort')"
			warm=5 show_latency "excluded by ${named[i]} $sort (most)" 1 \
				"<= 300" 10 "$statement;"
			ms=$(quantile 0.5 <"$work/list.ms")
			if awk -v a="$ms" -v b="$worst" 'BEGIN { exit !(a > b) }'; then
				worst=$ms
				slowest=$statement
			fi
		done
	done
	show_timeout "$slowest" \
		"$(awk -v ms="$worst" 'BEGIN { print int(ms / 3 > 1 ? ms / 3 : 1) }')"
}

# Every class of word under every single filter in every sort: the worst call of
# each class, and what it was.  A page that a word and a filter leave empty is
# the hard case, for which the rest of the table says what a single one costs.
show_matrix() {
	local class most what times
	sql -f "$here/matrix.sql" >"$work/matrix.txt"
	while IFS='|' read -r class most what times; do
		show work="worst of $times: $class ($what)" rows="$all_rows" clients=1 \
			unit=ms value="$most" target="<= 300"
	done <"$work/matrix.txt"
}

part_lists() {
	local sort slowest list_calls=${quick:+100}
	list_calls=${list_calls:-300}
	need_large
	local -x PGOPTIONS="-c customers.store=large"
	make_words
	make_cursors
	heading "in a store of $all_rows customers, milliseconds; pages of 50, one client"
	search_for "selective" selective "<= 10"
	search_by_hand "selective" selective
	search_for "surname" surname "<= 10"
	search_for "rare name of two characters" rare "<= 10"
	search_for "absent" absent "<= 10"
	search_by_hand "absent" absent
	search_for "in 35 % of the rows" common "<= 10"
	search_by_hand "in 35 % of the rows" common
	search_for "two words" two "<= 10"
	search_for "absent two letters beside common words" short "<= 10"
	search_for "in the oldest 5000 rows" old "<= 15"
	excluded
	show_matrix
	for sort in id -id email -email last_name -last_name created_at -created_at; do
		show_latency "page at any depth by $sort (p50)" 0.5 "<= 1" \
			"$list_calls" \
			"SELECT * FROM customers.list_customers(sort => '$sort', after => (SELECT cursor FROM bench.cursor WHERE sort = '$sort' AND n = :n));" \
			"\\set n random(1, 4)"
	done
	by=OFFSET warm=1 show_latency "page at any depth by -created_at (p50)" 0.5 "" 8 \
		"SELECT * FROM large.customer ORDER BY created_at DESC, id DESC LIMIT 50 OFFSET :n;" \
		"\\set n random(0, $all_rows)"
	show_inserts
}

# Single inserts while the index of the search grows.
show_inserts() {
	local mid tail duration=${quick:+3}
	rm -f "$work"/*.rate "$work"/*.ms
	rows=$all_rows run_script customers create.customers 1 off \
		-T "${duration:-10}"
	mid=$(quantile 0.5 <"$work/customers.ms")
	tail=$(quantile 0.99 <"$work/customers.ms")
	show work="create: p99 to p50" rows="$all_rows" clients=1 fsync=off unit=times \
		value="$(awk -v a="$tail" -v b="$mid" 'BEGIN { printf "%.1f", a / b }')" \
		p50="$mid" p99="$tail" target="<= 10"
	show work="create: the slowest" rows="$all_rows" clients=1 fsync=off unit=ms \
		value="$(quantile 1 <"$work/customers.ms")"
}
