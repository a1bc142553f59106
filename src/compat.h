/*
 * compat.h
 *		The differences between the supported servers (PostgreSQL 15 to 19).
 *
 * The only file that tests PG_VERSION_NUM.  Older servers are given the names
 * of the newest one.
 */
#ifndef CUSTOMERS_COMPAT_H
#define CUSTOMERS_COMPAT_H

#include "access/tableam.h"
#include "catalog/pg_namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "parser/parse_relation.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/datetime.h"
#include "utils/inval.h"
#include "utils/jsonb.h"

#if PG_VERSION_NUM < 150000
#error "customers needs PostgreSQL 15 or newer"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#else
#define object_aclcheck(classid, objectid, roleid, mode) \
	pg_namespace_aclcheck(objectid, roleid, mode)
#endif

/* identifies the transaction within this session */
#if PG_VERSION_NUM < 170000
#define CUST_LOCAL_XID() (MyProc->lxid)
#else
#define CUST_LOCAL_XID() (MyProc->vxid.lxid)
#endif

#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* making a slot that the list keeps */
#if PG_VERSION_NUM < 190000
#define cust_alloc_slot(list, desc, ops) ExecAllocTableSlot(list, desc, ops)
#else
#define cust_alloc_slot(list, desc, ops) ExecAllocTableSlot(list, desc, ops, 0)
#endif

/* entering a row that is in the heap into all indexes */
#if PG_VERSION_NUM < 160000
#define cust_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL)
#elif PG_VERSION_NUM < 190000
#define cust_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL, false)
#else
#define cust_insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples(info, estate, 0, slot, NIL, NULL)
#endif

/*
 * The same for the new version of a row; indexes is what cust_tuple_update
 * said.
 */
#if PG_VERSION_NUM < 160000
typedef bool CustUpdateIndexes;
#define cust_update_index_tuples(info, slot, estate, indexes) \
	ExecInsertIndexTuples(info, slot, estate, true, false, NULL, NIL)
#elif PG_VERSION_NUM < 190000
typedef TU_UpdateIndexes CustUpdateIndexes;
#define cust_update_index_tuples(info, slot, estate, indexes)         \
	ExecInsertIndexTuples(info, slot, estate, true, false, NULL, NIL, \
						  (indexes) == TU_Summarizing)
#else
typedef TU_UpdateIndexes CustUpdateIndexes;
#define cust_update_index_tuples(info, slot, estate, indexes) \
	ExecInsertIndexTuples(info, estate,                       \
						  EIIT_IS_UPDATE |                    \
							  ((indexes) == TU_Summarizing ?  \
								   EIIT_ONLY_SUMMARIZING :    \
								   0),                        \
						  slot, NIL, NULL)
#endif

/* putting a row in the place of an old one; *indexes: which it must enter */
#if PG_VERSION_NUM < 190000
#define cust_tuple_update(rel, tid, slot, estate, failure, mode, indexes)     \
	table_tuple_update(rel, tid, slot, (estate)->es_output_cid,               \
					   (estate)->es_snapshot,                                 \
					   (estate)->es_crosscheck_snapshot, true, failure, mode, \
					   indexes)
#else
#define cust_tuple_update(rel, tid, slot, estate, failure, mode, indexes)     \
	table_tuple_update(rel, tid, slot, (estate)->es_output_cid, 0,            \
					   (estate)->es_snapshot,                                 \
					   (estate)->es_crosscheck_snapshot, true, failure, mode, \
					   indexes)
#endif

/* what a row's triggers BEFORE UPDATE find out about concurrent changes */
#if PG_VERSION_NUM < 160000
#define cust_init_recheck(epq, estate) \
	EvalPlanQualInit(epq, estate, NULL, NIL, -1)
#define cust_update_triggers(estate, epq, info, tid, slot, result, failure) \
	((void) (result),                                                       \
	 ExecBRUpdateTriggers(estate, epq, info, tid, NULL, slot, failure))
#else
#define cust_init_recheck(epq, estate) \
	EvalPlanQualInit(epq, estate, NULL, NIL, -1, NIL)
