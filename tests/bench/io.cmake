rwd_bench(bench_io SOURCES io_bench.c LIBS rwd_checkpoints)
