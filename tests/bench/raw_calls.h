#pragma once

#include <string>
#include <string_view>

#include "integration/peer.h"

namespace waypost::bench {

// The calls that benches measure, with as little on this side as can be: a connection a call, the
// request as bytes, the answer up to its end. What is not measured goes through integration::Peer.
// Any number of threads; the peer must outlive it.
class RawCalls {
 public:
  explicit RawCalls(const integration::Peer& peer) : peer_(peer) {}

  // Dies when it is not taken.
  void PutBlob(std::string_view bytes) const;
  void SetRef(const std::string& group, const std::string& key, const std::string& blob) const;
  bool Has(const std::string& blob) const;

 private:
  // 0: no answer.
  int Status(const integration::HttpCall& call) const;

  const integration::Peer& peer_;
};

}  // namespace waypost::bench
