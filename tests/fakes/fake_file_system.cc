#include "tests/fakes/fake_file_system.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// What everybody sees and what the disk has are kept apart: names become durable by SyncDir of
// their folder, contents by Sync of their file, and neither by the other.

namespace waypost::base {
namespace {

constexpr std::size_t kBlock = 4096;  // what a disk writes whole

std::vector<std::string> Parts(const std::string& path) {
  CHECK(path.starts_with('/'));  // absolute
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

// A file or a folder, as everybody sees it and as the disk has it.
struct FakeFileSystem::Node {
  Node(bool directory, std::shared_ptr<uint64_t> used_bytes)
      : is_directory(directory), used(std::move(used_bytes)) {}
  ~Node() { *used -= data.size(); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void Resize(std::size_t size) {
    *used += size;
    *used -= data.size();
    data.resize(size);
  }

  const bool is_directory;
  const std::shared_ptr<uint64_t> used;
  WallTime modified;
  std::string data;
  std::string durable_data;
  bool dropped = false;  // a sync failed: the next one has nothing left to write
  std::map<std::string, NodePtr> entries;
  std::map<std::string, NodePtr> durable_entries;

  // Names of files that were new when a sync failed: no later one writes them, unless they were
  // made anew.
  std::map<std::string, NodePtr> lost;

  void LoseEntries() {
    for (const auto& [name, node] : entries) {
      const auto durable = durable_entries.find(name);
      const bool is_new = durable == durable_entries.end() || durable->second != node;
      if (is_new && !node->is_directory) lost[name] = node;
    }
  }
  void SyncEntries() {
    std::map<std::string, NodePtr> durable;
    for (const auto& [name, node] : entries) {
      const auto dropped_name = lost.find(name);
      if (dropped_name == lost.end() || dropped_name->second != node) {
        durable[name] = node;
      } else if (const auto old = durable_entries.find(name); old != durable_entries.end()) {
        durable[name] = old->second;
      }
    }
    durable_entries = std::move(durable);
    std::erase_if(lost, [&](const auto& entry) {
      const auto here = entries.find(entry.first);
      return here == entries.end() || here->second != entry.second;
    });
  }

  bool Names(const NodePtr& node) const {
    return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.second == node || entry.second->Names(node);
    });
  }

  void Cut() {
    Resize(durable_data.size());
    data = durable_data;
    dropped = false;
    lost.clear();
    entries = durable_entries;
    for (const auto& entry : entries) entry.second->Cut();
  }

  // The disk as it might have been: both sides of every difference are possible.
  void Settle(std::mt19937_64& random) {
    if (data != durable_data) {
      std::string mixed = random() % 2 == 0 ? data : durable_data;
      for (std::size_t begin = 0; begin < mixed.size(); begin += kBlock) {
        const std::string& from = !dropped && random() % 2 == 0 ? data : durable_data;
        for (std::size_t i = begin; i < std::min(begin + kBlock, mixed.size()); ++i) {
          mixed[i] = i < from.size() ? from[i] : '\0';
        }
      }
      durable_data = mixed;
    }
    std::map<std::string, NodePtr> settled;
    for (const auto& entry : durable_entries) {
      const bool gone = !entries.contains(entry.first) && random() % 2 == 0;
      if (!gone) settled.insert(entry);
    }
    for (const auto& entry : entries) {
      if (random() % 2 == 0) settled[entry.first] = entry.second;
    }
    durable_entries = std::move(settled);
    for (const auto& entry : durable_entries) entry.second->Settle(random);
  }
};

class FakeFileSystem::OpenFile final : public File {
 public:
  OpenFile(FakeFileSystem& fs, NodePtr node, std::string path, bool writable, uint64_t cuts)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), writable_(writable), cuts_(cuts) {}
  ~OpenFile() override {
    MutexLock lock(fs_.mutex_);
    node_ = nullptr;
  }

  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    MutexLock lock(fs_.mutex_);
    RETURN_IF_ERROR(Enter(Op::kWrite));
    if (!writable_) return ErrnoStatus(EBADF, absl::StrCat("writing ", path_));
    const std::size_t size = node_->data.size();
    const std::size_t end = static_cast<std::size_t>(offset) + data.size();
    const uint64_t growth = end > size ? end - size : 0;
    const uint64_t free = fs_.total_ - std::min(*fs_.used_, fs_.total_);
    const uint64_t missing = growth > free ? growth - free : 0;
    data.remove_suffix(std::min<std::size_t>(static_cast<std::size_t>(missing), data.size()));
    if (!data.empty()) {
      node_->Resize(std::max(size, static_cast<std::size_t>(offset) + data.size()));
      node_->data.replace(static_cast<std::size_t>(offset), data.size(), data);
      node_->modified = fs_.now_;
    }
    if (missing > 0) return ErrnoStatus(ENOSPC, absl::StrCat("writing ", path_));
    return absl::OkStatus();
  }

