rwd_test(kafka_properties_test SOURCES kafka_properties_test.c LIBS rwd_kafka rwd_base)
rwd_test(kafka_certificate_test SOURCES kafka_certificate_test.c LIBS rwd_kafka rwd_base)
rwd_test(kafka_partitioner_test SOURCES kafka_partitioner_test.c LIBS rwd_kafka rwd_base)
rwd_test(kafka_errors_test SOURCES kafka_errors_test.c LIBS rwd_kafka rwd_base PkgConfig::rdkafka)
