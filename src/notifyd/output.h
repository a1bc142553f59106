/*
 * output.h
 *		Events on standard output.
 */
#ifndef NOTIFYD_OUTPUT_H
#define NOTIFYD_OUTPUT_H

#include <stdbool.h>

#include "delivery.h"

extern int output_write(Delivery *const *deliveries, int n);
extern bool output_is_broken(void);

#endif
