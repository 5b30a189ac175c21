#include "service/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret_file.h"
#include "base/status.h"
#include "service/addresses.h"
#include "service/unusable.h"

// The data folder: its lock, its format, its secrets. It is opened by one process at a time;
// nothing is written before FORMAT says that this release may; files appear whole or not at all.

namespace waypost::service {

// Closed, they are given back.
struct FolderLock {
  int folder = -1;
  int file = -1;
  FolderLock() = default;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    for (const int fd : {file, folder}) {
      if (fd >= 0) close(fd);
    }
  }
};

namespace {

using base::Abs;

constexpr std::size_t kSmallFileMax = 64 * 1024;
constexpr std::size_t kTokenBytesMin = 16;
constexpr char kIndexFile[] = "index/data.mdb";

constexpr char kWrongKey[] =
    "the key was changed or belongs elsewhere; put the right one back (from a copy, or with "
    "waypost "
    "identity restore from what waypost identity backup made, once the wrong one is moved away), "
    "or run another peer on a folder of its own";

std::string In(const std::string& dir, std::string_view name) {
  return absl::StrCat(dir, "/", Abs(name));
}

// Whoever has the folder, as far as it says so: LOCK, or where that was removed endpoints.json.
std::string PidOfOwner(const std::string& dir) {
  std::string pid;
  for (const char* name : {"LOCK", "endpoints.json"}) {
    std::string text;
    std::ifstream file(In(dir, name));
    std::getline(file, text, '\0');
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    const bool object = json.is_object() && json.contains("pid");
    pid = object ? json["pid"].dump() : std::string(absl::StripAsciiWhitespace(text));
    if (!pid.empty() && pid.size() < 20) return pid;
  }
  return "unknown";
}

absl::Status InUse(const std::string& dir) {
  return absl::FailedPreconditionError(
      absl::StrCat(dir, " is in use by another waypost, process ", PidOfOwner(dir),
                   "; stop it or choose another folder with --data"));
}

// The folder itself, for LOCK may be removed by somebody who takes it for a left-over. -1 where the
// file system has no such locks: then LOCK is all.
absl::StatusOr<int> LockFolder(const std::string& dir) {
  const int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return base::ErrnoStatus(errno, dir);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int error = errno;
  close(fd);
  if (error == EWOULDBLOCK) return InUse(dir);
  return -1;
}

absl::StatusOr<int> LockFile(const std::string& dir) {
  const std::string path = In(dir, "LOCK");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    return error == EWOULDBLOCK ? InUse(dir) : base::ErrnoStatus(error, path);
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    // Only the message of a second process would miss it.
    base::LogWarning("cannot write our process id to ", path);
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<FolderLock>> TakeLock(const std::string& dir) {
  auto lock = std::make_unique<FolderLock>();
  ASSIGN_OR_RETURN(lock->folder, LockFolder(dir));
  ASSIGN_OR_RETURN(lock->file, LockFile(dir));
  return lock;
}

absl::Status CreateSmallFile(base::FileSystem& fs, const std::string& path,
                             std::string_view content) {
  std::unique_ptr<base::File> file;
  ASSIGN_OR_RETURN(file, fs.CreateExclusive(path));
  RETURN_IF_ERROR(file->WriteAt(0, content));
  return file->Sync();
}

absl::StatusOr<std::string> LoadToken(const std::string& path, bool as_administrator) {
  std::string text;
  ASSIGN_OR_RETURN(text, base::ReadSecretFile(path, kSmallFileMax, as_administrator));
  absl::StripAsciiWhitespace(&text);
  if (text.size() < kTokenBytesMin) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": at least ", kTokenBytesMin, " characters are wanted; delete it to get a new one"));
  }
  // It goes into a header.
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": one word of ASCII is wanted, on one line; delete it to get a new one"));
  }
  return text;
}

// Made under another name with its mode from the beginning, so that nobody reads it meanwhile and a
// crash leaves the old one or the new one.
absl::Status ReplaceToken(base::FileSystem& fs, const std::string& dir, const std::string& name) {
  const std::string fresh = In(dir, name + ".new");
  const absl::Status removed = fs.Remove(fresh);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  RETURN_IF_ERROR(CreateSmallFile(fs, fresh, base::ToHex(base::RandomBytes(32)) + "\n"));
  RETURN_IF_ERROR(fs.Rename(fresh, In(dir, name)));
  return fs.SyncDir(dir);
}

