#include "http/message/json_request.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/units.h"
#include "base/utf8.h"
#include "http/message/text.h"

// JSON bodies, strictly: bounded in size, depth and values, no key twice, nothing after the end.
// ObjectReader takes each known key once, and what is left over is refused by name.

namespace waypost::http {
namespace {

// Builds the value with nlohmann's own builder, and stops at what we do not take.
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBuilder(Json& root) : builder_(root, /*allow_exceptions=*/false) {}

  bool null() override { return OneMore() && builder_.null(); }
  bool boolean(bool value) override { return OneMore() && builder_.boolean(value); }
  bool number_integer(number_integer_t value) override {
    return OneMore() && builder_.number_integer(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return OneMore() && builder_.number_unsigned(value);
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return OneMore() && builder_.number_float(value, text);
  }
  bool string(string_t& value) override { return OneMore() && builder_.string(value); }
  bool binary(binary_t& value) override { return OneMore() && builder_.binary(value); }
  bool start_object(std::size_t count) override {
    if (!OneMore() || !Deeper()) return false;
    keys_.emplace_back();
    return builder_.start_object(count);
  }
  bool key(string_t& value) override {
    if (keys_.back().size() >= kJsonKeysMax) {
      error_ = absl::StrCat("an object has more than ", kJsonKeysMax, " keys");
      return false;
    }
    if (!keys_.back().insert(value).second) {
      error_ = absl::StrCat("the key \"", base::CutText(value, 100), "\" comes twice");
      return false;
    }
    return builder_.key(value);
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return builder_.end_object();
  }
  bool start_array(std::size_t count) override {
    return OneMore() && Deeper() && builder_.start_array(count);
  }
  bool end_array() override {
    --depth_;
    return builder_.end_array();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_ = absl::StrCat("it is no JSON at byte ", position);
    return false;
  }
  const std::string& error() const { return error_; }

 private:
  bool OneMore() {
    if (++values_ <= kJsonValuesMax) return true;
    error_ = absl::StrCat("it has more than ", kJsonValuesMax, " values");
    return false;
  }
  bool Deeper() {
    if (++depth_ <= kJsonDepthMax) return true;
    error_ = absl::StrCat("it is nested deeper than ", kJsonDepthMax);
    return false;
  }
  nlohmann::detail::json_sax_dom_parser<Json> builder_;
  std::vector<std::set<std::string>> keys_;
  std::size_t values_ = 0;
  int depth_ = 0;
  std::string error_;
};

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text) {
  Json root;
  StrictBuilder builder(root);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body: ", builder.error().empty() ? "it is no JSON" : builder.error()));
  }
  return root;
}

absl::StatusOr<Json> ReadJsonObject(Request& request) {
  if (request.body == nullptr || request.body->length() == uint64_t{0}) return Json::object();
  const absl::Status too_large =
      absl::OutOfRangeError(absl::StrCat("a JSON body has at most ", kJsonBytesMax, " bytes"));
  const auto announced = request.body->length();
  if (announced.value_or(0) > kJsonBytesMax) return too_large;
  std::string text;
  text.reserve(static_cast<std::size_t>(announced.value_or(0)));
  const absl::Status read = request.body->Read([&](std::string_view piece) {
    if (piece.size() > kJsonBytesMax - text.size()) return too_large;
    text.append(piece);
    return absl::OkStatus();
  });
  if (absl::IsOutOfRange(read)) return read;
  if (text.empty() && read.ok()) return Json::object();
  if (!read.ok()) return absl::InvalidArgumentError(read.message());
  ASSIGN_OR_RETURN(Json json, ParseJson(text));
  if (!json.is_object()) return absl::InvalidArgumentError("the body: it must be a JSON object");
  return json;
}

ObjectReader::ObjectReader(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object_.is_object()) {
    status_ = absl::InvalidArgumentError(absl::StrCat(where_, ": it must be a JSON object"));
  }
}

const Json* ObjectReader::Take(const char* key) {
  known_.emplace_back(key);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  // Null is as good as left out.
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ObjectReader::Fail(const char* key, const std::string& what) {
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(absl::StrCat(where_, ": \"", key, "\" ", what));
  }
}

std::optional<std::string> ObjectReader::String(const char* key) {
  const Json* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Fail(key, "must be a string");
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<bool> ObjectReader::Bool(const char* key) {
  const Json* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    Fail(key, "must be true or false");
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<uint64_t> ObjectReader::Number(const char* key, uint64_t low, uint64_t high) {
  const Json* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned() || value->get<uint64_t>() < low ||
      value->get<uint64_t>() > high) {
    Fail(key, absl::StrCat("must be a whole number from ", low, " to ", high));
    return std::nullopt;
  }
  return value->get<uint64_t>();
}

std::optional<base::Millis> ObjectReader::Duration(const char* key, base::Millis max) {
  const auto text = String(key);
  if (!text) return std::nullopt;
  const auto duration = base::ParseDuration(*text);
  if (duration.ok() && duration->count() != 0 && *duration <= max) return *duration;
  Fail(key,
       absl::StrCat("must be a duration like 30m, 12h or 7d, at most ", base::FormatDuration(max)));
  return std::nullopt;
}

const Json* ObjectReader::Array(const char* key) {
  const Json* value = Take(key);
  if (value != nullptr && !value->is_array()) {
    Fail(key, "must be an array");
    return nullptr;
  }
  return value;
}

void ObjectReader::Require(const char* key) {
  if (!object_.is_object()) return;
  const auto found = object_.find(key);
  if (found == object_.end() || found->is_null()) Fail(key, "is needed");
}

absl::Status ObjectReader::Done() {
  if (!status_.ok() || !object_.is_object()) return status_;
  for (auto item = object_.begin(); item != object_.end(); ++item) {
    if (std::find(known_.begin(), known_.end(), item.key()) != known_.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(where_, ": unknown key \"",
                                                   base::CutText(item.key(), 100),
                                                   "\"; known are: ", absl::StrJoin(known_, ", ")));
  }
  return status_;
}

}  // namespace waypost::http
