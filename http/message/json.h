#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace waypost::http {

// Fields come out in the order in which they were set.
using Json = nlohmann::ordered_json;

// Never throws: text that is no UTF-8 (a message that quotes what someone sent) has it replaced.
inline std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace waypost::http
