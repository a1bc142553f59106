$layout$ $function$;
REVOKE ALL ON FUNCTION customers._layout() FROM PUBLIC;
COMMENT ON FUNCTION customers._layout() IS
	'The DDL of a store; @store@ stands for its schema.';
