#include "http/peer/peer_http_client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "http/peer/batch_frames.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/client/scripted_server.h"
#include "tests/http/engine/raw_client.h"

namespace waypost::http {
namespace {

using Kind = fetcher::BlobReply::Kind;
using Talk = ScriptedServer::Talk;

class MemorySink final : public fetcher::BlobSink {
 public:
  absl::Status OnStart(uint64_t total_bytes, uint64_t offset,
                       const std::vector<base::GroupId>& granted) override {
    total = total_bytes;
    begin = offset;
    groups = granted;
    bytes.clear();
    return start_status;
  }
  absl::Status OnData(std::string_view data) override {
    bytes.append(data);
    return data_status;
  }
  uint64_t total = 0, begin = 0;
  std::vector<base::GroupId> groups;
  std::string bytes;
  absl::Status start_status, data_status;
};

class PeerHttpClientTest : public testing::Test {
 protected:
  PeerHttpClientTest() {
    CHECK(base::InitCrypto());
    CHECK(std::filesystem::create_directory(folder_ / "index"));
    index_ = *base::Index::Open({.dir = folder_ / "index"});
    peers_ = std::make_unique<signpost::PeerBook>(*index_, clock_, random_);
    NewClient();
  }
  // One without kept connections.
  void NewClient() {
    client_ =
        std::make_unique<PeerHttpClient>(PeerHttpClientOptions{.self = Id<base::PeerId>(1),
                                                               .call_timeout = base::Millis(20000),
                                                               .plain_for_tests = true},
                                         *peers_);
  }
  ~PeerHttpClientTest() override { index_->Shutdown(); }

  template <class T>
  static T Id(uint8_t n) {
    std::array<uint8_t, 32> bytes{};
    bytes.fill(n);
    return T(bytes);
  }
  fetcher::BlobReply Get(const std::vector<std::string>& addresses, uint64_t offset = 0,
                         base::Millis stall = base::Millis(20000)) {
    sink_ = MemorySink();
    if (fresh_) NewClient();
    return client_->Get({.from = {.peer = Id<base::PeerId>(2), .addresses = addresses},
                         .blob = base::Sha256::Of("x"),
                         .groups = {Id<base::GroupId>(3)},
                         .offset = offset,
                         .stall_timeout = stall},
                        sink_, stop_.get_token());
  }
  absl::StatusOr<syncgroup::HelloReply> Hello(const std::vector<std::string>& addresses) {
    if (fresh_) NewClient();
    return client_->Hello({.peer = Id<base::PeerId>(2), .addresses = addresses}, {.name = "me"},
                          stop_.get_token());
  }

