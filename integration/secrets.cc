#include "integration/secrets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/ids.h"
#include "base/wire_reader.h"
#include "integration/process.h"

// Learns secrets where they are made, and looks for each of them in whatever is said. What is too
// short to be told from chance is left out; a secret that was replaced stays one.

namespace waypost::integration {
namespace {

constexpr std::size_t kLeast = 32;
constexpr std::string_view kInvite = "waypost1.";
constexpr uint32_t kSecretField = 6;  // of an invite's message

std::string WithoutNewlines(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

void Secrets::Learn(const std::string& what, std::string text) {
  if (text.size() < kLeast) return;
  base::MutexLock lock(mutex_);
  const bool known = std::any_of(all_.begin(), all_.end(),
                                 [&](const Secret& secret) { return secret.text == text; });
  if (!known) all_.push_back({what, std::move(text)});
}

void Secrets::LearnFolder(const std::string& dir) {
  for (const char* name : {"api.token", "read.token"}) {
    Learn(name, WithoutNewlines(ReadWholeFile(dir + "/" + name)));
  }
  const std::string key = WithoutNewlines(ReadWholeFile(dir + "/identity.key"));
  const std::string hex = key.substr(key.rfind(' ') + 1);
  Learn("identity.key", hex);
  if (const auto bytes = base::FromHex(hex)) Learn("identity.key in bytes", *bytes);
}

// Only the secret in it is one: the rest names the group and who invites.
void Secrets::LearnInvite(const std::string& invite) {
  std::string message;
  if (invite.compare(0, kInvite.size(), kInvite) != 0 ||
      !absl::WebSafeBase64Unescape(invite.substr(kInvite.size()), &message)) {
    return;
  }
  base::WireReader fields(message);
  while (fields.Next()) {
    if (!fields.Is(kSecretField, base::WireReader::kBytes)) continue;
    const std::string secret(fields.bytes());
    // The characters that stand for bytes of the secret alone.
    const auto from = static_cast<std::size_t>(fields.bytes().data() - message.data());
    const std::size_t first = (from + 2) / 3 * 4, end = (from + secret.size()) / 3 * 4;
    Learn("an invite", invite.substr(kInvite.size() + first, end - first));
    Learn("an invite's secret in bytes", secret);
    Learn("an invite's secret", base::ToHex(secret));
  }
}

void Secrets::ExpectNoneIn(std::string_view said, const std::string& where) const {
  base::MutexLock lock(mutex_);
  for (const Secret& secret : all_) {
    if (said.find(secret.text) != std::string_view::npos) {
      ADD_FAILURE() << secret.what << " was said: " << where;
    }
  }
}

}  // namespace waypost::integration
