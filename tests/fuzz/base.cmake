rwd_fuzz(decimal_fuzz SOURCES decimal_fuzz.c LIBS rwd_base)
rwd_fuzz(time_fuzz SOURCES time_fuzz.c LIBS rwd_base)
rwd_fuzz(utf8_fuzz SOURCES utf8_fuzz.c LIBS rwd_base)
rwd_fuzz(amount_fuzz SOURCES amount_fuzz.c LIBS rwd_base)
