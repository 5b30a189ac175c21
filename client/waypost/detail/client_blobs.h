#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <istream>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "waypost/client.h"
#include "waypost/detail/call.h"
#include "waypost/detail/client_calls.h"
#include "waypost/detail/json.h"
#include "waypost/detail/sha256.h"

// The client's calls that move bytes.
namespace waypost::client {
namespace detail {

// A descriptor that is closed at the end.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

inline Error FileError(const std::filesystem::path& path) {
  return {.kind = ErrorKind::kFile, .message = path.string() + ": " + std::strerror(errno)};
}

// Whether the file's times are so new that another change could leave them as they are.
inline bool WasJustChanged(const struct stat& facts) {
  const auto changed = std::chrono::system_clock::from_time_t(facts.st_ctim.tv_sec);
  const auto since = std::chrono::system_clock::now() - changed;
  return since < std::chrono::seconds(2) && since > -std::chrono::seconds(2);
}

inline bool IsChanged(int fd, const struct stat& before) {
  struct stat now {};
  const auto same = [](const struct timespec& a, const struct timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return fstat(fd, &now) != 0 || now.st_size != before.st_size ||
         !same(now.st_mtim, before.st_mtim) || !same(now.st_ctim, before.st_ctim);
}

// A file under a name of its own until it is whole. One thread.
class NewFile {
 public:
  explicit NewFile(std::filesystem::path path) : path_(std::move(path)), fd_(Create()) {}
  ~NewFile() {
    if (ok() && !moved_) unlink(name_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // False: errno says why.
  bool ok() const { return fd_.get() >= 0; }
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  // Mode and owner of the file whose place it will take. False: errno says why.
  bool TakeAfter(const struct stat& old) {
    const bool ours = old.st_uid == geteuid() && old.st_gid == getegid();
    return (ours || fchown(fd_.get(), old.st_uid, old.st_gid) == 0) &&
           fchmod(fd_.get(), old.st_mode & 07777) == 0;
  }
  bool MoveIntoPlace() {
    moved_ = rename(name_.c_str(), path_.c_str()) == 0;
    return moved_;
  }

 private:
  // Not mkstemp: the file shall have the mode that any new file gets.
  int Create() {
    static std::atomic<unsigned> number{0};
    // A process of this id may have left some.
    for (int tries = 0; tries < 1000; ++tries) {
      name_ = path_.string() + ".part-" + std::to_string(getpid()) + "-" + std::to_string(++number);
      const int fd = open(name_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
      if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
  }

  const std::filesystem::path path_;
  std::string name_;
  const OwnedFd fd_;
  bool moved_ = false;
};

struct BlobPlace {
  uint64_t bytes = 0, blob_bytes = 0;
};
// What the head of a 200 or 206 says that is coming; nullopt when it is not what was asked for.
inline std::optional<BlobPlace> PlaceOf(const Answer& head, const std::optional<Range>& range) {
  const auto length = ParseNumber(head.Header("content-length"));
  if (!length || head.status != (range ? 206 : 200)) return std::nullopt;
  if (!range) return BlobPlace{*length, *length};
  // "bytes FIRST-LAST/ALL"
  const std::string text = head.Header("content-range");
  const std::size_t dash = text.find('-'), slash = text.find('/');
  if (text.substr(0, 6) != "bytes " || dash == std::string::npos || slash == std::string::npos ||
      slash < dash) {
    return std::nullopt;
  }
  const auto first = ParseNumber(std::string_view(text).substr(6, dash - 6));
  const auto last = ParseNumber(std::string_view(text).substr(dash + 1, slash - dash - 1));
  const auto all = ParseNumber(std::string_view(text).substr(slash + 1));
  if (!first || !last || !all || *first != range->first || *last < *first || *last >= *all) {
    return std::nullopt;
  }
  const uint64_t asked =
      std::min(range->count.value_or(*all), *all - *first);  // to the end at most
  if (*last - *first + 1 != asked || *length != asked) return std::nullopt;
  return BlobPlace{*length, *all};
}

}  // namespace detail

// ---- put ----

inline Result<PutResult> Client::Put(const Source& source, const PutOptions& options,
                                     const Deadline& deadline) const {
  Request request{.method = "POST", .target = "/v1/blobs"};
  if (!options.id.empty()) {
    const auto target = detail::BlobTarget("/v1/blobs/", options.id);
    if (!target.ok()) return target.error();
    request.method = "PUT";
    request.target = *target;
  }
  if (!options.group.empty()) detail::AddQuery(request.target, "group", options.group);
  if (!options.key.empty()) detail::AddQuery(request.target, "key", options.key);
  detail::Sha256 sha256;
  const Source hashed{.bytes = source.bytes, .read = [&](char* data, std::size_t size) {
                        const std::ptrdiff_t got = source.read(data, size);
                        if (got > 0) {
                          sha256.Add(std::string_view(data, static_cast<std::size_t>(got)));
                        }
                        return got;
                      }};
  request.source = &hashed;
  const auto answer = Send(request, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->ok()) return detail::RefusalOf(*answer);
  const auto json = detail::Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  PutResult result{.id = detail::Text(json, "id"),
                   .size_bytes = detail::Number(json, "size"),
                   .was_here = answer->status == 200};
  if (result.id != sha256.Finish() || result.size_bytes != source.bytes) {
    return Error{.kind = ErrorKind::kIntegrity,
                 .http_status = answer->status,
                 .message = "the service took something else than was sent: " + result.id};
  }
  return result;
}

inline Result<PutResult> Client::PutBytes(std::string_view bytes, const PutOptions& options,
                                          const Deadline& deadline) const {
  const Source source{.bytes = bytes.size(), .read = [&bytes](char* data, std::size_t size) {
                        const std::size_t count = std::min(size, bytes.size());
                        std::memcpy(data, bytes.data(), count);
                        bytes.remove_prefix(count);
                        return static_cast<std::ptrdiff_t>(count);
                      }};
  return Put(source, options, deadline);
}

inline Result<PutResult> Client::PutFile(const std::filesystem::path& path,
                                         const PutOptions& options,
                                         const Deadline& deadline) const {
  const detail::OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (fd.get() < 0 || fstat(fd.get(), &facts) != 0) return detail::FileError(path);
  if (!S_ISREG(facts.st_mode)) {
    return Error{.kind = ErrorKind::kFile, .message = path.string() + ": no regular file"};
  }
  // Times of files move on once a tick of the kernel: a change within the same one would not show.
  if (detail::WasJustChanged(facts)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (fstat(fd.get(), &facts) != 0) return detail::FileError(path);
  }
  char first = 0;
  if (facts.st_size == 0 && pread(fd.get(), &first, 1, 0) != 0) {
    return Error{.kind = ErrorKind::kFile,
                 .message = path.string() + ": has bytes and says that it has none: use PutBytes"};
  }
  bool changed = false;
  uint64_t left = static_cast<uint64_t>(facts.st_size);
  const Source source{.bytes = left, .read = [&](char* data, std::size_t size) -> std::ptrdiff_t {
                        ssize_t got = read(fd.get(), data, size);
                        while (got < 0 && errno == EINTR) got = read(fd.get(), data, size);
                        if (got <= 0) return got;
                        left -= std::min(left, static_cast<uint64_t>(got));
                        changed = left == 0 && detail::IsChanged(fd.get(), facts);
                        return changed ? -1 : got;
                      }};
  auto result = Put(source, options, deadline);
  if (changed) {
    return Error{.kind = ErrorKind::kFile,
                 .message = path.string() + ": was changed while it was read"};
  }
  return result;
}

inline Result<PutResult> Client::PutStream(std::istream& stream, uint64_t bytes,
                                           const PutOptions& options,
                                           const Deadline& deadline) const {
  const Source source{.bytes = bytes,
                      .read = [&stream](char* data, std::size_t size) -> std::ptrdiff_t {
                        try {
                          stream.read(data, static_cast<std::streamsize>(size));
                        } catch (const std::ios_base::failure&) {
                          if (stream.gcount() == 0) return -1;
                        }
                        return stream.bad() ? -1 : stream.gcount();
                      }};
  return Put(source, options, deadline);
}

// ---- get ----

inline Result<GetResult> Client::Get(std::string_view blob, const Sink& sink,
                                     const GetOptions& options, const Deadline& deadline) const {
  auto target = detail::BlobTarget("/v1/blobs/", blob);
  if (!target.ok()) return target.error();
  Request request{.target = *std::move(target)};
  if (!options.fetch) detail::AddQuery(request.target, "fetch", "never");
  if (options.wait)
    detail::AddQuery(request.target, "timeout", detail::Milliseconds(*options.wait));
  if (options.range) {
    const Range& range = *options.range;
    if (range.count == 0 || range.count > std::numeric_limits<uint64_t>::max() - range.first) {
      return Error{.kind = ErrorKind::kUsage, .message = "no such range of bytes"};
    }
    std::string value = "bytes=" + std::to_string(range.first) + "-";
    if (range.count) value += std::to_string(range.first + *range.count - 1);
    request.headers.emplace_back("Range", value);
  }
  std::optional<detail::BlobPlace> place;
  detail::Sha256 sha256;
  bool enough = false;
  GetResult result;
  const Receiver receiver{.head =
                              [&](const Answer& head) {
                                if (head.ok()) place = detail::PlaceOf(head, options.range);
                                return place.has_value();
                              },
                          .bytes =
                              [&](std::string_view bytes) {
                                if (!options.range) sha256.Add(bytes);
                                result.bytes += bytes.size();
                                enough = !sink(bytes);
                                return !enough;
                              }};
  const auto answer = Send(request, receiver, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->ok()) return detail::RefusalOf(*answer);
  if (!place) return detail::NotUnderstood(request.target);
  result.blob_bytes = place->blob_bytes;
  if (!enough && !options.range && sha256.Finish() != detail::ParseId(blob)) {
    return Error{.kind = ErrorKind::kIntegrity,
                 .http_status = answer->status,
                 .message = "other bytes than those of blob " + std::string(blob)};
  }
  return result;
}

inline Result<GetResult> Client::GetFile(std::string_view blob, const std::filesystem::path& path,
                                         const GetOptions& options,
                                         const Deadline& deadline) const {
  struct stat there {};
  const bool replaces = lstat(path.c_str(), &there) == 0;
  if (replaces && !S_ISREG(there.st_mode)) {
    return Error{.kind = ErrorKind::kFile,
                 .message = path.string() + ": is there and is no regular file"};
  }
  detail::NewFile file(path);
  if (!file.ok() || (replaces && !file.TakeAfter(there))) return detail::FileError(path);
  std::optional<Error> failed;
  auto result = Get(
      blob,
      [&](std::string_view bytes) {
        if (!file.Write(bytes)) failed = detail::FileError(path);
        return !failed;
      },
      options, deadline);
  if (failed) return *failed;
  if (result.ok() && !file.MoveIntoPlace()) return detail::FileError(path);
  return result;
}

inline Result<std::string> Client::GetBytes(std::string_view blob, const GetOptions& options,
                                            const Deadline& deadline) const {
  std::string kept;
  bool too_long = false;
  const auto result = Get(
      blob,
      [&](std::string_view bytes) {
        too_long = bytes.size() > options_.kept_bytes_max - kept.size();
        if (!too_long) kept.append(bytes);
        return !too_long;
      },
      options, deadline);
  if (!result.ok()) return result.error();
  if (too_long) {
    return Error{
        .kind = ErrorKind::kIntegrity,
        .message = "the blob has more than " + std::to_string(options_.kept_bytes_max) + " bytes"};
  }
  return kept;
}

inline Result<bool> Client::Has(std::string_view blob, const Deadline& deadline) const {
  const auto target = detail::BlobTarget("/v1/blobs/", blob);
  if (!target.ok()) return target.error();
  const auto answer = Send({.method = "HEAD", .target = *target}, deadline);
  if (!answer.ok()) return answer.error();
  if (answer->ok()) return true;
  if (answer->status == 404) return false;
  return detail::RefusalOf(*answer);
}

inline Result<FetchState> Client::Fetch(std::string_view blob,
                                        const std::function<bool(const FetchState&)>& on_state,
                                        const Deadline& deadline) const {
  const auto target = detail::BlobTarget("/v1/blobs/", blob, "/fetch");
  if (!target.ok()) return target.error();
  detail::LineCutter lines;
  FetchState last;
  bool enough = false;
  const auto take = [&](std::string_view line) {
    const auto json = detail::Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return true;
    last = detail::From<FetchState>(json);
    enough = on_state && !on_state(last);
    return !enough;
  };
  const Receiver receiver{.head = [](const Answer& head) { return head.ok(); },
                          .bytes = [&](std::string_view bytes) { return lines.Add(bytes, take); }};
  const auto answer = Send({.method = "POST", .target = *target}, receiver, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->ok()) return detail::RefusalOf(*answer);
  const bool ended = last.kind == FetchState::Kind::kDone || last.kind == FetchState::Kind::kFailed;
  if (!ended && !enough) return detail::NotUnderstood(*target);
  return last;
}

inline Result<std::vector<WhyStep>> Client::Why(std::string_view blob,
                                                const Deadline& deadline) const {
  const auto target = detail::BlobTarget("/v1/blobs/", blob, "/why");
  if (!target.ok()) return target.error();
  return Ask<std::vector<WhyStep>>("GET", *target, nullptr, deadline);
}

}  // namespace waypost::client
