#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/status.h"
#include "http/client/interrupt.h"
#include "integration/raw_socket.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/bench/attack_lists.h"
#include "tests/bench/honest_work.h"

// What calls the peer under attack: messages as large and dear as the codecs take them, and
// connections that keep it waiting. Bodies are made before the clock runs. A connection that the
// peer ended is dialled again after a moment, as often as it likes.

namespace waypost::bench {
namespace {

using support::HostilePeer;
using Line = std::unique_ptr<http::Exchange>;

constexpr std::chrono::milliseconds kAfterAFailure{10};
constexpr base::Millis kSendAtMost{2'000};

// Each on a thread of its own, again and again until the attack is over; after one that says false
// with a moment's rest.
void Crowd(Stage& stage, int count, const std::function<std::function<bool()>(int)>& one_of) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&stage, again = one_of(i)] {
      while (!stage.stop) {
        if (again()) {
          ++stage.done;
        } else {
          std::this_thread::sleep_for(kAfterAFailure);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// On a connection that is kept while it is good.
std::function<bool()> OnALine(Stage& stage, const HostilePeer& who,
                              std::function<bool(http::Exchange&)> talk) {
  return [&stage, &who, talk = std::move(talk), line = std::make_shared<Line>()] {
    if (*line == nullptr) {
      auto dialled = who.Dial(stage.endpoint);
      if (!dialled.ok()) return false;
      *line = *std::move(dialled);
    }
    if (talk(**line)) return true;
    line->reset();
    return false;
  };
}

bool Say(http::Exchange& line, std::string_view bytes) {
  const http::Interrupt never{std::stop_token()};
  return line.Send(bytes, base::SteadyNow() + kSendAtMost, never).ok();
}

// An answer came, whatever it says.
bool Answered(Stage& stage, int status) {
  if (status >= 400 && status != 404) ++stage.refused;
  return status != 0;
}
bool Post(Stage& stage, http::Exchange& on, const std::string& path, std::string_view body) {
  return Answered(stage, HostilePeer::Post(on, path, body).value_or(0));
}

// These bodies in turn, over so many connections.
std::function<void()> Posts(Stage& stage, int lines, std::string path,
                            std::vector<std::string> made) {
  const auto bodies = std::make_shared<const std::vector<std::string>>(std::move(made));
  return [&stage, lines, path = std::move(path), bodies] {
    Crowd(stage, lines, [&](int line) {
      const auto next = std::make_shared<std::size_t>(line);
      return OnALine(stage, stage.member, [=, &stage](http::Exchange& on) {
        return Post(stage, on, path, (*bodies)[(*next)++ % bodies->size()]);
      });
    });
  };
}

std::string Target(const Stage& stage, const std::string& blob) {
  return absl::StrCat("/peer/v1/blobs/", blob, "?group=", stage.group.ToHex());
}
base::BlobId SomeBlob() { return *base::BlobId::FromBytes(base::RandomBytes(32)); }

// ---- messages ----

// As much as a request holds, and probes that walk everything.
std::string AskedWithAll(const Stage& stage) {
  constexpr int kNumberings = 8'500;
  syncgroup::SyncGroupRequest asked{.group = stage.group};
  for (int i = 0; i < kNumberings; ++i) {
    asked.knowledge[{stage.endpoint.peer, base::NewIncarnation()}] = {
        .generation = 1'000'000, .hash = *base::EntryHash::FromBytes(base::RandomBytes(32))};
  }
  for (std::size_t i = 0; i < syncgroup::kProbesMax; ++i) {
    asked.probes.push_back({{stage.endpoint.peer, base::NewIncarnation()}, 1});
  }
  syncgroup::SyncRequest request;
  request.groups.push_back(std::move(asked));
  const auto bytes = syncgroup::EncodeSyncRequest(request);
  CHECK(bytes.ok());
  return *bytes;
}

std::function<void()> Knowledge(Stage& stage) {
  return Posts(stage, 4, "/peer/v1/sync", {AskedWithAll(stage), AskedWithAll(stage)});
}

// Asks for the whole log every time, as who has never asked before.
std::function<void()> WholeLogs(Stage& stage) {
  syncgroup::SyncRequest request;
  request.groups.push_back({.group = stage.group});
  return Posts(stage, 8, "/peer/v1/sync", {*syncgroup::EncodeSyncRequest(request)});
}

std::function<void()> Hellos(Stage& stage) {
  std::vector<std::string> bodies;
  for (int body = 0; body < 4; ++body) {
    syncgroup::HelloRequest request{.name = "hostile", .addresses = {stage.member.address()}};
    for (std::size_t i = 0; i < syncgroup::kPapersMax; ++i) {
      syncgroup::Papers papers{.group = i == 0 ? stage.group
                                               : *base::GroupId::FromBytes(base::RandomBytes(32))};
      for (int j = 0; j < 16; ++j) {
        auto numbering = support::HostileMember::NewNumbering();
        std::vector<syncgroup::Op> ops;
        for (int k = 0; k < 30; ++k) {
          ops.push_back(syncgroup::AdmitOp{.peer = stage.stranger.peer(),
                                           .incarnation = base::NewIncarnation()});
        }
        papers.entries.push_back(stage.member.member.Next(papers.group, numbering, std::move(ops)));
      }
      request.papers.push_back(std::move(papers));
    }
    auto encoded = syncgroup::EncodeHelloRequest(request);
    CHECK(encoded.ok() && encoded->size() <= syncgroup::kRequestBytesMax);
    bodies.push_back(*std::move(encoded));
  }
  return Posts(stage, 4, "/peer/v1/hello", std::move(bodies));
}

std::function<void()> Joins(Stage& stage) {
  syncgroup::JoinRequest request{.group = stage.group,
                                 .invite_id = base::RandomBytes(16),
                                 .proof = base::RandomBytes(32),
                                 .incarnation = base::NewIncarnation(),
                                 .name = std::string(200, 'n'),
                                 .addresses = std::vector<std::string>(16, "127.0.0.1:1")};
  return Posts(stage, 4, "/peer/v1/join", {syncgroup::EncodeJoinRequest(request)});
}

std::function<void()> Haves(Stage& stage) {
  std::vector<std::string> bodies;
  for (int i = 0; i < 64; ++i) {
    syncgroup::PokeRequest request{.groups = {stage.group}};
    for (std::size_t j = 0; j < syncgroup::kHavesMax; ++j) request.haves.push_back(SomeBlob());
    bodies.push_back(syncgroup::EncodePokeRequest(request));
  }
  return Posts(stage, 4, "/peer/v1/poke", std::move(bodies));
}

std::function<void()> BarePokes(Stage& stage) {
  return Posts(stage, 4, "/peer/v1/poke",
               {syncgroup::EncodePokeRequest({.groups = {stage.group}})});
}

std::function<void()> Helds(Stage& stage) {
  std::vector<std::string> bodies;
  for (int i = 0; i < 16; ++i) {
    syncgroup::HeldRequest request{.group = stage.group};
    for (std::size_t j = 0; j < syncgroup::kHavesMax; ++j) request.blobs.push_back(SomeBlob());
    bodies.push_back(syncgroup::EncodeHeldRequest(request));
  }
  return Posts(stage, 4, "/peer/v1/held", std::move(bodies));
}

// One blob a question on most of the connections, a thousand on the others.
std::function<void()> Misses(Stage& stage) {
  constexpr int kLines = 64, kBatches = 8;
  syncgroup::BatchRequest batch{.groups = {stage.group}, .blob_bytes_max = 4096};
  for (std::size_t i = 0; i < syncgroup::kBatchBlobsMax; ++i) batch.blobs.push_back(SomeBlob());
  return [&stage, body = syncgroup::EncodeBatchRequest(batch)] {
    Crowd(stage, kLines, [&](int line) {
      return OnALine(stage, stage.member, [&, line](http::Exchange& on) {
        if (line < kBatches) return Post(stage, on, "/peer/v1/blobs:batch", body);
        const http::Interrupt never{std::stop_token()};
        const base::SteadyTime deadline = base::SteadyNow() + kSendAtMost;
        const std::string request = http::FormatRequest("GET", Target(stage, SomeBlob().ToHex()),
                                                        on.address(), {}, std::nullopt);
        if (!on.Send(request, deadline, never).ok()) return false;
        const auto head = on.ReadHead(/*head_request=*/false, {}, deadline, never);
        const auto forget = [](std::string_view) { return absl::OkStatus(); };
        return head.ok() && on.ReadBody(*head, {}, deadline, never, forget).ok() &&
               Answered(stage, head->status);
      });
    });
  };
}

// ---- connections that take their time ----

// Asks, and reads nothing.
std::function<void()> SlowReaders(Stage& stage) {
  constexpr int kLines = 32;
  syncgroup::SyncRequest everything;
  everything.groups.push_back({.group = stage.group});
  const std::string body = *syncgroup::EncodeSyncRequest(everything);
  return [&stage, body] {
    Crowd(stage, kLines, [&](int line) {
      return OnALine(stage, stage.member, [&, line](http::Exchange& on) {
        const std::string request =
            line % 2 == 0 ? http::FormatRequest("GET", Target(stage, stage.large_blob),
                                                on.address(), {}, std::nullopt)
                          : http::FormatRequest("POST", "/peer/v1/sync", on.address(), {},
                                                uint64_t{body.size()}) +
                                body;
        if (!Say(on, request)) return false;
        ++stage.done;
        while (!stage.stop) std::this_thread::sleep_for(base::Millis(20));
        return true;
      });
    });
  };
}

// 2 KB a second, a little more than the least that is asked of a body.
std::function<void()> SlowBodies(Stage& stage) {
  return [&stage] {
    Crowd(stage, 32, [&](int) {
      const auto begun = std::make_shared<http::Exchange*>(nullptr);
      return OnALine(stage, stage.member, [=](http::Exchange& on) {
        if (*begun != &on && !Say(on, http::FormatRequest("POST", "/peer/v1/sync", on.address(), {},
                                                          uint64_t{1'000'000}))) {
          return false;
        }
        *begun = &on;
        std::this_thread::sleep_for(base::Millis(50));
        return Say(on, std::string(100, 'b'));
      });
    });
  };
}

// The same at the app listener, with a token: bodies that are too large to be gathered.
std::function<void()> SlowPuts(Stage& stage) {
  return [&stage] {
    std::string head = stage.peer.http().Format({.method = "POST", .target = "/v1/blobs"});
    head.resize(std::min(head.find("Content-Length"), head.size() - 2));
    head += "Content-Length: 100000000\r\n\r\n";
    Crowd(stage, 32, [&](int) {
      const auto fd = std::shared_ptr<int>(new int(-1), [](int* old) {
        if (*old >= 0) close(*old);
        delete old;
      });
      return [&stage, fd, head] {
        if (*fd < 0) {
          *fd = integration::Connect(stage.peer.http().address());
          if (*fd < 0 || !integration::SendAll(*fd, head)) return false;
        }
        std::this_thread::sleep_for(base::Millis(50));
        if (integration::SendAll(*fd, std::string(100, 'b'))) return true;
        close(std::exchange(*fd, -1));
        return false;
      };
    });
  };
}

// ---- strangers ----

// On a new connection each time: the first lines too many end it.
std::function<void()> EmptyLines(Stage& stage) {
  std::string lines;
  for (int i = 0; i < 8'000; ++i) lines += "\r\n";
  return [&stage, lines] {
    Crowd(stage, 8, [&](int) {
      return [&] {
        const auto line = stage.stranger.Dial(stage.endpoint);
        const http::Interrupt never{std::stop_token()};
        return line.ok() && Say(**line, lines) &&
               (*line)
                   ->ReadHead(/*head_request=*/false, {}, base::SteadyNow() + kSendAtMost, never)
                   .ok();
      };
    });
  };
}

std::function<void()> Handshakes(Stage& stage) {
  return [&stage] {
    Crowd(stage, 4, [&](int) { return [&] { return stage.stranger.Dial(stage.endpoint).ok(); }; });
  };
}

// The beginning of a handshake and nothing more, from other addresses than anybody honest has.
std::function<void()> HalfHandshakes(Stage& stage) {
  return [&stage] {
    constexpr std::size_t kOpen = 64;
    constexpr std::string_view kBegun("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    Crowd(stage, 2, [&](int thread) {
      const auto open =
          std::shared_ptr<std::deque<int>>(new std::deque<int>, [](std::deque<int>* all) {
            for (const int fd : *all) close(fd);
            delete all;
          });
      const auto number = std::make_shared<int>(0);
      return [=, &stage] {
        const int last = 2 + (*number)++ % 16 + thread * 16;
        const int fd = integration::Connect(stage.endpoint.addresses.front(),
                                            {.address = absl::StrCat("127.0.0.", last)});
        if (fd < 0) return false;
        open->push_back(fd);
        integration::SendAll(fd, kBegun);
        if (open->size() <= kOpen) return true;
        close(open->front());
        open->pop_front();
        return true;
      };
    });
  };
}

// ---- an app ----

std::function<void()> LargeJson(Stage& stage) {
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  const std::string deep = "{\"put\":" + std::string(kBytes - 100, '[');
  std::string wide = "{\"put\":[", keys = "{", escapes = "{\"put\":[\"";
  while (wide.size() < kBytes - 100) wide += "{},";
  wide += "{}]}";
  for (int i = 0; keys.size() < kBytes - 100; ++i) absl::StrAppend(&keys, "\"", i, "\":1,");
  keys += "\"k\":1}";
  while (escapes.size() < kBytes - 100) escapes += "\\u00e4";
  escapes += "\"]}";
  return [&stage, bodies = std::array{deep, wide, keys, escapes}] {
    const std::string target = absl::StrCat("/v1/groups/", stage.group.ToHex(), "/refs:batch");
    Crowd(stage, 4, [&](int which) {
      const auto line = std::make_shared<KeptLine>(stage.peer);
      return [&, line, which] {
        return Answered(stage, line->Ask("POST", target, bodies[static_cast<std::size_t>(which)]));
      };
    });
  };
}

}  // namespace

std::vector<Attack> AttacksByCalls() {
  return {{"sync requests full of knowledge and probes", Knowledge},
          {"sync requests for the whole log", WholeLogs},
          {"hellos full of papers", Hellos},
          {"joins without an invite", Joins},
          {"pokes of 1,000 haves", Haves},
          {"bare pokes", BarePokes},
          {"questions who holds 1,000 blobs", Helds},
          {"misses over 64 connections", Misses},
          {"answers that nobody reads, 32 connections", SlowReaders},
          {"bodies that drip, 32 connections", SlowBodies},
          {"app: bodies that drip, 32 connections", SlowPuts},
          {"app: deep and wide JSON", LargeJson},
          {"stranger: empty lines before requests", EmptyLines},
          {"stranger: whole handshakes", Handshakes},
          {"stranger: half of a handshake", HalfHandshakes}};
}

}  // namespace waypost::bench
