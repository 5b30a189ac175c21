#include "http/app/link_store.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/random.h"
#include "base/status.h"
#include "http/message/json.h"

// A link's text has 256 random bits, so a plain hash of it says nothing, as with tokens. A row
// reads as one of a token that no text fits, for programs that know no links. Memory follows the
// commits.

namespace waypost::http {
namespace {

using base::Table;

std::string LinkRowKey(const std::string& id) { return absl::StrCat(base::Abs(kLinkRows), id); }

std::string LinkHashOf(std::string_view text) {
  std::string tagged = "waypost-link-1";
  tagged.push_back('\0');
  tagged.append(text);
  const std::array<uint8_t, 32> hash = base::Hash256(tagged);
  return {hash.begin(), hash.end()};
}

std::string EncodeLinkRow(const Link& link, const std::string& hash) {
  Json row = {{"hash", base::ToHex(hash)},
              {"rights", "read"},
              {"created_ms", base::ToMs(link.created)},
              {"expires_ms", base::ToMs(link.expires)},
              {"groups", Json::array()},
              {"by", link.by},
              {"mark", base::ToHex(link.mark)}};
  if (link.group) row["groups"].push_back(link.group->ToHex());
  if (link.blob) row["blob"] = link.blob->ToHex();
  if (!link.blob) row["key"] = link.key;
  return Dump(row);
}

std::optional<std::string> TextField(const Json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

// nullopt: damaged, or no row of a link.
std::optional<std::pair<Link, std::string>> DecodeLinkRow(std::string_view key,
                                                          std::string_view payload) {
  const Json row = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!row.is_object()) return std::nullopt;
  const auto hash = base::FromHex(TextField(row, "hash").value_or(""));
  const auto mark = base::FromHex(TextField(row, "mark").value_or(""));
  const auto created = row.find("created_ms"), expires = row.find("expires_ms");
  const auto groups = row.find("groups");
  if (!hash || hash->size() != 32 || !mark || created == row.end() || expires == row.end() ||
      !created->is_number_integer() || !expires->is_number_integer() || groups == row.end() ||
      !groups->is_array()) {
    return std::nullopt;
  }
  Link link{.id = std::string(key.substr(kLinkRows.size())),
            .key = TextField(row, "key").value_or(""),
            .created = base::FromMs(created->get<int64_t>()),
            .expires = base::FromMs(expires->get<int64_t>()),
            .by = TextField(row, "by").value_or(""),
            .mark = *mark};
  if (!groups->empty() && groups->front().is_string()) {
    link.group = base::GroupId::FromHex(groups->front().get<std::string>());
  }
  if (const auto blob = TextField(row, "blob")) link.blob = base::ParseBlobId(*blob);
  if (!link.blob && (!link.group || link.key.empty())) return std::nullopt;
  return std::pair(std::move(link), *hash);
}

}  // namespace

absl::Status LinkStore::Load() {
  std::vector<std::pair<Link, std::string>> links;
  RETURN_IF_ERROR(index_.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, Table::kTokens);
    for (bool more = cursor.Seek(kLinkRows); more && cursor.key().starts_with(kLinkRows);
         more = cursor.Next()) {
      const auto payload = cursor.payload();
      if (!payload) continue;
      if (auto link = DecodeLinkRow(cursor.key(), *payload)) {
        links.push_back(*std::move(link));
      } else {
        txn.ReportBadRow(Table::kTokens, cursor.key());
      }
    }
  }));
  base::MutexLock lock(mutex_);
  for (auto& [link, hash] : links) {
    id_by_hash_[hash] = link.id;
    by_id_[link.id] = {link, hash};
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LinkStore::Create(
    Link& link, absl::FunctionRef<bool(const std::string&)> is_token) {
  link.id = base::ToHex(base::RandomBytes(8));
  const std::string text = base::ToHex(base::RandomBytes(32));
  const Known known{.link = link, .hash = LinkHashOf(text)};
  const base::WallTime now = clock_.WallNow();
  RETURN_IF_ERROR(index_.Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
    std::size_t rows = 0;
    std::vector<std::string> ended;
    base::Cursor cursor(txn, Table::kTokens);
    for (bool more = cursor.Seek(kLinkRows); more && cursor.key().starts_with(kLinkRows);
         more = cursor.Next()) {
      ++rows;
    }
    for (bool more = rows >= kLinksMax && cursor.Seek(kLinkRows);
         more && cursor.key().starts_with(kLinkRows); more = cursor.Next()) {
      const auto payload = cursor.payload();
      const auto row = payload ? DecodeLinkRow(cursor.key(), *payload) : std::nullopt;
      if (row && (row->first.expires <= now || !is_token(row->first.mark))) {
        ended.push_back(row->first.id);
      }
    }
    if (rows >= kLinksMax && ended.empty()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are ", kLinksMax, " links: revoke one"));
    }
    for (const std::string& id : ended) txn.Delete(Table::kTokens, LinkRowKey(id));
    txn.Put(Table::kTokens, LinkRowKey(known.link.id), EncodeLinkRow(known.link, known.hash));
    txn.AfterCommit([this, known, ended] {
      base::MutexLock lock(mutex_);
      for (const std::string& id : ended) Forget(id);
      id_by_hash_[known.hash] = known.link.id;
      by_id_[known.link.id] = known;
    });
    return absl::OkStatus();
  }));
  return text;
}

absl::Status LinkStore::Revoke(const std::string& id) {
  if (!Get(id)) return absl::NotFoundError("no such link here");
  return index_.Update(base::Index::Lane::kForeground, [this, id](base::WriteTxn& txn) {
    if (!txn.Delete(Table::kTokens, LinkRowKey(id)))
      return absl::NotFoundError("no such link here");
    txn.AfterCommit([this, id] {
      base::MutexLock lock(mutex_);
      Forget(id);
    });
    return absl::OkStatus();
  });
}

void LinkStore::Forget(const std::string& id) {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return;
  id_by_hash_.erase(known->second.hash);
  by_id_.erase(known);
}

std::optional<Link> LinkStore::Get(const std::string& id) const {
  base::MutexLock lock(mutex_);
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? std::nullopt : std::optional(known->second.link);
}

std::vector<Link> LinkStore::List() const {
  base::MutexLock lock(mutex_);
  std::vector<Link> links;
  for (const auto& known : by_id_) links.push_back(known.second.link);
  return links;
}

std::optional<Link> LinkStore::Find(std::string_view text) const {
  const std::string hash = LinkHashOf(text);
  base::MutexLock lock(mutex_);
  const auto id = id_by_hash_.find(hash);
  if (id == id_by_hash_.end()) return std::nullopt;
  const Link& link = by_id_.at(id->second).link;
  if (link.expires <= clock_.WallNow()) return std::nullopt;
  return link;
}

}  // namespace waypost::http
