rwd_test(base_bytes_test SOURCES base_bytes_test.c LIBS rwd_base)
rwd_test(base_decimal_test SOURCES base_decimal_test.c LIBS rwd_base)
