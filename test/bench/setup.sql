-- What the parts of test/bench/run share: what they note down, and what fills
-- stores.
CREATE EXTENSION IF NOT EXISTS customers;

CREATE SCHEMA bench;
CREATE UNLOGGED TABLE bench.claimed (delivery_id bigint);
CREATE UNLOGGED TABLE bench.acknowledged (
	at timestamptz DEFAULT clock_timestamp(),
	n integer
);
CREATE UNLOGGED TABLE bench.started (event_id bigint, at numeric);
CREATE UNLOGGED TABLE bench.cost (label text, microseconds float8);
CREATE UNLOGGED TABLE bench.size (
	at timestamptz DEFAULT clock_timestamp(),
	live bigint,
	heap bigint,
	indexes bigint
);
CREATE UNLOGGED TABLE bench.word (
	kind text,
	n integer,
	word text,
	PRIMARY KEY (kind, n)
);
CREATE UNLOGGED TABLE bench.cursor (
	sort text,
	n integer,
	cursor text,
	PRIMARY KEY (sort, n)
);

-- What did not do its work is not measured.
CREATE FUNCTION bench.assert(fact boolean, reason text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
	IF fact IS NOT TRUE THEN
		RAISE EXCEPTION 'not all was done: %', left(reason, 500);
	END IF;
END $$;

-- Makes so many deliveries wait, by what makes them anywhere: an INSERT.
CREATE PROCEDURE bench.make_deliveries(n integer)
LANGUAGE plpgsql
AS $$
BEGIN
	INSERT INTO shop.customer (email, first_name)
	SELECT 'd' || nextval('shop.customer_id_seq') || '@bench.example', 'Ada'
	FROM generate_series(1, n);
END $$;

-- Claims and acknowledges a batch so many times, each in a transaction of its
-- own, and notes what the claims took.
CREATE PROCEDURE bench.claim(label text, batch integer, times integer)
LANGUAGE plpgsql
AS $$
DECLARE
	ids bigint[];
	started timestamptz;
	ended timestamptz;
BEGIN
	FOR i IN 1 .. times LOOP
		started := clock_timestamp();
		SELECT array_agg(c.delivery_id) INTO ids
		FROM customers.claim_deliveries('crm', batch) AS c;
		ended := clock_timestamp();
		COMMIT;
		PERFORM customers.acknowledge_deliveries(ids);
		INSERT INTO bench.cost
		VALUES (label, extract(epoch FROM ended - started) * 1e6);
		COMMIT;
	END LOOP;
END $$;

-- The pages that one claim of a batch touches.
CREATE FUNCTION bench.pages(batch integer) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
		SELECT * FROM customers.claim_deliveries(''crm'', %s)', batch) INTO plan;
	RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint
		+ (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
END $$;

-- The size of delivery as it is, and what its rows alone would take.
CREATE PROCEDURE bench.measure_size()
LANGUAGE plpgsql
AS $$
BEGIN
	INSERT INTO bench.size (live, heap, indexes)
	SELECT coalesce(sum(pg_column_size(d.*) + 4), 0),
		pg_relation_size('shop.delivery'), pg_indexes_size('shop.delivery')
	FROM shop.delivery AS d;
END $$;
