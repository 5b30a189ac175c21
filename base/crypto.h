#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace waypost::base {

// Call once before anything else here; false when the library cannot start.
bool InitCrypto();

// Overwrites what must not stay in memory, also where the compiler sees that nobody reads it again.
void WipeSecret(void* bytes, std::size_t count);
// Takes the same time wherever the two differ; their lengths are not secret.
bool ConstantTimeEqual(std::string_view a, std::string_view b);
// 64-bit keyed checksum (SipHash-2-4), of rows in data folders of format 1: finds damage, proves
// nothing against an attacker who knows the key.
uint64_t Checksum64(const std::array<uint8_t, 16>& key, std::string_view data);
// BLAKE2b with 32 bytes of output.
std::array<uint8_t, 32> Hash256(std::string_view data);

// Keyed BLAKE2b with 32 bytes of output. `key`: 16 to 64 bytes.
std::string Mac256(std::string_view key, std::string_view data);

// An Ed25519 key pair, the secret half in locked memory. Who a peer is.
class Identity {
 public:
  static std::unique_ptr<Identity> Generate();
  // The identity that this seed makes.
  static std::unique_ptr<Identity> FromSeed(const std::array<uint8_t, 32>& seed);
  // Reads `path`: refused if it is a link, not ours, or readable by group or others.
  static absl::StatusOr<std::unique_ptr<Identity>> Load(const std::string& path);
  // Creates `path` with mode 0600, durable when it returns; never overwrites.
  absl::Status Save(const std::string& path) const;

  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  const PeerId& peer_id() const { return peer_id_; }
  // The secret, 32 bytes in the locked memory, for who must sign in a form of its own (TLS): not to
  // be copied to where it stays, nor logged.
  std::string_view seed() const;
  // Over `tag`, a zero byte, and `message`; every use has a tag of its own, so that a signature
  // made for one thing never passes for another.
  std::string Sign(std::string_view tag, std::string_view message) const;

 private:
  Identity() = default;
  void AllocateSeed();
  void DerivePublicKey();

  PeerId peer_id_;
  unsigned char* seed_ = nullptr;  // 32 bytes, sodium_malloc
};

bool VerifySignature(const PeerId& peer, std::string_view tag, std::string_view message,
                     std::string_view signature);

}  // namespace waypost::base
