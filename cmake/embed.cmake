# waypost_embed(FILE HEADER NAMESPACE NAME): writes a header with the bytes of a file as
# `inline constexpr char NAME[]`. Run as a script by the build, so that a change of the file is seen.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  file(WRITE ${HEADER} "#pragma once\n\nnamespace ${NAMESPACE} {\ninline constexpr char ${NAME}[] = {${bytes}};\n}\n")
  return()
endif()

function(waypost_embed file header namespace name)
  add_custom_command(OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DHEADER=${header} -DNAMESPACE=${namespace} -DNAME=${name}
      -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${file} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
endfunction()