  // The fake has no cache and holds nothing back.
  void KeepOutOfCache() override {}
  absl::Status Flush() override {
    MutexLock lock(fs_.mutex_);
    return Enter(Op::kFlush);
  }

  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    MutexLock lock(fs_.mutex_);
    RETURN_IF_ERROR(Enter(Op::kRead));
    if (offset >= node_->data.size()) return std::size_t{0};
    const std::size_t count =
        std::min(buffer.size(), node_->data.size() - static_cast<std::size_t>(offset));
    node_->data.copy(buffer.data(), count, static_cast<std::size_t>(offset));
    return count;
  }

  absl::Status Sync() override {
    MutexLock lock(fs_.mutex_);
    const absl::Status status = Enter(Op::kSync);
    if (!status.ok()) {
      node_->dropped = true;
      return status;
    }
    if (!node_->dropped) node_->durable_data = node_->data;
    return absl::OkStatus();
  }

  absl::Status CheckSynced() override {
    MutexLock lock(fs_.mutex_);
    RETURN_IF_ERROR(Enter(Op::kCheckSynced));
    if (node_->dropped) return ErrnoStatus(EIO, absl::StrCat("writing ", path_));
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    MutexLock lock(fs_.mutex_);
    RETURN_IF_ERROR(Enter(Op::kTruncate));
    if (!writable_) return ErrnoStatus(EINVAL, absl::StrCat("truncating ", path_));
    node_->Resize(static_cast<std::size_t>(size));
    node_->modified = fs_.now_;
    return absl::OkStatus();
  }

  absl::StatusOr<State> Look() const override {
    MutexLock lock(fs_.mutex_);
    RETURN_IF_ERROR(Enter(Op::kSize));
    return State{.size = node_->data.size(), .named = fs_.root_->Names(node_)};
  }

  int fd() const override { return -1; }
  const NodePtr& node() const { return node_; }

 private:
  absl::Status Enter(Op op) const EXCLUSIVE_LOCKS_REQUIRED(fs_.mutex_) {
    if (cuts_ != fs_.cuts_) {
      return absl::InternalError(absl::StrCat(path_, ": opened before the power cut"));
    }
    return fs_.Enter(op, path_);
  }

  FakeFileSystem& fs_;
  NodePtr node_;
  const std::string path_;
  const bool writable_;
  const uint64_t cuts_;
};

FakeFileSystem::FakeFileSystem() : used_(std::make_shared<uint64_t>(0)) {
  MutexLock lock(mutex_);
  root_ = NewNode(/*is_directory=*/true);
}
FakeFileSystem::~FakeFileSystem() = default;

void FakeFileSystem::PowerCut() {
  MutexLock lock(mutex_);
  ++cuts_;
  root_->Cut();
}

void FakeFileSystem::PowerCutKeepingSome(uint64_t seed) {
  MutexLock lock(mutex_);
  ++cuts_;
  std::mt19937_64 random(seed);
  root_->Settle(random);
  root_->Cut();
}

void FakeFileSystem::FailNth(Op op, int nth, int error) {
  MutexLock lock(mutex_);
  failures_.push_back({op, nth, error});
}

void FakeFileSystem::SetFreeSpace(uint64_t bytes) {
  MutexLock lock(mutex_);
  total_ = *used_ + bytes;
}

void FakeFileSystem::SetApart(const std::string& dir, uint64_t free_bytes) {
  MutexLock lock(mutex_);
  apart_[dir] = free_bytes;
}

const std::pair<const std::string, uint64_t>* FakeFileSystem::ApartOf(
    const std::string& path) const {
  for (const auto& item : apart_) {
    if (path == item.first || path.starts_with(item.first + "/")) return &item;
  }
  return nullptr;
}

void FakeFileSystem::SetReadOnly(bool read_only) {
  MutexLock lock(mutex_);
  read_only_ = read_only;
}

void FakeFileSystem::SetNow(WallTime now) {
  MutexLock lock(mutex_);
  now_ = now;
}

uint64_t FakeFileSystem::calls(Op op) const {
  MutexLock lock(mutex_);
  return calls_[static_cast<std::size_t>(op)];
}

