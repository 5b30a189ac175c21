#include "syncgroup/sync/replication.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "base/status.h"
#include "blobstore/blob_row.h"
#include "signpost/rules.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/codec.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/sync/replication_impl.h"

// Whom to contact, what a hello says, and what is held: the parts of replication that are no log.
// Reads look at one moment; what a hello brings is decoded and verified before the transaction that
// learns it.

namespace waypost::syncgroup {
namespace {

using base::Index;

// Do both belong to the group, as far as is known here?
bool Shared(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& self,
            const base::PeerId& peer) {
  const auto row = LoadGroupRow(txn, group);
  return row && row->state == GroupRow::State::kActive && LoadMember(txn, group, self) &&
         LoadMember(txn, group, peer);
}

}  // namespace

Replication::Replication(const Core& core, GroupWork& work)
    : impl_(std::make_unique<Impl>(core, work)) {}
Replication::~Replication() = default;

absl::StatusOr<std::vector<Replication::Contact>> Replication::Contacts() const {
  const Core& core = impl_->core;
  std::map<base::PeerId, Contact> contacts;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    for (const auto& [group, row] : LoadGroupRows(txn)) {
      if (row.state != GroupRow::State::kActive || !LoadMember(txn, group, core.self())) continue;
      for (Member& member : LoadMembers(txn, group)) {
        if (member.peer == core.self()) continue;
        const auto [it, first] = contacts.try_emplace(member.peer);
        Contact& contact = it->second;
        contact.peer = member.peer;
        if (first || member.sponsor.IsZero()) contact.sponsor = member.sponsor;
        contact.groups.push_back(group);
        contact.server |= member.role == Role::kServer;
        if (contact.addresses.empty()) contact.addresses = std::move(member.addresses);
      }
    }
  }));
  std::vector<Contact> result;
  result.reserve(contacts.size());
  for (auto& [peer, contact] : contacts) result.push_back(std::move(contact));
  std::stable_sort(result.begin(), result.end(),
                   [](const Contact& a, const Contact& b) { return a.server > b.server; });
  return result;
}

bool Replication::SharesGroup(const base::PeerId& peer) const {
  bool shares = false;
  const absl::Status status = impl_->core.index.Read([&](base::ReadTxn& txn) {
    for (const auto& [group, row] : LoadGroupRows(txn)) {
      shares = Shared(txn, group, impl_->core.self(), peer);
      if (shares) break;
    }
  });
  return status.ok() && shares;
}

bool Replication::SharesGroup(const base::PeerId& peer, const base::GroupId& group) const {
  bool shares = false;
  const absl::Status status = impl_->core.index.Read(
      [&](base::ReadTxn& txn) { shares = Shared(txn, group, impl_->core.self(), peer); });
  return status.ok() && shares;
}

// ---- hello ----

bool HelloRoom::Take(const Papers& papers) {
  const std::size_t bytes = bytes_ + BytesOf(papers);
  if (groups_ == kGroupsMax || (groups_ > 0 && bytes > kBytesMax)) return false;
  ++groups_;
  bytes_ = bytes;
  return true;
}

absl::StatusOr<HelloRequest> Replication::HelloFor(const std::vector<base::GroupId>& groups) const {
  const Core& core = impl_->core;
  HelloRequest request{.name = core.options.name, .addresses = core.options.addresses()};
  HelloRoom room;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    for (const base::GroupId& group : groups) {
      Papers own = PapersOf(txn, group, core.self());
      if (!room.Take(own)) break;
      request.papers.push_back(std::move(own));
    }
  }));
  return request;
}

