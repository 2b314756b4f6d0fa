# Decoding against Python's parsers.
add_executable(decode_records ${CMAKE_CURRENT_LIST_DIR}/decode_records.c)
target_link_libraries(decode_records PRIVATE rwd_logic rwd_flags)
add_test(NAME decode_oracle COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/decode_oracle.py $<TARGET_FILE:decode_records>)
set_tests_properties(decode_oracle PROPERTIES LABELS property TIMEOUT ${rwd_test_bound} ENVIRONMENT "${rwd_test_environment}")
