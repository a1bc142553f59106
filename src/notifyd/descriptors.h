/*
 * descriptors.h
 *		Which file descriptors there are, and who inherits them.
 */
#ifndef NOTIFYD_DESCRIPTORS_H
#define NOTIFYD_DESCRIPTORS_H

#include <stdbool.h>

extern void descriptors_begin(void);
extern bool descriptors_pipe(int fds[2]);

#endif
