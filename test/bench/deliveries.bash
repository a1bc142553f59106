# test/bench/deliveries.bash: what deliveries cost.
#
#   create     creating a customer with its event, with and without a
#              subscription whose daemon polls
#   doorbell   the same with a notification, beside the same work in PL/pgSQL
#              and pg_notify, one session listening
#   quiet      what a listener hears of customers by default: nothing
#   drain      100,000 waiting deliveries, four claimers
#   claim      what a claim costs, whatever waits or has failed
#   snapshot   what a claim costs while an old transaction is open, and after
#   steady     the size of the table in a steady load
#   latency    from the commit to the start of the daemon's command

# shellcheck disable=SC2034,SC2154

# The daemon that polls: ours where it is installed, otherwise a session that
# claims, acknowledges and sleeps the way that it does.
daemon_polls() {
	if command -v customers-notifyd >/dev/null; then
		customers-notifyd --stdout --subscription crm --poll 1 \
			>/dev/null 2>"$work/daemon.log" &
	else
		pgbench -n -M prepared -c 1 -T 100000 -f "$here/scripts/poll.pgbench" \
			>/dev/null 2>&1 &
	fi
	background+=($!)
	sleep 0.3
}

forget_crm() {
	sql -c "DELETE FROM shop.subscription WHERE name = 'crm'" \
		-c "TRUNCATE shop.delivery"
}

# Nothing waits, and statistics do not change in the middle of a part.
settle() {
	forget_crm
	sql -c "VACUUM (ANALYZE) shop.delivery" \
		-c "VACUUM (ANALYZE) shop.event" -c CHECKPOINT
}

