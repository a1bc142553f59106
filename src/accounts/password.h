/*
 * password.h
 *		Hashes of passwords.
 */
#ifndef CUSTOMERS_PASSWORD_H
#define CUSTOMERS_PASSWORD_H

#define CUST_PASSWORD_MIN 8	   /* characters */
#define CUST_PASSWORD_MAX 1024 /* bytes */

extern void cust_password_check_length(const char *schema, text *password);
extern bool cust_password_length_fits(text *password);
extern text *cust_password_hash(text *password);
extern bool cust_password_matches(text *password, text *stored);
extern bool cust_password_is_outdated(text *stored);

#endif /* CUSTOMERS_PASSWORD_H */
