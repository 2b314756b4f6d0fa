rwd_test(pipeline_bounds_test SOURCES pipeline_bounds_test.c LIBS rwd_pipeline LABELS threads)
rwd_test(pipeline_watchdog_test SOURCES pipeline_watchdog_test.c LIBS rwd_pipeline)
rwd_test(pipeline_rollback_test SOURCES pipeline_rollback_test.c LIBS rwd_pipeline LABELS threads)
rwd_test(pipeline_switch_test SOURCES pipeline_switch_test.c ${CMAKE_CURRENT_SOURCE_DIR}/support/checkpoints_fixture.c LIBS rwd_pipeline)
