-- ---------------------------------------------------------------------------
-- Access
-- ---------------------------------------------------------------------------

-- The one list of what each profile may; object_name is NULL for the schema
-- of the store, column_name NULL where a privilege is on the whole object.
CREATE FUNCTION customers.profile_privileges(profile text = NULL)
RETURNS TABLE (
	profile text,
	privilege text,
	object_type text,
	object_name text,
	column_name text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 120
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.name, r.name, v.object_type, v.object_name, c.name
	FROM (VALUES
		('{reader,admin,storefront,notifier}'::text[],
		 '{USAGE}'::text[], 'schema', NULL, NULL::text[]),

		('{reader,admin}', '{SELECT}', 'table', 'store_info', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'customer', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'customer_group', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'customer_group_member', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'orders', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'order_item', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'order_transfer',
		 '{id,order_id,to_customer_id,description,update_order_email,
		   from_customer_id,approver_email,status,requested_by,requested_at,
		   expires_at,resolved_at,resolved_by,decline_reason}'),
		('{reader,admin}', '{SELECT}', 'table', 'event', NULL),
		('{reader,admin}', '{SELECT}', 'table', 'subscription', NULL),

		('{admin}', '{INSERT,UPDATE,DELETE}', 'table', 'customer', NULL),
		('{admin}', '{USAGE}', 'sequence', 'customer_id_seq', NULL),
		('{admin}', '{INSERT,UPDATE,DELETE}', 'table', 'customer_group', NULL),
		('{admin}', '{USAGE}', 'sequence', 'customer_group_id_seq', NULL),
		('{admin}', '{INSERT,DELETE}', 'table', 'customer_group_member', NULL),
		('{admin}', '{UPDATE}', 'table', 'orders',
		 '{email,shipping_address,billing_address}'),
		('{admin}', '{INSERT}', 'table', 'order_transfer',
		 '{order_id,to_customer_id,description,update_order_email}'),
		('{admin}', '{UPDATE}', 'table', 'order_transfer', '{status}'),
		('{admin}', '{USAGE}', 'sequence', 'order_transfer_id_seq', NULL),
		('{admin}', '{SELECT}', 'table', 'delivery',
		 '{id,subscription,event_id,person_ids,attempts,available_at,
		   expires_at,last_error,failed_at,created_at}'),

		('{storefront}', '{SELECT}', 'table', 'customer',
		 '{id,email,has_account}'),
		('{storefront}', '{INSERT}', 'table', 'customer',
		 '{id,email,first_name,last_name,company_name,phone,metadata}'),
		('{storefront}', '{USAGE}', 'sequence', 'customer_id_seq', NULL),
		('{storefront}', '{INSERT}', 'table', 'credential',
		 '{customer_id,new_password,proof}'),
		('{storefront}', '{INSERT}', 'table', 'orders', NULL),
		('{storefront}', '{SELECT}', 'table', 'orders', '{id}'),
		('{storefront}', '{USAGE}', 'sequence', 'orders_id_seq', NULL),
		('{storefront}', '{INSERT}', 'table', 'order_item', NULL),
		('{storefront}', '{INSERT}', 'table', 'order_transfer',
		 '{order_id,to_customer_id,description,update_order_email}'),
		('{storefront}', '{UPDATE}', 'table', 'order_transfer',
		 '{status,approval_token,decline_reason}'),
		('{storefront}', '{USAGE}', 'sequence', 'order_transfer_id_seq', NULL),

		('{notifier}', '{UPDATE}', 'table', 'delivery', '{attempts}')
	) v(profiles, privileges, object_type, object_name, columns)
	CROSS JOIN LATERAL unnest(v.profiles) p(name)
	CROSS JOIN LATERAL unnest(v.privileges) r(name)
	LEFT JOIN LATERAL unnest(v.columns) c(name) ON true
	WHERE $1 IS NULL OR p.name = $1
$$;
COMMENT ON FUNCTION customers.profile_privileges(text) IS
	'Lists the privileges on a store that a profile stands for; those of all profiles without one.
Example: SELECT * FROM customers.profile_privileges(''notifier'');';

CREATE FUNCTION customers.grant_access(role regrole, profile text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_grant_access';
COMMENT ON FUNCTION customers.grant_access(regrole, text) IS
	'Grants a role the privileges of a profile (reader, admin, storefront, notifier) on the store.
Example: SELECT customers.grant_access(''clerk'', ''admin'');';

CREATE FUNCTION customers.revoke_access(role regrole, profile text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_revoke_access';
COMMENT ON FUNCTION customers.revoke_access(regrole, text) IS
	'Takes the privileges of a profile back, but for those of other profiles that the role has.
Example: SELECT customers.revoke_access(''clerk'', ''admin'');';