#if PG_VERSION_NUM < 180000
#define cust_update_triggers(estate, epq, info, tid, slot, result, failure) \
	ExecBRUpdateTriggers(estate, epq, info, tid, NULL, slot, result, failure)
#else
#define cust_update_triggers(estate, epq, info, tid, slot, result, failure)   \
	ExecBRUpdateTriggers(estate, epq, info, tid, NULL, slot, result, failure, \
						 false)
#endif
#endif

/* the privileges that the tables of a statement need, and their check */
#if PG_VERSION_NUM < 160000
typedef RangeTblEntry CustPermission;
#define cust_permission_of(permissions, rte) ((void) (permissions), (rte))
#define cust_init_range(estate, range, permissions) \
	ExecInitRangeTable(estate, range)
#define cust_check_range(range, permissions) ExecCheckRTPerms(range, false)
#else
typedef RTEPermissionInfo CustPermission;
#define cust_permission_of(permissions, rte) \
	addRTEPermissionInfo(permissions, rte)
#if PG_VERSION_NUM < 180000
#define cust_init_range(estate, range, permissions) \
	ExecInitRangeTable(estate, range, permissions)
#else
#define cust_init_range(estate, range, permissions) \
	ExecInitRangeTable(estate, range, permissions, bms_make_singleton(1))
#endif
#define cust_check_range(range, permissions) \
	ExecCheckPermissions(range, permissions, false)
#endif

/* are there columns that are computed from others? */
#if PG_VERSION_NUM < 180000
#define cust_has_generated(constr) ((constr)->has_generated_stored)
#define cust_constraint_is_enforced(form) true
#else
#define cust_has_generated(constr) \
	((constr)->has_generated_stored || (constr)->has_generated_virtual)
#define cust_constraint_is_enforced(form) ((form)->conenforced)
#endif

/* lets the column at this place no NULL in, also none of before? */
#if PG_VERSION_NUM < 180000
#define cust_is_not_null(desc, place) (TupleDescAttr(desc, place)->attnotnull)
#else
#define cust_is_not_null(desc, place) \
	(TupleDescCompactAttr(desc, place)->attnullability == ATTNULLABLE_VALID)
#endif

/* the index of the primary key */
#if PG_VERSION_NUM < 180000
#define cust_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#else
#define cust_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, false)
#endif

/* scanning a table from its beginning */
#if PG_VERSION_NUM < 190000
#define cust_beginscan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL)
#else
#define cust_beginscan(rel, snapshot) \
	table_beginscan(rel, snapshot, 0, NULL, 0)
#endif

/* memory of the server that an extension finds by a name */
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#define CUST_HAS_NAMED_SEGMENTS
#endif
#if PG_VERSION_NUM >= 190000
#define CUST_SEGMENT_ARGUMENT , void *argument
#define cust_named_segment(name, size, initialize, found) \
	GetNamedDSMSegment(name, size, initialize, found, NULL)
#elif PG_VERSION_NUM >= 170000
#define CUST_SEGMENT_ARGUMENT
#define cust_named_segment(name, size, initialize, found) \
	GetNamedDSMSegment(name, size, initialize, found)
#endif

/* building a jsonb value */
#if PG_VERSION_NUM < 190000
typedef struct JsonbInState
{
	JsonbParseState *parseState;
	JsonbValue *result;
} JsonbInState;

static inline void
cust_push_jsonb(JsonbInState *state, JsonbIteratorToken token,
				JsonbValue *value)
{
	state->result = pushJsonbValue(&state->parseState, token, value);
}
#else
#define cust_push_jsonb(state, token, value) \
	pushJsonbValue(state, token, value)
#endif

/* decoding a date and time that ParseDateTime took apart; 0 if it is one */
static inline int
cust_decode_datetime(char **field, int *ftype, int nf, int *dtype,
					 struct pg_tm *tm, fsec_t *fsec, int *tz)
{
#if PG_VERSION_NUM < 160000
	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz);
#else
	DateTimeErrorExtra extra;

	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tz, &extra);
#endif
}

/*
 * Does a server for developers throw its caches away at every chance?  Then
 * everything seems to change all the time.
 */
static inline bool
cust_discards_caches(void)
{
	return debug_discard_caches > 0;
}

#endif /* CUSTOMERS_COMPAT_H */
