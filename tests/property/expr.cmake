# Expressions against Python's numbers. REWIND_TEST_LONG makes it a million.
add_executable(expr_rows ${CMAKE_CURRENT_LIST_DIR}/expr_rows.c)
target_link_libraries(expr_rows PRIVATE rwd_flags rwd_expr)
add_test(NAME expr_oracle COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/expr_oracle.py $<TARGET_FILE:expr_rows>)
set_tests_properties(expr_oracle PROPERTIES LABELS property TIMEOUT 3600 ENVIRONMENT "${rwd_test_environment}")
