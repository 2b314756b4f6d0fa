rwd_fuzz(key_fuzz SOURCES key_fuzz.c LIBS rwd_state)
