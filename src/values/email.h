/*
 * email.h
 *		E-mail addresses.
 */
#ifndef CUSTOMERS_EMAIL_H
#define CUSTOMERS_EMAIL_H

extern text *cust_email_normalize(text *typed, const char **fault);
extern text *cust_email_sought(text *typed);
extern bool cust_email_same(text *typed, text *stored, text **normal);
extern char *cust_email_message(text *typed, const char *fault);
extern text *cust_email_valid(const char *schema, const char *table,
							  text *typed);
extern bool cust_email_equal(text *a, text *b);

#endif /* CUSTOMERS_EMAIL_H */
