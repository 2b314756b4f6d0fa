# Rules of the source tree. The libraries are looked at for variables that no object owns.
get_property(rwd_rooms GLOBAL PROPERTY RWD_ROOMS)
list(TRANSFORM rwd_rooms REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE rwd_room_files)
add_test(NAME lint_tree
  COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/lint/lint.py --root ${CMAKE_SOURCE_DIR} --build ${CMAKE_BINARY_DIR} ${rwd_room_files})
add_test(NAME lint_rules_find_what_they_are_for
  COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/lint/lint.py --self-test)
set_tests_properties(lint_tree lint_rules_find_what_they_are_for PROPERTIES LABELS lint TIMEOUT ${rwd_test_bound})
