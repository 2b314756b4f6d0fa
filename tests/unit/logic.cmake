rwd_test(logic_decode_json_test SOURCES logic_decode_json_test.c LIBS rwd_logic)
rwd_test(logic_decode_csv_test SOURCES logic_decode_csv_test.c LIBS rwd_logic)
rwd_test(logic_step_test SOURCES logic_step_test.c LIBS rwd_logic)
rwd_test(logic_generate_test SOURCES logic_generate_test.c LIBS rwd_logic)
