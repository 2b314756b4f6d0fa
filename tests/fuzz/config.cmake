rwd_fuzz(job_fuzz SOURCES job_fuzz.c LIBS rwd_config)
