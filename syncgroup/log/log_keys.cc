#include "base/key_codec.h"
#include "syncgroup/log/log_rows.h"

// Keys of a log with branches. Each begins with its group, so that a group that was left can be
// dropped by prefix. Numbers are big-endian: byte order is numeric order.

namespace waypost::syncgroup {
namespace {

constexpr std::size_t kGroupBytes = base::GroupId::kBytes;
constexpr std::size_t kNumberBytes = 8;

std::string OfLog(const base::GroupId& group, char kind) {
  std::string key(group.bytes());
  key.push_back(kind);
  return key;
}

std::string WithNumber(std::string key, uint64_t number) {
  base::AppendU64(key, number);
  return key;
}

// The number at the end of a key of this kind, with so many bytes between.
std::optional<uint64_t> NumberOfKey(std::string_view key, char kind, std::size_t between) {
  if (key.size() != kGroupBytes + 1 + between + kNumberBytes || key[kGroupBytes] != kind) {
    return std::nullopt;
  }
  return base::ReadU64(key.substr(key.size() - kNumberBytes));
}

}  // namespace

std::string StoredEntryKey(const base::GroupId& group, const StoredPlace& place) {
  return WithNumber(WithNumber(OfLog(group, 'e'), place.branch), place.generation);
}
std::string TakenPrefix(const base::GroupId& group) { return OfLog(group, 's'); }
std::string TakenKey(const base::GroupId& group, uint64_t sequence) {
  return WithNumber(TakenPrefix(group), sequence);
}
std::optional<uint64_t> SequenceOfTakenKey(std::string_view key) {
  return NumberOfKey(key, 's', 0);
}
std::string ActEntryKey(const base::GroupId& group, const base::EntryHash& hash) {
  return OfLog(group, 'a').append(hash.bytes());
}
std::string FactPrefix(const base::GroupId& group) { return OfLog(group, 'f'); }
std::string FactKey(const base::GroupId& group, const StoredPlace& place) {
  return WithNumber(WithNumber(FactPrefix(group), place.branch), place.generation);
}
std::optional<StoredPlace> PlaceOfFactKey(std::string_view key) {
  const auto generation = NumberOfKey(key, 'f', kNumberBytes);
  if (!generation) return std::nullopt;
  return StoredPlace{base::ReadU64(key.substr(kGroupBytes + 1, kNumberBytes)), *generation};
}
std::string LogStateKey(const base::GroupId& group) { return OfLog(group, 'l'); }
std::string BranchPrefix(const base::GroupId& group) { return OfLog(group, 'b'); }
std::string BranchKey(const base::GroupId& group, BranchId branch) {
  return WithNumber(BranchPrefix(group), branch);
}
std::optional<BranchId> BranchOfKey(std::string_view key) { return NumberOfKey(key, 'b', 0); }
std::string NumberingPrefix(const base::GroupId& group, const base::EntryHash& numbering) {
  return OfLog(group, 'n').append(numbering.bytes());
}
std::string NumberingKey(const base::GroupId& group, const base::EntryHash& numbering,
                         BranchId branch) {
  return WithNumber(NumberingPrefix(group, numbering), branch);
}
std::optional<BranchId> BranchOfNumberingKey(std::string_view key) {
  return NumberOfKey(key, 'n', base::EntryHash::kBytes);
}

}  // namespace waypost::syncgroup
