set(checkpoints_fixture ${CMAKE_CURRENT_SOURCE_DIR}/support/checkpoints_fixture.c)
rwd_test(checkpoints_frame_test SOURCES checkpoints_frame_test.c LIBS rwd_checkpoints)
rwd_test(checkpoints_lineage_test SOURCES checkpoints_lineage_test.c LIBS rwd_checkpoints)
rwd_test(checkpoints_io_test SOURCES checkpoints_io_test.c LIBS rwd_checkpoints TIERS)
rwd_test(checkpoints_queue_test SOURCES checkpoints_queue_test.c LIBS rwd_checkpoints TIERS)
rwd_test(checkpoints_probe_test SOURCES checkpoints_probe_test.c LIBS rwd_checkpoints)
rwd_test(checkpoints_repository_test SOURCES checkpoints_repository_test.c ${checkpoints_fixture} LIBS rwd_checkpoints TIERS)
rwd_test(checkpoints_lock_test SOURCES checkpoints_lock_test.c ${checkpoints_fixture} LIBS rwd_checkpoints)
rwd_test(checkpoints_history_test SOURCES checkpoints_history_test.c ${checkpoints_fixture} LIBS rwd_checkpoints)
rwd_test(checkpoints_damage_test SOURCES checkpoints_damage_test.c ${checkpoints_fixture} LIBS rwd_checkpoints TIERS)
rwd_test(checkpoints_retention_test SOURCES checkpoints_retention_test.c ${checkpoints_fixture} LIBS rwd_checkpoints)
rwd_test(checkpoints_threads_test
  SOURCES checkpoints_threads_test.c ${checkpoints_fixture} ${CMAKE_CURRENT_SOURCE_DIR}/support/fake_participant.c
  LIBS rwd_checkpoints
  LABELS threads
  TIERS)
rwd_test(checkpoints_journal_test SOURCES checkpoints_journal_test.c LIBS rwd_checkpoints LABELS threads TIERS)
