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

CREATE FUNCTION customers.register_customer(
	email text,
	password text,
	first_name text = NULL,
	last_name text = NULL,
	company_name text = NULL,
	phone text = NULL,
	metadata jsonb = NULL
) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_register_customer';
COMMENT ON FUNCTION customers.register_customer(text, text, text, text, text, text, jsonb) IS
	'Creates a registered customer with a password and returns the id; a guest with the same e-mail stays beside.
Example: SELECT customers.register_customer(''ada@example.com'', ''<password>'', ''Ada'');';

CREATE FUNCTION customers.authenticate(email text, password text) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_authenticate';
COMMENT ON FUNCTION customers.authenticate(text, text) IS
	'Returns the id of the customer who logs in, NULL for any wrong pair.
Example: SELECT customers.authenticate(''ada@example.com'', ''<password>'');';

CREATE FUNCTION customers.change_password(
	customer_id bigint,
	current_password text,
	new_password text
) RETURNS boolean
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_change_password';
COMMENT ON FUNCTION customers.change_password(bigint, text, text) IS
	'Changes a password, proved by the current one; false if that is wrong.
Example: SELECT customers.change_password(1, ''<password>'', ''<new password>'');';

CREATE FUNCTION customers.request_password_reset(email text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_request_password_reset';
COMMENT ON FUNCTION customers.request_password_reset(text) IS
	'Sends a token for a new password, if there is an account with that e-mail, and says nothing about it.
Example: SELECT customers.request_password_reset(''ada@example.com'');';

CREATE FUNCTION customers.reset_password(token text, new_password text)
RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'customers_reset_password';
COMMENT ON FUNCTION customers.reset_password(text, text) IS
	'Sets a new password with the token that was sent, and returns the id of the customer.
Example: SELECT customers.reset_password(''<token>'', ''<new password>'');';


CREATE FUNCTION customers.password_hash_fault(password_hash text) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'customers_password_hash_fault';
COMMENT ON FUNCTION customers.password_hash_fault(text) IS
	'Why a stored hash is never compared with a password; NULL if it is.
Example: SELECT customer_id, customers.password_hash_fault(password_hash) FROM shop.credential;';
