rwd_test(kafka_properties_test SOURCES kafka_properties_test.c LIBS rwd_kafka rwd_base)