absl::StatusOr<std::string> LoadOrMakeToken(base::FileSystem& fs, const std::string& dir,
                                            const std::string& name) {
  const std::string path = In(dir, name);
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(path));
  if (!info) RETURN_IF_ERROR(ReplaceToken(fs, dir, name));
  return Unusable(LoadToken(path, /*as_administrator=*/false));
}

// The folder and those in it: what others can change there is not ours to believe.
absl::Status CheckOwner(const std::string& dir) {
  RETURN_IF_ERROR(Unusable(base::CheckOwnFolder(dir)));
  for (const char* name : {"index", "blobs", "partial", "quarantine", "trash"}) {
    const absl::Status ours = base::CheckOwnFolder(In(dir, name));
    if (!absl::IsNotFound(ours)) RETURN_IF_ERROR(Unusable(ours));
  }
  return Unusable(base::CheckTrustedFile(In(dir, "waypost.toml")));
}

// What FORMAT says, if that allows to change the folder.
absl::StatusOr<Format> LoadFormat(base::FileSystem& fs, const std::string& dir) {
  const auto text = base::ReadSmallFile(fs, In(dir, "FORMAT"), kSmallFileMax);
  if (!text.ok()) return Unusable(base::Annotate(text.status(), "FORMAT"));
  auto format = ParseFormat(*text);
  if (!format.ok()) return Unusable(base::Annotate(format.status(), dir));
  RETURN_IF_ERROR(Unusable(base::Annotate(CheckFormat(*format, Use::kChange), dir)));
  return format;
}

absl::Status KeyIsGone(const std::string& dir) {
  return Unusable(absl::NotFoundError(
      absl::StrCat(In(dir, "identity.key"),
                   " is gone from a folder that was in use: put it back from a copy, or with: "
                   "waypost identity restore FILE --data ",
                   dir)));
}

// `format` is that of a folder of `self`, or of nobody yet.
absl::Status CheckPeer(const std::string& dir, const Format& format, const base::PeerId& self) {
  const std::string word = PeerWord(self);
  for (const std::string& other : format.compatible) {
    if (!IsPeerWord(other) || other == word) continue;
    return Unusable(absl::FailedPreconditionError(absl::StrCat(
        In(dir, "identity.key"), " is that of peer ", self.ToHex(),
        ", and FORMAT names the peer whose id begins with ", other.substr(5), ": ", kWrongKey)));
  }
  return absl::OkStatus();
}

absl::Status WriteFormat(base::FileSystem& fs, const std::string& dir, const Format& format) {
  return base::ReplaceFile(fs, In(dir, "FORMAT"), FormatText(format));
}

}  // namespace

absl::StatusOr<Endpoints> ReadEndpoints(base::FileSystem& fs, const std::string& data_dir) {
  const std::string path = In(data_dir, "endpoints.json");
  const auto text = base::ReadSmallFile(fs, path, kSmallFileMax);
  if (absl::IsNotFound(text.status())) {
    return absl::UnavailableError(absl::StrCat("no service is running in ", data_dir, " (no ", path,
                                               "); start one with: waypost serve --data ",
                                               data_dir));
  }
  if (!text.ok()) return text.status();
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  Endpoints endpoints;
  const auto string_at = [&](const char* key, std::string& into) {
    if (json.is_object() && json.contains(key) && json[key].is_string()) into = json[key];
    return !into.empty();
  };
  if (!string_at("http", endpoints.http) || !string_at("peer", endpoints.peer) ||
      !string_at("peer_id", endpoints.peer_id) || !string_at("version", endpoints.version) ||
      !json.contains("pid") || !json["pid"].is_number_integer() ||
      json["pid"].get<int64_t>() <= 0) {
    return absl::DataLossError(absl::StrCat(path, " is damaged; restart the service"));
  }
  endpoints.pid = json["pid"];
  string_at("http_tls_sha256", endpoints.http_tls_sha256);
  return endpoints;
}

absl::StatusOr<std::string> ReadToken(const std::string& data_dir, const std::string& name) {
  return LoadToken(In(data_dir, name), /*as_administrator=*/true);
}

DataDir::DataDir(base::FileSystem& fs, std::string path)
    : fs_(fs), path_(std::move(path)), index_dir_(In(path_, "index")) {}

DataDir::~DataDir() = default;

absl::Status DataDir::RotateToken(base::FileSystem& fs, const std::string& path,
                                  const std::string& name) {
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "identity.key")));
  if (!info) return absl::NotFoundError(absl::StrCat("there is no waypost in ", path));
  RETURN_IF_ERROR(LoadFormat(fs, path).status());
  return ReplaceToken(fs, path, name);
}

