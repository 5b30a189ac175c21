#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz_target.h"

// One target under libFuzzer, which brings main. The target is named by the build; another program
// has the same targets with a main of its own (replay_test.cc).

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  waypost::fuzz::WAYPOST_FUZZ_TARGET.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
