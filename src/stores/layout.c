/*
 * layout.c
 *		The tables of a store as C sees them.
 *
 * Must agree with the DDL in sql/41 to 52 and with the names in layout.h;
 * create_store fails on the first store if it does not.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "stores/layout.h"

const TableShape cust_layout[STORE_NTABLES] = {
	[STORE_INFO] =
		{
			"store_info",
			"a store",
			3,
			{
				[INFO_LAYOUT_VERSION] = {"layout_version", INT4OID},
				[INFO_SEARCH] = {"search", BOOLOID},
				[INFO_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
	[STORE_CUSTOMER] =
		{
			"customer",
			"a customer",
			16,
			{
				[CUSTOMER_ID] = {"id", INT8OID},
				[CUSTOMER_EMAIL] = {"email", TEXTOID},
				[CUSTOMER_EMAIL_CHANGED_AT] = {"email_changed_at",
											   TIMESTAMPTZOID},
				[CUSTOMER_HAS_ACCOUNT] = {"has_account", BOOLOID},
				[CUSTOMER_REGISTERED_AT] = {"registered_at", TIMESTAMPTZOID},
				[CUSTOMER_FIRST_NAME] = {"first_name", TEXTOID},
				[CUSTOMER_LAST_NAME] = {"last_name", TEXTOID},
				[CUSTOMER_COMPANY_NAME] = {"company_name", TEXTOID},
				[CUSTOMER_PHONE] = {"phone", TEXTOID},
				[CUSTOMER_METADATA] = {"metadata", JSONBOID},
				[CUSTOMER_METADATA_ORDER] = {"metadata_order", TEXTARRAYOID},
				[CUSTOMER_EXTERNAL_ID] = {"external_id", TEXTOID},
				[CUSTOMER_CREATED_BY] = {"created_by", TEXTOID},
				[CUSTOMER_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
				[CUSTOMER_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
				[CUSTOMER_VERSION] = {"version", INT8OID},
			},
		},
	[STORE_GROUP] =
		{
			"customer_group",
			"a customer group",
			7,
			{
				[GROUP_ID] = {"id", INT8OID},
				[GROUP_NAME] = {"name", TEXTOID},
				[GROUP_METADATA] = {"metadata", JSONBOID},
				[GROUP_CREATED_BY] = {"created_by", TEXTOID},
				[GROUP_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
				[GROUP_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
				[GROUP_VERSION] = {"version", INT8OID},
			},
		},
	[STORE_MEMBER] =
		{
			"customer_group_member",
			"a membership",
			4,
			{
				[MEMBER_GROUP_ID] = {"customer_group_id", INT8OID},
				[MEMBER_CUSTOMER_ID] = {"customer_id", INT8OID},
				[MEMBER_ADDED_BY] = {"added_by", TEXTOID},
				[MEMBER_ADDED_AT] = {"added_at", TIMESTAMPTZOID},
			},
		},
	[STORE_ORDERS] =
		{
			"orders",
			"an order",
			15,
			{
				[ORDERS_ID] = {"id", INT8OID},
				[ORDERS_CUSTOMER_ID] = {"customer_id", INT8OID},
				[ORDERS_EMAIL] = {"email", TEXTOID},
				[ORDERS_EMAIL_CHANGED_AT] = {"email_changed_at",
											 TIMESTAMPTZOID},
				[ORDERS_STATUS] = {"status", TEXTOID},
				[ORDERS_CURRENCY_CODE] = {"currency_code", TEXTOID},
				[ORDERS_TOTAL] = {"total", NUMERICOID},
				[ORDERS_PLACED_AT] = {"placed_at", TIMESTAMPTZOID},
				[ORDERS_SHIPPING_ADDRESS] = {"shipping_address", JSONBOID},
				[ORDERS_BILLING_ADDRESS] = {"billing_address", JSONBOID},
				[ORDERS_METADATA] = {"metadata", JSONBOID},
				[ORDERS_EXTERNAL_ID] = {"external_id", TEXTOID},
				[ORDERS_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
				[ORDERS_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
				[ORDERS_VERSION] = {"version", INT8OID},
			},
		},
	[STORE_ITEM] =
		{
			"order_item",
			"a line of an order",
			7,
			{
				[ITEM_ORDER_ID] = {"order_id", INT8OID},
				[ITEM_LINE_NO] = {"line_no", INT4OID},
				[ITEM_TITLE] = {"title", TEXTOID},
				[ITEM_SKU] = {"sku", TEXTOID},
				[ITEM_QUANTITY] = {"quantity", NUMERICOID},
				[ITEM_UNIT_PRICE] = {"unit_price", NUMERICOID},
				[ITEM_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
	[STORE_TRANSFER] =
		{
			"order_transfer",
			"an order transfer",
			16,
			{
				[TRANSFER_ID] = {"id", INT8OID},
				[TRANSFER_ORDER_ID] = {"order_id", INT8OID},
				[TRANSFER_TO_CUSTOMER_ID] = {"to_customer_id", INT8OID},
				[TRANSFER_DESCRIPTION] = {"description", TEXTOID},
				[TRANSFER_UPDATE_ORDER_EMAIL] = {"update_order_email",
												 BOOLOID},
				[TRANSFER_FROM_CUSTOMER_ID] = {"from_customer_id", INT8OID},
				[TRANSFER_APPROVER_EMAIL] = {"approver_email", TEXTOID},
				[TRANSFER_STATUS] = {"status", TEXTOID},
				[TRANSFER_TOKEN_HASH] = {"token_hash", BYTEAOID},
				[TRANSFER_REQUESTED_BY] = {"requested_by", TEXTOID},
				[TRANSFER_REQUESTED_AT] = {"requested_at", TIMESTAMPTZOID},
				[TRANSFER_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
				[TRANSFER_RESOLVED_AT] = {"resolved_at", TIMESTAMPTZOID},
				[TRANSFER_RESOLVED_BY] = {"resolved_by", TEXTOID},
				[TRANSFER_DECLINE_REASON] = {"decline_reason", TEXTOID},
				[TRANSFER_APPROVAL_TOKEN] = {"approval_token", TEXTOID},
			},
		},
	[STORE_CREDENTIAL] =
		{
			"credential",
			"a credential",
			8,
			{
				[CREDENTIAL_CUSTOMER_ID] = {"customer_id", INT8OID},
				[CREDENTIAL_PASSWORD_HASH] = {"password_hash", TEXTOID},
				[CREDENTIAL_FAILED_ATTEMPTS] = {"failed_attempts", INT4OID},
				[CREDENTIAL_LOCKED_UNTIL] = {"locked_until", TIMESTAMPTZOID},
				[CREDENTIAL_PASSWORD_CHANGED_AT] = {"password_changed_at",
													TIMESTAMPTZOID},
				[CREDENTIAL_NEW_PASSWORD] = {"new_password", TEXTOID},
				[CREDENTIAL_PROOF] = {"proof", TEXTOID},
				[CREDENTIAL_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
	[STORE_ACCOUNT_TOKEN] =
		{
			"account_token",
			"a token of an account",
			6,
			{
				[ACCOUNT_TOKEN_ID] = {"id", INT8OID},
				[ACCOUNT_TOKEN_CUSTOMER_ID] = {"customer_id", INT8OID},
				[ACCOUNT_TOKEN_PURPOSE] = {"purpose", TEXTOID},
				[ACCOUNT_TOKEN_TOKEN_HASH] = {"token_hash", BYTEAOID},
				[ACCOUNT_TOKEN_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
				[ACCOUNT_TOKEN_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
	[STORE_EVENT] =
		{
			"event",
			"an event",
			8,
			{
				[EVENT_ID] = {"id", INT8OID},
				[EVENT_TYPE] = {"type", TEXTOID},
				[EVENT_CUSTOMER_ID] = {"customer_id", INT8OID},
				[EVENT_ORDER_ID] = {"order_id", INT8OID},
				[EVENT_ROLE] = {"role", TEXTOID},
				[EVENT_ACTOR] = {"actor", TEXTOID},
				[EVENT_PAYLOAD] = {"payload", JSONBOID},
				[EVENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
	[STORE_SUBSCRIPTION] =
		{
			"subscription",
			"a subscription",
			4,
			{
				[SUBSCRIPTION_NAME] = {"name", TEXTOID},
				[SUBSCRIPTION_EVENT_TYPES] = {"event_types", TEXTARRAYOID},
				[SUBSCRIPTION_DOORBELL] = {"doorbell", BOOLOID},
				[SUBSCRIPTION_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
	[STORE_DELIVERY] =
		{
			"delivery",
			"a delivery",
			11,
			{
				[DELIVERY_ID] = {"id", INT8OID},
				[DELIVERY_SUBSCRIPTION] = {"subscription", TEXTOID},
				[DELIVERY_EVENT_ID] = {"event_id", INT8OID},
				[DELIVERY_PERSON_IDS] = {"person_ids", INT8ARRAYOID},
				[DELIVERY_CONFIDENTIAL] = {"confidential", JSONBOID},
				[DELIVERY_ATTEMPTS] = {"attempts", INT4OID},
				[DELIVERY_AVAILABLE_AT] = {"available_at", TIMESTAMPTZOID},
				[DELIVERY_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
				[DELIVERY_LAST_ERROR] = {"last_error", TEXTOID},
				[DELIVERY_FAILED_AT] = {"failed_at", TIMESTAMPTZOID},
				[DELIVERY_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
			},
		},
};