absl::Status DataDir::ReadTokens() {
  std::string api, read;
  ASSIGN_OR_RETURN(api, LoadOrMakeToken(fs_, path_, "api.token"));
  ASSIGN_OR_RETURN(read, LoadOrMakeToken(fs_, path_, "read.token"));
  api_token_ = std::move(api);
  read_token_ = std::move(read);
  return absl::OkStatus();
}

absl::Status DataDir::Init(base::FileSystem& fs, const std::string& path, const std::string& toml,
                           const base::Identity* identity) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    RETURN_IF_ERROR(fs.MakeDir(path.substr(0, slash)).status());
  }
  RETURN_IF_ERROR(fs.MakeDir(path).status());
  RETURN_IF_ERROR(CheckOwner(path));
  ASSIGN_OR_RETURN(const std::unique_ptr<FolderLock> lock, TakeLock(path));

  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "identity.key")));
  if (info) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " has an identity already; it is never overwritten"));
  }
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "FORMAT")));
  const std::unique_ptr<base::Identity> made =
      identity == nullptr ? base::Identity::Generate() : nullptr;
  if (identity == nullptr) identity = made.get();
  Format format = CurrentFormat();
  if (info) {
    ASSIGN_OR_RETURN(format, LoadFormat(fs, path));
  }
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, kIndexFile)));
  if (info || format.compatible.contains(std::string(kHasIndex))) {
    if (made != nullptr) return KeyIsGone(path);
    RETURN_IF_ERROR(CheckPeer(path, format, identity->peer_id()));
  }
  // An older one is brought to today's format, and gets its words, by the first start.
  if (format.number == kFormatNumber) {
    std::erase_if(format.compatible, IsPeerWord);  // of an init that was killed
    format.compatible.insert(PeerWord(identity->peer_id()));
    RETURN_IF_ERROR(WriteFormat(fs, path, format));
  }
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "waypost.toml")));
  if (!info) RETURN_IF_ERROR(base::ReplaceFile(fs, In(path, "waypost.toml"), toml));
  for (const char* name : {"api.token", "read.token"}) {
    // One that lies there may be known to who put it there.
    RETURN_IF_ERROR(ReplaceToken(fs, path, name));
  }
  // Last: a folder with an identity is complete.
  RETURN_IF_ERROR(identity->Save(In(path, "identity.key")));
  return fs.SyncDir(path);
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Open(base::FileSystem& fs,
                                                       const std::string& path) {
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "identity.key")));
  if (!info) {
    ASSIGN_OR_RETURN(info, fs.Stat(In(path, kIndexFile)));
    if (info) return KeyIsGone(path);
    return absl::NotFoundError(absl::StrCat("there is no waypost in ", path,
                                            "; make one with: waypost init --data ", path));
  }
  RETURN_IF_ERROR(CheckOwner(path));
  // LOCK is written to as well.
  RETURN_IF_ERROR(LoadFormat(fs, path).status());
  std::unique_ptr<DataDir> dir(new DataDir(fs, path));
  ASSIGN_OR_RETURN(dir->lock_, TakeLock(path));
  const absl::Status removed = fs.Remove(In(path, "endpoints.json"));
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  RETURN_IF_ERROR(dir->TakeFormat());
  ASSIGN_OR_RETURN(dir->identity_, Unusable(base::Identity::Load(In(path, "identity.key"))));
  RETURN_IF_ERROR(dir->ReadTokens());
  RETURN_IF_ERROR(fs.MakeDir(dir->index_dir_).status());
  return dir;
}

// Under the lock. Words of this program are added before it writes anything that they stand for.
absl::Status DataDir::TakeFormat() {
  ASSIGN_OR_RETURN(const Format found, LoadFormat(fs_, path_));
  format_ = found;
  Format current = CurrentFormat();
  format_.number = current.number;
  format_.compatible.merge(current.compatible);
  format_.read_compatible.merge(current.read_compatible);
  format_.incompatible.merge(current.incompatible);
  if (found.number != kFormatNumber) format_.incompatible.emplace(kMigrating);
  if (format_ != found) RETURN_IF_ERROR(WriteFormat(fs_, path_, format_));
  if (found.number != kFormatNumber) base::FaultPoint("migrate.marked");
  return absl::OkStatus();
}

