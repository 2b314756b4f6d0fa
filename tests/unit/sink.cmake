rwd_test(sink_row_text_test SOURCES sink_row_text_test.c LIBS rwd_sink)
rwd_test(sink_transaction_test SOURCES sink_transaction_test.c LIBS rwd_sink)
rwd_test(sink_kafka_metadata_test SOURCES sink_kafka_metadata_test.c LIBS rwd_sink)
rwd_test(sink_commit_log_test SOURCES sink_commit_log_test.c LIBS rwd_sink)
rwd_test(sink_file_test SOURCES sink_file_test.c LIBS rwd_sink)
rwd_test(sink_memory_test SOURCES sink_memory_test.c LIBS rwd_sink)
rwd_test(sink_threads_test SOURCES sink_threads_test.c LIBS rwd_sink LABELS threads)
rwd_test(sink_kafka_threads_test
  SOURCES sink_kafka_threads_test.c ${CMAKE_CURRENT_SOURCE_DIR}/support/mock_cluster.c ${CMAKE_CURRENT_SOURCE_DIR}/support/c11_threads.c
  LIBS rwd_sink PkgConfig::rdkafka LABELS threads)
