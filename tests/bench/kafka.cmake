rwd_bench(bench_kafka_bare SOURCES kafka_bare.c LIBS rwd_logic rwd_config rwd_state PkgConfig::rdkafka)
