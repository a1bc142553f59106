CREATE TABLE @store@.event (
	id bigserial,
	type text NOT NULL,
	customer_id bigint,
	order_id bigint,
	role text,
	actor text,
	payload jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.event
	ADD CONSTRAINT event_pkey PRIMARY KEY (id);
CREATE INDEX event_customer_id_id_idx
	ON @store@.event (customer_id, id);
CREATE TRIGGER event_guard
	BEFORE INSERT OR UPDATE OR DELETE ON @store@.event
	FOR EACH ROW EXECUTE FUNCTION customers.event_guard();
CREATE TRIGGER event_guard_deleted
	AFTER DELETE ON @store@.event
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION customers.event_guard_deleted();
CREATE TRIGGER event_guard_truncate
	BEFORE TRUNCATE ON @store@.event
	FOR EACH STATEMENT EXECUTE FUNCTION customers.event_guard();