absl::Status Replication::Impl::LearnAll(const std::optional<base::PeerId>& leads_to,
                                         const std::vector<Papers>& all) const {
  const base::WallTime now = core.clock.WallNow();
  std::map<base::GroupId, std::vector<PreparedEntry>> news;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    for (std::size_t i = 0; i < std::min(all.size(), kHelloGroups); ++i) {
      const base::GroupId& group = all[i].group;
      if (news.contains(group)) continue;
      const auto row = LoadGroupRow(txn, group);
      if (!row || row->state != GroupRow::State::kActive) continue;
      std::vector<PreparedEntry> entries = ReadPapers(all[i], now);
      if (PapersToKeep(core, txn, group, *row, entries, leads_to).empty()) continue;
      news.emplace(group, std::move(entries));
    }
  }));
  if (news.empty()) return absl::OkStatus();
  return core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
    for (const auto& [group, entries] : news) {
      auto writer = GroupWriter::Open(core, txn, effects, group);
      if (!writer || writer->row().state != GroupRow::State::kActive) continue;
      LearnPapers(*writer, core, entries, leads_to);
      writer->Finish();
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<base::GroupId>> Replication::ApplyHello(const base::PeerId& callee,
                                                                   const HelloReply& reply) {
  const Core& core = impl_->core;
  RETURN_IF_ERROR(impl_->LearnAll(callee, reply.papers));
  if (!reply.addresses.empty()) core.peers.SetProfile(callee, reply.name, reply.addresses);
  std::vector<base::GroupId> groups;
  for (const Papers& papers : reply.papers) groups.push_back(papers.group);
  return groups;
}

absl::StatusOr<HelloReply> Replication::ServeHello(const base::PeerId& caller,
                                                   const HelloRequest& request) {
  const Core& core = impl_->core;
  RETURN_IF_ERROR(impl_->LearnAll(caller, request.papers));
  HelloReply reply{.name = core.options.name, .addresses = core.options.addresses()};
  std::size_t bytes = 0;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    for (std::size_t i = 0; i < std::min(request.papers.size(), kHelloGroups); ++i) {
      const Papers& papers = request.papers[i];
      if (!Shared(txn, papers.group, core.self(), caller)) continue;
      Papers own = PapersOf(txn, papers.group, core.self());
      // It asks again for those that find no room.
      bytes += BytesOf(own);
      if (bytes > kSyncPageBytesMax) break;
      reply.papers.push_back(std::move(own));
    }
  }));
  // Who shares no group leaves no trace.
  if (!reply.papers.empty() && !request.addresses.empty()) {
    core.peers.SetProfile(caller, request.name, request.addresses);
  }
  return reply;
}

// ---- haves and holdings ----

absl::Status Replication::Impl::TakeHaves(const base::PeerId& caller, std::size_t count) {
  const MemberLimits limits = core.limits();
  const HavesMeter::Rate rate{static_cast<double>(limits.burst),
                              static_cast<double>(limits.per_second)};
  base::MutexLock lock(mutex);
  const auto wait = haves_taken.Take(caller, count, rate, core.clock.SteadyNow());
  if (!wait) return absl::OkStatus();
  return base::WithRetryAfter(
      absl::ResourceExhaustedError(
          "more blobs are said to be held than are noted at a time; see limits.mention_burst and "
          "limits.mention_rate"),
      *wait);
}

namespace {

// What `caller` has of a blob that groups mention which it is a member of: nullopt: of none.
std::optional<bool> ServesAs(base::ReadTxn& txn, const signpost::Signpost& signpost,
                             const base::PeerId& caller) {
  bool member = false, server = false;
  for (const auto& item : signpost.groups) {
    const auto row = LoadMember(txn, item.first, caller);
    member |= row.has_value();
    server |= row && row->role == Role::kServer;
  }
  return member ? std::optional<bool>(server) : std::nullopt;
}

// A location that was seen this lately, and not denied since, is no news, unless it ends a wait.
constexpr base::Millis kFreshFor{3600 * 1000};

// kAgain: it was known, but an attempt may be under way that was told "not here" before.
enum class Have { kNothing, kAgain, kNews };

Have Judge(base::ReadTxn& txn, const base::BlobId& blob, const base::PeerId& caller,
           base::WallTime now) {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  // Mentioned nowhere here: nothing to note.
  if (!signpost || !ServesAs(txn, *signpost, caller)) return Have::kNothing;
  const bool wanted = signpost->wanted_since != base::kNever;
  if (wanted && signpost->next_attempt > now) return Have::kNews;
  const auto at = signpost->locations.find(caller);
  if (at == signpost->locations.end() || at->second.denied != base::kNever ||
      at->second.when_seen + kFreshFor < now) {
    return Have::kNews;
  }
  return wanted ? Have::kAgain : Have::kNothing;
}

}  // namespace

