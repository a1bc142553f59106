/*
 * access.c
 *		Profiles: what a role may on a store, as native GRANTs.
 *
 * What a profile stands for is data, customers.profile_privileges().  Nothing
 * else is stored: which profiles a role has is seen by its privileges.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "stores/store.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static const PlanQuery select_privileges = {
	.text = "SELECT p.privilege, p.object_type, p.object_name, p.column_name"
			" FROM customers.profile_privileges($1) p",
	.read_only = true,
	.nargs = 1,
	.argtypes = {TEXTOID},
};

#define PRIVILEGES_OF(profile)                                        \
	"SELECT p.privilege, p.object_type, p.object_name, p.column_name" \
	" FROM customers.profile_privileges(" profile ") p"

/* What was granted to role $2 on schema $3 itself, in the same form. */
#define HELD_PRIVILEGES                                               \
	"SELECT a.privilege_type, 'schema'::pg_catalog.text,"             \
	" NULL::pg_catalog.text, NULL::pg_catalog.text"                   \
	" FROM pg_catalog.pg_namespace n,"                                \
	" LATERAL pg_catalog.aclexplode(n.nspacl) a"                      \
	" WHERE n.oid" EQ "$3 AND a.grantee" EQ "$2"                      \
	" UNION ALL"                                                      \
	" SELECT a.privilege_type,"                                       \
	" CASE WHEN c.relkind" EQ "'S' THEN 'sequence' ELSE 'table' END," \
	" c.relname::pg_catalog.text, NULL"                               \
	" FROM pg_catalog.pg_class c,"                                    \
	" LATERAL pg_catalog.aclexplode(c.relacl) a"                      \
	" WHERE c.relnamespace" EQ "$3 AND a.grantee" EQ "$2"             \
	" UNION ALL"                                                      \
	" SELECT a.privilege_type, 'table', c.relname::pg_catalog.text,"  \
	" t.attname::pg_catalog.text"                                     \
	" FROM pg_catalog.pg_class c"                                     \
	" JOIN pg_catalog.pg_attribute t ON t.attrelid" EQ "c.oid,"       \
	" LATERAL pg_catalog.aclexplode(t.attacl) a"                      \
	" WHERE c.relnamespace" EQ "$3 AND a.grantee" EQ "$2"

/*
 * The other profiles than $1 that the role has: all their privileges were
 * granted to it.  But one whose privileges are all in $1 came with that.
 */
static const PlanQuery select_kept = {
	.text =
		"SELECT DISTINCT q.profile FROM customers.profile_privileges() q"
		" WHERE q.profile" NE "$1"
		" AND NOT EXISTS (" PRIVILEGES_OF(
			"q.profile") " EXCEPT (" HELD_PRIVILEGES "))"
						 " AND EXISTS (" PRIVILEGES_OF(
							 "q.profile") " EXCEPT " PRIVILEGES_OF("$1") ")",
	.nargs = 3,
	.argtypes = {TEXTOID, OIDOID, OIDOID},
};

/* The store, for a caller who may say who has access to it. */
static const Store *
owned_store(void)
{
	const Store *store = cust_store_read();

	if (!has_privs_of_role(GetUserId(), store->target.owner))
		cust_report(
			&(CustError){
				.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE,
				.schema = store->target.name,
			},
			"only the owner of store \"%s\" and superusers may say who has access to it",
			store->target.name);
	return store;
}

/* The quoted name of the role of an argument. */
static const char *
role_name(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		cust_report_null("role");
	if (!SearchSysCacheExists1(AUTHOID,
							   ObjectIdGetDatum(PG_GETARG_OID(argument))))
		cust_report_argument(NULL, "role with OID %u does not exist",
							 PG_GETARG_OID(argument));
	return quote_identifier(GetUserNameFromId(PG_GETARG_OID(argument), false));
}

/* Raises 22023 unless the profile stands for any privileges. */
static void
check_profile(const Store *store, NullableDatum profile)
{
	PlanRows rows;

	if (profile.isnull)
		cust_report_null("profile");
	rows = cust_plan_run(&select_privileges, &store->target, &profile, 1);
	if (rows.count == 0)
		cust_report_argument(
			"Profiles are reader, admin, storefront and notifier.",
			"unknown profile \"%s\"", TextDatumGetCString(profile.value));
}

/* "SELECT (email) ON TABLE shop.customer" of a row of the queries */
static char *
privilege_clause(const Store *store, const PlanRows *rows, uint64 row)
{
	const char *schema = quote_identifier(store->target.name);
	char *privilege = cust_plan_text(rows, row, 1);
	char *type = cust_plan_text(rows, row, 2);
	char *name = cust_plan_text(rows, row, 3);
	char *column = cust_plan_text(rows, row, 4);

	if (name == NULL)
		return psprintf("%s ON %s %s", privilege, type, schema);
	if (column == NULL)
		return psprintf("%s ON %s %s.%s", privilege, type, schema,
						quote_identifier(name));
	return psprintf("%s (%s) ON %s %s.%s", privilege, quote_identifier(column),
					type, schema, quote_identifier(name));
}

/* Runs "<verb> <privilege> <preposition> <role>" for each of a profile. */
static void
apply_profile(const Store *store, NullableDatum profile, const char *verb,
			  const char *preposition, const char *role)
{
	PlanRows rows = cust_plan_run(&select_privileges, &store->target, &profile,
								  0);

	for (uint64 i = 0; i < rows.count; i++)
		cust_plan_utility(psprintf("%s %s %s %s", verb,
								   privilege_clause(store, &rows, i),
								   preposition, role));
}

PG_FUNCTION_INFO_V1(customers_grant_access);

/* grant_access(role regrole, profile text) returns void */
Datum
customers_grant_access(PG_FUNCTION_ARGS)
{
	const Store *store = owned_store();
	const char *role = role_name(fcinfo, 0);

	cust_plan_begin();
	check_profile(store, fcinfo->args[1]);
	apply_profile(store, fcinfo->args[1], "GRANT", "TO", role);
	cust_plan_end();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(customers_revoke_access);

/*
 * revoke_access(role regrole, profile text) returns void
 *
 * The profiles that stay are granted again, since a REVOKE on a table takes
 * the privileges on its columns along.
 */
Datum
customers_revoke_access(PG_FUNCTION_ARGS)
{
	const Store *store = owned_store();
	const char *role = role_name(fcinfo, 0);
	NullableDatum values[] = {
		fcinfo->args[1],
		{ObjectIdGetDatum(PG_GETARG_OID(0)), false},
		{ObjectIdGetDatum(store->target.schema), false},
	};
	PlanRows kept;

	cust_plan_begin();
	check_profile(store, fcinfo->args[1]);
	kept = cust_plan_run(&select_kept, &store->target, values, 0);
	apply_profile(store, fcinfo->args[1], "REVOKE", "FROM", role);
	for (uint64 i = 0; i < kept.count; i++)
	{
		NullableDatum profile;

		profile.value = cust_plan_value(&kept, i, 1, &profile.isnull);
		apply_profile(store, profile, "GRANT", "TO", role);
	}
	cust_plan_end();
	PG_RETURN_VOID();
}
