/*
 * fold.h
 *		Texts without upper case, the same in every locale.
 */
#ifndef CUSTOMERS_FOLD_H
#define CUSTOMERS_FOLD_H

extern int cust_fold_case(const char *s, int length, char *out);
extern int cust_fold_space(const char *s, int left);

#endif /* CUSTOMERS_FOLD_H */
