// The envelope of every row: one byte of record version, eight of checksum (little-endian), the
// payload. The checksum is SipHash-2-4 under a key made of table, version and row key, so that a
// row that strayed to another place is found too. Stored bytes: never changed.
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/index.h"

namespace waypost::base {
namespace {

constexpr std::size_t kHeaderBytes = 1 + 8;

uint64_t RecordChecksum(Table table, std::string_view key, uint8_t version,
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
  const uint64_t sum = RecordChecksum(table, key, version, payload);
  std::string stored;
  stored.reserve(kHeaderBytes + payload.size());
  stored.push_back(static_cast<char>(version));
  for (int i = 0; i < 8; ++i) stored.push_back(static_cast<char>(sum >> (8 * i)));
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
  const auto version = static_cast<uint8_t>(stored[0]);
  if (RecordChecksum(table, key, version, payload) != sum) return std::nullopt;
  return payload;
}

}  // namespace waypost::base