  base::TempDir folder_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<base::Index> index_;
  std::unique_ptr<signpost::PeerBook> peers_;
  std::unique_ptr<PeerHttpClient> client_;
  bool fresh_ = true;
  MemorySink sink_;
  std::stop_source stop_;
};

const char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

TEST_F(PeerHttpClientTest, GetsABlobAndSaysWhoAsksAndForWhat) {
  const std::string group = Id<base::GroupId>(3).ToHex();
  ScriptedServer server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nWaypost-Groups: " + group +
                        ",nonsense\r\n\r\nhello");
  const auto reply = Get({server.address()});
  EXPECT_EQ(reply.kind, Kind::kComplete) << reply.message;
  EXPECT_EQ(reply.body_bytes, 5u);
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_EQ(sink_.total, 5u);
  EXPECT_EQ(sink_.begin, 0u);
  ASSERT_EQ(sink_.groups.size(), 1u);
  EXPECT_EQ(sink_.groups[0], Id<base::GroupId>(3));
  const std::string head = server.heads().at(0);
  EXPECT_EQ(head.find("GET /peer/v1/blobs/" + base::Sha256::Of("x").ToHex() + "?group=" + group +
                      " HTTP/1.1\r\n"),
            0u);
  EXPECT_NE(head.find("Waypost-Peer: " + Id<base::PeerId>(1).ToHex() + "\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Range:"), std::string::npos);
  // Traffic and the good address are noted.
  EXPECT_EQ(peers_->Find(Id<base::PeerId>(2))->last_good_address, server.address());
  EXPECT_GT(peers_->Find(Id<base::PeerId>(2))->bytes_in, 5u);
}

TEST_F(PeerHttpClientTest, KeepsTheConnection) {
  fresh_ = false;
  ScriptedServer server(kOk);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get({server.address()}).kind, Kind::kComplete);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PeerHttpClientTest, HostileAnswersMakeThePeerUnreachableAndNoMore) {
  struct {
    const char* name;
    std::string answer;
  } cases[] = {
      {"a status line of 60 KB",
       "HTTP/1.1 200 " + std::string(60000, 'O') + "\r\nContent-Length: 5\r\n\r\nhello"},
      {"no length", "HTTP/1.1 200 OK\r\n\r\nhello"},
      {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
      {"gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
      {"no HTTP", "hello there\r\n\r\n"},
      {"endless interim answers",
       [] {
         std::string text;
         for (int i = 0; i < 100; ++i) text += "HTTP/1.1 100 Continue\r\n\r\n";
         return text + kOk;
       }()},
      {"a redirect",
       "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
      {"a head without end", "HTTP/1.1 200 OK\r\nX: " + std::string(100000, 'x')},
      {"a miss that does not parse",
       "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n\xFF\xFF\xFF"},
  };
  for (const auto& c : cases) {
    ScriptedServer server({[&](Talk& talk) {
      talk.ReadHead();
      talk.Say(c.answer);
      talk.WaitForTheOtherEnd();
    }});
    const auto reply = Get({server.address()});
    EXPECT_EQ(reply.kind, Kind::kUnreachable) << c.name;
    EXPECT_FALSE(reply.message.empty()) << c.name;
    EXPECT_LE(reply.message.size(), 200u) << c.name;
    EXPECT_EQ(sink_.bytes, "") << c.name;
  }
}

TEST_F(PeerHttpClientTest, ABodyThatEndsEarlyIsABrokenTransfer) {
  ScriptedServer server({[](Talk& talk) {
    talk.ReadHead();
    talk.Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
  }});
  const auto reply = Get({server.address()});
  EXPECT_EQ(reply.kind, Kind::kUnreachable);
  EXPECT_EQ(reply.body_bytes, 5u);
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_NE(reply.message.find("after 5 bytes of 100"), std::string::npos) << reply.message;
}

TEST_F(PeerHttpClientTest, MoreBytesThanAnnouncedAreThePeersFault) {
  ScriptedServer server(std::string(kOk) + " and more");
  const auto reply = Get({server.address()});
  EXPECT_EQ(reply.kind, Kind::kWrongLength);
  EXPECT_EQ(sink_.bytes, "hello");
}

TEST_F(PeerHttpClientTest, AStallEndsTheTransfer) {
  ScriptedServer server({[](Talk& talk) {
    talk.ReadHead();
    talk.Say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello");
    talk.WaitForTheOtherEnd();
  }});
  const auto reply = Get({server.address()}, 0, base::Millis(300));
  EXPECT_EQ(reply.kind, Kind::kUnreachable);
  EXPECT_NE(reply.message.find("stalled"), std::string::npos) << reply.message;
}

TEST_F(PeerHttpClientTest, SilenceAfterTheRequestEndsTheCall) {
  ScriptedServer server({[](Talk& talk) { talk.WaitForTheOtherEnd(); }});
  EXPECT_EQ(Get({server.address()}, 0, base::Millis(200)).kind, Kind::kUnreachable);
}

TEST_F(PeerHttpClientTest, AResetIsUnreachable) {
  ScriptedServer server({[](Talk& talk) {
    talk.ReadHead();
    talk.Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    talk.Reset();
  }});
  EXPECT_EQ(Get({server.address()}).kind, Kind::kUnreachable);
}

TEST_F(PeerHttpClientTest, AMissSaysWhereElse) {
  syncgroup::Elsewhere miss;
  miss.locations[Id<base::PeerId>(7)] = {.when_seen = base::FromMs(1000), .is_server = true};
  miss.size_hint_bytes = 42;
  const std::string body = syncgroup::EncodeElsewhere(miss);
  ScriptedServer server("HTTP/1.1 404 Not Found\r\nContent-Length: " + std::to_string(body.size()) +
                        "\r\n\r\n" + body);
  const auto reply = Get({server.address()});
  EXPECT_EQ(reply.kind, Kind::kMiss) << reply.message;
  EXPECT_TRUE(reply.miss.locations.count(Id<base::PeerId>(7)) == 1);
  EXPECT_EQ(reply.miss.size_hint_bytes, 42u);
}

TEST_F(PeerHttpClientTest, ABusyPeerSaysForHowLong) {
  for (const char* status : {"503 Service Unavailable", "429 Too Many Requests", "500 Oops"}) {
    ScriptedServer server(std::string("HTTP/1.1 ") + status +
                          "\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    const auto reply = Get({server.address()});
    EXPECT_EQ(reply.kind, Kind::kBusy) << status;
    EXPECT_EQ(reply.retry_after, base::Millis(7000)) << status;
  }
}

// 64 KiB of keys, each of which would be searched for among those before it.
TEST_F(PeerHttpClientTest, OfALongRefusalOnlyTheStatusIsRead) {
  std::string body = R"({"error":{"code":"not_found","message":"m")";
  for (int i = 0; i < 7000; ++i) body += ",\"" + std::to_string(i) + "\":0";
  body += "}}";
  ScriptedServer server("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto reply = Get({server.address()});
  EXPECT_EQ(reply.kind, Kind::kBusy);
  EXPECT_EQ(reply.message, "HTTP status 429");
  EXPECT_EQ(reply.retry_after, base::Millis(7000));
  fresh_ = false;
  const auto hello = Hello({server.address()});
  EXPECT_TRUE(absl::IsResourceExhausted(hello.status())) << hello.status();
  EXPECT_EQ(hello.status().message(), "HTTP status 429");
  // What was not read is not taken for the next answer.
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(PeerHttpClientTest, ResumesWithARangeAndTakesNoOther) {
  ScriptedServer right(
      "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes "
      "5-9/10\r\n\r\nworld");
  EXPECT_EQ(Get({right.address()}, 5).kind, Kind::kComplete);
  EXPECT_EQ(sink_.total, 10u);
  EXPECT_EQ(sink_.begin, 5u);
  EXPECT_NE(right.heads().at(0).find("Range: bytes=5-\r\n"), std::string::npos);

  ScriptedServer whole(kOk);
  EXPECT_EQ(Get({whole.address()}, 3).kind, Kind::kComplete);
  EXPECT_EQ(sink_.begin, 0u);

  for (const char* range : {"bytes 4-8/10", "bytes 5-8/10", "bytes */10", "nonsense"}) {
    ScriptedServer wrong(
        std::string("HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: ") +
        range + "\r\n\r\nworld");
    EXPECT_EQ(Get({wrong.address()}, 5).kind, Kind::kUnreachable) << range;
    EXPECT_EQ(sink_.bytes, "") << range;
  }
  ScriptedServer disagrees(
      "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes "
      "5-9/10\r\n\r\nworl");
  EXPECT_EQ(Get({disagrees.address()}, 5).kind, Kind::kWrongLength);
}

TEST_F(PeerHttpClientTest, ARangeBeyondTheBlobIsAskedAgainFromZero) {
  ScriptedServer server({[](Talk& talk) {
    talk.ReadHead();
    talk.Say("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
    talk.ReadHead();
    talk.Say(kOk);
    talk.WaitForTheOtherEnd();
  }});
  EXPECT_EQ(Get({server.address()}, 500).kind, Kind::kComplete);
  EXPECT_EQ(sink_.bytes, "hello");
  EXPECT_EQ(sink_.begin, 0u);
}

class BatchMemory final : public fetcher::BatchSink {
 public:
  absl::Status OnBytes(std::size_t count) override {
    received += count;
    return received > received_max ? absl::CancelledError("enough") : absl::OkStatus();
  }
  absl::Status OnItem(std::size_t number, const fetcher::BatchItem& item) override {
    EXPECT_EQ(number, kinds.size());
    kinds.push_back(item.kind);
    bytes.emplace_back(item.bytes);
    granted.push_back(item.granted);
    sizes.push_back(item.size_bytes ? item.size_bytes : item.miss.size_hint_bytes);
    return kinds.size() == fail_at ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  }
  std::vector<fetcher::BatchItem::Kind> kinds;
  std::vector<std::string> bytes;
  std::vector<std::vector<base::GroupId>> granted;
  std::vector<std::optional<uint64_t>> sizes;
  std::size_t fail_at = 0;
  std::size_t received = 0, received_max = SIZE_MAX;
};

TEST_F(PeerHttpClientTest, ABatchBringsEachBlobWithWhatIsSaidOfIt) {
  using ItemKind = fetcher::BatchItem::Kind;
  const std::vector<base::GroupId> groups = {Id<base::GroupId>(3), Id<base::GroupId>(4)};
  const auto get = [&](const std::string& answer, BatchMemory& sink, uint64_t blob_max = 100) {
    NewClient();
    // It closes after its answer: what is too short ends, and is not waited for.
    ScriptedServer server(
        std::vector<ScriptedServer::Script>{[&answer](ScriptedServer::Talk& talk) {
          talk.ReadHead();
          talk.Say(answer);
        }});
    return client_->GetBatch(
        {.from = {.peer = Id<base::PeerId>(2), .addresses = {server.address()}},
         .blobs = {base::Sha256::Of("x"), base::Sha256::Of("y"), base::Sha256::Of("z")},
         .groups = groups,
         .blob_bytes_max = blob_max,
         .stall_timeout = base::Millis(20000)},
        sink, stop_.get_token());
  };
  const auto ok = [](const std::string& frames, std::size_t more = 0) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(frames.size() + more) +
           "\r\n\r\n" + frames;
  };
  std::string frames;
  AppendFrame(frames, {FrameKind::kBlob, 0b10, "hello"});
  const std::string one = frames;
  AppendFrame(frames, {FrameKind::kMiss, 0,
                       syncgroup::EncodeElsewhere({.locations = {}, .size_hint_bytes = 7})});
  AppendFrame(frames, {FrameKind::kLeftOut, 0, std::string("\0\0\0\0\0\0\x01\x02", 8)});
  {
    BatchMemory sink;
    const auto reply = get(ok(frames), sink);
    EXPECT_EQ(reply.kind, Kind::kComplete) << reply.message;
    EXPECT_EQ(reply.body_bytes, frames.size());
    EXPECT_EQ(sink.kinds, (std::vector{ItemKind::kBlob, ItemKind::kMiss, ItemKind::kLeftOut}));
    EXPECT_EQ(sink.bytes.at(0), "hello");
    EXPECT_EQ(sink.granted.at(0), std::vector{groups[1]});
    EXPECT_EQ(sink.sizes.at(1), 7u);
    EXPECT_EQ(sink.sizes.at(2), 258u);
  }
  struct {
    std::string what, answer;
    Kind kind;
    std::size_t items;
  } const cases[] = {
      {"too few frames", ok(one), Kind::kUnreachable, 1},
      {"too many", ok(frames + one), Kind::kUnreachable, 3},
      {"it ends early", ok(one, 9), Kind::kUnreachable, 1},
      {"no frames", ok("hello, world"), Kind::kUnreachable, 0},
      {"a miss that does not parse", ok(std::string("\x02\0\0\0\0\1\xff", 7)), Kind::kUnreachable,
       0},
      {"busy", "HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: 3\r\n\r\n", Kind::kBusy, 0},
      {"unknown there", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", Kind::kUnreachable, 0},
  };
  for (const auto& c : cases) {
    BatchMemory sink;
    const auto reply = get(c.answer, sink);
    EXPECT_EQ(reply.kind, c.kind) << c.what;
    EXPECT_EQ(sink.kinds.size(), c.items) << c.what;
    EXPECT_NE(reply.message, "") << c.what;
  }
  BatchMemory larger;
  EXPECT_EQ(get(ok(frames), larger, 4).kind, Kind::kUnreachable) << "larger than asked for";
  BatchMemory full;
  full.fail_at = 1;
  const auto reply = get(ok(frames), full);
  EXPECT_EQ(reply.kind, Kind::kSinkError);
  EXPECT_TRUE(absl::IsResourceExhausted(reply.sink_error));
  EXPECT_EQ(full.kinds.size(), 1u);
  // Of half a frame nothing is an item yet, and it may be enough all the same.
  BatchMemory enough;
  enough.received_max = one.size() / 2 - 1;
  const auto half = get(ok(one.substr(0, one.size() / 2), 100), enough);
  EXPECT_EQ(half.kind, Kind::kSinkError);
  EXPECT_TRUE(absl::IsCancelled(half.sink_error));
  EXPECT_EQ(enough.kinds.size(), 0u);
}

TEST_F(PeerHttpClientTest, TheSinksErrorEndsTheTransferAndIsOurs) {
  ScriptedServer server(kOk);
  class FailingSink final : public fetcher::BlobSink {
   public:
    absl::Status OnStart(uint64_t, uint64_t, const std::vector<base::GroupId>&) override {
      return absl::OkStatus();
    }
    absl::Status OnData(std::string_view) override { return base::NoSpaceError("full"); }
  } sink;
  const auto reply =
      client_->Get({.from = {.peer = Id<base::PeerId>(2), .addresses = {server.address()}},
                    .blob = base::Sha256::Of("x"),
                    .groups = {Id<base::GroupId>(3)}},
                   sink, stop_.get_token());
  EXPECT_EQ(reply.kind, Kind::kSinkError);
  EXPECT_TRUE(base::IsNoSpace(reply.sink_error));
}

TEST_F(PeerHttpClientTest, AStopEndsACallAtOnce) {
  ScriptedServer server({[this](Talk& talk) {
    talk.ReadHead();
    talk.Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    stop_.request_stop();
    talk.WaitForTheOtherEnd();
  }});
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(Get({server.address()}, 0, base::Millis(600000)).kind, Kind::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(60));
  EXPECT_EQ(Hello({server.address()}).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(PeerHttpClientTest, ADeadKeptConnectionIsReplacedOnce) {
  fresh_ = false;
  ScriptedServer server({[](Talk& talk) {
                           talk.ReadHead();
                           talk.Say(kOk);
                           // Takes the next request and goes away without a word.
                           talk.ReadHead();
                         },
                         [](Talk& talk) {
                           talk.ReadHead();
                           talk.Say(kOk);
                           talk.WaitForTheOtherEnd();
                         }});
  EXPECT_EQ(Get({server.address()}).kind, Kind::kComplete);
  EXPECT_EQ(Get({server.address()}).kind, Kind::kComplete);
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(PeerHttpClientTest, AFreshConnectionThatDiesIsNotTriedAgain) {
  ScriptedServer server({[](Talk& talk) { talk.ReadHead(); }});
  EXPECT_EQ(Get({server.address()}).kind, Kind::kUnreachable);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PeerHttpClientTest, TheNextAddressIsTriedWhenOneFails) {
  ScriptedServer server(kOk);
  std::string closed;
  {
    ScriptedServer gone(kOk);
    closed = gone.address();
  }
  EXPECT_EQ(Get({closed, "not an address", "0.0.0.0:1", server.address()}).kind, Kind::kComplete);
  fresh_ = false;
  EXPECT_EQ(Get({}).kind, Kind::kComplete) << "the kept connection serves";
  fresh_ = true;
  EXPECT_EQ(Get({closed}).kind, Kind::kUnreachable);
  EXPECT_EQ(Get({}).kind, Kind::kUnreachable);
}

TEST_F(PeerHttpClientTest, CallsReturnWhatTheCalleeSays) {
  syncgroup::HelloReply reply{.name = "other", .addresses = {"127.0.0.1:5"}};
  const std::string body = *syncgroup::EncodeHelloReply(reply);
  ScriptedServer good("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                      "\r\n\r\n" + body);
  const auto answer = Hello({good.address()});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->name, "other");
  EXPECT_EQ(answer->addresses, reply.addresses);

  struct {
    const char* head;
    const char* code;
    absl::StatusCode expected;
  } cases[] = {
      {"403 Forbidden", "permission_denied", absl::StatusCode::kPermissionDenied},
      {"404 Not Found", "not_found", absl::StatusCode::kNotFound},
      {"409 Conflict", "failed_precondition", absl::StatusCode::kFailedPrecondition},
      {"410 Gone", "expired", absl::StatusCode::kCancelled},
      {"429 Too Many Requests", "resource_exhausted", absl::StatusCode::kResourceExhausted},
      {"500 Oops", "internal", absl::StatusCode::kUnavailable},
      {"507 Insufficient Storage", "no_space", absl::StatusCode::kUnavailable},
  };
  for (const auto& c : cases) {
    const std::string error =
        std::string("{\"error\":{\"code\":\"") + c.code + "\",\"message\":\"because\"}}";
    ScriptedServer server(std::string("HTTP/1.1 ") + c.head +
                          "\r\nRetry-After: 3\r\nContent-Length: " + std::to_string(error.size()) +
                          "\r\n\r\n" + error);
    const absl::Status status = Hello({server.address()}).status();
    EXPECT_EQ(status.code(), c.expected) << c.head;
    EXPECT_EQ(status.message(), "because") << c.head;
    EXPECT_EQ(base::RetryAfterOf(status), base::Millis(3000)) << c.head;
  }
  ScriptedServer malformed("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xFF\xFF\xFF\xFF");
  EXPECT_EQ(Hello({malformed.address()}).status().code(), absl::StatusCode::kInvalidArgument);
  ScriptedServer huge("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n");
  EXPECT_EQ(Hello({huge.address()}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace waypost::http
