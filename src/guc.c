/*
 * guc.c
 *		The settings customers.*, and who acts in this session.
 *
 * Defined once by _PG_init; read by the rules of every noun.
 */
#include "postgres.h"

#include <limits.h>

#include "guc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

char *cust_guc_store;
char *cust_guc_confirm_delete;
char *cust_guc_purge_before;
char *cust_guc_actor;
bool cust_guc_notify = true;
bool cust_guc_record_events = true;
int cust_guc_email_change_hold;
int cust_guc_transfer_ttl;
int cust_guc_transfer_requests_per_day;
int cust_guc_delivery_ttl;
int cust_guc_password_memory;
int cust_guc_password_passes;

#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_DAY 86400

static bool
check_store_name(char **newval, void **extra, GucSource source)
{
	size_t length = strlen(*newval);

	if (length >= 1 && length <= CUST_STORE_NAME_MAX)
		return true;
	GUC_check_errdetail("The name of a store has 1 to %d bytes.",
						CUST_STORE_NAME_MAX);
	return false;
}

static void
define_string(const char *name, const char *description, char **variable,
			  const char *value, GucStringCheckHook check)
{
	DefineCustomStringVariable(name, description, NULL, variable, value,
							   PGC_USERSET, 0, check, NULL, NULL);
}

static void
define_seconds(const char *name, const char *description, int *variable,
			   int value, int least, int most, GucContext context)
{
	DefineCustomIntVariable(name, description, NULL, variable, value, least,
							most, context, GUC_UNIT_S, NULL, NULL, NULL);
}

/* Defines all settings; called once, when the library is loaded. */
void
cust_guc_define(void)
{
	define_string("customers.store",
				  "The store that the functions of customers act on.",
				  &cust_guc_store, "shop", check_store_name);
	define_string("customers.confirm_delete",
				  "The customer that may be deleted, as <id>:<e-mail>.",
				  &cust_guc_confirm_delete, "", NULL);
	define_string("customers.purge_before",
				  "Events older than this time may be deleted.",
				  &cust_guc_purge_before, "", NULL);
	define_string(
		"customers.actor",
		"Who acts, for created_by, requested_by, resolved_by and events.",
		&cust_guc_actor, "", NULL);
	DefineCustomBoolVariable(
		"customers.notify",
		"Ring the doorbell (NOTIFY) when deliveries were made.", NULL,
		&cust_guc_notify, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"customers.record_events", "Record events; off is for bulk loads.",
		"Events that carry a token and changes of e-mail addresses are recorded always.",
		&cust_guc_record_events, true, PGC_SUSET, 0, NULL, NULL, NULL);
	define_seconds(
		"customers.email_change_hold",
		"How long after a change of the e-mail no transfer or reset is sent to it.",
		&cust_guc_email_change_hold, 72 * SECONDS_PER_HOUR, 0, INT_MAX,
		PGC_SUSET);
	define_seconds("customers.transfer_ttl",
				   "How long a requested transfer can be accepted.",
				   &cust_guc_transfer_ttl, 7 * SECONDS_PER_DAY, 1,
				   90 * SECONDS_PER_DAY, PGC_USERSET);
	DefineCustomIntVariable(
		"customers.transfer_requests_per_day",
		"How often the transfer of an order is asked for in 24 hours.",
		"Requests that were canceled count.",
		&cust_guc_transfer_requests_per_day, 5, 1, INT_MAX, PGC_SUSET, 0, NULL,
		NULL, NULL);
	define_seconds("customers.delivery_ttl",
				   "How long a delivery without token waits to be claimed.",
				   &cust_guc_delivery_ttl, 30 * SECONDS_PER_DAY, 1, INT_MAX,
				   PGC_SUSET);
	DefineCustomIntVariable("customers.password_memory",
							"The memory that hashing a password takes.", NULL,
							&cust_guc_password_memory, 19 * 1024,
							CUST_PASSWORD_MEMORY_MIN, CUST_PASSWORD_MEMORY_MAX,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"customers.password_passes",
		"How often hashing a password goes over its memory.", NULL,
		&cust_guc_password_passes, 2, 1, CUST_PASSWORD_PASSES_MAX, PGC_SUSET,
		0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("customers");
}

/*
 * Sets a setting until cust_guc_unset, or until the (sub)transaction aborts.
 * Returns what cust_guc_unset takes.
 */
int
cust_guc_set_for_statement(const char *name, const char *value)
{
	int level = NewGUCNestLevel();

	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
cust_guc_unset(int level)
{
	AtEOXact_GUC(true, level);
}

/*
 * Has an address not been changed within the hold?  changed_at is 0 if it
 * never was.
 */
bool
cust_guc_email_settled(TimestampTz changed_at)
{
	int64 hold = (int64) cust_guc_email_change_hold * USECS_PER_SEC;

	/* the time that was read may be 'infinity', so that it is not added to */
	return changed_at == 0 || changed_at <= GetCurrentTimestamp() - hold;
}

/* the role whose name is known; invalid when it may have been renamed */
static Oid named_role = InvalidOid;
static NameData role_name;

static void
forget_role(Datum arg, int cacheid, uint32 hashvalue)
{
	named_role = InvalidOid;
}

/*
 * The role that the session acts as, outside of any function.  Valid until the
 * next call: every row of a bulk load asks for it.
 */
const char *
cust_guc_outer_role(void)
{
	static bool registered = false;
	Oid role = GetOuterUserId();

	if (!registered)
	{
		CacheRegisterSyscacheCallback(AUTHOID, forget_role, (Datum) 0);
		registered = true;
	}
	if (role != named_role)
	{
		namestrcpy(&role_name, GetUserNameFromId(role, false));
		named_role = role;
	}
	return NameStr(role_name);
}

/* Who acts: the setting customers.actor, by default the role. */
const char *
cust_guc_current_actor(void)
{
	if (cust_guc_actor != NULL && cust_guc_actor[0] != '\0')
		return cust_guc_actor;
	return cust_guc_outer_role();
}
