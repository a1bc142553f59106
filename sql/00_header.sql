\echo Use "CREATE EXTENSION customers" to load this file. \quit

-- Whoever owns the schema, or has put something into it, could lay a function
-- of the same name beside one of ours, and who calls ours would run it.  This
-- runs as superuser, so it names every function, type and operator in full.
DO LANGUAGE plpgsql $do$
DECLARE
	space pg_catalog.oid;
	space_owner pg_catalog.oid;
	owner_name pg_catalog.name;
	owner_is_superuser boolean;
	installer pg_catalog.oid;
	extension pg_catalog.oid;
BEGIN
	SELECT n.oid, n.nspowner, r.rolname, r.rolsuper
		INTO space, space_owner, owner_name, owner_is_superuser
		FROM pg_catalog.pg_namespace n
		JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
		WHERE n.nspname OPERATOR(pg_catalog.=) 'customers'::pg_catalog.name;
	SELECT e.oid, e.extowner
		INTO extension, installer
		FROM pg_catalog.pg_extension e
		WHERE e.extname OPERATOR(pg_catalog.=) 'customers'::pg_catalog.name;
	IF NOT owner_is_superuser AND space_owner OPERATOR(pg_catalog.<>) installer THEN
		RAISE EXCEPTION 'schema "customers" belongs to role "%"', owner_name
			USING ERRCODE = 'insufficient_privilege', SCHEMA = 'customers',
			HINT = 'It must belong to a superuser or to who installs the extension: drop it, or give it to one of them with ALTER SCHEMA customers OWNER TO ..';
	END IF;
	IF EXISTS (
		SELECT FROM pg_catalog.pg_depend d
		WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
			AND d.refobjid OPERATOR(pg_catalog.=) space
			AND NOT (d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
					 AND d.objid OPERATOR(pg_catalog.=) extension)) THEN
		RAISE EXCEPTION 'schema "customers" is not empty'
			USING ERRCODE = 'duplicate_object', SCHEMA = 'customers',
			HINT = 'The functions of the extension need a schema of their own: drop what is in it, or move it away.';
	END IF;
	IF EXISTS (
		SELECT FROM pg_catalog.pg_namespace n,
			LATERAL pg_catalog.aclexplode(n.nspacl) a
		WHERE n.oid OPERATOR(pg_catalog.=) space
			AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'::pg_catalog.text
			AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner) THEN
		RAISE EXCEPTION 'others than its owner may create objects in schema "customers"'
			USING ERRCODE = 'insufficient_privilege', SCHEMA = 'customers',
			HINT = 'REVOKE CREATE ON SCHEMA customers from them.';
	END IF;
	IF NOT owner_is_superuser THEN
		-- who installs a trusted extension may be anybody
		ALTER SCHEMA customers OWNER TO CURRENT_USER;
	END IF;
END $do$;

-- Functions only: the tables of a store are made by create_store.  Everybody
-- may call them, since they work with the caller's privileges on a store.
GRANT USAGE ON SCHEMA customers TO PUBLIC;