void FakeFileSystem::FlipBit(const std::string& path, uint64_t offset, int bit) {
  MutexLock lock(mutex_);
  const auto place = Find(path);
  CHECK(place.ok() && place->node != nullptr && offset < place->node->data.size());
  Node& node = *place->node;
  const auto at = static_cast<std::size_t>(offset);
  node.data[at] = static_cast<char>(node.data[at] ^ (1 << bit));
  if (at < node.durable_data.size()) {
    node.durable_data[at] = static_cast<char>(node.durable_data[at] ^ (1 << bit));
  }
}

absl::Status FakeFileSystem::Enter(Op op, const std::string& what) {
  ++calls_[static_cast<std::size_t>(op)];
  for (auto failure = failures_.begin(); failure != failures_.end(); ++failure) {
    if (failure->op != op || --failure->remaining > 0) continue;
    const int error = failure->error;
    failures_.erase(failure);
    return ErrnoStatus(error, absl::StrCat(what, " (injected)"));
  }
  constexpr Op kChanges[] = {Op::kOpenWrite, Op::kCreateExclusive, Op::kCreateUnnamed,
                             Op::kLink,      Op::kRename,          Op::kRemove,
                             Op::kMakeDir,   Op::kWrite,           Op::kTruncate};
  const bool changes =
      std::find(std::begin(kChanges), std::end(kChanges), op) != std::end(kChanges);
  return read_only_ && changes ? ErrnoStatus(EROFS, what) : absl::OkStatus();
}

absl::StatusOr<FakeFileSystem::Place> FakeFileSystem::Find(const std::string& path) {
  const std::vector<std::string> parts = Parts(path);
  if (parts.empty()) return Place{nullptr, "", root_};
  NodePtr folder = root_;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto next = folder->entries.find(parts[i]);
    if (next == folder->entries.end()) return ErrnoStatus(ENOENT, path);
    if (!next->second->is_directory) return ErrnoStatus(ENOTDIR, path);
    folder = next->second;
  }
  const auto node = folder->entries.find(parts.back());
  return Place{folder, parts.back(), node == folder->entries.end() ? nullptr : node->second};
}

absl::StatusOr<FakeFileSystem::NodePtr> FakeFileSystem::FindDir(const std::string& path) {
  ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node == nullptr) return ErrnoStatus(ENOENT, path);
  if (!place.node->is_directory) return ErrnoStatus(ENOTDIR, path);
  return place.node;
}

FakeFileSystem::NodePtr FakeFileSystem::NewNode(bool is_directory) {
  auto node = std::make_shared<Node>(is_directory, used_);
  node->modified = now_;
  return node;
}

std::unique_ptr<File> FakeFileSystem::MakeFile(const NodePtr& node, const std::string& path,
                                               bool writable) {
  return std::make_unique<OpenFile>(*this, node, path, writable, cuts_);
}

absl::StatusOr<std::unique_ptr<File>> FakeFileSystem::OpenExisting(Op op, const std::string& path) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(op, path));
  ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node == nullptr) return ErrnoStatus(ENOENT, path);
  if (place.node->is_directory) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  }
  return MakeFile(place.node, path, op == Op::kOpenWrite);
}

absl::StatusOr<std::unique_ptr<File>> FakeFileSystem::OpenRead(const std::string& path) {
  return OpenExisting(Op::kOpenRead, path);
}
absl::StatusOr<std::unique_ptr<File>> FakeFileSystem::OpenWrite(const std::string& path) {
  return OpenExisting(Op::kOpenWrite, path);
}

absl::StatusOr<std::unique_ptr<File>> FakeFileSystem::CreateExclusive(const std::string& path) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kCreateExclusive, path));
  ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node != nullptr) return ErrnoStatus(EEXIST, path);
  const NodePtr node = NewNode(/*is_directory=*/false);
  place.folder->entries[place.name] = node;
  return MakeFile(node, path, /*writable=*/true);
}

absl::StatusOr<std::unique_ptr<File>> FakeFileSystem::CreateUnnamed(const std::string& dir) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kCreateUnnamed, dir));
  RETURN_IF_ERROR(FindDir(dir).status());
  const NodePtr node = NewNode(/*is_directory=*/false);
  std::erase_if(unnamed_, [](const std::weak_ptr<Node>& other) { return other.expired(); });
  unnamed_.push_back(node);
  return MakeFile(node, absl::StrCat("a new file in ", dir), /*writable=*/true);
}

