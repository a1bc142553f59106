/*
 * server.h
 *		As much of a server as code needs that touches no table.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "postgres.h"

#include "input.h"

/* the target: called for each input, in a context that is emptied after it */
extern void fuzz_one(Input *input);

extern text *server_text(const char *s, size_t length);
extern text *server_next_text(Input *input);

#endif
