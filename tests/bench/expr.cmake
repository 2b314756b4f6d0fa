rwd_bench(bench_expr SOURCES expr_bench.c LIBS rwd_expr)
