# Measures the state beside bare loops; built with the rest, run by hand or by tests/bench/run.
rwd_program(bench_state SOURCES ${CMAKE_CURRENT_LIST_DIR}/state_bench.c DEPS rwd_state)
