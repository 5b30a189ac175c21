#pragma once

#include <string>
#include <utility>
#include <vector>

#include "http/message/head_check.h"
#include "http/message/message.h"

namespace waypost::http {

// The head of an answer, before it is formatted.
struct AnswerHead {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  // adds Connection: close
};

// The request that an accepted head says, still without body, caller and times. Takes the headers
// out of `facts` and leaves the rest. Pure.
Request MakeRequest(HeadFacts& facts);

// The bytes of the head, with the empty line. A header whose value has a line break would be a head
// of its own: it is left out. Pure.
std::string FormatHead(const AnswerHead& answer);

}  // namespace waypost::http
