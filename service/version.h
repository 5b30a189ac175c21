#pragma once

namespace waypost::service {

// Of the program, from CMakeLists.txt.
inline constexpr const char* kVersion = WAYPOST_VERSION;

}  // namespace waypost::service
