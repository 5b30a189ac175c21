#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Calls as they go over the wire, for those that the client has no function for.
namespace waypost::client {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Bytes to send, whose number is known. Borrowed for the call.
struct Source {
  uint64_t bytes = 0;
  // The next ones into `data`, `size` at most, 1 at least; 0 at the end, -1 when they cannot be
  // read. On the calling thread.
  std::function<std::ptrdiff_t(char* data, std::size_t size)> read;
};

struct Request {
  std::string method = "GET";
  std::string target;  // percent-encoded, with its query
  Headers headers;     // beside the token and what HTTP needs
  std::string body;
  const Source* source = nullptr;  // instead of `body`
};

struct Answer {
  int status = 0;
  Headers headers;
  std::string body;  // as far as it was kept
  bool ok() const { return status >= 200 && status < 300; }
  // The first of that name, which is in lower case; empty: none.
  std::string Header(std::string_view lower_case_name) const {
    const auto same = [lower_case_name](const auto& header) {
      return std::equal(header.first.begin(), header.first.end(), lower_case_name.begin(),
                        lower_case_name.end(), [](char a, char b) {
                          return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
                        });
    };
    const auto found = std::find_if(headers.begin(), headers.end(), same);
    return found == headers.end() ? std::string() : found->second;
  }
};

// What takes an answer while it arrives; on the calling thread. Must not throw.
struct Receiver {
  // Once, before the body. False: the body is kept in the answer instead of going to `bytes`.
  // nullptr: as if it said true.
  std::function<bool(const Answer& head)> head;
  // False ends the call, which then succeeds: the caller has what it wanted.
  // nullptr: the body is kept.
  std::function<bool(std::string_view bytes)> bytes;
};

}  // namespace waypost::client
