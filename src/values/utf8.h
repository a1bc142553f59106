/*
 * utf8.h
 *		Characters of UTF-8.  Plain C, for the library and the daemon.
 */
#ifndef CUSTOMERS_UTF8_H
#define CUSTOMERS_UTF8_H

#include <stddef.h>

extern size_t cust_utf8_decode(const char *s, size_t left, unsigned int *c);

#endif /* CUSTOMERS_UTF8_H */
