rwd_fuzz(job_fuzz SOURCES job_fuzz.c LIBS rwd_config)
rwd_fuzz(amend_fuzz SOURCES amend_fuzz.c LIBS rwd_config)
rwd_fuzz(descriptor_fuzz SOURCES descriptor_fuzz.c LIBS rwd_config)
