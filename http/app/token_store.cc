#include "http/app/token_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "http/app/link_store.h"
#include "http/message/json.h"

// A token has 256 random bits, so a plain hash of it says nothing: who reads the index cannot call.
// Nobody learns a token from how long a look-up takes either: what is compared is the hash.
// Memory follows the commits, in their order, so that a token that was revoked is good for nothing
// when the call that revoked it returns.

namespace waypost::http {
namespace {

using base::Table;

constexpr std::string_view kPrefix = "wpt_";
// The files in the data folder.
constexpr std::string_view kReserved[] = {"api", "read"};

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= TokenStore::kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

absl::Status CheckNew(const Caller& caller, base::WallTime now) {
  if (!IsName(caller.token)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a token's name has 1 to ", TokenStore::kNameBytesMax,
                     " letters, digits, dots, dashes and underscores"));
  }
  if (caller.groups && (caller.groups->empty() || caller.groups->size() > TokenStore::kGroupsMax)) {
    return absl::InvalidArgumentError(absl::StrCat("groups: 1 to ", TokenStore::kGroupsMax,
                                                   ", or left out for this peer as a whole"));
  }
  if (caller.expires != base::kNever && caller.expires <= now) {
    return absl::InvalidArgumentError("expires is past");
  }
  return absl::OkStatus();
}

Caller OwnerWith(std::string_view api_token) {
  return {
      .token = "api", .mark = TokenStore::MarkOf(api_token), .right = Right::kAdmin, .file = true};
}

// Without those of links.
std::size_t TokenRows(base::WriteTxn& txn) {
  std::size_t rows = 0;
  base::Cursor cursor(txn, Table::kTokens);
  for (bool more = cursor.Seek(""); more; more = cursor.Next()) {
    if (!cursor.key().starts_with(kLinkRows)) ++rows;
  }
  return rows;
}

}  // namespace

const char* RightName(Right right) {
  switch (right) {
    case Right::kRead:
      return "read";
    case Right::kWrite:
      return "write";
    case Right::kAdmin:
      return "admin";
    case Right::kAnybody:
    case Right::kPeer:
      break;
  }
  return "none";
}

std::optional<Right> ParseRight(std::string_view name) {
  for (const Right right : {Right::kRead, Right::kWrite, Right::kAdmin}) {
    if (name == RightName(right)) return right;
  }
  return std::nullopt;
}

std::string EncodeTokenRow(const TokenStore::Item& item) {
  Json row = {{"hash", base::ToHex(item.caller.mark)},
              {"rights", RightName(item.caller.right)},
              {"created_ms", base::ToMs(item.created)}};
  if (item.caller.expires != base::kNever) row["expires_ms"] = base::ToMs(item.caller.expires);
  if (!item.caller.Whole()) {
    row["groups"] = Json::array();
    for (const auto& group : *item.caller.groups) row["groups"].push_back(group.ToHex());
  }
  return Dump(row);
}

std::optional<TokenStore::Item> DecodeTokenRow(std::string_view name, std::string_view payload) {
  const Json row = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!row.is_object() || !row.contains("hash") || !row["hash"].is_string() ||
      !row.contains("rights") || !row["rights"].is_string() || !row.contains("created_ms") ||
      !row["created_ms"].is_number_integer()) {
    return std::nullopt;
  }
  TokenStore::Item item;
  item.caller.token = std::string(name);
  const auto hash = base::FromHex(row["hash"].get<std::string>());
  const auto right = ParseRight(row["rights"].get<std::string>());
  if (!hash || hash->size() != 32 || !right) return std::nullopt;
  item.caller.mark = *hash;
  item.caller.right = *right;
  item.created = base::FromMs(row["created_ms"].get<int64_t>());
  if (row.contains("expires_ms")) {
    if (!row["expires_ms"].is_number_integer()) return std::nullopt;
    item.caller.expires = base::FromMs(row["expires_ms"].get<int64_t>());
  }
  if (row.contains("groups")) {
    if (!row["groups"].is_array()) return std::nullopt;
    item.caller.groups.emplace();
    for (const Json& each : row["groups"]) {
      const auto group =
          each.is_string() ? base::GroupId::FromHex(each.get<std::string>()) : std::nullopt;
      if (!group) return std::nullopt;
      item.caller.groups->insert(*group);
    }
  }
  return item;
}

TokenStore::TokenStore(base::Index& index, const base::Clock& clock)
    : index_(index), clock_(clock), owner_(std::make_shared<const Caller>(OwnerWith(""))) {}

