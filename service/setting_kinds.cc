#include "service/setting_kinds.h"

#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/units.h"

// A kind is two functions over one field: from text and back. What a kind of one value needs to say
// is how its text becomes a value within its bounds, or an error that names them.

namespace waypost::service {
namespace {

using base::Millis;

absl::Status OutOfRange(const std::string& text, const std::string& allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is out of range; allowed: ", allowed));
}

template <class T>
using Read = std::function<absl::StatusOr<T>(const std::string& text)>;
template <class T>
using Write = std::function<std::string(const T& value)>;

template <class T>
SettingKind OneValue(const std::string& allowed, const Field<T>& field, Read<T> read,
                     Write<T> write) {
  return {.allowed = allowed,
          .parse = [in = field.in, read = std::move(read)](const std::vector<std::string>& items,
                                                           Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(in(config), read(items[0]));
            return absl::OkStatus();
          },
          .show = [of = field.of, write = std::move(write)](const Config& config)
              -> std::vector<std::string> { return {write(of(config))}; }};
}

// As OneValue, for what has bounds. `read` tells nothing of a text that is no value at all where
// the bounds say enough.
template <class T>
SettingKind Bounded(const std::string& allowed, const Field<T>& field, T low, T high,
                    std::function<absl::StatusOr<std::optional<T>>(const std::string&)> read,
                    Write<T> write) {
  const auto checked = [=](const std::string& text) -> absl::StatusOr<T> {
    std::optional<T> value;
    ASSIGN_OR_RETURN(value, read(text));
    if (!value || *value < low || *value > high) return OutOfRange(text, allowed);
    return *value;
  };
  return OneValue<T>(allowed, field, checked, std::move(write));
}

bool MadeOf(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

}  // namespace

SettingKind Count(const Field<uint32_t>& field, uint32_t low, uint32_t high) {
  using Result = absl::StatusOr<std::optional<uint32_t>>;
  return Bounded<uint32_t>(
      absl::StrCat(low, "-", high), field, low, high,
      [](const std::string& text) -> Result {
        uint32_t value = 0;
        const bool number = MadeOf(text, "0123456789") && absl::SimpleAtoi(text, &value);
        return number ? std::optional(value) : std::nullopt;
      },
      [](uint32_t value) { return absl::StrCat(value); });
}

SettingKind Duration(const Field<Millis>& field, Millis low, Millis high) {
  return Bounded<Millis>(
      absl::StrCat(base::FormatDuration(low), " to ", base::FormatDuration(high)), field, low, high,
      base::ParseDuration, base::FormatDuration);
}

SettingKind Size(const Field<uint64_t>& field, uint64_t low, uint64_t high) {
  return Bounded<uint64_t>(absl::StrCat(base::FormatSize(low), " to ", base::FormatSize(high)),
                           field, low, high, base::ParseSize, base::FormatSize);
}

SettingKind Factor(const Field<double>& field, double low, double high) {
  using Result = absl::StatusOr<std::optional<double>>;
  return Bounded<double>(
      absl::StrCat(low, "-", high), field, low, high,
      [](const std::string& text) -> Result {
        double value = 0;
        const bool number = MadeOf(text, "0123456789.") && absl::SimpleAtod(text, &value);
        return number ? std::optional(value) : std::nullopt;
      },
      [](double value) { return absl::StrCat(value); });
}

SettingKind FreeSpace(const Field<blobstore::FreeSpaceFloor>& field, uint64_t bytes_max) {
  using blobstore::FreeSpaceFloor;
  const std::string allowed = absl::StrCat("0 to ", base::FormatSize(bytes_max), ", or 0% to 99%");
  return OneValue<FreeSpaceFloor>(
      allowed, field,
      [=](const std::string& text) -> absl::StatusOr<FreeSpaceFloor> {
        FreeSpaceFloor floor{.bytes = 0, .percent = 0};
        if (!text.empty() && text.back() == '%') {
          ASSIGN_OR_RETURN(floor.percent, base::ParsePercent(text));
          return floor;
        }
        ASSIGN_OR_RETURN(floor.bytes, base::ParseSize(text));
        if (floor.bytes > bytes_max) return OutOfRange(text, allowed);
        return floor;
      },
      [](const FreeSpaceFloor& floor) {
        return floor.percent != 0 ? absl::StrCat(floor.percent, "%")
                                  : base::FormatSize(floor.bytes);
      });
}

SettingKind Text(const Field<std::string>& field, const std::string& allowed, TextCheck check) {
  return OneValue<std::string>(
      allowed, field,
      [check](const std::string& text) -> absl::StatusOr<std::string> {
        RETURN_IF_ERROR(check(text));
        return text;
      },
      [](const std::string& text) { return text; });
}

SettingKind List(const Field<std::vector<std::string>>& field, std::string allowed, TextCheck check,
                 std::size_t items_max) {
  return {.allowed = std::move(allowed),
          .list = true,
          .parse = [in = field.in, check, items_max](const std::vector<std::string>& items,
                                                     Config& config) -> absl::Status {
            if (items.size() > items_max) {
              return absl::InvalidArgumentError(
                  absl::StrCat(items.size(), " items; at most ", items_max, " are allowed"));
            }
            for (const std::string& item : items) RETURN_IF_ERROR(check(item));
            in(config) = items;
            return absl::OkStatus();
          },
          .show = field.of};
}

SettingKind Choice(const std::vector<std::string>& words,
                   const std::function<void(std::size_t, Config&)>& choose,
                   const std::function<std::size_t(const Config&)>& chosen) {
  const std::string allowed = absl::StrJoin(words, ", ");
  return {.allowed = allowed,
          .parse = [=](const std::vector<std::string>& items, Config& config) -> absl::Status {
            for (std::size_t i = 0; i < words.size(); ++i) {
              if (words[i] != items[0]) continue;
              choose(i, config);
              return absl::OkStatus();
            }
            return OutOfRange(items[0], allowed);
          },
          .show = [=](const Config& config) -> std::vector<std::string> {
            return {words.at(chosen(config))};
          }};
}

absl::Status CheckAnyText(std::string_view text) {
  if (text.size() > 4096) return absl::InvalidArgumentError("at most 4096 bytes are allowed");
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("control characters are not allowed");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHostText(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("a host name, or host:port, is wanted");
  return CheckAnyText(text);
}

absl::Status CheckOriginText(std::string_view text) {
  const std::string_view scheme = text.substr(0, text.find("://"));
  const bool known = scheme == "http" || scheme == "https";
  const std::string_view host = known ? text.substr(scheme.size() + 3) : std::string_view();
  if (host.empty() || host.find_first_of("/?#*, ") != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "an origin as browsers send it is wanted: https://app.example.org, without a path");
  }
  return CheckAnyText(text);
}

}  // namespace waypost::service
