rwd_test(repair_corrections_test SOURCES repair_corrections_test.c LIBS rwd_repair)
rwd_test(repair_logics_test SOURCES repair_logics_test.c LIBS rwd_repair)
rwd_test(repair_plan_test SOURCES repair_plan_test.c ${CMAKE_CURRENT_SOURCE_DIR}/support/checkpoints_fixture.c LIBS rwd_repair)
