rwd_test(state_model_test SOURCES state_model_test.c LIBS rwd_state LABELS threads)
rwd_test(state_timers_test SOURCES state_timers_test.c LIBS rwd_state LABELS threads)
