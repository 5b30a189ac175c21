#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Small pure text functions that several files of this room share.
namespace waypost::http {

std::string_view TrimSpaces(std::string_view text);  // spaces and tabs at both ends

// Decimal digits only, no sign, no overflow.
std::optional<uint64_t> ParseDecimal(std::string_view digits);

int HexDigit(char c);  // -1 for none

// Percent-decodes once; nullopt for a malformed escape or a control character. A plus is a plus.
std::optional<std::string> PercentDecode(std::string_view text);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), of seconds since 1970.
std::string HttpDate(int64_t seconds);

// base64 with padding (Repr-Digest), and base64url without (cursors).
std::string Base64(std::string_view bytes);
std::string Base64Url(std::string_view bytes);
std::optional<std::string> FromBase64Url(std::string_view text);

// A list cursor: opaque to callers, what the store gave to us.
inline std::string EncodeCursor(std::string_view position) { return Base64Url(position); }
inline std::optional<std::string> DecodeCursor(std::string_view cursor) {
  return FromBase64Url(cursor);
}

}  // namespace waypost::http
