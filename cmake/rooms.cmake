# How the rooms are built: one folder = one library, and the chambers of a room share its namespace.
# Arrows point down only (tests/tidy_test.cc reads the includes and fails on any other).

# Several files a compilation: it takes a third of the time. Not in clang and dev, which see each file
# alone and so find the include that is missing.
option(WAYPOST_UNITY "compile the rooms as unity builds" OFF)
# What is tested is what users run; the tests themselves need not be fast, and compiling them is half
# of a build. Not in clang, for the same reason.
option(WAYPOST_FAST_TEST_BUILD "compile the tests as unity builds and without optimising" OFF)
# Not for users: every lock, thread, clock and random byte can be simulated (base/sim_scheduler.h).
option(WAYPOST_SIM "build for the simulated world" OFF)
# Tests end the process in the middle of a write (base/fault_point.h). Not for users.
option(WAYPOST_FAULT_POINTS "build with points at which WAYPOST_FAULT_POINT ends the process" OFF)
# What strangers may send bytes to: a smashed stack, a write beyond a buffer whose size is known, an
# overwritten table of functions and a jump into the middle of code end the process.
option(WAYPOST_HARDEN "stack protector, _FORTIFY_SOURCE, RELRO, BIND_NOW, PIE and CET; takes -O1 or more" OFF)
set(WAYPOST_SANITIZE "" CACHE STRING "what -fsanitize= gets, empty for none")

add_library(waypost_flags INTERFACE)
target_include_directories(waypost_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(waypost_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Werror
  # Designated initialisers leave the other members at their defaults on purpose.
  -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(WAYPOST_SIM)
  add_compile_definitions(WAYPOST_SIM)
endif()
if(WAYPOST_HARDEN)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
    -D_FORTIFY_SOURCE=2)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(WAYPOST_SANITIZE)
  add_compile_definitions(WAYPOST_SANITIZED)
  add_compile_options(-fsanitize=${WAYPOST_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WAYPOST_SANITIZE})
endif()

# waypost_room(NAME SOURCES a.cc ... PROTOS x.proto ... DEPENDS lower rooms and libraries ...)
# Protobuf code is built apart, without our warnings, lite runtime.
function(waypost_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PROTOS;DEPENDS" ${ARGN})
  add_library(waypost_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(waypost_${name} PUBLIC waypost_flags ${ARG_DEPENDS} Threads::Threads)
  set_target_properties(waypost_${name} PROPERTIES UNITY_BUILD ${WAYPOST_UNITY} UNITY_BUILD_BATCH_SIZE 24)
  if(ARG_PROTOS)
    # Not protobuf_generate: it loses the room's folder, and every room's header would be a neighbour.
    file(RELATIVE_PATH here ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    set(generated)
    foreach(proto ${ARG_PROTOS})
      get_filename_component(stem ${proto} NAME_WE)
      set(base ${PROJECT_BINARY_DIR}/gen/${here}/${stem}.pb)
      add_custom_command(OUTPUT ${base}.cc ${base}.h
        COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/gen
        COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR} --cpp_out=${PROJECT_BINARY_DIR}/gen
          ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} VERBATIM)
      list(APPEND generated ${base}.cc ${base}.h)
    endforeach()
    add_library(waypost_${name}_proto STATIC ${generated})
    target_include_directories(waypost_${name}_proto SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/gen)
    target_link_libraries(waypost_${name}_proto PUBLIC protobuf::libprotobuf-lite)
    target_link_libraries(waypost_${name} PUBLIC waypost_${name}_proto)
    add_dependencies(waypost_${name} waypost_${name}_proto)
  endif()
endfunction()

# waypost_cold_room(NAME): what runs once a start, a command or a look. Its templates (CLI11, JSON) are
# what takes longest to optimise in the whole tree, for nobody's gain.
function(waypost_cold_room name)
  if(WAYPOST_SANITIZE)
    target_compile_options(waypost_${name} PRIVATE -O0)
  elseif(WAYPOST_HARDEN)  # _FORTIFY_SOURCE takes -O1
    target_compile_options(waypost_${name} PRIVATE -O1)
  endif()
endfunction()

# waypost_house(ROOM CHAMBER...): all chambers of a room, for what may use the whole of it.
function(waypost_house room)
  add_library(waypost_${room} INTERFACE)
  foreach(chamber ${ARGN})
    target_link_libraries(waypost_${room} INTERFACE waypost_${room}_${chamber})
  endforeach()
endfunction()

# Programs and libraries that only tests are made of.
function(waypost_test_code target)
  if(WAYPOST_FAST_TEST_BUILD)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
    target_compile_options(${target} PRIVATE -O0 -U_FORTIFY_SOURCE)
    if(NOT WAYPOST_SANITIZE)  # whose reports name lines; a failed test names its own
      target_compile_options(${target} PRIVATE -g0)
    endif()
  endif()
endfunction()

# waypost_test_program(NAME SOURCES a_test.cc ... DEPENDS ...): one binary, that ctest does not
# run by itself.
function(waypost_test_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE waypost_flags ${ARG_DEPENDS} GTest::gtest GTest::gmock GTest::gtest_main)
  waypost_test_code(${name})
endfunction()

# waypost_test(NAME SHARDS n SOURCES ... DEPENDS ...): one binary, one test; in n parts where it
# waits for so long that the other tests would be over before it.
function(waypost_test name)
  cmake_parse_arguments(ARG "" "SHARDS" "" ${ARGN})
  waypost_test_program(${name} ${ARG_UNPARSED_ARGUMENTS})
  if(NOT ARG_SHARDS)
    set(ARG_SHARDS 1)
  endif()
  foreach(shard RANGE 1 ${ARG_SHARDS})
    set(part ${name})
    if(ARG_SHARDS GREATER 1)
      set(part ${name}_${shard})
    endif()
    add_test(NAME ${part} COMMAND ${name})
    math(EXPR index "${shard} - 1")
    # ./dev test counts the cases in the results that each part leaves.
    set_tests_properties(${part} PROPERTIES LABELS unit TIMEOUT 300 COST ${ARG_SHARDS} ENVIRONMENT
      "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/results/${part}.xml;GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()
