-- A copy of the store shop in the schema :peer: columns, constraints, indexes,
-- rows and sequences; the foreign keys that its work meets; no triggers.
CREATE TABLE :peer.customer (LIKE shop.customer INCLUDING ALL);
CREATE TABLE :peer.customer_group (LIKE shop.customer_group INCLUDING ALL);
CREATE TABLE :peer.customer_group_member
	(LIKE shop.customer_group_member INCLUDING ALL);
CREATE TABLE :peer.orders (LIKE shop.orders INCLUDING ALL);
CREATE TABLE :peer.order_transfer (LIKE shop.order_transfer INCLUDING ALL);
CREATE TABLE :peer.event (LIKE shop.event INCLUDING ALL);
CREATE TABLE :peer.subscription (LIKE shop.subscription INCLUDING ALL);
CREATE TABLE :peer.delivery (LIKE shop.delivery INCLUDING ALL);

INSERT INTO :peer.customer SELECT * FROM shop.customer ORDER BY id;
INSERT INTO :peer.customer_group SELECT * FROM shop.customer_group ORDER BY id;
INSERT INTO :peer.customer_group_member
SELECT * FROM shop.customer_group_member;
INSERT INTO :peer.orders SELECT * FROM shop.orders ORDER BY id;
INSERT INTO :peer.order_transfer SELECT * FROM shop.order_transfer ORDER BY id;
INSERT INTO :peer.event SELECT * FROM shop.event ORDER BY id;
INSERT INTO :peer.subscription SELECT * FROM shop.subscription;
INSERT INTO :peer.delivery SELECT * FROM shop.delivery ORDER BY id;

CREATE SEQUENCE :peer.customer_id_seq OWNED BY :peer.customer.id;
CREATE SEQUENCE :peer.order_transfer_id_seq OWNED BY :peer.order_transfer.id;
CREATE SEQUENCE :peer.event_id_seq OWNED BY :peer.event.id;
CREATE SEQUENCE :peer.delivery_id_seq OWNED BY :peer.delivery.id;
\set sequence :peer '.customer_id_seq'
SELECT setval(:'sequence', nextval('shop.customer_id_seq'), false) \g /dev/null
ALTER TABLE :peer.customer ALTER id SET DEFAULT nextval(:'sequence');
\set sequence :peer '.order_transfer_id_seq'
SELECT setval(:'sequence', nextval('shop.order_transfer_id_seq'), false) \g /dev/null
ALTER TABLE :peer.order_transfer ALTER id SET DEFAULT nextval(:'sequence');
\set sequence :peer '.event_id_seq'
SELECT setval(:'sequence', nextval('shop.event_id_seq'), false) \g /dev/null
ALTER TABLE :peer.event ALTER id SET DEFAULT nextval(:'sequence');
\set sequence :peer '.delivery_id_seq'
SELECT setval(:'sequence', nextval('shop.delivery_id_seq'), false) \g /dev/null
ALTER TABLE :peer.delivery ALTER id SET DEFAULT nextval(:'sequence');

ALTER TABLE :peer.customer_group_member
	ADD FOREIGN KEY (customer_group_id) REFERENCES :peer.customer_group (id)
		ON DELETE CASCADE,
	ADD FOREIGN KEY (customer_id) REFERENCES :peer.customer (id)
		ON DELETE CASCADE;
ALTER TABLE :peer.orders
	ADD FOREIGN KEY (customer_id) REFERENCES :peer.customer (id)
		ON DELETE SET NULL;
ALTER TABLE :peer.order_transfer
	ADD FOREIGN KEY (order_id) REFERENCES :peer.orders (id) ON DELETE CASCADE,
	ADD FOREIGN KEY (to_customer_id) REFERENCES :peer.customer (id)
		ON DELETE SET NULL,
	ADD FOREIGN KEY (from_customer_id) REFERENCES :peer.customer (id)
		ON DELETE SET NULL;
