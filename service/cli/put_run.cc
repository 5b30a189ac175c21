#include "service/cli/put_run.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/thread.h"

// A file is read twice where its bytes are not here: to know its id, and to send it under that id,
// so that bytes that changed between are refused. What has no size of its own is kept for the
// second time. Several files are sent at once, so that the service makes them durable with one
// fsync.

namespace waypost::service {
namespace {

// At once, as the service takes them.
constexpr std::size_t kAtOnce = 8;
// Of one part: as many files as one question to the service may name, and, but for a larger one by
// itself, as many bytes as it reads to be sure that what is here is whole.
constexpr std::size_t kPartFiles = 1000;
constexpr uint64_t kPartBytes = uint64_t{64} << 20;
// A service that has no room for another large body at the moment says so.
constexpr int kTries = 4;
constexpr base::Millis kTryAgain{1'000};
constexpr std::size_t kHashPiece = std::size_t{256} << 10;

}  // namespace

PutRun::PutRun(std::vector<PutItem> items, std::string group, bool dry_run, bool quiet)
    : items_(std::move(items)),
      group_(std::move(group)),
      dry_run_(dry_run),
      results_(items_.size(), absl::CancelledError("not tried")),
      here_(items_.size(), 0),
      progress_(quiet ? nullptr : std::make_unique<Progress>("put")) {
  for (const PutItem& item : items_) total_bytes_ += item.size;
}

void PutRun::Run(Client& client) {
  for (std::size_t i = 0; i + 1 < std::min(kAtOnce, items_.size()); ++i) {
    clients_.push_back(client.Another());
  }
  for (std::size_t begin = 0; begin < items_.size() && !gave_up_.load();) {
    std::size_t end = begin;
    for (uint64_t bytes = 0; end < items_.size() && end - begin < kPartFiles; ++end) {
      bytes += items_[end].size;
      if (end > begin && bytes > kPartBytes) break;
    }
    RunPart(client, begin, end);
    begin = end;
  }
  if (progress_ != nullptr) progress_->Finish();
}

void PutRun::RunPart(Client& client, std::size_t begin, std::size_t end) {
  InParallel(client, begin, end, [this](Client&, std::size_t i) { results_[i] = Hash(items_[i]); });
  const absl::Status asked = AskWhatIsHere(client, begin, end);
  if (!asked.ok()) {
    for (std::size_t i = begin; i < end; ++i) Fail(i, asked);
    return;
  }
  if (!dry_run_ && !group_.empty()) Reference(client, begin, end);
  InParallel(client, begin, end, [this](Client& mine, std::size_t i) {
    if (!results_[i].ok()) return;
    if (here_[i] != 0) {
      bytes_.fetch_add(results_[i]->size);
    } else {
      results_[i]->sent = true;
      const absl::Status sent = dry_run_ ? absl::OkStatus() : Send(mine, items_[i], *results_[i]);
      if (!sent.ok()) Fail(i, sent);
    }
    files_.fetch_add(1);
    Draw("sending", bytes_.load());
  });
  for (std::size_t i = begin; i < end; ++i) items_[i].spooled.reset();
}

void PutRun::InParallel(Client& client, std::size_t begin, std::size_t end, const Each& each) {
  std::atomic<std::size_t> next{begin};
  const auto work = [&](Client& mine) {
    for (std::size_t i = next.fetch_add(1); i < end; i = next.fetch_add(1)) {
      if (gave_up_.load()) {
        Fail(i, absl::CancelledError("not tried"));
      } else {
        each(mine, i);
      }
    }
  };
  std::vector<base::Thread> threads;
  for (std::size_t i = 0; i + 1 < end - begin && i < clients_.size(); ++i) {
    Client* mine = clients_[i].get();
    auto started = base::Thread::Start("put", [&work, mine] { work(*mine); });
    if (!started.ok()) break;  // with fewer, then
    threads.push_back(*std::move(started));
  }
  work(client);
  for (base::Thread& thread : threads) thread.Join();
}

void PutRun::Fail(std::size_t i, const absl::Status& status) {
  if (!results_[i].ok()) return;
  results_[i] = status;
  // Without a service, or space, the rest fails as well.
  if (ExitOf(status) == kExitNotReachable || base::IsNoSpace(status)) gave_up_.store(true);
}

absl::StatusOr<PutResult> PutRun::Hash(PutItem& item) {
  std::unique_ptr<PutReader> reader;
  ASSIGN_OR_RETURN(reader, PutReader::Open(item));
  base::Sha256 hash;
  std::string buffer(std::min<uint64_t>(kHashPiece, reader->size()), '\0');
  for (uint64_t left = reader->size(); left > 0;) {
    std::size_t got = 0;
    ASSIGN_OR_RETURN(
        got, reader->Read(std::span<char>(buffer).first(std::min<uint64_t>(left, buffer.size()))));
    hash.Update(std::string_view(buffer).substr(0, got));
    left -= got;
    hashed_.fetch_add(got);
    Draw("hashing", hashed_.load());
  }
  // Each holds a descriptor. What is empty is so the second time too.
  if (reader->size() > 0) item.spooled = reader->spooled();
  return PutResult{.blob = hash.Finish(), .size = reader->size()};
}

absl::Status PutRun::AskWhatIsHere(Client& client, std::size_t begin, std::size_t end) {
  Json ids = Json::array();
  for (std::size_t i = begin; i < end; ++i) {
    if (results_[i].ok()) ids.push_back(results_[i]->blob.ToHex());
  }
  if (ids.empty()) return absl::OkStatus();
  Json answer;
  ASSIGN_OR_RETURN(answer, client.Send("POST", "/v1/blobs:have", {{"ids", ids}}));
  std::set<std::string> here;
  if (answer.contains("here") && answer["here"].is_array()) {
    for (const Json& id : answer["here"]) {
      if (id.is_string()) here.insert(id.get<std::string>());
    }
  }
  for (std::size_t i = begin; i < end; ++i) {
    here_[i] = results_[i].ok() && here.contains(results_[i]->blob.ToHex()) ? 1 : 0;
  }
  return absl::OkStatus();
}

void PutRun::Reference(Client& client, std::size_t begin, std::size_t end) {
  Json puts = Json::array();
  std::vector<std::size_t> those;
  for (std::size_t i = begin; i < end; ++i) {
    if (here_[i] == 0) continue;
    puts.push_back({{"key", items_[i].key}, {"blob", results_[i]->blob.ToHex()}});
    those.push_back(i);
  }
  if (those.empty()) return;
  const absl::Status all =
      client.Send("POST", GroupPath(group_, "/refs:batch"), {{"put", puts}}).status();
  if (all.ok()) return;
  // All or none: one by one it is seen which cannot be set.
  for (const std::size_t i : those) {
    const absl::Status one =
        client.Send("PUT", RefPath(group_, items_[i].key), {{"blob", results_[i]->blob.ToHex()}})
            .status();
    if (!one.ok()) Fail(i, one);
    if (gave_up_.load()) return;
  }
}

absl::Status PutRun::Send(Client& client, const PutItem& item, PutResult& result) {
  for (int tried = 1;; ++tried) {
    const absl::Status sent = SendOnce(client, item, result);
    const bool busy = absl::IsUnavailable(sent) && ExitOf(sent) != kExitNotReachable;
    if (!busy || tried == kTries) return sent;
    base::WaitUntil(base::SteadyNow() + tried * kTryAgain);
  }
}

absl::Status PutRun::SendOnce(Client& client, const PutItem& item, PutResult& result) {
  std::unique_ptr<PutReader> reader;
  ASSIGN_OR_RETURN(reader, PutReader::Open(item));
  http::AppClient::Call call{.method = "PUT", .target = BlobPath(result.blob.ToHex())};
  call.content_type = "application/octet-stream";
  if (!group_.empty()) {
    absl::StrAppend(&call.target, "?group=", http::EscapeSegment(group_),
                    "&key=", http::EscapeSegment(item.key));
  }
  uint64_t told = 0;
  call.upload_bytes = reader->size();
  call.upload = [&](std::span<char> buffer) { return reader->Read(buffer); };
  call.on_sent = [&](uint64_t sent) {
    bytes_.fetch_add(sent - told);
    told = sent;
    Draw("sending", bytes_.load());
  };
  const auto reply = client.Must(call);
  if (base::IsDigestMismatch(reply.status())) {
    return absl::AbortedError(item.path + " was changed while it was read: it is not put");
  }
  RETURN_IF_ERROR(reply.status());
  result.created = reply->status == 201;
  return absl::OkStatus();
}

void PutRun::Draw(const char* what, uint64_t bytes) {
  if (progress_ == nullptr) return;
  progress_->Show(bytes, total_bytes_,
                  absl::StrCat(files_.load(), " of ", items_.size(), " files, ", what));
}

}  // namespace waypost::service
