/*
 * guc.h
 *		The settings customers.*
 */
#ifndef CUSTOMERS_GUC_H
#define CUSTOMERS_GUC_H

#include "datatype/timestamp.h"

extern char *cust_guc_store;		  /* the store that functions act on */
extern char *cust_guc_confirm_delete; /* "<id>:<e-mail>" */
extern char *cust_guc_purge_before;	  /* a timestamptz, or empty */
extern char *cust_guc_actor;		  /* who acts; empty: the role */
extern bool cust_guc_notify;
extern bool cust_guc_record_events;
extern int cust_guc_email_change_hold; /* seconds */
extern int cust_guc_transfer_ttl;	   /* seconds */
extern int cust_guc_transfer_requests_per_day;
extern int cust_guc_password_memory; /* kB */
extern int cust_guc_password_passes;
extern int cust_guc_delivery_ttl; /* seconds */

/*
 * The most that the cost of a hash can be set to.  A run cannot be
 * interrupted, so that at both of them it should take about a second.
 */
#define CUST_PASSWORD_MEMORY_MIN 8			  /* kB */
#define CUST_PASSWORD_MEMORY_MAX (128 * 1024) /* kB */
#define CUST_PASSWORD_PASSES_MAX 10

/* longest name of a store, in bytes: its channel is customers_<store> */
#define CUST_STORE_NAME_MAX 50

extern void cust_guc_define(void);
extern int cust_guc_set_for_statement(const char *name, const char *value);
extern void cust_guc_unset(int level);
extern bool cust_guc_email_settled(TimestampTz changed_at);
extern const char *cust_guc_current_actor(void);
extern const char *cust_guc_outer_role(void);

#endif /* CUSTOMERS_GUC_H */
