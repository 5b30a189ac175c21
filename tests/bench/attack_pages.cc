#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/byte_source.h"
#include "base/crypto.h"
#include "base/sha256.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/bench/attack_lists.h"

// What a member answers to a peer that asks it for entries. Pages are made and signed before the
// clock runs, so that the attack costs the attacker as little as it can; when they are through, the
// last one is given again and again, as one may who is held back by a limit. Others than the peer
// under attack hear that there is nothing.

namespace waypost::bench {
namespace {

using support::HostileMember;
using syncgroup::DeleteRefOp;
using syncgroup::Op;
using syncgroup::PutRefOp;
using syncgroup::SealedEntry;
using syncgroup::SyncGroupReply;
using syncgroup::SyncReply;

constexpr std::chrono::milliseconds kPokeEvery{50};
// Below what a reader takes, with what is around the entries.
constexpr std::size_t kPageBytes = syncgroup::kReplyBytesMax - (std::size_t{256} << 10);

// A page's bytes, at 64 KiB a third of a second at most; cut off at the end of the attack.
class SlowPage final : public base::ByteSource {
 public:
  SlowPage(std::string page, const std::atomic<bool>& stop) : page_(std::move(page)), stop_(stop) {}
  uint64_t size_bytes() const override { return page_.size(); }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    if (stop_) return absl::CancelledError("the attack is over");
    return page_.copy(buffer.data(), buffer.size(), offset);
  }
  int fd() const override { return -1; }
  std::string_view in_memory() const override { return {}; }

 private:
  const std::string page_;
  const std::atomic<bool>& stop_;
};

using Pages = std::vector<std::string>;

// Puts replies together: each call of `fill` adds to one, until it says that it is full.
class PageMaker {
 public:
  explicit PageMaker(Stage& stage) : stage_(stage) {}
  SyncGroupReply Begin() {
    SyncGroupReply group{.group = stage_.group, .member = true};
    group.cursor = {.log = stage_.member.numbering.incarnation, .sequence = ++sequence_};
    group.more = true;
    return group;
  }
  void End(SyncGroupReply group) {
    SyncReply reply{.more = true};
    reply.groups.push_back(std::move(group));
    auto bytes = syncgroup::EncodeSyncReply(reply);
    CHECK(bytes.ok());
    pages_.push_back(*std::move(bytes));
  }
  // As many entries as a page has room for.
  void Fill(const std::function<SealedEntry()>& next) {
    SyncGroupReply group = Begin();
    const std::size_t most = stage_.quick ? kPageBytes / 50 : kPageBytes;
    for (std::size_t bytes = 0; bytes < most;) {
      group.entries.push_back(next());
      bytes += group.entries.back().bytes.size() + 80;
    }
    // The last one may be beyond the most.
    group.entries.pop_back();
    End(std::move(group));
  }
  Pages Take() { return std::move(pages_); }

