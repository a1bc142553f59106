/*
 * input.h
 *		What a target is given by the fuzzer, taken piece by piece.
 *
 * A zero byte separates the pieces.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Input
{
	const uint8_t *data;
	size_t left;
} Input;

/* Ends the run as a finding, unless what is promised holds. */
#define PROMISE(holds)                                                        \
	((holds) ?                                                                \
		 (void) 0 :                                                           \
		 (fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #holds), \
		  abort()))

/* The next piece and its length; an empty one when nothing is left. */
static inline const uint8_t *
input_piece(Input *input, size_t *length)
{
	const uint8_t *start = input->data;
	const uint8_t *end = input->left > 0 ? memchr(start, 0, input->left) :
										   NULL;

	*length = end ? (size_t) (end - start) : input->left;
	input->data += *length + (end != NULL);
	input->left -= *length + (end != NULL);
	return start;
}

/* The next byte, 0 when nothing is left. */
static inline uint8_t
input_byte(Input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->data++;
}

/* The next piece as a string in memory of just its size. */
static inline char *
input_string(Input *input)
{
	size_t length;
	const uint8_t *piece = input_piece(input, &length);
	char *s = malloc(length + 1);

	if (s == NULL)
		abort();
	if (length > 0)
		memcpy(s, piece, length);
	s[length] = '\0';
	return s;
}

#endif
