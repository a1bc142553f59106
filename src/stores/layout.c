/*
 * layout.c
 *		The tables of a store as C sees them.
 *
 * Must agree with the DDL in sql/41 to 52, as test/t/009_layout.pl compares
 * them, and with the names in layout.h.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "stores/layout.h"
#include "stores/layout_checks.h"

#define METADATA_OBJECT                          \
	"((jsonb_typeof(metadata) = 'object'::text)" \
	" AND (NOT (metadata ? ''::text)))"

const TableShape cust_layout[STORE_NTABLES] = {
	[STORE_INFO] =
		{
			"store_info",
			"a store",
			3,
			{
				[INFO_LAYOUT_VERSION] = {"layout_version", INT4OID, true},
				[INFO_SEARCH] = {"search", BOOLOID, true},
				[INFO_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
									 "now()"},
			},
		},
	[STORE_CUSTOMER] =
		{
			"customer",
			"a customer",
			16,
			{
				[CUSTOMER_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[CUSTOMER_EMAIL] = {"email", TEXTOID, true},
				[CUSTOMER_EMAIL_CHANGED_AT] = {"email_changed_at",
											   TIMESTAMPTZOID},
				[CUSTOMER_HAS_ACCOUNT] = {"has_account", BOOLOID, true,
										  "false"},
				[CUSTOMER_REGISTERED_AT] = {"registered_at", TIMESTAMPTZOID},
				[CUSTOMER_FIRST_NAME] = {"first_name", TEXTOID},
				[CUSTOMER_LAST_NAME] = {"last_name", TEXTOID},
				[CUSTOMER_COMPANY_NAME] = {"company_name", TEXTOID},
				[CUSTOMER_PHONE] = {"phone", TEXTOID},
				[CUSTOMER_METADATA] = {"metadata", JSONBOID, true,
									   "'{}'::jsonb"},
				[CUSTOMER_METADATA_ORDER] = {"metadata_order", TEXTARRAYOID,
											 true, "'{}'::text[]"},
				[CUSTOMER_EXTERNAL_ID] = {"external_id", TEXTOID},
				[CUSTOMER_CREATED_BY] = {"created_by", TEXTOID},
				[CUSTOMER_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
										 "now()"},
				[CUSTOMER_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID, true,
										 "now()"},
				[CUSTOMER_VERSION] = {"version", INT8OID, true, "1"},
			},
			{
				{"customer_metadata_object", METADATA_OBJECT,
				 cust_check_customer_metadata},
			},
		},
	[STORE_GROUP] =
		{
			"customer_group",
			"a customer group",
			7,
			{
				[GROUP_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[GROUP_NAME] = {"name", TEXTOID, true},
				[GROUP_METADATA] = {"metadata", JSONBOID, true, "'{}'::jsonb"},
				[GROUP_CREATED_BY] = {"created_by", TEXTOID},
				[GROUP_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
									  "now()"},
				[GROUP_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID, true,
									  "now()"},
				[GROUP_VERSION] = {"version", INT8OID, true, "1"},
			},
			{
				{"customer_group_metadata_object", METADATA_OBJECT,
				 cust_check_group_metadata},
				{"customer_group_name_given", "(name <> ''::text)",
				 cust_check_group_name},
			},
		},
	[STORE_MEMBER] =
		{
			"customer_group_member",
			"a membership",
			4,
			{
				[MEMBER_GROUP_ID] = {"customer_group_id", INT8OID, true},
				[MEMBER_CUSTOMER_ID] = {"customer_id", INT8OID, true},
				[MEMBER_ADDED_BY] = {"added_by", TEXTOID},
				[MEMBER_ADDED_AT] = {"added_at", TIMESTAMPTZOID, true,
									 "now()"},
			},
		},
	[STORE_ORDERS] =
		{
			"orders",
			"an order",
			15,
			{
				[ORDERS_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[ORDERS_CUSTOMER_ID] = {"customer_id", INT8OID},
				[ORDERS_EMAIL] = {"email", TEXTOID},
				[ORDERS_EMAIL_CHANGED_AT] = {"email_changed_at",
											 TIMESTAMPTZOID},
				[ORDERS_STATUS] = {"status", TEXTOID, true, "'pending'::text"},
				[ORDERS_CURRENCY_CODE] = {"currency_code", TEXTOID, true},
				[ORDERS_TOTAL] = {"total", NUMERICOID, true, "0"},
				[ORDERS_PLACED_AT] = {"placed_at", TIMESTAMPTZOID, true,
									  "now()"},
				[ORDERS_SHIPPING_ADDRESS] = {"shipping_address", JSONBOID},
				[ORDERS_BILLING_ADDRESS] = {"billing_address", JSONBOID},
				[ORDERS_METADATA] = {"metadata", JSONBOID, true,
									 "'{}'::jsonb"},
				[ORDERS_EXTERNAL_ID] = {"external_id", TEXTOID},
				[ORDERS_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
									   "now()"},
				[ORDERS_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID, true,
									   "now()"},
				[ORDERS_VERSION] = {"version", INT8OID, true, "1"},
			},
			{
				{"orders_currency_code_check",
				 "((currency_code COLLATE \"C\") ~ '^[A-Z]{3}$'::text)",
				 cust_check_orders_currency},
				{"orders_metadata_object", METADATA_OBJECT,
				 cust_check_orders_metadata},
				{"orders_status_check",
				 "(status = ANY (ARRAY['draft'::text, 'pending'::text,"
				 " 'requires_action'::text, 'completed'::text, 'archived'::text,"
				 " 'canceled'::text]))",
				 cust_check_orders_status},
			},
		},
	[STORE_ITEM] =
		{
			"order_item",
			"a line of an order",
			7,
			{
				[ITEM_ORDER_ID] = {"order_id", INT8OID, true},
				[ITEM_LINE_NO] = {"line_no", INT4OID, true},
				[ITEM_TITLE] = {"title", TEXTOID, true},
				[ITEM_SKU] = {"sku", TEXTOID},
				[ITEM_QUANTITY] = {"quantity", NUMERICOID, true, "1"},
				[ITEM_UNIT_PRICE] = {"unit_price", NUMERICOID, true, "0"},
				[ITEM_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
									 "now()"},
			},
		},
	[STORE_TRANSFER] =
		{
			"order_transfer",
			"an order transfer",
			16,
			{
				[TRANSFER_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[TRANSFER_ORDER_ID] = {"order_id", INT8OID, true},
				[TRANSFER_TO_CUSTOMER_ID] = {"to_customer_id", INT8OID},
				[TRANSFER_DESCRIPTION] = {"description", TEXTOID},
				[TRANSFER_UPDATE_ORDER_EMAIL] = {"update_order_email", BOOLOID,
												 true, "false"},
				[TRANSFER_FROM_CUSTOMER_ID] = {"from_customer_id", INT8OID},
				[TRANSFER_APPROVER_EMAIL] = {"approver_email", TEXTOID},
				[TRANSFER_STATUS] = {"status", TEXTOID, true,
									 "'requested'::text"},
				[TRANSFER_TOKEN_HASH] = {"token_hash", BYTEAOID},
				[TRANSFER_REQUESTED_BY] = {"requested_by", TEXTOID},
				[TRANSFER_REQUESTED_AT] = {"requested_at", TIMESTAMPTZOID,
										   true, "now()"},
				[TRANSFER_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
				[TRANSFER_RESOLVED_AT] = {"resolved_at", TIMESTAMPTZOID},
				[TRANSFER_RESOLVED_BY] = {"resolved_by", TEXTOID},
				[TRANSFER_DECLINE_REASON] = {"decline_reason", TEXTOID},
				[TRANSFER_APPROVAL_TOKEN] = {"approval_token", TEXTOID},
			},
			{
				{"order_transfer_status_check",
				 "(status = ANY (ARRAY['requested'::text, 'accepted'::text,"
				 " 'declined'::text, 'canceled'::text, 'expired'::text]))",
				 cust_check_transfer_status},
				{"order_transfer_token_check",
				 "((approval_token IS NULL)"
				 " AND ((token_hash IS NOT NULL) = (status = 'requested'::text)))",
				 cust_check_transfer_token},
			},
		},
	[STORE_CREDENTIAL] =
		{
			"credential",
			"a credential",
			8,
			{
				[CREDENTIAL_CUSTOMER_ID] = {"customer_id", INT8OID, true},
				[CREDENTIAL_PASSWORD_HASH] = {"password_hash", TEXTOID, true},
				[CREDENTIAL_FAILED_ATTEMPTS] = {"failed_attempts", INT4OID,
												true, "0"},
				[CREDENTIAL_LOCKED_UNTIL] = {"locked_until", TIMESTAMPTZOID},
				[CREDENTIAL_PASSWORD_CHANGED_AT] = {"password_changed_at",
													TIMESTAMPTZOID},
				[CREDENTIAL_NEW_PASSWORD] = {"new_password", TEXTOID},
				[CREDENTIAL_PROOF] = {"proof", TEXTOID},
				[CREDENTIAL_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
										   "now()"},
			},
			{
				{"credential_evidence_check",
				 "((new_password IS NULL) AND (proof IS NULL))"},
			},
		},
	[STORE_ACCOUNT_TOKEN] =
		{
			"account_token",
			"a token of an account",
			6,
			{
				[ACCOUNT_TOKEN_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[ACCOUNT_TOKEN_CUSTOMER_ID] = {"customer_id", INT8OID, true},
				[ACCOUNT_TOKEN_PURPOSE] = {"purpose", TEXTOID, true,
										   "'password_reset'::text"},
				[ACCOUNT_TOKEN_TOKEN_HASH] = {"token_hash", BYTEAOID, true},
				[ACCOUNT_TOKEN_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID,
											  true},
				[ACCOUNT_TOKEN_CREATED_AT] = {"created_at", TIMESTAMPTZOID,
											  true, "now()"},
			},
			{
				{"account_token_purpose_check",
				 "(purpose = 'password_reset'::text)"},
			},
		},
	[STORE_EVENT] =
		{
			"event",
			"an event",
			8,
			{
				[EVENT_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[EVENT_TYPE] = {"type", TEXTOID, true},
				[EVENT_CUSTOMER_ID] = {"customer_id", INT8OID},
				[EVENT_ORDER_ID] = {"order_id", INT8OID},
				[EVENT_ROLE] = {"role", TEXTOID},
				[EVENT_ACTOR] = {"actor", TEXTOID},
				[EVENT_PAYLOAD] = {"payload", JSONBOID, true, "'{}'::jsonb"},
				[EVENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
									  "now()"},
			},
		},
	[STORE_SUBSCRIPTION] =
		{
			"subscription",
			"a subscription",
			4,
			{
				[SUBSCRIPTION_NAME] = {"name", TEXTOID, true},
				[SUBSCRIPTION_EVENT_TYPES] = {"event_types", TEXTARRAYOID,
											  true},
				[SUBSCRIPTION_DOORBELL] = {"doorbell", BOOLOID, true, "true"},
				[SUBSCRIPTION_CREATED_AT] = {"created_at", TIMESTAMPTZOID,
											 true, "now()"},
			},
			{
				{"subscription_name_given",
				 "((btrim(name) <> ''::text)"
				 " AND (octet_length(name) <= 200))"},
			},
		},
	[STORE_DELIVERY] =
		{
			"delivery",
			"a delivery",
			11,
			{
				[DELIVERY_ID] = {"id", INT8OID, true, SHAPE_OWN_SEQUENCE},
				[DELIVERY_SUBSCRIPTION] = {"subscription", TEXTOID, true},
				[DELIVERY_EVENT_ID] = {"event_id", INT8OID, true},
				[DELIVERY_PERSON_IDS] = {"person_ids", INT8ARRAYOID, true,
										 "'{}'::bigint[]"},
				[DELIVERY_CONFIDENTIAL] = {"confidential", JSONBOID},
				[DELIVERY_ATTEMPTS] = {"attempts", INT4OID, true, "0"},
				[DELIVERY_AVAILABLE_AT] = {"available_at", TIMESTAMPTZOID,
										   true, "now()"},
				[DELIVERY_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID, true},
				[DELIVERY_LAST_ERROR] = {"last_error", TEXTOID},
				[DELIVERY_FAILED_AT] = {"failed_at", TIMESTAMPTZOID},
				[DELIVERY_CREATED_AT] = {"created_at", TIMESTAMPTZOID, true,
										 "now()"},
			},
		},
};

/* The table of that name, which is one of the layout's. */
StoreTable
cust_layout_table(const char *name)
{
	for (int table = 0; table < STORE_NTABLES; table++)
	{
		if (strcmp(cust_layout[table].name, name) == 0)
			return table;
	}
	elog(ERROR, "the layout has no table \"%s\"", name);
	return STORE_INFO;
}
