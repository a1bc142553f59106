-- Every class of word under every single filter in every sort, each called
-- twice in the store large, of which the faster call counts: for each
-- class the worst, what it was, and how many there were.
SET client_min_messages = warning;
CREATE TEMPORARY TABLE class (class text, word text);
INSERT INTO class
SELECT 'no word', NULL
UNION ALL SELECT kind, min(word) FROM bench.word GROUP BY kind
UNION ALL SELECT 'surname of 15 %', 'schmidt'
UNION ALL SELECT 'one letter', 'q';

CREATE TEMPORARY TABLE filter (name text, filter jsonb);
INSERT INTO filter
SELECT f.name, f.filter
FROM (SELECT min(created_at) AS first, max(created_at) AS last,
		max(created_at) - min(created_at) AS all_time
	FROM large.customer) AS c,
LATERAL (VALUES ('no filter', NULL),
	('guest', '{"type": "guest"}'),
	('registered', '{"type": "registered"}'),
	('small group', '{"groups": [20]}'),
	('large group', '{"groups": [1]}'),
	('no group', '{"not_groups": [1, 2, 3, 4, 5, 6, 7]}'),
	('email', '{"email": "nobody@nowhere.example"}'),
	('external_id', '{"external_id": "nobody"}'),
	('created_from', jsonb_build_object('created_from', last - all_time / 1000)),
	('created_before', jsonb_build_object('created_before', first + all_time / 1000)),
	('created_half', jsonb_build_object('created_before', first + all_time / 2)),
	('updated_from', '{"updated_from": "2100-01-01"}'),
	('metadata', '{"metadata": {"tier": "none"}}'),
	('common metadata', '{"metadata": {"tier": "gold"}}')) AS f (name, filter);

CREATE FUNCTION pg_temp.took(word text, filter jsonb, sort text) RETURNS numeric
LANGUAGE plpgsql
AS $$
DECLARE
	started timestamptz;
	best numeric := 'Infinity';
BEGIN
	FOR i IN 1 .. 2 LOOP
		started := clock_timestamp();
		PERFORM customers.list_customers(word, filter, sort);
		best := least(best,
			extract(epoch FROM clock_timestamp() - started) * 1000);
	END LOOP;
	RETURN round(best, 1);
END $$;

SELECT DISTINCT ON (t.class) t.class, t.ms, t.filter || ' ' || t.sort, count(*) OVER (PARTITION BY t.class)
FROM (SELECT c.class, f.name AS filter, s AS sort, pg_temp.took(c.word, f.filter, s) AS ms
	FROM class AS c, filter AS f,
		unnest('{id,-id,email,-email,last_name,-last_name,created_at,-created_at}'::text[]) AS s) AS t
ORDER BY t.class, t.ms DESC;
