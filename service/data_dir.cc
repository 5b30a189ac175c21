#include "service/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "service/addresses.h"

// The data folder: its lock, its format, its secrets. It is opened by one process at a time;
// nothing is written before FORMAT says that this release may; files appear whole or not at all.

namespace waypost::service {
namespace {

using base::Abs;

// First line of FORMAT: a number that grows when an older program could not read the folder.
// 2: rows have checksums of another kind; those of 1 are read as well.
constexpr std::string_view kFormat = "waypost data folder, format 2\n";
constexpr std::string_view kOlderFormat = "waypost data folder, format 1\n";
constexpr std::size_t kSmallFileMax = 64 * 1024;

std::string In(const std::string& dir, std::string_view name) {
  return absl::StrCat(dir, "/", Abs(name));
}

absl::StatusOr<int> TakeLock(const std::string& dir) {
  const std::string path = In(dir, "LOCK");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    std::string pid(32, '\0');
    const ssize_t got = pread(fd, pid.data(), pid.size(), 0);
    pid.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    close(fd);
    if (error != EWOULDBLOCK) return base::ErrnoStatus(error, path);
    return absl::FailedPreconditionError(
        absl::StrCat(dir, " is in use by another waypost, process ",
                     std::string(absl::StripAsciiWhitespace(pid)),
                     "; stop it or choose another folder with --data"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    // Only the message of a second process would miss it.
    base::LogWarning("cannot write our process id to ", path);
  }
  return fd;
}

absl::Status CreateSmallFile(base::FileSystem& fs, const std::string& path,
                             std::string_view content) {
  std::unique_ptr<base::File> file;
  ASSIGN_OR_RETURN(file, fs.CreateExclusive(path));
  RETURN_IF_ERROR(file->WriteAt(0, content));
  return file->Sync();
}

absl::StatusOr<std::string> LoadOrMakeToken(base::FileSystem& fs, const std::string& dir,
                                            const std::string& name) {
  const std::string path = In(dir, name);
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(path));
  if (!info) {
    const std::string token = base::ToHex(base::RandomBytes(32));
    RETURN_IF_ERROR(CreateSmallFile(fs, path, token + "\n"));
    RETURN_IF_ERROR(fs.SyncDir(dir));
    return token;
  }
  return ReadToken(fs, dir, name);
}

// Before anything is written that an older program could not read, it is kept from trying.
absl::Status TakeFormat(base::FileSystem& fs, const std::string& dir) {
  const auto format = base::ReadSmallFile(fs, In(dir, "FORMAT"), kSmallFileMax);
  if (!format.ok()) return base::Annotate(format.status(), "FORMAT");
  if (*format == kOlderFormat) return base::ReplaceFile(fs, In(dir, "FORMAT"), kFormat);
  if (*format != kFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        dir, " was written by another version of waypost: its FORMAT says \"",
        std::string(absl::StripAsciiWhitespace(format->substr(0, 80))), "\"; use that version"));
  }
  return absl::OkStatus();
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
      !json.contains("pid") || !json["pid"].is_number_integer()) {
    return absl::DataLossError(absl::StrCat(path, " is damaged; restart the service"));
  }
  endpoints.pid = json["pid"];
  string_at("http_tls_sha256", endpoints.http_tls_sha256);
  return endpoints;
}

absl::StatusOr<std::string> ReadToken(base::FileSystem& fs, const std::string& data_dir,
                                      const std::string& name) {
  std::string text;
  ASSIGN_OR_RETURN(text, base::ReadSmallFile(fs, In(data_dir, name), kSmallFileMax));
  absl::StripAsciiWhitespace(&text);
  if (text.size() < 16) {
    return absl::FailedPreconditionError(absl::StrCat(
        In(data_dir, name), ": at least 16 characters are wanted; delete it to get a new one"));
  }
  return text;
}

DataDir::DataDir(base::FileSystem& fs, std::string path)
    : fs_(fs), path_(std::move(path)), index_dir_(In(path_, "index")) {}

DataDir::~DataDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::Status DataDir::RotateToken(base::FileSystem& fs, const std::string& path,
                                  const std::string& name) {
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "identity.key")));
  if (!info) return absl::NotFoundError(absl::StrCat("there is no waypost in ", path));
  // Made under another name with its mode from the beginning, so that nobody reads it meanwhile and
  // a crash leaves the old one or the new one.
  const std::string fresh = In(path, name + ".new");
  const absl::Status removed = fs.Remove(fresh);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  RETURN_IF_ERROR(CreateSmallFile(fs, fresh, base::ToHex(base::RandomBytes(32)) + "\n"));
  RETURN_IF_ERROR(fs.Rename(fresh, In(path, name)));
  return fs.SyncDir(path);
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
  int lock = -1;
  ASSIGN_OR_RETURN(lock, TakeLock(path));
  const absl::Cleanup unlock = [lock] { close(lock); };

  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "identity.key")));
  if (info) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " has an identity already; it is never overwritten"));
  }
  RETURN_IF_ERROR(base::ReplaceFile(fs, In(path, "FORMAT"), kFormat));
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "waypost.toml")));
  if (!info) RETURN_IF_ERROR(base::ReplaceFile(fs, In(path, "waypost.toml"), toml));
  for (const char* name : {"api.token", "read.token"}) {
    RETURN_IF_ERROR(LoadOrMakeToken(fs, path, name).status());
  }
  // Last: a folder with an identity is complete.
  const std::unique_ptr<base::Identity> made =
      identity == nullptr ? base::Identity::Generate() : nullptr;
  RETURN_IF_ERROR((identity != nullptr ? *identity : *made).Save(In(path, "identity.key")));
  return fs.SyncDir(path);
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Open(base::FileSystem& fs,
                                                       const std::string& path) {
  std::optional<base::FileSystem::Info> info;
  ASSIGN_OR_RETURN(info, fs.Stat(In(path, "identity.key")));
  if (!info) {
    return absl::NotFoundError(absl::StrCat("there is no waypost in ", path,
                                            "; make one with: waypost init --data ", path));
  }
  std::unique_ptr<DataDir> dir(new DataDir(fs, path));
  ASSIGN_OR_RETURN(dir->lock_fd_, TakeLock(path));
  const absl::Status removed = fs.Remove(In(path, "endpoints.json"));
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  RETURN_IF_ERROR(TakeFormat(fs, path));
  ASSIGN_OR_RETURN(dir->identity_, base::Identity::Load(In(path, "identity.key")));
  RETURN_IF_ERROR(dir->ReadTokens());
  RETURN_IF_ERROR(fs.MakeDir(dir->index_dir_).status());
  return dir;
}

absl::StatusOr<base::HostPort> DataDir::SettlePort(const std::string& name,
                                                   base::HostPort configured) {
  if (configured.port != 0) return configured;
  const std::string path = In(path_, name + ".port");
  const auto kept = base::ReadSmallFile(fs_, path, kSmallFileMax);
  if (kept.ok()) {
    uint32_t port = 0;
    if (!absl::SimpleAtoi(*kept, &port) || port == 0 || port > 65535) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": a port is wanted; delete it to get a new one"));
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
