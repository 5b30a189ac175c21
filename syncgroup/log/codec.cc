#include <algorithm>
#include <string>
#include <string_view>

#include "base/status.h"
#include "syncgroup/log/log_rows.h"
#include "syncgroup/log/log_rows.pb.h"

// The stored forms of this room's rows. Decoders accept only what they understand whole; what does
// not parse is nullopt, and the caller sets the row aside.

namespace waypost::syncgroup {
namespace {

namespace stored = log::proto;

template <class Message>
std::string StoredBytes(const Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  return bytes;
}

template <class Message>
bool ReadStored(std::string_view payload, Message& message) {
  return message.ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

template <class Id>
std::string StoredId(const Id& id) {
  return id.IsZero() ? std::string() : std::string(id.bytes());
}

// Absent: zero.
template <class Id>
bool ReadStoredId(const std::string& bytes, Id& out) {
  if (bytes.empty()) return true;
  const auto id = Id::FromBytes(bytes);
  if (id) out = *id;
  return id.has_value();
}

}  // namespace

std::string EncodeLogState(const LogState& row) {
  stored::LogState out;
  out.set_log(StoredId(row.log));
  out.set_token(StoredId(row.token));
  out.set_last_sequence(row.last_sequence);
  out.set_last_branch(row.last_branch);
  return StoredBytes(out);
}

std::optional<LogState> DecodeLogState(std::string_view payload) {
  stored::LogState in;
  LogState row;
  if (!ReadStored(payload, in) || !ReadStoredId(in.log(), row.log) ||
      !ReadStoredId(in.token(), row.token)) {
    return std::nullopt;
  }
  row.last_sequence = in.last_sequence();
  row.last_branch = in.last_branch();
  return row;
}

std::string EncodeBranch(const BranchRow& row) {
  stored::Branch out;
  out.set_origin(StoredId(row.origin));
  out.set_numbering(StoredId(row.numbering));
  out.set_holds(static_cast<uint32_t>(row.holds));
  out.set_basis_entry(StoredId(row.basis.entry));
  out.set_basis_position(row.basis.position);
  out.set_parent(row.parent);
  out.set_after(row.after);
  out.set_head(row.head);
  out.set_head_hash(StoredId(row.head_hash));
  out.set_head_time_ms(base::ToMs(row.head_time));
  out.set_kept(row.kept);
  out.set_kept_hash(StoredId(row.kept_hash));
  out.set_log_bytes(row.used.log_bytes);
  out.set_operations(row.used.operations);
  out.set_membership(row.used.membership);
  out.set_removals(row.used.removals);
  return StoredBytes(out);
}

std::optional<BranchRow> DecodeBranch(std::string_view payload) {
  stored::Branch in;
  BranchRow row;
  if (!ReadStored(payload, in) || in.holds() < 1 || in.holds() > 2 ||
      !ReadStoredId(in.origin(), row.origin) || !ReadStoredId(in.numbering(), row.numbering) ||
      !ReadStoredId(in.basis_entry(), row.basis.entry) ||
      !ReadStoredId(in.head_hash(), row.head_hash) ||
      !ReadStoredId(in.kept_hash(), row.kept_hash)) {
    return std::nullopt;
  }
  row.holds = static_cast<Holds>(in.holds());
  row.basis.position = in.basis_position();
  row.parent = in.parent();
  row.after = in.after();
  row.head = in.head();
  row.head_time = base::FromMs(in.head_time_ms());
  row.kept = in.kept();
  // A branch is one of the numberings that a member may have.
  row.used = {.numberings = 1,
              .entries = row.head - std::min(row.head, row.after),
              .log_bytes = in.log_bytes(),
              .operations = in.operations(),
              .membership = in.membership(),
              .removals = in.removals()};
  return row;
}

std::string EncodeStoredEntry(const StoredEntry& row) {
  stored::StoredEntry out;
  out.set_entry(row.sealed.bytes);
  out.set_signature(row.sealed.signature);
  out.set_sequence(row.sequence);
  return StoredBytes(out);
}

std::optional<StoredEntry> DecodeStoredEntry(std::string_view payload) {
  stored::StoredEntry in;
  if (!ReadStored(payload, in) || in.entry().empty()) return std::nullopt;
  return StoredEntry{.sealed = {.bytes = in.entry(), .signature = in.signature()},
                     .sequence = in.sequence()};
}

std::string EncodeTakenEntry(const TakenEntry& row) {
  stored::TakenEntry out;
  out.set_branch(row.place.branch);
  out.set_generation(row.place.generation);
  out.set_token(StoredId(row.token));
  return StoredBytes(out);
}

std::optional<TakenEntry> DecodeTakenEntry(std::string_view payload) {
  stored::TakenEntry in;
  TakenEntry row;
  if (!ReadStored(payload, in) || !ReadStoredId(in.token(), row.token)) return std::nullopt;
  row.place = {in.branch(), in.generation()};
  return row;
}

}  // namespace waypost::syncgroup
