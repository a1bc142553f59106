-- Accounts while no cache lasts.
\ir walk.psql
SELECT plan(8);

\o /dev/null
:discard
SELECT customers.register_customer('ada@example.com', 'correct horse', 'Ada') AS ada \gset
SELECT customers.authenticate('ADA@example.com', 'correct horse') AS known \gset
SELECT customers.authenticate('ada@example.com', 'wrong horse') IS NULL AS wrong \gset
SELECT customers.authenticate('nobody@example.com', 'correct horse') IS NULL AS nobody \gset
SELECT customers.change_password(:ada, 'wrong horse', 'battery staple') AS refused \gset
SELECT customers.change_password(:ada, 'correct horse', 'battery staple') AS changed \gset
SELECT customers.request_password_reset('ada@example.com');
SELECT confidential ->> 'token' AS token FROM shop.delivery WHERE confidential ? 'token' \gset
SELECT customers.reset_password(:'token', 'third time lucky') AS reset \gset
SELECT customers.authenticate('ada@example.com', 'third time lucky') AS again \gset
:keep
\o
SELECT is(:known, :ada, 'authenticate: the right pair');
SELECT is(:'wrong'::boolean, true, 'authenticate: a wrong password');
SELECT is(:'nobody'::boolean, true, 'authenticate: an unknown address');
SELECT is(:'refused'::boolean, false, 'change_password: a wrong one');
SELECT is(:'changed'::boolean, true, 'change_password: the right one');
SELECT is(:reset, :ada, 'reset_password: by the token');
SELECT is(:again, :ada, 'authenticate: the new password');
SELECT is((SELECT count(*) FROM shop.account_token), 0::bigint, 'reset_password: no token is left');
SELECT finish();
ROLLBACK;
