#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace waypost::base {

// Lower-case hexadecimal of `bytes`, two digits a byte.
std::string ToHex(std::string_view bytes);
// The reverse; nullopt unless `hex` is an even number of lower-case hexadecimal digits.
std::optional<std::string> FromHex(std::string_view hex);

// A fixed-size opaque identifier. `Tag` keeps the kinds apart: a peer never passes for a group.
// The default value is all zero, which no real object has; it stands for "none".
template <class Tag, std::size_t N>
class FixedId {
 public:
  static constexpr std::size_t kBytes = N;

  constexpr FixedId() = default;
  explicit constexpr FixedId(const std::array<uint8_t, N>& bytes) : bytes_(bytes) {}

  // nullopt unless exactly N bytes.
  static std::optional<FixedId> FromBytes(std::string_view bytes) {
    if (bytes.size() != N) return std::nullopt;
    FixedId id;
    std::memcpy(id.bytes_.data(), bytes.data(), N);
    return id;
  }
  // nullopt unless exactly 2 N lower-case hexadecimal digits.
  static std::optional<FixedId> FromHex(std::string_view hex) {
    if (hex.size() != 2 * N) return std::nullopt;
    auto bytes = base::FromHex(hex);
    if (!bytes) return std::nullopt;
    return FromBytes(*bytes);
  }

  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  const std::array<uint8_t, N>& array() const { return bytes_; }
  std::string ToHex() const { return base::ToHex(bytes()); }
  bool IsZero() const { return *this == FixedId(); }

  friend constexpr auto operator<=>(const FixedId&, const FixedId&) = default;
  template <class H>
  friend H AbslHashValue(H h, const FixedId& id) {
    return H::combine(std::move(h), id.bytes_);
  }

 private:
  std::array<uint8_t, N> bytes_{};
};

// An Ed25519 public key: who a peer is.
using PeerId = FixedId<struct PeerTag, 32>;
using GroupId = FixedId<struct GroupTag, 32>;
// SHA-256 of the content.
using BlobId = FixedId<struct BlobTag, 32>;
// Which numbering of an origin's entries in one group a generation belongs to (random).
using Incarnation = FixedId<struct IncarnationTag, 16>;
// A hash of a log entry's bytes.
using EntryHash = FixedId<struct EntryHashTag, 32>;

// Accepts what people paste: 64 lower-case hex digits, with or without "sha256:" before them.
std::optional<BlobId> ParseBlobId(std::string_view text);

}  // namespace waypost::base
