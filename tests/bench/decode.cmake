# The bare loop for protobuf is what protobuf-c makes of a message.
set(rwd_order ${CMAKE_BINARY_DIR}/tests/bench/order)
add_custom_command(
  OUTPUT ${rwd_order}.pb-c.c ${rwd_order}.pb-c.h ${rwd_order}.desc
  COMMAND ${RWD_PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR} --c_out=${CMAKE_BINARY_DIR} --descriptor_set_out=${rwd_order}.desc tests/bench/order.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/tests/bench/order.proto
  VERBATIM)
set_source_files_properties(${rwd_order}.pb-c.c PROPERTIES COMPILE_OPTIONS -w)
rwd_bench(bench_decode SOURCES decode_bench.c decode_bare.cpp ${rwd_order}.pb-c.c LIBS rwd_logic PkgConfig::protobuf_c)
target_include_directories(bench_decode SYSTEM PRIVATE ${CMAKE_BINARY_DIR})
target_compile_definitions(bench_decode PRIVATE RWD_ORDER_DESCRIPTOR="${rwd_order}.desc")
