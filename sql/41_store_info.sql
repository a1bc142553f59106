CREATE TABLE @store@.store_info (
	layout_version integer NOT NULL,
	search boolean NOT NULL,	-- shall there be a search index?
	created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE @store@.store_info
	ADD CONSTRAINT store_info_pkey PRIMARY KEY (layout_version);
CREATE UNIQUE INDEX store_info_one_row_key
	ON @store@.store_info ((true));

