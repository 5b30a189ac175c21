#include <xxhash.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/index.h"
#include "base/status.h"

// The envelope of every row: one byte of record version and kind of checksum, eight of checksum
// (little-endian), the payload. The checksum is over table, version and row key too, so that a row
// that strayed to another place is found. Stored bytes: never changed.

namespace waypost::base {
namespace {

constexpr std::size_t kHeaderBytes = 1 + 8;
// In the first byte: the checksum is XXH3. Without it SipHash, which rows had until data folders of
// format 2. A scan of all signposts took twice as long with it.
constexpr uint8_t kXxh3 = 0x80;

void PutUint64(uint64_t value, char* to) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

uint64_t Xxh3(std::string_view data) { return XXH3_64bits(data.data(), data.size()); }

uint64_t RecordChecksum(Table table, std::string_view key, uint8_t version,
                        std::string_view payload) {
  std::array<char, 18> all;
  PutUint64(Xxh3(key), all.data());
  PutUint64(Xxh3(payload), all.data() + 8);
  all[16] = static_cast<char>(table);
  all[17] = static_cast<char>(version);
  return Xxh3({all.data(), all.size()});
}

uint64_t OldRecordChecksum(Table table, std::string_view key, uint8_t version,
                           std::string_view payload) {
  std::array<uint8_t, 16> sip_key = {'w', 'a', 'y', 'p', 'o', 's', 't', 0};
  sip_key[8] = static_cast<uint8_t>(table);
  sip_key[9] = version;
  const uint64_t key_sum = Checksum64(sip_key, key);
  std::memcpy(sip_key.data(), &key_sum, sizeof(key_sum));
  return Checksum64(sip_key, payload);
}

}  // namespace

std::string SealRecord(Table table, std::string_view key, uint8_t version,
                       std::string_view payload) {
  CHECK(version < kXxh3);
  std::string stored(kHeaderBytes, static_cast<char>(version | kXxh3));
  stored.reserve(kHeaderBytes + payload.size());
  PutUint64(RecordChecksum(table, key, version, payload), stored.data() + 1);
  stored.append(payload);
  return stored;
}

std::optional<std::string_view> OpenRecord(Table table, std::string_view key,
                                           std::string_view stored) {
  if (stored.size() < kHeaderBytes) return std::nullopt;
  uint64_t sum = 0;
  for (int i = 0; i < 8; ++i) {
    sum |= uint64_t{static_cast<unsigned char>(stored[1 + i])} << (8 * i);
  }
  const std::string_view payload = stored.substr(kHeaderBytes);
  const auto first = static_cast<uint8_t>(stored[0]);
  const auto version = static_cast<uint8_t>(first & ~kXxh3);
  const auto checksum = (first & kXxh3) != 0 ? RecordChecksum : OldRecordChecksum;
  if (checksum(table, key, version, payload) != sum) return std::nullopt;
  return payload;
}

std::optional<std::string> ResealRecord(Table table, std::string_view key,
                                        std::string_view stored) {
  if (stored.empty() || (static_cast<uint8_t>(stored[0]) & kXxh3) != 0) return std::nullopt;
  const auto payload = OpenRecord(table, key, stored);
  if (!payload) return std::nullopt;
  return SealRecord(table, key, static_cast<uint8_t>(stored[0]), *payload);
}

}  // namespace waypost::base
