#pragma once

namespace waypost::support {

// How many random questions a model is asked. A sanitizer looks at how the code answers, which a
// quarter of them shows in a quarter of the time; the release build asks all.
constexpr int Rounds(int all) {
#ifdef WAYPOST_SANITIZED
  return all / 4;
#else
  return all;
#endif
}

}  // namespace waypost::support
