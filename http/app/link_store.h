#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/mutex.h"

namespace waypost::http {

// A link: whoever has its text may read one thing, without a token. Data.
struct Link {
  std::string id;  // 16 hexadecimal digits, to list and revoke it by
  // A key of a group, which is looked up at each read; or a blob, of a group or as its maker sees
  // it.
  std::optional<base::GroupId> group;
  std::string key;
  std::optional<base::BlobId> blob;
  base::WallTime created, expires;
  std::string by;    // the name of the token that made it
  std::string mark;  // of that token, with which it ends: TokenStore::MarkOf
};

// The links that were made here, beside the tokens in table `tokens`; their texts are stored
// nowhere. All of them are in memory too. Thread-safe; what changes something returns when it is
// durable.
class LinkStore {
 public:
  // One more is refused; those that have ended, by time or with their token, make room.
  static constexpr std::size_t kLinksMax = 1'000;
  static constexpr base::Millis kLifeMax{int64_t{90} * 24 * 3600 * 1000};
  static constexpr base::Millis kLife{int64_t{7} * 24 * 3600 * 1000};

  // Both outlive it.
  LinkStore(base::Index& index, const base::Clock& clock) : index_(index), clock_(clock) {}
  // Before use.
  absl::Status Load();
  // Gives `link` its id, and its text, said this once. `is_token`: is there still a token with this
  // mark? Asked in a transaction. kResourceExhausted.
  absl::StatusOr<std::string> Create(Link& link,
                                     absl::FunctionRef<bool(const std::string&)> is_token);
  absl::Status Revoke(const std::string& id);  // kNotFound
  std::optional<Link> Get(const std::string& id) const;
  // By id, those that have ended among them.
  std::vector<Link> List() const;
  // Whose text this is; nullopt: nobody's, or its time is over.
  std::optional<Link> Find(std::string_view text) const;

 private:
  struct Known {
    Link link;
    std::string hash;  // of its text, 32 bytes
  };
  void Forget(const std::string& id) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::Index& index_;
  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::map<std::string, Known> by_id_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> id_by_hash_ GUARDED_BY(mutex_);
};

// Rows of links in the table of tokens begin with this; no token's name does.
inline constexpr std::string_view kLinkRows = "link:";

}  // namespace waypost::http
