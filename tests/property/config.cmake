rwd_test(config_print_test SOURCES config_print_test.c LIBS rwd_config)
