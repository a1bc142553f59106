/*
 * address.h
 *		Which e-mail addresses are valid: the one definition, which the library
 *		and the daemon both compile.
 *
 * Plain C without the server's headers.  Addresses are bytes of UTF-8 with
 * their length; nothing behind them is read, and no zero byte is needed.
 */
#ifndef CUSTOMERS_ADDRESS_H
#define CUSTOMERS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define CUST_ADDRESS_MAX 254 /* bytes, RFC 5321 with its erratum 1690 */

/* labels of a domain: what a shop writes to, and what may be its sender */
#define CUST_ADDRESS_PUBLIC 2
#define CUST_ADDRESS_LOCAL 1

extern const char *cust_address_fault(const char *s, size_t length,
									  int fewest_labels);
extern bool cust_address_needs_quotes(const char *s, size_t length);

#endif /* CUSTOMERS_ADDRESS_H */
