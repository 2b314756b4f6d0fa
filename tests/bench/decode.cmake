rwd_bench(bench_decode SOURCES decode_bench.c decode_bare.cpp LIBS rwd_logic)
