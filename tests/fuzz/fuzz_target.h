#pragma once

#include <string>
#include <string_view>
#include <vector>

// What parses bytes of strangers, each as one function that takes any input and aborts (CHECK, a
// sanitizer) when a promise is broken. ./dev fuzz runs them under libFuzzer, tests/fuzz/
// replay_test.cc runs their seeds, what fuzzing found (tests/fuzz/corpus/NAME) and a bounded number
// of mutations with the unit tests.
namespace waypost::fuzz {

struct Target {
  const char* name;
  void (*run)(std::string_view input);
  // Well-formed inputs to begin with.
  std::vector<std::string> (*seeds)();
  // How much longer it takes than one that only parses: the unit tests run so many fewer of it.
  int slowness = 1;
};

// The head of a request: FindHead, CheckHead, the request made of it, and the head of an answer.
extern const Target kHead;
// First line: the method; the rest: the path.
extern const Target kRouter;
// First line: a header's value or another small text; the rest: a size.
extern const Target kRange;
// The head and the chunks of an answer. First byte: where it is cut in two.
extern const Target kResponse;
// The frames of a batch. First byte: the size of the pieces in which they come.
extern const Target kBatch;
// First byte: which message of the peer API; the rest: its bytes.
extern const Target kPeerMessage;
// First byte: which row of the index; the rest: its payload.
extern const Target kRow;
// A JSON body of the app API.
extern const Target kJson;

// Six bytes a membership operation: the fold of members.
extern const Target kMembership;

// A script for a hostile member of a group: the messages that it sends, and which of their bytes
// are others.
extern const Target kGroup;

inline std::vector<const Target*> AllTargets() {
  return {&kBatch,       &kHead, &kRouter, &kRange,      &kResponse,
          &kPeerMessage, &kRow,  &kJson,   &kMembership, &kGroup};
}

}  // namespace waypost::fuzz