 private:
  Stage& stage_;
  uint64_t sequence_ = 0;
  Pages pages_;
};

// Answers with these pages for as long as the attack goes on, and says all the time that there is
// something new.
std::function<void()> Serve(Stage& stage, Pages made, bool slowly = false) {
  const auto pages = std::make_shared<const Pages>(std::move(made));
  return [&stage, pages, slowly] {
    const auto next = std::make_shared<std::atomic<std::size_t>>(0);
    stage.member.OnRequest(
        [&stage, pages, next, slowly](const http::Request& request,
                                      const std::string&) -> std::optional<http::Response> {
          if (request.peer != stage.endpoint.peer || !request.path.ends_with("/sync")) return {};
          ++stage.done;
          const std::string& page = (*pages)[std::min(next->fetch_add(1), pages->size() - 1)];
          if (!slowly) return http::Response{.body = page};
          return http::Response{.body = http::SourcePart{
                                    std::make_shared<SlowPage>(page, stage.stop), 0, page.size()}};
        });
    while (!stage.stop) {
      static_cast<void>(stage.member.client->Poke(stage.endpoint, {.groups = {stage.group}}, {}));
      std::this_thread::sleep_for(kPokeEvery);
    }
    stage.member.OnRequest(nullptr);
  };
}

std::vector<Op> Many(const std::function<Op(int)>& op) {
  std::vector<Op> ops;
  for (std::size_t i = 0; i < syncgroup::kOpsPerEntryMax; ++i) {
    ops.push_back(op(static_cast<int>(i)));
  }
  return ops;
}

std::function<void()> Deletes(Stage& stage) {
  PageMaker maker(stage);
  int number = 0;
  for (int page = 0; page < 4; ++page) {
    maker.Fill([&] {
      ++number;
      return stage.member.Say(
          stage.group, Many([&](int i) { return DeleteRefOp{absl::StrCat("d", number, "-", i)}; }));
    });
  }
  return Serve(stage, maker.Take());
}

std::function<void()> Empties(Stage& stage) {
  PageMaker maker(stage);
  for (int page = 0; page < 8; ++page) {
    maker.Fill([&] { return stage.member.Say(stage.group, {}); });
  }
  return Serve(stage, maker.Take());
}

std::function<void()> Mentions(Stage& stage) {
  PageMaker maker(stage);
  int number = 0;
  for (int page = 0; page < 3; ++page) {
    maker.Fill([&] {
      ++number;
      return stage.member.Say(stage.group, Many([&](int i) {
                                const std::string key = absl::StrCat("m", number, "-", i);
                                return PutRefOp{key, base::Sha256::Of(key), 1};
                              }));
    });
  }
  return Serve(stage, maker.Take());
}

std::function<void()> Numberings(Stage& stage) {
  PageMaker maker(stage);
  for (int page = 0; page < 4; ++page) {
    maker.Fill([&] {
      auto numbering = HostileMember::NewNumbering();
      return stage.member.member.Next(stage.group, numbering, {});
    });
  }
  return Serve(stage, maker.Take());
}

// Of fifty numberings with a thousand references each, to a blob that is here; then they are forked
// at what came first, by other proofs each time.
std::function<void()> Forks(Stage& stage) {
  constexpr int kNumberings = 50;
  const base::BlobId held = *base::BlobId::FromHex(stage.large_blob);
  PageMaker maker(stage);
  std::vector<std::pair<HostileMember::Numbering, SealedEntry>> firsts;
  SyncGroupReply entries = maker.Begin();
  for (int n = 0; n < kNumberings; ++n) {
    auto numbering = HostileMember::NewNumbering();
    entries.entries.push_back(
        stage.member.member.Next(stage.group, numbering, Many([&](int i) {
                                   return PutRefOp{absl::StrCat("f", n, "-", i), held, {}};
                                 })));
    firsts.emplace_back(numbering, entries.entries.back());
  }
  maker.End(std::move(entries));
  for (int page = 0; page < 40; ++page) {
    SyncGroupReply forks = maker.Begin();
    for (int n = 0; n < kNumberings; ++n) {
      const auto& [numbering, first] = firsts[static_cast<std::size_t>(n)];
      forks.forks.push_back(stage.member.member.ForkOf(
          stage.group, numbering, first, {DeleteRefOp{absl::StrCat("g", page, "-", n)}}));
    }
    maker.End(std::move(forks));
  }
  return Serve(stage, maker.Take());
}

// Entries whose signatures are wrong: each of them costs as much to find that out.
std::function<void()> Unsigned(Stage& stage) {
  PageMaker maker(stage);
  for (int page = 0; page < 2; ++page) {
    maker.Fill([&] {
      SealedEntry entry = stage.member.Say(stage.group, {});
      entry.signature.back() = static_cast<char>(entry.signature.back() ^ 1);
      return entry;
    });
  }
  return Serve(stage, maker.Take());
}

std::function<void()> SlowPages(Stage& stage) {
  PageMaker maker(stage);
  for (int page = 0; page < 2; ++page) {
    maker.Fill([&] { return stage.member.Say(stage.group, {}); });
  }
  return Serve(stage, maker.Take(), /*slowly=*/true);
}

}  // namespace

std::vector<Attack> AttacksByPages() {
  return {{"pages of deletes, 1,000 an entry", Deletes},
          {"pages of empty entries", Empties},
          {"mentions of blobs that nobody has", Mentions},
          {"pages of numberings", Numberings},
          {"forks again and again", Forks},
          {"pages with wrong signatures", Unsigned},
          {"pages that drip to who pulls them", SlowPages}};
}

}  // namespace waypost::bench
