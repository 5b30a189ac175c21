#include "http/message/message.h"

// Look-ups in requests: header names are lower case already, query names and values decoded. The
// first of several is meant; QueryAll gives all.

namespace waypost::http {

std::optional<std::string_view> Request::Header(std::string_view lower_case_name) const {
  for (const auto& header : headers) {
    if (header.first == lower_case_name) return header.second;
  }
  return std::nullopt;
}

std::optional<std::string_view> Request::Query(std::string_view name) const {
  for (const auto& item : query) {
    if (item.first == name) return item.second;
  }
  return std::nullopt;
}

std::vector<std::string_view> Request::QueryAll(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& item : query) {
    if (item.first == name) values.push_back(item.second);
  }
  return values;
}

}  // namespace waypost::http
