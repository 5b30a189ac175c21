#pragma once

#include "http/engine/engine_connection.h"

namespace waypost::http {

enum class SendResult {
  kDone,     // everything is with the kernel
  kBlocked,  // its buffer is full: wait until it may be written to
  kMore,     // this turn is over
  kFailed,   // the client is gone, or the file ends early
};

// Sends of `out` and `part` what the kernel takes now, about `turn_bytes`: a head and a
// small body in one call, files by sendfile. Never waits for the client.
SendResult SendSome(Connection& connection, uint64_t turn_bytes);

// Are the next `bytes` of the answer in memory, so that sending them waits for no disk? A guess
// from some of their pages.
bool NextIsCached(const Connection& connection, uint64_t bytes);

// Bytes that the client's kernel has really taken, for the rate of slow readers: what we gave to
// our kernel says little, its buffer holds megabytes.
uint64_t DrainedBytes(const Connection& connection);

}  // namespace waypost::http
