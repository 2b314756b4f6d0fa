rwd_test(state_key_test SOURCES state_key_test.c LIBS rwd_state)
rwd_test(state_aggregate_test SOURCES state_aggregate_test.c LIBS rwd_state)
rwd_test(state_value_test SOURCES state_value_test.c LIBS rwd_state)
rwd_test(state_digest_test SOURCES state_digest_test.c LIBS rwd_state)
rwd_test(state_pool_test SOURCES state_pool_test.c LIBS rwd_state LABELS threads)

# The same with the group match that machines without SSE2 use.
rwd_test(state_segment_test SOURCES state_segment_test.c LIBS rwd_state)
rwd_test(state_segment_portable_test SOURCES state_segment_test.c ${CMAKE_SOURCE_DIR}/state/segment.c LIBS rwd_base)
target_compile_definitions(state_segment_portable_test PRIVATE RWD_GROUP_PORTABLE)

rwd_test(state_tables_test SOURCES state_tables_test.c LIBS rwd_state LABELS threads)
rwd_test(state_reader_test SOURCES state_reader_test.c LIBS rwd_state LABELS threads)
rwd_test(state_migrate_test SOURCES state_migrate_test.c LIBS rwd_state LABELS threads)
rwd_test(state_key_text_test SOURCES state_key_text_test.c LIBS rwd_state)
rwd_test(state_sessions_test SOURCES state_sessions_test.c LIBS rwd_state)