absl::Status Replication::NoteHaves(const base::PeerId& caller,
                                    const std::vector<base::BlobId>& blobs) {
  const Core& core = impl_->core;
  std::vector<base::BlobId> news, again;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    const base::WallTime now = core.clock.WallNow();
    for (const base::BlobId& blob : blobs) {
      const Have have = Judge(txn, blob, caller, now);
      if (have == Have::kNews) news.push_back(blob);
      if (have == Have::kAgain) again.push_back(blob);
    }
  }));
  if (!news.empty()) RETURN_IF_ERROR(impl_->TakeHaves(caller, news.size()));
  // What was known costs as much as news; beyond the limit it is left out, which harms nobody else.
  if (!again.empty() && impl_->TakeHaves(caller, again.size()).ok()) {
    news.insert(news.end(), again.begin(), again.end());
  }
  if (news.empty()) return absl::OkStatus();
  return core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects&) {
    const base::WallTime now = core.clock.WallNow();
    for (const base::BlobId& blob : news) {
      const auto signpost = signpost::LoadSignpost(txn, blob);
      if (!signpost) continue;
      const auto server = ServesAs(txn, *signpost, caller);
      if (!server) continue;
      core.ledger.Change(txn, blob, [&](BlobRecord& record) {
        signpost::Location& location = record.NeedSignpost().locations[caller];
        location.when_seen = now;
        location.is_server = *server;
        location.denied = base::kNever;
        if (record.signpost->wanted_since == base::kNever) return;
        ++record.signpost->evidence;
        record.signpost->next_attempt = std::min(record.signpost->next_attempt, now);
      });
    }
    return absl::OkStatus();
  });
}

std::vector<std::pair<base::BlobId, std::vector<base::GroupId>>> Replication::GrantedNow(
    const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
    const std::vector<base::GroupId>& groups) const {
  std::vector<std::pair<base::BlobId, std::vector<base::GroupId>>> granted;
  const absl::Status read = impl_->core.index.Read([&](base::ReadTxn& txn) {
    for (const base::BlobId& blob : blobs) {
      const auto row = blobstore::LoadBlobRow(txn, blob);
      if (!row) continue;
      std::vector<base::GroupId> of_blob;
      for (const base::GroupId& group : groups) {
        if (row->holdings.contains(group) && Shared(txn, group, impl_->core.self(), caller)) {
          of_blob.push_back(group);
        }
      }
      if (!of_blob.empty()) granted.emplace_back(blob, std::move(of_blob));
    }
  });
  if (!read.ok()) granted.clear();
  return granted;
}

absl::StatusOr<HeldReply> Replication::ServeHeld(const base::PeerId& caller,
                                                 const HeldRequest& request) {
  const Core& core = impl_->core;
  if (request.blobs.size() > kHavesMax) return absl::InvalidArgumentError("too many blobs");
  HeldReply reply;
  bool shared = false;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    shared = Shared(txn, request.group, core.self(), caller);
    if (!shared) return;
    for (const base::BlobId& blob : request.blobs) {
      const auto row = blobstore::LoadBlobRow(txn, blob);
      if (row && row->holdings.contains(request.group)) reply.held.push_back(blob);
    }
  }));
  if (!shared) return absl::NotFoundError("no such group");
  return reply;
}

absl::StatusOr<Replication::MentionPage> Replication::Mentions(
    const base::GroupId& group, const std::optional<base::BlobId>& after, std::size_t limit) const {
  constexpr std::size_t kRowsPerRead = 10000;
  MentionPage page;
  RETURN_IF_ERROR(impl_->core.index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kSignposts);
    std::size_t looked = 0;
    std::optional<base::BlobId> last;
    for (bool more = cursor.Seek(after ? after->bytes() : std::string_view()); more;
         more = cursor.Next()) {
      const auto blob = base::BlobId::FromBytes(cursor.key());
      if (!blob || (after && *blob == *after)) continue;
      if (looked++ == kRowsPerRead || page.blobs.size() == limit) {
        page.next = last;
        break;
      }
      last = blob;
      const auto payload = cursor.payload();
      const auto signpost = payload ? signpost::DecodeSignpost(*payload) : std::nullopt;
      if (!signpost || !signpost->groups.contains(group)) continue;
      const auto row = blobstore::LoadBlobRow(txn, *blob);
      page.blobs.push_back(*blob);
      page.held_here.push_back(row && row->holdings.contains(group));
    }
  }));
  return page;
}

}  // namespace waypost::syncgroup
