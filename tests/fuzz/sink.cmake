rwd_fuzz(commit_log_fuzz SOURCES commit_log_fuzz.c LIBS rwd_sink)
rwd_fuzz(row_text_fuzz SOURCES row_text_fuzz.c LIBS rwd_sink)
