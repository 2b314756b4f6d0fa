rwd_fuzz(admin_fuzz SOURCES admin_fuzz.c LIBS rwd_admin)
