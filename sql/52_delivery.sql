CREATE TABLE @store@.delivery (
	id bigserial,
	subscription text NOT NULL,
	event_id bigint NOT NULL,
	person_ids bigint[] NOT NULL DEFAULT '{}',
	confidential jsonb,
	attempts integer NOT NULL DEFAULT 0,
	available_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL,
	last_error text,
	failed_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.delivery
	ADD CONSTRAINT delivery_pkey PRIMARY KEY (id);
CREATE INDEX delivery_subscription_available_at_idx
	ON @store@.delivery (subscription, available_at) WHERE failed_at IS NULL;

