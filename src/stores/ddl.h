/*
 * ddl.h
 *		The statements that make a store, and the objects they make.
 */
#ifndef CUSTOMERS_DDL_H
#define CUSTOMERS_DDL_H

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

typedef enum DdlKind
{
	DDL_TABLE,
	DDL_CONSTRAINT,
	DDL_INDEX,
	DDL_TRIGGER,
	DDL_ROWS /* an INSERT */
} DdlKind;

typedef struct DdlStatement
{
	DdlKind kind;
	const char *table;
	const char *name; /* of the object; NULL for rows */
	const char *text; /* the statement, with a semicolon */
	Node *node;		  /* its raw parse tree */
} DdlStatement;

extern List *cust_ddl_statements(const char *schema);
extern List *cust_ddl_guards(void);
extern const char *cust_ddl_kind_name(DdlKind kind);
extern bool cust_ddl_is_search_index(const DdlStatement *statement);
extern const Constraint *cust_ddl_constraint(const DdlStatement *statement);
extern bool cust_ddl_is_key(const DdlStatement *statement);
extern Oid cust_ddl_find(const DdlStatement *statement, Oid schema);

#endif /* CUSTOMERS_DDL_H */
