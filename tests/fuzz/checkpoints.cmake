rwd_fuzz(checkpoints_fuzz SOURCES checkpoints_fuzz.c LIBS rwd_checkpoints)
