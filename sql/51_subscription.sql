CREATE TABLE @store@.subscription (
	name text NOT NULL,
	event_types text[] NOT NULL,
	doorbell boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.subscription
	ADD CONSTRAINT subscription_pkey PRIMARY KEY (name);
ALTER TABLE @store@.subscription
	ADD CONSTRAINT subscription_name_given
	CHECK (btrim(name) <> '' AND octet_length(name) <= 200);
INSERT INTO @store@.subscription (name, event_types) VALUES
	('notifier', '{order.transfer_*,account.*,*.email_changed}');

