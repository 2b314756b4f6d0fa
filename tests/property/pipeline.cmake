rwd_test(pipeline_model_test SOURCES pipeline_model_test.c LIBS rwd_pipeline LABELS threads)
rwd_test(pipeline_windows_test SOURCES pipeline_windows_test.c LIBS rwd_pipeline LABELS threads)
rwd_test(pipeline_amended_test SOURCES pipeline_amended_test.c LIBS rwd_pipeline LABELS threads)
rwd_test(pipeline_stages_test SOURCES pipeline_stages_test.c LIBS rwd_pipeline LABELS threads)
