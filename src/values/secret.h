/*
 * secret.h
 *		Passwords and tokens on their way through a call.
 */
#ifndef CUSTOMERS_SECRET_H
#define CUSTOMERS_SECRET_H

extern text *cust_secret_copy(text *secret);
extern text *cust_secret_seal(text *secret);
extern void cust_secret_break(text *seal);
extern text *cust_secret_open(text *value);

#endif /* CUSTOMERS_SECRET_H */
