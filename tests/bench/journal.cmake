rwd_bench(bench_journal SOURCES journal_bench.c LIBS rwd_logic rwd_config rwd_state rwd_kafka rwd_checkpoints)