part_create() {
	local n round variant calls
	need_shop
	heading "create + event, a subscription customer.* with a polling daemon, and none" \
		"with/without"
	for n in $clients; do
		rm -f "$work"/*.rate "$work"/*.ms
		calls=$(calls_each create.customers "$n" on)
		for ((round = 1; round <= rounds; round++)); do
			for variant in $(in_turn "$round" without customers); do
				forget_crm
				if [ "$variant" = customers ]; then
					sql -o /dev/null \
						-c "SELECT customers.subscribe('crm', '{customer.*}', false)"
					daemon_polls
				fi
				run_script "$variant" create.customers "$n" on -t "$calls"
				end_background
			done
		done
		show_rates "create with event and delivery" "$n" on "without:>= 0.90"
	done
	settle
}

# A session that hears of a channel until it is ended.
listen() {
	(printf 'LISTEN %s;\n' "$1"
		while sleep 0.2; do echo 'SELECT;'; done) |
		psql -XAtq >"$work/heard.$1" 2>&1 &
	background+=($!)
	sleep 0.3
}

part_doorbell() {
	local n round variant calls
	need_shop
	heading "create + event + delivery + notification, one session listening"
	sql -o /dev/null -c "SELECT customers.subscribe('crm', '{customer.*}', true)" \
		-c "DELETE FROM plain.subscription WHERE name = 'crm'" \
		-c "INSERT INTO plain.subscription VALUES ('crm', '{customer.*}', true)"
	listen customers_shop
	listen customers_plain
	for n in $clients; do
		rm -f "$work"/*.rate "$work"/*.ms
		calls=$(calls_each create.customers "$n" on)
		for ((round = 1; round <= rounds; round++)); do
			for variant in $(in_turn "$round" customers plpgsql); do
				run_script "$variant" "create.$variant" "$n" on -t "$calls"
			done
		done
		show_rates "create with delivery and notification" "$n" on \
			"plpgsql:>= 1.00"
	done
	end_background
	sql -c "DELETE FROM plain.subscription WHERE name = 'crm'" \
		-c "TRUNCATE plain.delivery"
	settle
}

# Prints how many notifications statements rang, as their session hears them.
rings() {
	sql -c "LISTEN customers_shop" "$@" | grep -c '^Asynchronous notification'
}

part_quiet() {
	need_shop
	heading "notifications heard with the subscription that a store begins with"
	show work="1000 customers created by a call each" unit=rings \
		value="$(rings -c "DO \$\$ BEGIN FOR i IN 1 .. 1000 LOOP
			PERFORM customers.create_customer('q' || i || '@bench.example'); COMMIT;
			END LOOP; END \$\$")" target="<= 0"
	show work="1000 customers updated by a call each" unit=rings \
		value="$(rings -c "DO \$\$ BEGIN FOR i IN 1 .. 1000 LOOP
			PERFORM customers.update_customer(id, '{\"phone\": \"1\"}')
			FROM shop.customer WHERE lower(email COLLATE \"C\") = 'q' || i || '@bench.example';
			COMMIT; END LOOP; END \$\$")" target="<= 0"
	show work="for comparison: one changes the e-mail" unit=rings \
		value="$(rings -o /dev/stdout -c "UPDATE shop.customer SET email = 'new-q1@bench.example'
			WHERE lower(email COLLATE \"C\") = 'q1@bench.example'")"
	settle
}

# So many deliveries wait for the subscription crm.
make_waiting() {
	sql -o /dev/null -c "SELECT customers.subscribe('crm', '{customer.*}', false)" \
		-c "CALL bench.make_deliveries($1)"
}

part_drain() {
	local waiting=${quick:+20000} claimers=4
	waiting=${waiting:-100000}
	need_shop
	heading "$waiting waiting deliveries, batches of 100"
	make_waiting "$waiting"
	sql -c "TRUNCATE bench.claimed, bench.acknowledged"
	# as many turns again by half, since claimers may be unequally fast
	pgbench -n -M prepared -c "$claimers" -j 2 \
		-t $((waiting * 3 / 2 / claimers / 100)) \
		-f "$here/scripts/drain.pgbench" >"$work/pgbench.log" 2>&1 ||
		{ cat "$work/pgbench.log" >&2; exit 1; }
	show work="claimed and acknowledged" clients="$claimers" fsync=on unit=/s \
		value="$(sql -c "SELECT round(sum(n) / extract(epoch FROM max(at) - min(at)))
			FROM bench.acknowledged")" target=">= 5000"
	show work="claimed twice or lost or left" clients="$claimers" fsync=on \
		unit=rows value="$(sql -c "
			SELECT abs(count(*) - count(DISTINCT delivery_id))
				+ abs(count(*) - (SELECT sum(n) FROM bench.acknowledged))
				+ abs(count(*) - $waiting) + (SELECT count(*) FROM shop.delivery)
			FROM bench.claimed")" target="<= 0"
	settle
}

# A line on the claims noted under a label: label, and what comes behind it.
show_claims() {
	local mid high
	IFS='|' read -r mid high < <(sql -F '|' -c "
		SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY microseconds) / 1000)::numeric, 3),
			round((percentile_cont(0.99) WITHIN GROUP (ORDER BY microseconds) / 1000)::numeric, 3)
		FROM bench.cost WHERE label = '$1'")
	show work="$1" unit=ms value="$mid" p50="$mid" p99="$high" clients=1 fsync=on
}

# Claims under a label: how often, label.
claim() {
	sql -c "CALL bench.claim('$2', 10, $1)"
	show_claims "$2"
}

# The second time, when the session has its plans.
show_pages() {
	show work="pages that a claim touches" unit=pages value="$(sql -c "BEGIN" \
		-c "SELECT bench.pages(10)" -c "SELECT bench.pages(10)" -c "ROLLBACK" |
		tail -n 1)"
}

part_claim() {
	local many=${quick:+20000}
	many=${many:-100000}
	need_shop
	heading "a claim of 10"
	sql -c "TRUNCATE bench.cost"
	make_waiting 1000
	claim 80 "1000 waiting"
	show_pages
	settle
	make_waiting "$many"
	claim 500 "$many waiting (never analyzed)"
	sql -c "VACUUM (ANALYZE) shop.delivery"
	claim 500 "$many waiting (analyzed)"
	show_pages
	sql -c "UPDATE shop.delivery SET failed_at = now(), attempts = 12, last_error = 'no such address'"
	make_waiting 1000
	claim 80 "1000 waiting + $many failed (not vacuumed)"
	sql -c "VACUUM (ANALYZE) shop.delivery"
	make_waiting 1000
	claim 80 "1000 waiting + $many failed (analyzed)"
	show_pages
	settle
}

part_snapshot() {
	local many=${quick:+10000} holder
	many=${many:-50000}
	need_shop
	heading "a claim of 10; $many deliveries come and go under an open transaction"
	sql -c "TRUNCATE bench.cost"
	make_waiting $((many + 4000))
	claim 50 "before"
	coproc HOLDER { psql -XAtq; }
	# shellcheck disable=SC2154
	holder=$HOLDER_PID
	echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'open';" >&"${HOLDER[1]}"
	read -r _ <&"${HOLDER[0]}"
	sql -c "CALL bench.claim('drained', 1000, $((many / 1000)))"
	claim 50 "while it is open"
	echo "COMMIT; SELECT 'closed';" >&"${HOLDER[1]}"
	read -r _ <&"${HOLDER[0]}"
	claim 1 "the first claim after it ended"
	claim 50 "the next ones"
	sql -c "VACUUM shop.delivery"
	claim 50 "after a VACUUM"
	kill "$holder" 2>/dev/null
	wait "$holder" 2>/dev/null
	settle
}

# Half an hour in half a minute: sixty times the load, and autovacuum looks
# sixty times as often.
part_steady() {
	local duration=${quick:+8} rate=600 backlog=6000 end
	duration=${duration:-40}
	need_shop
	heading "$rate deliveries a second for $duration s in and out, $backlog waiting, autovacuum_naptime 1s"
	sql -c "ALTER SYSTEM SET autovacuum_naptime = '1s'" \
		-c "ALTER SYSTEM SET autovacuum = on" \
		-c "SELECT pg_reload_conf()" -c "TRUNCATE bench.size" -o /dev/null
	make_waiting "$backlog"
	sql -c "VACUUM (FULL, ANALYZE) shop.delivery"
	pgbench -n -M prepared -c 2 -j 1 -R "$rate" -T "$duration" \
		-f "$here/scripts/create.customers.pgbench" >"$work/pgbench.log" 2>&1 &
	background+=($!)
	# what comes in goes out, the oldest first
	pgbench -n -M prepared -c 1 -R $((rate / 20)) -T "$duration" \
		-f "$here/scripts/steady.pgbench" >"$work/steady.log" 2>&1 &
	background+=($!)
	end=$((SECONDS + duration))
	while [ "$SECONDS" -lt "$end" ]; do
		sql -c "CALL bench.measure_size()"
		sleep 1
	done
	end_background
	show work="size of the table to that of its rows" unit=times \
		value="$(sql -c "SELECT round(percentile_cont(0.5)
			WITHIN GROUP (ORDER BY heap::float8 / live)::numeric, 2) FROM bench.size")" \
		target="< 2"
	# where writers fall behind the claims, few rows are left, and that figure
	# is about them; this one is not
	show work="its greatest size to the most of its rows" unit=times \
		value="$(sql -c "SELECT round(max(heap)::numeric / max(live), 2) FROM bench.size")"
	sql -o /dev/null -c "ALTER SYSTEM RESET autovacuum_naptime" \
		-c "ALTER SYSTEM SET autovacuum = off" -c "SELECT pg_reload_conf()"
	settle
}

# Events one by one; the command notes when it begins.  An event's created_at
# is the start of its transaction, so the statement and its commit count, too.
part_latency() {
	local n=${quick:+60} i mid high
	n=${n:-300}
	need_shop
	heading "from the start of a transaction to that of the daemon's command, $n events"
	if ! command -v customers-notifyd >/dev/null; then
		say "latency: skipped, customers-notifyd is not installed"
		return
	fi
	sql -o /dev/null -c "SELECT customers.subscribe('crm', '{customer.*}', true)" \
		-c "TRUNCATE bench.started"
	rm -f "$work/started"
	customers-notifyd --subscription crm --poll 3600 \
		--exec "sh -c 'date +%s.%N >>\"$work/started\"; cat >>\"$work/started\"'" \
		2>"$work/daemon.log" &
	background+=($!)
	sleep 1
	for ((i = 1; i <= n; i++)); do
		echo "SELECT customers.create_customer('l' || nextval('shop.customer_id_seq') || '@bench.example');"
		echo "SELECT pg_sleep(0.01 + random() * 0.02);"
	done | sql -o /dev/null
	for ((i = 0; i < 100; i++)); do
		[ "$(sql -c "SELECT count(*) FROM shop.delivery")" != 0 ] || break
		sleep 0.1
	done
	end_background
	awk '/^[0-9]/ { at = $1; next }
		match($0, /"event_id":[0-9]+/) {
			print substr($0, RSTART + 11, RLENGTH - 11) "\t" at
		}' "$work/started" | sql -c "COPY bench.started FROM STDIN"
	IFS='|' read -r mid high < <(sql -F '|' -c "
		SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 1),
			round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 1)
		FROM (SELECT 1000 * (s.at - extract(epoch FROM e.created_at)) AS ms
			FROM bench.started AS s JOIN shop.event AS e ON e.id = s.event_id) AS l")
	show work="customer created to command started" clients=1 fsync=on unit=ms \
		value="$mid" p50="$mid" p99="$high" target="< 20"
	settle
}
