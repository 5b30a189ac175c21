#include "syncgroup/ledger/keys.h"

#include "base/key_codec.h"

// Keys of syncgroup's tables. Each begins with its group (but for invites), so that all rows of a
// group are neighbours and a group that was left can be dropped by prefix. Numbers are big-endian:
// byte order is numeric order. Stored bytes: layouts never change.

namespace waypost::syncgroup {
namespace {

constexpr std::size_t kGroup = base::GroupId::kBytes;
constexpr std::size_t kPeer = base::PeerId::kBytes;
constexpr std::size_t kIncarnation = base::Incarnation::kBytes;
constexpr std::size_t kNumber = 8;
constexpr std::size_t kPlace = kPeer + kIncarnation + kNumber;
// Sequences stay below it.
constexpr uint64_t kPlaceMark = ~uint64_t{0};

std::string Kind(const base::GroupId& group, char kind) {
  std::string key(group.bytes());
  key.push_back(kind);
  return key;
}

void AppendPlace(std::string& out, const EntryPlace& place) {
  out.append(place.origin.bytes());
  out.append(place.incarnation.bytes());
  base::AppendU64(out, place.generation);
}

// `bytes` has kPlace of them.
EntryPlace ReadPlace(std::string_view bytes) {
  EntryPlace place;
  place.origin = *base::PeerId::FromBytes(bytes.substr(0, kPeer));
  place.incarnation = *base::Incarnation::FromBytes(bytes.substr(kPeer, kIncarnation));
  place.generation = base::ReadU64(bytes.substr(kPeer + kIncarnation, kNumber));
  return place;
}

std::optional<base::PeerId> PeerAfterKind(std::string_view key) {
  if (key.size() != kGroup + 1 + kPeer) return std::nullopt;
  return base::PeerId::FromBytes(key.substr(kGroup + 1));
}

}  // namespace

std::string GroupKey(const base::GroupId& group) { return std::string(group.bytes()); }

std::string MemberKey(const base::GroupId& group, const base::PeerId& peer) {
  return MemberPrefix(group).append(peer.bytes());
}
std::string MemberPrefix(const base::GroupId& group) { return Kind(group, 'm'); }
std::optional<base::PeerId> MemberOfKey(std::string_view key) { return PeerAfterKind(key); }

std::string CutKey(const base::GroupId& group, const base::PeerId& origin) {
  return CutPrefix(group).append(origin.bytes());
}
std::string CutPrefix(const base::GroupId& group) { return Kind(group, 'c'); }
std::optional<base::PeerId> OriginOfCutKey(std::string_view key) { return PeerAfterKind(key); }

std::string MembershipOpKey(const base::GroupId& group, const Stamp& stamp) {
  std::string key = MembershipOpPrefix(group);
  base::AppendU64(key, static_cast<uint64_t>(base::ToMs(stamp.time)));
  AppendPlace(key, stamp.place);
  base::AppendU64(key, stamp.position);
  return key;
}
std::string MembershipOpPrefix(const base::GroupId& group) { return Kind(group, 'o'); }
std::optional<Stamp> StampOfMembershipOpKey(std::string_view key) {
  if (key.size() != kGroup + 1 + kNumber + kPlace + kNumber) return std::nullopt;
  key.remove_prefix(kGroup + 1);
  Stamp stamp;
  stamp.time = base::FromMs(static_cast<int64_t>(base::ReadU64(key.substr(0, kNumber))));
  stamp.place = ReadPlace(key.substr(kNumber, kPlace));
  stamp.position = static_cast<uint32_t>(base::ReadU64(key.substr(kNumber + kPlace)));
  return stamp;
}

std::string ProfilesKey(const base::GroupId& group, const OriginKey& numbering) {
  return ProfilesPrefix(group, numbering.first).append(numbering.second.bytes());
}
std::string ProfilesPrefix(const base::GroupId& group, const base::PeerId& origin) {
  return Kind(group, 'f').append(origin.bytes());
}
std::optional<OriginKey> NumberingOfProfilesKey(std::string_view key) {
  if (key.size() != kGroup + 1 + kPeer + kIncarnation) return std::nullopt;
  return OriginKey{*base::PeerId::FromBytes(key.substr(kGroup + 1, kPeer)),
                   *base::Incarnation::FromBytes(key.substr(kGroup + 1 + kPeer))};
}

std::string PaperKey(const base::GroupId& group, const EntryPlace& place) {
  std::string key = Kind(group, 'p');
  AppendPlace(key, place);
  return key;
}

std::string PaperPrefix(const base::GroupId& group) { return Kind(group, 'p'); }
std::string PaperPrefix(const base::GroupId& group, const base::PeerId& origin) {
  return PaperPrefix(group).append(origin.bytes());
}

std::string RefRowKey(const base::GroupId& group, std::string_view key) {
  return GroupKey(group).append(key);
}
std::string_view KeyOfRefRow(std::string_view row_key) { return row_key.substr(kGroup); }

std::string LogKey(const base::GroupId& group, uint64_t sequence) {
  std::string key = GroupKey(group);
  base::AppendU64(key, sequence);
  return key;
}
std::optional<uint64_t> SequenceOfLogKey(std::string_view key) {
  if (key.size() != kGroup + kNumber) return std::nullopt;
  return base::ReadU64(key.substr(kGroup));
}
std::string PlaceKey(const base::GroupId& group, const EntryPlace& place) {
  std::string key = LogKey(group, kPlaceMark);
  AppendPlace(key, place);
  return key;
}

std::string KnowledgeKey(const base::GroupId& group, const OriginKey& numbering) {
  return KnowledgePrefix(group, numbering.first).append(numbering.second.bytes());
}
std::string KnowledgePrefix(const base::GroupId& group, const base::PeerId& origin) {
  return GroupKey(group).append(origin.bytes());
}
std::optional<OriginKey> NumberingOfKey(std::string_view key) {
  if (key.size() != kGroup + kPeer + kIncarnation) return std::nullopt;
  return OriginKey{*base::PeerId::FromBytes(key.substr(kGroup, kPeer)),
                   *base::Incarnation::FromBytes(key.substr(kGroup + kPeer))};
}

std::string CursorKey(const base::GroupId& group, const base::PeerId& peer) {
  return GroupKey(group).append(peer.bytes());
}

std::string ChargeKey(const base::GroupId& group, uint64_t first_by) {
  std::string key = GroupKey(group);
  base::AppendU64(key, first_by);
  return key;
}
uint64_t FirstBy(const base::PeerId& member) {
  return base::ReadU64(member.bytes().substr(0, kNumber));
}

std::optional<base::GroupId> GroupOfKey(std::string_view key) {
  if (key.size() < kGroup) return std::nullopt;
  return base::GroupId::FromBytes(key.substr(0, kGroup));
}

}  // namespace waypost::syncgroup
