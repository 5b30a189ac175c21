#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "blobstore/space.h"
#include "service/config.h"

// What kinds of values settings have: how each is read, checked and shown.
namespace waypost::service {

// Where in a Config a value lives.
template <class T>
struct Field {
  std::function<T&(Config&)> in;
  std::function<const T&(const Config&)> of;
};
template <class T>
Field<T> In(T Config::*member) {
  return {.in = [=](Config& config) -> T& { return config.*member; },
          .of = [=](const Config& config) -> const T& { return config.*member; }};
}
template <class Part, class T>
Field<T> In(Part Config::*part, T Part::*member) {
  return {.in = [=](Config& config) -> T& { return config.*part.*member; },
          .of = [=](const Config& config) -> const T& { return config.*part.*member; }};
}

struct SettingKind {
  std::string allowed;  // for messages: "1-256"
  bool list = false;
  // Sets the field from what was written (one item, unless it is a list); the message says what is
  // allowed.
  std::function<absl::Status(const std::vector<std::string>& items, Config& config)> parse;
  // As it would be written, normalised.
  std::function<std::vector<std::string>(const Config& config)> show;
};

// Bounds are inclusive.
SettingKind Count(const Field<uint32_t>& field, uint32_t low, uint32_t high);
SettingKind Duration(const Field<base::Millis>& field, base::Millis low, base::Millis high);
SettingKind Size(const Field<uint64_t>& field, uint64_t low, uint64_t high);
SettingKind Factor(const Field<double>& field, double low, double high);
// Bytes, or a share of the disk.
SettingKind FreeSpace(const Field<blobstore::FreeSpaceFloor>& field, uint64_t bytes_max);

// Looks at one text.
using TextCheck = absl::Status (*)(std::string_view);
SettingKind Text(const Field<std::string>& field, const std::string& allowed, TextCheck check);
inline constexpr std::size_t kListItemsMax = 64;
SettingKind List(const Field<std::vector<std::string>>& field, std::string allowed, TextCheck check,
                 std::size_t items_max = kListItemsMax);
// For Text and List. No control characters, and: at most 4,096 bytes; a host name.
absl::Status CheckAnyText(std::string_view text);
absl::Status CheckHostText(std::string_view text);
// "https://app.example.org", with a port where it is not the usual one.
absl::Status CheckOriginText(std::string_view text);

// One of a few words. `Words` come in the order in which they are told.
SettingKind Choice(const std::vector<std::string>& words,
                   const std::function<void(std::size_t word, Config& config)>& choose,
                   const std::function<std::size_t(const Config& config)>& chosen);
template <class Enum>
SettingKind Choice(const Field<Enum>& field,
                   const std::vector<std::pair<std::string, Enum>>& choices) {
  std::vector<std::string> words;
  std::vector<Enum> values;
  for (const auto& [word, value] : choices) {
    words.push_back(word);
    values.push_back(value);
  }
  return Choice(
      words, [=](std::size_t word, Config& config) { field.in(config) = values[word]; },
      [=](const Config& config) {
        std::size_t word = 0;
        while (word < values.size() && values[word] != field.of(config)) ++word;
        return word;
      });
}

}  // namespace waypost::service
