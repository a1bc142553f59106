-- ---------------------------------------------------------------------------
-- Groups
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.customer_group_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_customer_group_guard';
COMMENT ON FUNCTION customers.customer_group_guard() IS
	'Trigger of table customer_group: normalises rows and guards the rules.';

CREATE FUNCTION customers.customer_group_member_guard() RETURNS trigger
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'customers_customer_group_member_guard';
COMMENT ON FUNCTION customers.customer_group_member_guard() IS
	'Trigger of table customer_group_member: notes who added whom, and when.';

CREATE FUNCTION customers.create_group(
	name text,
	metadata jsonb = NULL
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_create_group';
COMMENT ON FUNCTION customers.create_group(text, jsonb) IS
	'Creates a group and returns the id.
Example: SELECT customers.create_group(''VIP'', ''{"discount": 10}'');';

CREATE FUNCTION customers.update_group(
	group_id bigint,
	changes jsonb
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_update_group';
COMMENT ON FUNCTION customers.update_group(bigint, jsonb) IS
	'Changes the name or the metadata of a group (metadata merges, null removes a key) and returns the new version.
Example: SELECT customers.update_group(1, ''{"name": "Gold"}'');';

CREATE FUNCTION customers.delete_group(
	group_id bigint
) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_delete_group';
COMMENT ON FUNCTION customers.delete_group(bigint) IS
	'Deletes a group and its memberships; the customers stay.
Example: SELECT customers.delete_group(1);';

CREATE FUNCTION customers.list_groups(
	search text = NULL,
	page_size integer = 50,
	after text = NULL,
	OUT id bigint,
	OUT name text,
	OUT customers_count bigint,
	OUT metadata jsonb,
	OUT created_at timestamptz,
	OUT cursor text
) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'customers_list_groups';
COMMENT ON FUNCTION customers.list_groups(text, integer, text) IS
	'Lists the groups by name, those with every word of search in the name; after is the cursor of the last row seen.
Example: SELECT * FROM customers.list_groups(''vip'');';

CREATE FUNCTION customers.add_to_groups(
	customer_id bigint,
	group_ids bigint[]
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_add_to_groups';
COMMENT ON FUNCTION customers.add_to_groups(bigint, bigint[]) IS
	'Adds a customer to groups and returns how many are new; one unknown id and nothing is added.
Example: SELECT customers.add_to_groups(1, ARRAY[1, 2]);';

CREATE FUNCTION customers.remove_from_groups(
	customer_id bigint,
	group_ids bigint[]
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_remove_from_groups';
COMMENT ON FUNCTION customers.remove_from_groups(bigint, bigint[]) IS
	'Removes a customer from groups and returns of how many.
Example: SELECT customers.remove_from_groups(1, ARRAY[2]);';

CREATE FUNCTION customers.set_groups(
	customer_id bigint,
	group_ids bigint[]
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_set_groups';
COMMENT ON FUNCTION customers.set_groups(bigint, bigint[]) IS
	'Makes these the only groups of a customer and returns how many came and went.
Example: SELECT customers.set_groups(1, ARRAY[1]);';

CREATE FUNCTION customers.add_customers_to_group(
	group_id bigint,
	customer_ids bigint[]
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_add_customers_to_group';
COMMENT ON FUNCTION customers.add_customers_to_group(bigint, bigint[]) IS
	'Adds customers to a group and returns how many are new; one unknown id and nobody is added.
Example: SELECT customers.add_customers_to_group(1, ARRAY[1, 2]);';

CREATE FUNCTION customers.remove_customers_from_group(
	group_id bigint,
	customer_ids bigint[]
) RETURNS integer
LANGUAGE c VOLATILE
AS 'MODULE_PATHNAME', 'customers_remove_customers_from_group';
COMMENT ON FUNCTION customers.remove_customers_from_group(bigint, bigint[]) IS
	'Removes customers from a group and returns how many.
Example: SELECT customers.remove_customers_from_group(1, ARRAY[2]);';

CREATE FUNCTION customers.customer_groups(
	customer_id bigint,
	OUT id bigint,
	OUT name text,
	OUT metadata jsonb,
	OUT added_at timestamptz
) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 10
AS 'MODULE_PATHNAME', 'customers_customer_groups';
COMMENT ON FUNCTION customers.customer_groups(bigint) IS
	'Lists the groups of a customer, by name.
Example: SELECT * FROM customers.customer_groups(1);';

CREATE FUNCTION customers.group_customers(
	group_id bigint,
	page_size integer = 50,
	after text = NULL,
	OUT id bigint,
	OUT email text,
	OUT type text,
	OUT full_name text,
	OUT added_at timestamptz,
	OUT cursor text
) RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'customers_group_customers';
COMMENT ON FUNCTION customers.group_customers(bigint, integer, text) IS
	'Lists the customers of a group, by id; after is the cursor of the last row seen.
Example: SELECT * FROM customers.group_customers(1);';

CREATE FUNCTION customers.in_group(
	customer_id bigint,
	name text,
	store text = NULL
) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'customers_in_group';
COMMENT ON FUNCTION customers.in_group(bigint, text, text) IS
	'Is the customer in the group of that name, ignoring case? Never NULL; in a policy name the store.
Example: SELECT customers.in_group(1, ''vip'', ''shop'');';

