# Time zones against Python's zoneinfo. REWIND_TEST_LONG takes all of them.
add_executable(zone_rows ${CMAKE_CURRENT_LIST_DIR}/zone_rows.c)
target_link_libraries(zone_rows PRIVATE rwd_flags rwd_base)
add_test(NAME zone_oracle COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/zone_oracle.py $<TARGET_FILE:zone_rows>)
set_tests_properties(zone_oracle PROPERTIES LABELS property TIMEOUT 1800 ENVIRONMENT "${rwd_test_environment}")
