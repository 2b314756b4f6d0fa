rwd_test(base_bytes_test SOURCES base_bytes_test.c LIBS rwd_base)
rwd_test(base_decimal_test SOURCES base_decimal_test.c LIBS rwd_base)
rwd_test(base_float_test SOURCES base_float_test.c LIBS rwd_base)
rwd_test(base_time_test SOURCES base_time_test.c LIBS rwd_base)
rwd_test(base_zone_test SOURCES base_zone_test.c LIBS rwd_base)
rwd_test(base_hash_test SOURCES base_hash_test.c LIBS rwd_base)

# The same with the CRC table that machines without the instruction use.
rwd_test(base_hash_portable_test SOURCES base_hash_test.c ${CMAKE_SOURCE_DIR}/operator/base/hash.c LIBS rwd_base)
target_compile_definitions(base_hash_portable_test PRIVATE RWD_CRC32C_PORTABLE)
target_compile_options(base_hash_portable_test PRIVATE -O2)

rwd_test(base_error_test SOURCES base_error_test.c LIBS rwd_base rwd_version)
rwd_test(base_json_test SOURCES base_json_test.c LIBS rwd_base m)
rwd_test(base_fs_test SOURCES base_fs_test.c LIBS rwd_base)
rwd_test(base_ticker_test SOURCES base_ticker_test.c LIBS rwd_base LABELS threads)
rwd_test(base_log_test SOURCES base_log_test.c LIBS rwd_base LABELS threads)
