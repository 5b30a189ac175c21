#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/message.h"

namespace waypost::http {

// The head of an answer, before it is formatted.
struct AnswerHead {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;
};

// What cpp-httplib does for us: it parses heads and formats heads, on memory, never on a socket. A
// head comes here only after CheckHead, in the form that HeadFacts::for_parser has. One thread
// each.
class HeadCodec {
 public:
  HeadCodec();
  ~HeadCodec();
  // Parses, calls `answer` with method, path, query and headers set, and formats what it returns.
  // Nullopt from `answer`: nothing is formatted now; Format does it later. Empty when the head does
  // not parse.
  std::string Run(const std::string& head,
                  const std::function<std::optional<AnswerHead>(Request&)>& answer);
  // Formats an answer to a request that was parsed before, or could not be.
  std::string Format(const AnswerHead& answer);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace waypost::http
