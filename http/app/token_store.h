#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/index.h"
#include "base/mutex.h"
#include "http/app/app_limits.h"
#include "http/app/caller.h"
#include "http/message/service_proof.h"

namespace waypost::http {

// The two secrets of the data folder.
struct Tokens {
  std::string api;
  std::string read;  // empty: there is none
};

// The tokens of the app API: those two, and the named ones in table `tokens`, name -> what it may
// and the hash of its text, which itself is stored nowhere. All of them are in memory too.
// Thread-safe; what changes something returns when it is durable.
class TokenStore {
 public:
  static constexpr std::size_t kGroupsMax = 100;
  static constexpr std::size_t kNameBytesMax = 64;

  struct Item {
    Caller caller;
    base::WallTime created;
  };

  // Both outlive it.
  TokenStore(base::Index& index, const base::Clock& clock);
  // Before use. After an error there are none.
  absl::Status Load();

  // One more than that is refused; those that have ended make room. What is there stays.
  void SetMax(uint64_t tokens) { max_ = tokens; }

  // The token's text, said this once. kAlreadyExists: the name is taken (also "api" and "read");
  // kInvalidArgument; kResourceExhausted.
  absl::StatusOr<std::string> Create(const Caller& caller);
  // kNotFound.
  absl::Status Revoke(const std::string& name);
  // By name, those that have ended among them.
  std::vector<Item> List() const;

  // A hash of a token's text, 32 bytes: what is compared and kept instead of it.
  static std::string MarkOf(std::string_view text);
  // From now on these are those of the data folder, and those of before are no good.
  void SetFiles(const Tokens& tokens);
  // Shows somebody who knows one of these two, "api" or "read", that this service knows it too: see
  // service_proof.h. kNotFound: there is no such token.
  absl::StatusOr<std::string> Prove(std::string_view name, const ProofOf& of) const;

  // Whose text or mark this is; null: nobody's, or it has ended.
  std::shared_ptr<const Caller> Find(std::string_view text) const {
    return FindByMark(MarkOf(text));
  }
  std::shared_ptr<const Caller> FindByMark(std::string_view mark) const;
  // Who owns the data folder and shows no token: as if it had shown that of the folder.
  std::shared_ptr<const Caller> Owner() const;
  // It was made, was not revoked since, and has not ended.
  bool Stands(const std::shared_ptr<const Caller>& caller) const;

 private:
  bool Ended(const Caller& caller) const;
  void Forget(const std::string& name) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::Index& index_;
  const base::Clock& clock_;
  std::atomic<uint64_t> max_{AppLimits().tokens};
  struct Known {
    Item item;
    std::shared_ptr<const Caller> caller;
  };
  mutable base::Mutex mutex_;
  std::map<std::string, Known, std::less<>> by_name_ GUARDED_BY(mutex_);
  using ByMark = std::map<std::string, std::shared_ptr<const Caller>, std::less<>>;
  ByMark by_mark_ GUARDED_BY(mutex_);  // the named ones
  ByMark files_ GUARDED_BY(mutex_);
  std::shared_ptr<const Caller> owner_ GUARDED_BY(mutex_);
  std::map<std::string, std::string, std::less<>> proof_keys_ GUARDED_BY(mutex_);  // by name
};

// The row of a token, for tests too: JSON, read strictly.
std::string EncodeTokenRow(const TokenStore::Item& item);
std::optional<TokenStore::Item> DecodeTokenRow(std::string_view name, std::string_view payload);

}  // namespace waypost::http
