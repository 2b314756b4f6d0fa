rwd_bench(bench_engine_bare SOURCES engine_bare.c LIBS rwd_logic rwd_config rwd_state)

add_library(bench_count_calls SHARED EXCLUDE_FROM_ALL ${CMAKE_CURRENT_SOURCE_DIR}/bench/count_calls.c)
target_link_libraries(bench_count_calls PRIVATE rwd_flags ${CMAKE_DL_LIBS})
set_target_properties(bench_count_calls PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
