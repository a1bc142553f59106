-- ---------------------------------------------------------------------------
-- Accounts
-- ---------------------------------------------------------------------------

CREATE FUNCTION customers.customer_account_registered() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_customer_account_registered';
COMMENT ON FUNCTION customers.customer_account_registered() IS
	'Constraint trigger of table customer: a registered customer can log in somehow.';

CREATE FUNCTION customers.credential_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_credential_guard';
COMMENT ON FUNCTION customers.credential_guard() IS
	'Trigger of table credential: passwords are changed by nobody but their owner.';

CREATE FUNCTION customers.account_token_guard() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_account_token_guard';
COMMENT ON FUNCTION customers.account_token_guard() IS
	'Trigger of table account_token: tokens are neither made by hand nor changed.';

