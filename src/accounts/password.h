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
extern bool cust_password_matches(text *password, text *hash);
extern void cust_password_spend_time(void);
extern bool cust_password_is_outdated(text *hash);
extern void cust_password_wipe(text *password);

#endif /* CUSTOMERS_PASSWORD_H */
