# customers: build, install and test.  `make help` lists the targets.
#
# PG_CONFIG=/path/to/pg_config picks the server.  The version of the extension
# stands in customers.control and nowhere else.

EXTENSION = customers
MODULE_big = customers

EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" \
	$(EXTENSION).control)
# The library, a folder a noun; what notifyd/ holds is a program.
FOLDERS = customers groups orders accounts lists imports events stores rows \
	values
SOURCES := $(sort $(wildcard src/*.c $(FOLDERS:%=src/%/*.c)))
INCLUDED := $(sort $(wildcard src/*.h $(FOLDERS:%=src/%/*.h)))
NOTIFYD = src/notifyd/customers-notifyd
NOTIFYD_SOURCES := $(sort $(wildcard src/notifyd/*.c))
NOTIFYD_INCLUDED := $(sort $(wildcard src/notifyd/*.h))
# what the library and the daemon both compile
NOTIFYD_SHARED = src/values/address.c src/values/utf8.c
NOTIFYD_SHARED_OBJS = $(NOTIFYD_SHARED:src/values/%.c=src/notifyd/shared_%.o)
NOTIFYD_OBJS = $(NOTIFYD_SOURCES:.c=.o) $(NOTIFYD_SHARED_OBJS)
NOTIFYD_TEMPLATES := $(sort $(wildcard src/notifyd/templates/*.txt))
SQL_PARTS := $(sort $(wildcard sql/[0-9]*.sql))

OBJS = $(SOURCES:.c=.o)
DATA = $(sort $(wildcard sql/$(EXTENSION)--*.sql))
DATA_built = $(EXTENSION)--$(EXTVERSION).sql
EXTRA_CLEAN = .build $(DATA_built).tmp output_iso $(NOTIFYD) \
	src/notifyd/*.o

# Server headers are system headers: warnings are about our code only.  The
# server's callbacks have parameters that not every function needs.
PG_CPPFLAGS = -Isrc -DCUSTOMERS_VERSION='"$(EXTVERSION)"' \
	-isystem '$(shell $(PG_CONFIG) --includedir-server 2>/dev/null)'
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter \
	$(if $(filter-out 0,$(WERROR)),-Werror)
SHLIB_LINK = -lsodium

REGRESS = $(basename $(notdir $(sort $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(basename $(notdir $(sort $(wildcard test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

.DEFAULT_GOAL := all

ifneq ($(wildcard $(PGXS)),)

# Bitcode is optional and needs the clang and LLVM that the server was built
# with.  Where they are missing, the library is built without it.
GLOBAL := $(dir $(PGXS))../Makefile.global
named_there = $(shell sed -n 's/^$(1) *= *//p' $(GLOBAL))
ifeq ($(shell command -v $(or $(CLANG),$(call named_there,CLANG)) 2>/dev/null),)
override with_llvm = no
else ifeq ($(wildcard $(call named_there,LLVM_BINPATH)/llvm-lto),)
override with_llvm = no
endif

include $(PGXS)

# All objects depend on all headers, and on how they are compiled: the .build
# file changes with the server, the flags and the version.
BUILT_WITH := $(VERSION) $(PGXS) $(CC) $(CPPFLAGS) $(CFLAGS)
$(OBJS) $(OBJS:.o=.bc): $(INCLUDED) .build

.build: FORCE
	@printf '%s\n' $(call shell_quote,$(BUILT_WITH)) | cmp -s - $@ || \
		printf '%s\n' $(call shell_quote,$(BUILT_WITH)) > $@

shell_quote = '$(subst ','\'',$(1))'

# The daemon is a program on libpq and knows nothing of the server's headers;
# what it shares with the library is plain C.
NOTIFYD_CPPFLAGS = -Isrc -D_GNU_SOURCE -DCUSTOMERS_VERSION='"$(EXTVERSION)"' \
	-isystem '$(includedir)'
NOTIFYD_DATA = $(DESTDIR)$(datadir)/customers

all: $(NOTIFYD)

$(NOTIFYD): $(NOTIFYD_OBJS)
	$(CC) $(CFLAGS) $(NOTIFYD_OBJS) -L'$(libdir)' $(LDFLAGS) $(LDFLAGS_EX) \
		-lpq -o $@

COMPILE_NOTIFYD = $(CC) $(CFLAGS) $(NOTIFYD_CPPFLAGS) -c -o $@ $<

$(NOTIFYD_SHARED_OBJS): src/notifyd/shared_%.o: src/values/%.c \
		$(NOTIFYD_SHARED:.c=.h) .build
	$(COMPILE_NOTIFYD)

$(NOTIFYD_SOURCES:.c=.o): %.o: %.c $(NOTIFYD_INCLUDED) \
		$(NOTIFYD_SHARED:.c=.h) .build
	@[ -f '$(includedir)/libpq-fe.h' ] || { \
		echo "make: customers-notifyd needs libpq-fe.h, which is not in" \
			"$(includedir); install the development files of libpq" \
			"(Debian: libpq-dev)" >&2; exit 1; }
	$(COMPILE_NOTIFYD)

install: install-notifyd
uninstall: uninstall-notifyd

install-notifyd: $(NOTIFYD)
	$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(mandir)/man1' \
		'$(NOTIFYD_DATA)/templates'
	$(INSTALL_PROGRAM) $(NOTIFYD) '$(DESTDIR)$(bindir)'
	$(INSTALL_DATA) doc/customers-notifyd.1 '$(DESTDIR)$(mandir)/man1'
	$(INSTALL_DATA) $(NOTIFYD_TEMPLATES) '$(NOTIFYD_DATA)/templates'
	sed -e 's|@bindir@|$(bindir)|g' -e 's|@datadir@|$(datadir)|g' \
		src/notifyd/customers-notifyd@.service \
		> '$(NOTIFYD_DATA)/customers-notifyd@.service'

uninstall-notifyd:
	rm -f '$(DESTDIR)$(bindir)/customers-notifyd' \
		'$(DESTDIR)$(mandir)/man1/customers-notifyd.1' \
		'$(NOTIFYD_DATA)/customers-notifyd@.service' \
		$(patsubst %,'$(NOTIFYD_DATA)/templates/%',$(notdir $(NOTIFYD_TEMPLATES)))
	-rmdir '$(NOTIFYD_DATA)/templates' '$(NOTIFYD_DATA)' 2>/dev/null

.PHONY: install-notifyd uninstall-notifyd

else

all install uninstall installcheck clean:
	@echo "make $@: $(PG_CONFIG) names no PostgreSQL with development files;" \
		"set PG_CONFIG, or install them (Debian: postgresql-server-dev-*)" >&2
	@exit 1

endif

# The install script, joined from its parts; sql itself changes when a part
# comes or goes.
$(DATA_built): $(SQL_PARTS) $(wildcard sql) $(EXTENSION).control
	cat $(SQL_PARTS) /dev/null > $@.tmp
	mv $@.tmp $@

test:
	@test/with-server test/run

attack:
	@test/with-server test/run attack

cassert:
	@.ci/cassert

memcheck:
	@.ci/memcheck

fuzz:
	@test/fuzz/run

demo:
	@test/with-server test/demo

bench:
	@FSYNC=on test/with-server test/bench/run

# Layout differs between versions of clang-format; this one counts.
CLANG_FORMAT_MAJOR = 14
CLANG_FORMAT ?= $(firstword \
	$(shell command -v clang-format-$(CLANG_FORMAT_MAJOR) 2>/dev/null) clang-format)
FORMATTED = $(sort $(wildcard src/*.[ch] src/*/*.[ch]))
have_clang_format = $(CLANG_FORMAT) --version 2>/dev/null | \
	grep -q 'version $(CLANG_FORMAT_MAJOR)\.'

format:
	@$(have_clang_format) || { \
		echo "make $@ needs clang-format $(CLANG_FORMAT_MAJOR)" >&2; exit 1; }
	$(CLANG_FORMAT) -i $(FORMATTED)

check-format:
	@if ! $(have_clang_format); then \
		echo "check-format: skipped, no clang-format $(CLANG_FORMAT_MAJOR)"; \
		exit; \
	fi; \
	status=0; \
	for file in $(FORMATTED); do \
		$(CLANG_FORMAT) "$$file" | cmp -s - "$$file" && continue; \
		echo "$$file: make format would change it"; status=1; \
	done; \
	exit $$status

# Left out: what server headers and their calling conventions force on us.
TIDY_CHECKS = -*,clang-analyzer-*,bugprone-*,performance-*,$(strip \
	)-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,$(strip \
	)-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions,$(strip \
	)-bugprone-reserved-identifier,-bugprone-macro-parentheses

# Which folder of src/ may include which.
check-includes:
	@.ci/check-includes

lint: check-includes
	@found=; status=0; \
	if command -v clang-tidy >/dev/null; then found=1; \
		clang-tidy --quiet --checks='$(TIDY_CHECKS)' --warnings-as-errors='*' \
			$(SOURCES) -- $(PG_CPPFLAGS) -D_GNU_SOURCE 2>/dev/null || status=1; \
		for file in $(NOTIFYD_SOURCES); do \
			clang-tidy --quiet --checks='$(TIDY_CHECKS)' \
				--warnings-as-errors='*' $$file -- $(NOTIFYD_CPPFLAGS) \
				2>/dev/null || status=1; \
		done; \
	fi; \
	if command -v cppcheck >/dev/null; then found=1; \
		cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 \
			--enable=warning,portability,performance -DPG_VERSION_NUM=150000 \
			'-Dpg_attribute_printf(a, b)=' -Dpg_noreturn= \
			-Isrc src || status=1; \
	fi; \
	[ -n "$$found" ] || echo "lint: skipped, no clang-tidy and no cppcheck"; \
	exit $$status

help:
	@echo "make                  build the library, the install script and the daemon"
	@echo "make install          install them into the server of PG_CONFIG"
	@echo "make installcheck     run the tests against a running server"
	@echo "make demo [KEEP=1]    show the extension at work on a throwaway server"
	@echo "make test             run all tests on a throwaway server"
	@echo "make attack           what a hostile owner of a store can do, tried"
	@echo "make cassert          run all tests on a server with assertions, and a walk of"
	@echo "                      each noun without caches; builds that server once"
	@echo "make memcheck         run the pgTAP files while valgrind watches the server"
	@echo "make fuzz             random input for the parsers, every function and table;"
	@echo "                      FUZZ_SECONDS=15 each, SEED=<number>"
	@echo "make bench            measure beside SQL and PL/pgSQL by hand; ROWS=1000000"
	@echo "                      PARTS='hot lists' QUICK=1 BENCH_OUT=<folder>"
	@echo "make format           lay out the C code"
	@echo "make check-format     complain about C code that is laid out otherwise"
	@echo "make lint             look for mistakes with clang-tidy or cppcheck"
	@echo "make clean            remove what was built"
	@echo
	@echo "PG_CONFIG=<path>      the server to build for"
	@echo "WERROR=1              warnings are errors"
	@echo "KEEP=1                demo and test leave their server running"

.PHONY: FORCE test attack cassert memcheck fuzz demo bench format check-format check-includes lint help
