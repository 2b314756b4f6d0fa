rwd_test(state_model_test SOURCES state_model_test.c LIBS rwd_state LABELS threads)
rwd_test(state_compare_test SOURCES state_compare_test.c LIBS rwd_state LABELS threads)
rwd_test(state_timers_test SOURCES state_timers_test.c LIBS rwd_state LABELS threads)
rwd_test(state_dead_test SOURCES state_dead_test.c LIBS rwd_state LABELS threads)
rwd_test(state_dedup_test SOURCES state_dedup_test.c LIBS rwd_state LABELS threads)
# The same with the group match that machines without SSE2 use.
rwd_test(state_dedup_portable_test SOURCES state_dedup_test.c ${CMAKE_SOURCE_DIR}/state/dedup.c LIBS rwd_state LABELS threads)
target_compile_definitions(state_dedup_portable_test PRIVATE RWD_GROUP_PORTABLE)

# Rows of random events, which tests/e2e/test_aggregates.py calculates a second time.
add_executable(aggregate_rows ${CMAKE_CURRENT_LIST_DIR}/aggregate_rows.c)
target_link_libraries(aggregate_rows PRIVATE rwd_flags rwd_state)
