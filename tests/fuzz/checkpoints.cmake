rwd_fuzz(checkpoints_fuzz SOURCES checkpoints_fuzz.c LIBS rwd_checkpoints)
rwd_fuzz(journal_fuzz SOURCES journal_fuzz.c LIBS rwd_checkpoints)
