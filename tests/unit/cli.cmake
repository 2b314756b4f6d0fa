rwd_test(pipeline_status_test SOURCES pipeline_status_test.c LIBS rwd_pipeline)
rwd_test(admin_test SOURCES admin_test.c LIBS rwd_admin LABELS threads)
rwd_test(http_test SOURCES http_test.c LIBS rwd_http LABELS threads)
rwd_test(cli_parse_test SOURCES cli_parse_test.c LIBS rwd_cli)
rwd_test(cli_grid_test SOURCES cli_grid_test.c LIBS rwd_cli)
rwd_test(cli_key_test SOURCES cli_key_test.c LIBS rwd_cli)

# The reference manual is what the program prints. After a change of a table: cmake --build <folder> --target reference
set(rwd_reference ${CMAKE_SOURCE_DIR}/deploy/docs/reference)
foreach(page commands config metrics errors kafka aggregates expressions formats crash-points)
  add_test(NAME reference_${page}_is_what_the_program_prints
    COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:rewind> -D PAGE=${page} -D FILE=${rwd_reference}/${page}.md
      -P ${CMAKE_CURRENT_SOURCE_DIR}/support/compare_page.cmake)
  set_tests_properties(reference_${page}_is_what_the_program_prints PROPERTIES LABELS unit TIMEOUT ${rwd_test_bound})
  list(APPEND rwd_reference_commands COMMAND sh -c "exec \"$0\" docs ${page} > ${rwd_reference}/${page}.md" $<TARGET_FILE:rewind>)
endforeach()
add_custom_target(reference ${rwd_reference_commands} VERBATIM)
rwd_test(cli_when_test SOURCES cli_when_test.c LIBS rwd_cli)
rwd_test(cli_pace_test SOURCES cli_pace_test.c LIBS rwd_cli)
