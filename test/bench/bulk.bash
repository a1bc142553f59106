# test/bench/bulk.bash: many rows in one statement, everything rolled back.

# shellcheck disable=SC2034,SC2154

# Seconds of customers and of the variants, from $work/<variant>.rate, which
# has milliseconds: what, then variant:target.  With ">=", the ratio is how
# many times as fast customers is; otherwise how many times as long it takes.
show_times() {
	local what=$1 each variant target by
	shift
	for each in customers: "$@"; do
		variant=${each%%:*}
		target=${each#*:}
		by=
		case $variant:$target in
			customers:*) ;;
			*:'>='*) by=$(ratio "$work/$variant.rate" "$work/customers.rate") ;;
			*) by=$(ratio "$work/customers.rate" "$work/$variant.rate") ;;
		esac
		show work="$what" variant="$variant" clients=1 fsync=off unit=s \
			value="$(quantile 0.5 <"$work/$variant.rate" | awk '{ printf "%.3f", $1 / 1000 }')" \
			ratio="$by" target="$target"
	done
}

# Each round of so many runs "time_it <variant>" for each variant, which prints
# ms.
take_times() {
	local round variant most=$1
	shift
	rm -f "$work"/*.rate
	for ((round = 0; round < (rounds < most ? rounds : most); round++)); do
		for variant in $(in_turn "$round" "$@"); do
			"$time_it" "$variant" >>"$work/$variant.rate"
			sql -c "VACUUM" -c CHECKPOINT
		done
	done
}

schema_of() {
	case $1 in
		customers) echo shop ;;
		limit) echo limit_ ;;
		plpgsql) echo plain ;;
	esac
}

time_copy() {
	timed -c "\\copy $(schema_of "$1").customer (email, has_account, first_name, last_name, company_name, phone, metadata, external_id, created_at) FROM '$work/people.copy'" \
		-c "SET CONSTRAINTS ALL IMMEDIATE"
}

# The array is made before, in a temporary table.
time_group() {
	local call="SELECT customers.add_customers_to_group(22, ids) FROM ids"
	case $1 in
		limit) call="INSERT INTO limit_.customer_group_member (customer_group_id, customer_id, added_by) SELECT 22, i, current_user FROM ids, unnest(ids) AS i" ;;
		plpgsql) call="SELECT plain.add_customers_to_group(22, ids) FROM ids" ;;
	esac
	timed -c '\timing off' \
		-c "CREATE TEMPORARY TABLE ids AS SELECT array_agg(i) AS ids FROM generate_series(1, $rows) AS i" \
		-c '\timing on' -c "$call"
}

# customers.import_customers, COPY, and one call of create_customer after the
# other, for the same people.
time_import() {
	local columns="email, has_account, first_name, last_name, company_name, phone, metadata, external_id, created_at"
	case $1 in
		customers) timed -c '\timing off' \
			-c "CREATE TEMPORARY TABLE people AS SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(p))) AS rows FROM bench.imported AS p" \
			-c '\timing on' \
			-c "SELECT bench.assert(i.imported = jsonb_array_length(people.rows), i.refused::text) FROM people, customers.import_customers(people.rows) AS i" ;;
		copy) timed -c "\\copy shop.customer ($columns) FROM '$work/imported.copy'" ;;
		calls) timed -c "SET LOCAL synchronous_commit = off" -f "$work/calls.sql" ;;
	esac
}

part_bulk() {
	local time_it imported=$((rows / 10))
	need_shop
	heading "many rows in one statement, events on, seconds"
	sql -c "SELECT setseed(0.25)" -o /dev/null \
		-c "\\copy (SELECT 'new.' || p.email, has_account, first_name, last_name, company_name, phone, metadata, 'new' || external_id, created_at FROM bench.people(1, $all_rows, 0) AS p) TO '$work/people.copy'"
	time_it=time_copy
	take_times 3 customers limit plpgsql
	rows=$all_rows show_times "COPY of $all_rows customers" "limit:<= 1.60" "plpgsql:>= 2.00"
	time_it=time_group
	take_times 5 customers limit plpgsql
	show_times "$rows customers into a group" "limit:<= 3.00" "plpgsql:"
	if [ -z "$(sql -c "SELECT to_regproc('customers.import_customers')")" ]; then
		say "import_customers: skipped, there is no such function"
		return
	fi
	sql -c "SELECT setseed(0.75)" -o /dev/null -c "CREATE UNLOGGED TABLE bench.imported AS
		SELECT 'imported.' || p.email AS email, has_account, first_name, last_name, company_name, phone, metadata, 'imported' || external_id AS external_id, created_at
		FROM bench.people(1, $imported, 0) AS p" \
		-c "\\copy bench.imported TO '$work/imported.copy'"
	sql -c "SELECT format('SELECT customers.create_customer(%L, %L, %L, %L, %L, %L);', email, first_name, last_name, company_name, phone, metadata) FROM bench.imported" >"$work/calls.sql"
	time_it=time_import
	take_times 5 customers copy calls
	show_times "import_customers of $imported" "copy:" "calls:"
	sql -c "DROP TABLE bench.imported"
}
