#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/host_port.h"
#include "base/index.h"
#include "service/format.h"

namespace waypost::service {

// What endpoints.json says: where a running service is. Its presence means ready.
struct Endpoints {
  std::string http;  // "127.0.0.1:7440", really bound
  std::string peer;
  std::string peer_id;
  int64_t pid = 0;
  std::string version;
  // SHA-256 of the certificate that `http` shows, in hex; empty: plain HTTP. For the command line.
  std::string http_tls_sha256;
};

// For clients. kUnavailable: no service is running there (or is not ready).
absl::StatusOr<Endpoints> ReadEndpoints(base::FileSystem& fs, const std::string& data_dir);
// The text of `name` in the folder, without the newline, for a command: root acts for the owner.
// Refused, as the key is, where others could have read or written it.
absl::StatusOr<std::string> ReadToken(const std::string& data_dir, const std::string& name);

struct FolderLock;

// The data folder of one service, held alone by locks on it and on LOCK until destroyed. One
// thread.
class DataDir {
 public:
  // A new folder: FORMAT, identity, tokens, and `toml` as waypost.toml unless there is one. Durable
  // when it returns. kAlreadyExists: there is an identity already, which is never overwritten.
  // The tokens are new ones, whatever lies there. `identity`: a restored one; null: a new one.
  // IsUnusable: the folder was another peer's and has, or had, that one's index.
  static absl::Status Init(base::FileSystem& fs, const std::string& path, const std::string& toml,
                           const base::Identity* identity = nullptr);
  // Puts a new token in the place of "api.token" or "read.token"; a service that runs knows it
  // after ReadTokens.
  static absl::Status RotateToken(base::FileSystem& fs, const std::string& path,
                                  const std::string& name);
  // Reads both tokens again.
  absl::Status ReadTokens();

  // Checks FORMAT before anything is written, takes the lock (kFailedPrecondition names the process
  // that has it), removes endpoints.json, reads identity and tokens (a token that was deleted is
  // made anew). kNotFound: run init first. IsUnusable: see unusable.h.
  static absl::StatusOr<std::unique_ptr<DataDir>> Open(base::FileSystem& fs,
                                                       const std::string& path);
  // The folder is of an older format, or a migration of it was broken off: migration.h is to be run
  // before anything else reads the index.
  bool migrating() const { return format_.incompatible.contains(std::string(kMigrating)); }
  // All of it is done, durably.
  absl::Status FinishMigration();

  // Before the index is opened. IsUnusable: there is none where one was, and `may_be_new` does not
  // say that it is gone for good.
  absl::Status CheckIndexIsThere(bool may_be_new) const;
  // The index remembers whose it is from its first start on, and so does FORMAT. IsUnusable: it is
  // another peer's than identity.key says. After the migration, before anything else is written.
  absl::Status ClaimIndex(base::Index& index);

  // Leaves endpoints.json as it is: RemoveEndpoints is part of a clean stop.
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  const std::string& path() const { return path_; }
  const std::string& index_dir() const { return index_dir_; }
  const base::Identity& identity() const { return *identity_; }
  const std::string& api_token() const { return api_token_; }
  const std::string& read_token() const { return read_token_; }

  // `configured` with its port; for port 0 the one kept in the file "<name>.port", picked at the
  // first start. Another configured address does not change it.
  absl::StatusOr<base::HostPort> SettlePort(const std::string& name, base::HostPort configured);

  absl::Status WriteEndpoints(const Endpoints& endpoints);
  void RemoveEndpoints();

 private:
  DataDir(base::FileSystem& fs, std::string path);
  absl::Status TakeFormat();

  base::FileSystem& fs_;
  const std::string path_;
  const std::string index_dir_;
  std::unique_ptr<FolderLock> lock_;
  Format format_;
  std::unique_ptr<base::Identity> identity_;
  std::string api_token_, read_token_;
};

}  // namespace waypost::service
