#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "signpost/signpost.h"
#include "tests/support/filled_ids.h"

namespace waypost::signpost {

using support::Blob;
using support::Filled;
using support::Group;
using support::Peer;

// Draws whatever the tests need. Its seed is logged and can be given as WAYPOST_TEST_SEED.
class Samples {
 public:
  Samples() {
    const char* const given = std::getenv("WAYPOST_TEST_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    engine_.seed(seed_);
    testing::Test::RecordProperty("seed", std::to_string(seed_));
  }
  uint64_t seed() const { return seed_; }

  uint64_t Below(uint64_t bound) { return engine_() % bound; }
  bool Chance(unsigned percent) { return Below(100) < percent; }
  std::string Bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(engine_());
    return bytes;
  }
  template <class Id>
  Id AnyId() {
    return *Id::FromBytes(Bytes(Id::kBytes));
  }
  base::WallTime Time() {
    return Chance(20) ? base::kNever : base::FromMs(static_cast<int64_t>(Below(2'000'000'000'000)));
  }

  // Few peers and few times, so that rows meet and times are equal.
  std::map<base::PeerId, Location> Locations() {
    std::map<base::PeerId, Location> locations;
    for (uint64_t i = Below(6); i > 0; --i) {
      locations[Peer(static_cast<uint8_t>(1 + Below(6)))] = {
          .when_seen = base::FromMs(static_cast<int64_t>(Below(5)) * 1000),
          .is_server = Chance(50),
          .is_proxy = Chance(50),
          .denied =
              Chance(50) ? base::kNever : base::FromMs(static_cast<int64_t>(Below(5)) * 1000)};
    }
    return locations;
  }

  Signpost AnySignpost() {
    Signpost signpost;
    for (uint64_t i = Below(9); i > 0; --i) {
      signpost.locations[AnyId<base::PeerId>()] = {
          .when_seen = Time(), .is_server = Chance(50), .is_proxy = Chance(50), .denied = Time()};
    }
    for (uint64_t i = Below(5); i > 0; --i) {
      signpost.groups[AnyId<base::GroupId>()] = {
          .keys = static_cast<uint32_t>(Below(1000)), .set_here = Chance(50), .wanted = Chance(50)};
    }
    if (Chance(50)) signpost.size_hint_bytes = engine_();
    signpost.fetch_attempts = engine_();
    signpost.failures = static_cast<uint32_t>(Below(100));
    signpost.next_attempt = Time();
    signpost.evidence = Below(1000);
    signpost.stopped = Time();
    signpost.asked_until = Time();
    signpost.wanted_since = Time();
    if (Chance(50)) {
      signpost.last_error = {.error = static_cast<ErrorClass>(1 + Below(8)),
                             .peer = Chance(50) ? AnyId<base::PeerId>() : base::PeerId(),
                             .at = Time(),
                             .message = Bytes(Below(190))};
    }
    signpost.created = Time();
    signpost.updated = Time();
    return signpost;
  }

 private:
  uint64_t seed_;
  std::mt19937_64 engine_;
};

}  // namespace waypost::signpost