absl::Status TokenStore::Load() {
  std::vector<Item> items;
  RETURN_IF_ERROR(index_.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, Table::kTokens);
    for (bool more = cursor.Seek(""); more; more = cursor.Next()) {
      const auto payload = cursor.payload();
      if (!payload || cursor.key().starts_with(kLinkRows)) continue;
      if (auto item = DecodeTokenRow(cursor.key(), *payload)) {
        items.push_back(*std::move(item));
      } else {
        txn.ReportBadRow(Table::kTokens, cursor.key());
      }
    }
  }));
  base::MutexLock lock(mutex_);
  for (Item& item : items) {
    auto caller = std::make_shared<const Caller>(item.caller);
    by_mark_[caller->mark] = caller;
    by_name_[caller->token] = {std::move(item), caller};
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TokenStore::Create(const Caller& caller) {
  const base::WallTime now = clock_.WallNow();
  RETURN_IF_ERROR(CheckNew(caller, now));
  const auto taken = [&caller] {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a token \"", caller.token, "\": revoke it, or choose another name"));
  };
  if (std::count(std::begin(kReserved), std::end(kReserved), caller.token) != 0) return taken();
  const std::string text = absl::StrCat(base::Abs(kPrefix), base::ToHex(base::RandomBytes(32)));
  Item item{.caller = caller, .created = now};
  item.caller.mark = MarkOf(text);
  std::vector<std::string> ended;
  for (const Item& each : List()) {
    if (Ended(each.caller) && each.caller.token != caller.token) ended.push_back(each.caller.token);
  }
  RETURN_IF_ERROR(index_.Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
    if (txn.GetRaw(Table::kTokens, caller.token)) return absl::Status(taken());
    std::vector<std::string> gone;
    const uint64_t max = max_;
    if (TokenRows(txn) >= max) {
      for (const std::string& name : ended) {
        if (txn.Delete(Table::kTokens, name)) gone.push_back(name);
      }
      if (gone.empty()) {
        return absl::ResourceExhaustedError(
            absl::StrCat("there are ", max, " tokens: revoke one, or raise limits.tokens"));
      }
    }
    txn.Put(Table::kTokens, caller.token, EncodeTokenRow(item));
    txn.AfterCommit([this, item, gone] {
      base::MutexLock lock(mutex_);
      for (const std::string& name : gone) Forget(name);
      auto fresh = std::make_shared<const Caller>(item.caller);
      by_mark_[fresh->mark] = fresh;
      by_name_[item.caller.token] = {item, fresh};
    });
    return absl::OkStatus();
  }));
  return text;
}

absl::Status TokenStore::Revoke(const std::string& name) {
  const absl::Status none = absl::NotFoundError(absl::StrCat("no token \"", name, "\" here"));
  if (!IsName(name)) return none;
  return index_.Update(base::Index::Lane::kForeground, [this, name, none](base::WriteTxn& txn) {
    if (!txn.Delete(Table::kTokens, name)) return none;
    txn.AfterCommit([this, name] {
      base::MutexLock lock(mutex_);
      Forget(name);
    });
    return absl::OkStatus();
  });
}

void TokenStore::Forget(const std::string& name) {
  const auto known = by_name_.find(name);
  if (known == by_name_.end()) return;
  by_mark_.erase(known->second.caller->mark);
  by_name_.erase(known);
}

std::vector<TokenStore::Item> TokenStore::List() const {
  base::MutexLock lock(mutex_);
  std::vector<Item> items;
  for (const auto& known : by_name_) items.push_back(known.second.item);
  return items;
}

bool TokenStore::Ended(const Caller& caller) const {
  return caller.expires != base::kNever && clock_.WallNow() >= caller.expires;
}

std::string TokenStore::MarkOf(std::string_view text) {
  std::string tagged = "waypost-token-1";
  tagged.push_back('\0');
  tagged.append(text);
  const std::array<uint8_t, 32> hash = base::Hash256(tagged);
  return {hash.begin(), hash.end()};
}

void TokenStore::SetFiles(const Tokens& tokens) {
  ByMark files;
  std::map<std::string, std::string, std::less<>> proof_keys;
  const auto add = [&](const std::string& text, const Caller& caller) {
    if (text.empty()) return;
    proof_keys[caller.token] = ProofKeyOf(text);
    files[caller.mark] = std::make_shared<const Caller>(caller);
  };
  const Caller owner = OwnerWith(tokens.api);
  add(tokens.read, {.token = "read", .mark = MarkOf(tokens.read), .file = true});
  add(tokens.api, owner);
  base::MutexLock lock(mutex_);
  owner_ = std::make_shared<const Caller>(owner);
  files_ = std::move(files);
  proof_keys_ = std::move(proof_keys);
}

absl::StatusOr<std::string> TokenStore::Prove(std::string_view name, const ProofOf& of) const {
  base::MutexLock lock(mutex_);
  const auto key = proof_keys_.find(name);
  if (key == proof_keys_.end()) return absl::NotFoundError("there is no such token");
  return ProofFor(key->second, of);
}

std::shared_ptr<const Caller> TokenStore::FindByMark(std::string_view mark) const {
  base::MutexLock lock(mutex_);
  if (const auto file = files_.find(mark); file != files_.end()) return file->second;
  const auto found = by_mark_.find(mark);
  return found == by_mark_.end() || Ended(*found->second) ? nullptr : found->second;
}

std::shared_ptr<const Caller> TokenStore::Owner() const {
  base::MutexLock lock(mutex_);
  return owner_;
}

bool TokenStore::Stands(const std::shared_ptr<const Caller>& caller) const {
  base::MutexLock lock(mutex_);
  const auto found = by_name_.find(caller->token);
  return found != by_name_.end() && found->second.caller == caller && !Ended(*caller);
}

}  // namespace waypost::http
