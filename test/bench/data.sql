-- The data of the benchmarks: the same on every run.
--
-- Names are spread like those of people: a few are common, most are rare.
-- One customer in ten thousand has a Chinese name of two characters; 35 in
-- 100 have their e-mail at gmail.example; the oldest 5,000 (at most a tenth)
-- have the company Altbestand; one in five is registered.

CREATE FUNCTION bench.given_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN string_to_array('Anna Maria Peter Thomas Laura Michael Julia Martin '
	'Sarah Daniel Eva Paul Lena Jan Sofia Lukas Emma David Clara Simon Nora '
	'Felix Ida Jonas Greta Max Alma Oskar Ella Anton Frida Karl Lotte Emil '
	'Marta Hugo Rosa Otto Vera Bruno Olga Arne Britta Carl Dora Erik Fatima '
	'Gustav Hanna Igor Jasmin Kofi Leila Mehmet Nadia Omar Petra Quentin '
	'Rahel Sven', ' ');

CREATE FUNCTION bench.surnames() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN string_to_array('Schmidt Meyer Novak Rossi Jensen Silva Martin Weber '
	'Fischer Wagner Becker Hoffmann Koch Richter Klein Wolf Neumann Schwarz '
	'Zimmermann Braun Hofmann Hartmann Lange Werner Krause Lehmann Maier '
	'Huber Kaiser Fuchs Peters Lang Scholz Jung Hahn Keller Vogel Schubert '
	'Roth Frank Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig '
	'Winter Kraus Schulte Vogt Sommer Stein Haas Graf Heinrich Seidel Brandt '
	'Haase Dietrich Ziegler Kuhn Pohl Engel Horn Busch Bergmann Voigt Sauer '
	'Arnold Pfeiffer Ernst Kowalski Andersen Dubois Laurent Moreau Garcia '
	'Fernandez Ortega Castillo Ferrari Colombo Ricci Greco Holm Lindqvist '
	'Virtanen Korhonen Okafor Mensah Diallo Traore Tanaka Yamamoto Nguyen '
	'Haddad Yilmaz Demir Popescu Ionescu Horvat Kovacs Szabo', ' ');

CREATE FUNCTION bench.rare_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN string_to_array('歐陽 司馬 上官 諸葛 東方 皇甫 令狐 慕容 尉遲 公孫', ' ');

-- One of the words; the first is the most frequent.
CREATE FUNCTION bench.pick(words text[], random float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN words[floor((cardinality(words) + 1) ^ random)::integer];

-- The rows that a shop would bring along, first to last.
CREATE FUNCTION bench.people(first bigint, last bigint, oldest bigint)
RETURNS TABLE (email text, has_account boolean, first_name text,
	last_name text, company_name text, phone text, metadata jsonb,
	external_id text, created_at timestamptz)
LANGUAGE sql
AS $$
	SELECT lower(p.given) || '.' || lower(p.surname) || p.i || '@' ||
			CASE WHEN p.r1 < 0.35 THEN 'gmail.example'
			ELSE 'post' || floor(50 ^ p.r2)::integer || '.example' END,
		p.i % 5 = 0, p.given,
		CASE WHEN p.i % 10007 = 17
			THEN (bench.rare_names())[1 + p.i / 10007 % 10]
			ELSE p.surname END,
		CASE WHEN p.i <= $3 THEN 'Altbestand'
			WHEN p.r3 < 0.1
			THEN p.surname || (ARRAY[' GmbH', ' Ltd', ' SARL', ' Inc'])
				[1 + floor(p.r3 * 40)::integer] END,
		CASE WHEN p.r2 < 0.7
			THEN '+' || 30 + floor(p.r3 * 60)::integer || ' ' ||
				floor(p.r2 * 1e10)::bigint END,
		CASE WHEN p.r3 > 0.7 THEN '{"tier": "gold", "source": "web"}'::jsonb
			ELSE '{}' END,
		CASE WHEN p.i % 5 = 0 THEN 'x' || p.i END,
		timestamptz '2025-01-01' + p.i * interval '30 s'
	FROM (SELECT i, random() AS r1, random() AS r2, random() AS r3,
			bench.pick(bench.given_names(), random()) AS given,
			bench.pick(bench.surnames(), random()) AS surname
		FROM generate_series($1, $2) AS i) AS p
$$;

-- Fills an empty store: customers 1 .. n, groups 1 .. 20 (of which the first
-- has every third customer and 20 nobody at gmail.example) and the empty ones
-- 21 .. 25, and orders, the first of which, for transfers, belong to guests.
-- Call it with customers.record_events off.
CREATE PROCEDURE bench.fill(store name, n bigint, orders bigint,
	transfers bigint)
LANGUAGE plpgsql
AS $$
DECLARE
	search_index text;
BEGIN
	PERFORM setseed(0.5);
	SELECT indexdef INTO search_index FROM pg_indexes
	WHERE schemaname = store AND indexname = 'customer_search_idx';
	IF FOUND THEN
		EXECUTE format('DROP INDEX %I.customer_search_idx', store);
	END IF;
	EXECUTE format('INSERT INTO %I.customer (email, has_account, first_name,
			last_name, company_name, phone, metadata, external_id, created_at)
		SELECT * FROM bench.people(1, $1, least(5000, $1 / 10))', store)
		USING n;
	COMMIT;
	IF search_index IS NOT NULL THEN
		EXECUTE search_index;
	END IF;
	EXECUTE format('INSERT INTO %I.customer_group (name)
		SELECT ''Group '' || g FROM generate_series(1, 25) AS g', store);
	-- what follows names every column and breaks no rule
	SET LOCAL session_replication_role = replica;
	EXECUTE format('INSERT INTO %1$I.customer_group_member
			(customer_group_id, customer_id, added_by)
		SELECT g, c.id, ''bench''
		FROM %1$I.customer AS c, generate_series(1, 20) AS g
		WHERE (g < 20 AND c.id %% (1 + 2 * g) = 0 AND (g < 8 OR c.id %% 7 = 0))
			OR (g = 20 AND c.id %% 50 = 1
				AND c.email NOT LIKE ''%%@gmail.example'')', store);
	EXECUTE format('INSERT INTO %1$I.orders (customer_id, email, status,
			currency_code, total, placed_at, created_at)
		SELECT c.id, c.email, CASE WHEN o.i > $3 AND o.i %% 20 = 0
				THEN ''draft'' ELSE ''completed'' END,
			''EUR'', o.i %% 300 + 0.99, o.at, o.at
		FROM (SELECT i, CASE WHEN i <= $3 THEN 1 + 5 * (i %% ($1 / 5))
					ELSE 1 + floor($1 * random() ^ 2)::bigint END AS customer,
				timestamptz ''2026-01-01'' + i * interval ''20 s'' AS at
			FROM generate_series(1, $2) AS i) AS o
		JOIN %1$I.customer AS c ON c.id = o.customer
		ORDER BY o.i', store) USING n, orders, transfers;
	SET LOCAL session_replication_role = origin;
END $$;