absl::Status FakeFileSystem::Link(File& unnamed, const std::string& path) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kLink, path));
  ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node != nullptr) return ErrnoStatus(EEXIST, path);
  place.folder->entries[place.name] = static_cast<OpenFile&>(unnamed).node();
  return absl::OkStatus();
}

absl::Status FakeFileSystem::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kRename, from));
  if (ApartOf(from) != ApartOf(to)) return ErrnoStatus(EXDEV, from);
  ASSIGN_OR_RETURN(const Place source, Find(from));
  ASSIGN_OR_RETURN(const Place target, Find(to));
  if (source.node == nullptr) return ErrnoStatus(ENOENT, from);
  if (source.node == target.node) return absl::OkStatus();
  if (target.node != nullptr && target.node->is_directory && !source.node->is_directory) {
    return ErrnoStatus(EISDIR, to);
  }
  source.folder->entries.erase(source.name);
  target.folder->entries[target.name] = source.node;
  return absl::OkStatus();
}

absl::Status FakeFileSystem::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kRemove, path));
  ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node == nullptr) return ErrnoStatus(ENOENT, path);
  if (place.node->is_directory) return ErrnoStatus(EISDIR, path);
  place.folder->entries.erase(place.name);
  return absl::OkStatus();
}

absl::StatusOr<bool> FakeFileSystem::MakeDir(const std::string& path) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kMakeDir, path));
  ASSIGN_OR_RETURN(const Place place, Find(path));
  if (place.node != nullptr) {
    if (place.node->is_directory) return false;
    return ErrnoStatus(EEXIST, path);
  }
  place.folder->entries[place.name] = NewNode(/*is_directory=*/true);
  return true;
}

absl::Status FakeFileSystem::SyncDir(const std::string& path) {
  MutexLock lock(mutex_);
  const absl::Status status = Enter(Op::kSyncDir, path);
  ASSIGN_OR_RETURN(const NodePtr folder, FindDir(path));
  if (status.ok()) {
    folder->SyncEntries();
  } else {
    folder->LoseEntries();
  }
  return status;
}

void FakeFileSystem::VisitAll(const NodePtr& node, absl::FunctionRef<void(Node&)> visit) {
  visit(*node);
  for (const auto& entry : node->entries) VisitAll(entry.second, visit);
}

absl::Status FakeFileSystem::SyncAll(const std::string& path) {
  MutexLock lock(mutex_);
  const absl::Status status = Enter(Op::kSyncAll, path);
  if (status.ok()) RETURN_IF_ERROR(FindDir(path).status());
  const auto sync = [&](Node& node) {
    if (!status.ok()) {
      node.dropped = node.dropped || node.data != node.durable_data;
      node.LoseEntries();
      return;
    }
    if (!node.dropped) node.durable_data = node.data;
    node.SyncEntries();
  };
  VisitAll(root_, sync);
  for (const std::weak_ptr<Node>& unnamed : unnamed_) {
    if (const NodePtr node = unnamed.lock()) sync(*node);
  }
  return status;
}

absl::StatusOr<std::vector<std::string>> FakeFileSystem::List(const std::string& dir) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kList, dir));
  ASSIGN_OR_RETURN(const NodePtr folder, FindDir(dir));
  std::vector<std::string> names;
  for (const auto& entry : folder->entries) names.push_back(entry.first);
  return names;
}

absl::StatusOr<std::optional<FileSystem::Info>> FakeFileSystem::Stat(const std::string& path) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kStat, path));
  const auto place = Find(path);
  if (!place.ok() && !absl::IsNotFound(place.status())) return place.status();
  if (!place.ok() || place->node == nullptr) return std::optional<Info>();
  Info info;
  info.size = place->node->data.size();
  info.is_directory = place->node->is_directory;
  info.modified = place->node->modified;
  return std::optional<Info>(info);
}

absl::StatusOr<FileSystem::Space> FakeFileSystem::FreeSpace(const std::string& dir) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter(Op::kFreeSpace, dir));
  RETURN_IF_ERROR(FindDir(dir).status());
  if (const auto* const apart = ApartOf(dir)) {
    const auto at = std::distance(apart_.begin(), apart_.find(apart->first));
    return Space{.free_bytes = apart->second,
                 .total_bytes = apart->second,
                 .device = 1 + static_cast<uint64_t>(at)};
  }
  return Space{.free_bytes = total_ - std::min(*used_, total_),
               .total_bytes = total_,
               .read_only = read_only_};
}

}  // namespace waypost::base
