rwd_test(sink_model_test SOURCES sink_model_test.c LIBS rwd_sink)

# Rows and dead letters as Python's json, csv, decimal and base64 read them.
add_executable(sink_row_text_rows ${CMAKE_CURRENT_LIST_DIR}/sink_row_text_rows.c)
target_link_libraries(sink_row_text_rows PRIVATE rwd_flags rwd_sink)
add_test(NAME sink_row_text_oracle
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/row_text_oracle.py $<TARGET_FILE:sink_row_text_rows>)
set_tests_properties(sink_row_text_oracle PROPERTIES LABELS property TIMEOUT ${rwd_test_bound} ENVIRONMENT "${rwd_test_environment}")
