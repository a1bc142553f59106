/*
 * job.h
 *		Deliveries that commands are at work on.
 */
#ifndef NOTIFYD_JOB_H
#define NOTIFYD_JOB_H

#include "delivery.h"
#include "options.h"

extern void job_begin(const Options *options);
extern int job_free_slots(void);
extern bool job_any_running(void);
extern void job_start(Delivery *delivery);
extern void job_collect(void);

#endif
