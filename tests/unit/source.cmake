rwd_test(source_framing_test SOURCES source_framing_test.c LIBS rwd_source)
rwd_test(source_file_test SOURCES source_file_test.c LIBS rwd_source)
rwd_test(source_memory_test SOURCES source_memory_test.c LIBS rwd_source)
rwd_test(source_amended_test SOURCES source_amended_test.c LIBS rwd_source)
