#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace waypost::service {

// What the file FORMAT of a data folder says: a number, and the features that the folder has. A
// program that does not know a feature acts by the list in which the feature stands. Pure.
//
//   waypost data folder, format 3
//   compatible: WORD WORD ...         who does not know it goes on, and keeps the word
//   read-compatible: WORD ...         who does not know it may read the folder, not change it
//   incompatible: WORD ...            who does not know it leaves the folder alone
//
// Stored bytes: a word that was ever given out keeps its meaning. Formats 1 and 2 had the first
// line alone, and no words.
struct Format {
  using Words = std::set<std::string>;

  uint32_t number = 0;
  Words compatible, read_compatible, incompatible;

  bool operator==(const Format&) const = default;
};

// Of folders that this program makes, and brings others to.
inline constexpr uint32_t kFormatNumber = 3;
// In `incompatible` from before the first step of a migration until after the last: whoever opens
// the folder goes on with it. See migration.h.
inline constexpr std::string_view kMigrating = "migrating";
Format CurrentFormat();
// In `compatible` from the end of the first start on: there is an index.
inline constexpr std::string_view kHasIndex = "index";
// In `compatible`: whose the folder is, "peer-" and the first digits of the id, as many as a word
// has room for.
std::string PeerWord(const base::PeerId& peer);
bool IsPeerWord(std::string_view word);

// kFailedPrecondition for a text that is none, or of a later number.
absl::StatusOr<Format> ParseFormat(std::string_view text);
std::string FormatText(const Format& format);

enum class Use { kRead, kChange };
// kFailedPrecondition, naming the words, where this program does not know what it would have to.
absl::Status CheckFormat(const Format& format, Use use);

}  // namespace waypost::service