absl::Status DataDir::CheckIndexIsThere(bool may_be_new) const {
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs_.Stat(In(path_, kIndexFile)));
  if (info && info->size > 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPeer(path_, format_, identity_->peer_id()));
  bool was_there = format_.compatible.contains(std::string(kHasIndex));
  if (!was_there) {
    // A folder of before FORMAT said so.
    const auto blobs = fs_.List(In(path_, "blobs"));
    if (!blobs.ok() && !absl::IsNotFound(blobs.status())) return blobs.status();
    was_there = blobs.ok() && !blobs->empty();
  }
  if (!was_there) return absl::OkStatus();
  const std::string what = absl::StrCat(In(path_, kIndexFile), info ? " is empty" : " is gone");
  if (may_be_new) {
    base::LogWarning(what, ": a new index is begun, as --new-index says. This peer is in no group ",
                     "until it joins again; the files in blobs/ stay and are taken in by the scan");
    return absl::OkStatus();
  }
  return Unusable(absl::FailedPreconditionError(absl::StrCat(
      what, ", and with it all groups and small blobs of this peer. Is its disk mounted? Put it ",
      "back from a copy of the folder. If it is lost for good, waypost serve --new-index --data ",
      path_, " begins with an empty one: groups are to be joined again, files in blobs/ stay")));
}

absl::Status DataDir::ClaimIndex(base::Index& index) {
  constexpr std::string_view kOwnerKey = "owner";
  const base::PeerId& self = identity_->peer_id();
  std::optional<base::PeerId> owner;
  bool remembered = false;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    const auto stored = txn.Get(base::Table::kMeta, kOwnerKey);
    remembered = stored.has_value();
    if (stored) owner = base::PeerId::FromBytes(*stored);
  }));
  if (remembered && owner != self) {
    return Unusable(absl::FailedPreconditionError(
        absl::StrCat(In(path_, "identity.key"), " is that of peer ", self.ToHex(),
                     ", and the index beside it is of peer ", owner ? owner->ToHex() : "nobody",
                     ": ", kWrongKey)));
  }
  RETURN_IF_ERROR(CheckPeer(path_, format_, self));
  if (!remembered) {
    RETURN_IF_ERROR(index.Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
      txn.Put(base::Table::kMeta, kOwnerKey, self.bytes());
      return absl::OkStatus();
    }));
  }
  Format format = format_;
  format.compatible.insert(PeerWord(self));
  format.compatible.emplace(kHasIndex);
  if (format == format_) return absl::OkStatus();
  // LMDB does not see to it that the names of its files last.
  RETURN_IF_ERROR(fs_.SyncDir(index_dir_));
  RETURN_IF_ERROR(fs_.SyncDir(path_));
  RETURN_IF_ERROR(WriteFormat(fs_, path_, format));
  format_ = std::move(format);
  return absl::OkStatus();
}

absl::Status DataDir::FinishMigration() {
  base::FaultPoint("migrate.done");
  format_.incompatible.erase(std::string(kMigrating));
  return WriteFormat(fs_, path_, format_);
}

absl::StatusOr<base::HostPort> DataDir::SettlePort(const std::string& name,
                                                   base::HostPort configured) {
  if (configured.port != 0) return configured;
  const std::string path = In(path_, name + ".port");
  const auto kept = base::ReadSmallFile(fs_, path, kSmallFileMax);
  if (kept.ok()) {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(*kept, &port) || port == 0 || port > 65535) {
      return Unusable(absl::InvalidArgumentError(
          absl::StrCat(path, ": a port is wanted; delete it to get a new one")));
    }
    configured.port = static_cast<uint16_t>(port);
    return configured;
  }
  if (!absl::IsNotFound(kept.status())) return kept.status();
  ASSIGN_OR_RETURN(configured.port, PickFreePort(configured.host));
  RETURN_IF_ERROR(base::ReplaceFile(fs_, path, absl::StrCat(configured.port, "\n")));
  return configured;
}

absl::Status DataDir::WriteEndpoints(const Endpoints& endpoints) {
  nlohmann::json json = {{"http", endpoints.http},
                         {"peer", endpoints.peer},
                         {"peer_id", endpoints.peer_id},
                         {"pid", endpoints.pid},
                         {"version", endpoints.version}};
  if (!endpoints.http_tls_sha256.empty()) json["http_tls_sha256"] = endpoints.http_tls_sha256;
  return base::ReplaceFile(fs_, In(path_, "endpoints.json"), json.dump() + "\n");
}

void DataDir::RemoveEndpoints() {
  const absl::Status removed = fs_.Remove(In(path_, "endpoints.json"));
  if (!removed.ok() && !absl::IsNotFound(removed)) {
    base::LogWarning("endpoints.json stays although the service ends: ", removed.ToString());
  }
}

}  // namespace waypost::service
