set(checkpoints_fixture ${CMAKE_CURRENT_SOURCE_DIR}/support/checkpoints_fixture.c)
rwd_test(checkpoints_repository_test SOURCES checkpoints_repository_test.c ${checkpoints_fixture} LIBS rwd_checkpoints)
