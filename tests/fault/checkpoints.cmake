set(support ${CMAKE_CURRENT_SOURCE_DIR}/support)
rwd_test(checkpoints_fault_test
  SOURCES checkpoints_fault_test.c ${support}/checkpoints_fixture.c ${support}/checkpoints_scripts.c ${support}/fake_participant.c
  LIBS rwd_checkpoints)
