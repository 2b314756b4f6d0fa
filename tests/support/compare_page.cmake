# Compares a page of the reference manual with what the program prints.
execute_process(COMMAND ${PROGRAM} docs ${PAGE} OUTPUT_VARIABLE printed RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "rewind docs ${PAGE} ended with ${code}")
endif()
file(READ ${FILE} kept)
if(NOT printed STREQUAL kept)
  message(FATAL_ERROR "${FILE} is not what `rewind docs ${PAGE}` prints. Write it anew: build the target `reference`")
endif()
