#include "base/key_codec.h"

// The end of a range of keys that share a prefix: the last byte that is not 0xff goes up by one.
// Only zero or more 0xff have no end.

namespace waypost::base {

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace waypost::base
