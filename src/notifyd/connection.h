/*
 * connection.h
 *		The one connection to the server.
 */
#ifndef NOTIFYD_CONNECTION_H
#define NOTIFYD_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "clock.h"
#include "options.h"

extern void connection_begin(const Options *options);
extern bool connection_is_open(void);
extern bool connection_open(void);
extern Millis connection_next_try(void);
extern void connection_close(const char *reason);

extern int connection_socket(void);
extern void connection_read(void);
extern bool connection_rang(void);

extern PGresult *connection_query(const char *sql, int n,
								  const char *const *values);
extern PGresult *connection_call(const char *sql, int n,
								 const char *const *values);
extern bool connection_failed(const PGresult *result);
extern void connection_log_error(const char *event, const PGresult *result);

#endif
