rwd_test(state_model_test SOURCES state_model_test.c LIBS rwd_state LABELS threads)
