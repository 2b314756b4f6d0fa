rwd_test(pipeline_bounds_test SOURCES pipeline_bounds_test.c LIBS rwd_pipeline LABELS threads)
