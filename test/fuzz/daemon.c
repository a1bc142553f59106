/*
 * daemon.c
 *		The parts of customers-notifyd, outside of it.
 *
 * In the place of complain.c: complain comes back instead of ending the
 * program.
 */
#include "daemon.h"

#include <setjmp.h>
#include <stdarg.h>

#include "notifyd/complain.h"

static jmp_buf complained;
static bool may_complain;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void
complain(int status, const char *format, ...)
{
	char message[4096];
	va_list arguments;

	/* the message is made, since it is made of what was given */
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	PROMISE(may_complain);
	PROMISE(status != EXIT_INTERNAL);
	longjmp(complained, 1);
}

/* Does the action end with a complaint? */
bool
daemon_complains(void (*action)(void *), void *argument)
{
	volatile bool complains = true;

	may_complain = true;
	if (setjmp(complained) == 0)
	{
		action(argument);
		complains = false;
	}
	may_complain = false;
	return complains;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};

	fuzz_one(&input);
	return 0;
}
