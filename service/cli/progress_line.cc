#include "service/cli/progress_line.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/units.h"
#include "base/utf8.h"

// The texts of progress: how much of how much, how fast, and for how long still. Where the terminal
// is narrow the bar goes first, then the detail.

namespace waypost::service {
namespace {

constexpr base::Millis kWindow{5'000};
// Shorter than this nothing is known of how fast it goes.
constexpr base::Millis kLeast{500};
constexpr base::Millis kBetween{100};
// What is slower stands still.
constexpr double kRateMin = 0.01;
// Nobody plans with more.
constexpr double kLeftMaxMs = 100.0 * 3600 * 1000;

std::string Left(const ProgressFacts& facts) {
  if (!facts.rate || *facts.rate < kRateMin || facts.total <= facts.done) return "";
  const double ms = static_cast<double>(facts.total - facts.done) / *facts.rate * 1000;
  if (ms > kLeftMaxMs) return "";
  // Whole seconds: more would be noise.
  const auto seconds = static_cast<int64_t>(ms / 1000) + 1;
  if (seconds < 60) return absl::StrCat(seconds, " s left");
  return base::HumanDuration(base::Millis(seconds * 1000)) + " left";
}

struct Taken {
  std::size_t bytes = 0, columns = 0;
};
// Takes the first character away; a byte that belongs to none is one.
Taken TakeCharacter(std::string_view& text) {
  // A little before the first wide letters.
  constexpr char32_t kFirstWide = 0x1000;
  const auto first = base::FirstCharacter(text);
  Taken taken{.bytes = 1, .columns = 1};
  if (first) taken = {.bytes = first->bytes, .columns = first->code >= kFirstWide ? 2u : 1u};
  text.remove_prefix(taken.bytes);
  return taken;
}

}  // namespace

std::size_t Columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) columns += TakeCharacter(text).columns;
  return columns;
}

std::size_t BytesOfColumns(std::string_view text, std::size_t columns) {
  std::size_t bytes = 0, used = 0;
  while (!text.empty()) {
    const Taken taken = TakeCharacter(text);
    used += taken.columns;
    if (used > columns) break;
    bytes += taken.bytes;
  }
  return bytes;
}

std::string CutToColumns(const std::string& text, std::size_t columns) {
  if (Columns(text) <= columns) return text;
  const std::size_t dots = std::min<std::size_t>(3, columns);
  return text.substr(0, BytesOfColumns(text, columns - dots)) + std::string(dots, '.');
}

void RateMeter::Add(base::SteadyTime now, uint64_t done) {
  // Fewer than before: it began anew.
  if (!samples_.empty() && done < samples_.back().second) samples_.clear();
  if (samples_.size() > 1 && now - samples_[samples_.size() - 2].first < kBetween) {
    samples_.back() = {now, done};
  } else {
    samples_.emplace_back(now, done);
  }
  while (samples_.size() > 2 && now - samples_[1].first >= kWindow) samples_.pop_front();
}

std::optional<double> RateMeter::rate() const {
  if (samples_.size() < 2) return std::nullopt;
  const auto took = samples_.back().first - samples_.front().first;
  if (took < kLeast) return std::nullopt;
  return static_cast<double>(samples_.back().second - samples_.front().second) /
         std::chrono::duration<double>(took).count();
}

std::string Bar(uint64_t done, uint64_t total) {
  constexpr std::size_t kWidth = 30;
  const double share =
      total == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(share * kWidth);
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]";
}

std::string ProgressLine(const ProgressFacts& facts, std::size_t columns) {
  const auto amount = [&](uint64_t count) {
    return facts.unit.empty() ? base::HumanSize(count) : absl::StrCat(count);
  };
  const std::string unit = facts.unit.empty() ? "" : " " + facts.unit;
  std::vector<std::string> parts;
  if (facts.total != 0) {
    parts.push_back(absl::StrCat(amount(facts.done), " of ", amount(facts.total), unit));
  } else if (facts.done != 0) {
    parts.push_back(amount(facts.done) + unit);
  }
  if (facts.rate && (facts.done != 0 || facts.total != 0)) {
    const bool few = !facts.unit.empty() && *facts.rate < 10;
    parts.push_back(
        (few ? absl::StrFormat("%.1f", *facts.rate) : amount(static_cast<uint64_t>(*facts.rate))) +
        "/s");
  }
  if (std::string left = Left(facts); !left.empty()) parts.push_back(std::move(left));
  const std::string bar = facts.total == 0 ? "" : absl::StrCat(Bar(facts.done, facts.total), " ");
  const auto line = [&](bool with_bar, bool with_detail) {
    std::string text = absl::StrCat(facts.label, " ", with_bar ? bar : "");
    const char* between = "";
    for (const std::string& part : parts) {
      absl::StrAppend(&text, between, part);
      between = ", ";
    }
    if (with_detail && !facts.detail.empty()) absl::StrAppend(&text, between, facts.detail);
    return text;
  };
  for (const auto& [with_bar, with_detail] : {std::pair(true, true), std::pair(false, true)}) {
    std::string text = line(with_bar, with_detail);
    if (Columns(text) <= columns) return text;
  }
  // The detail as far as it fits behind figures that do.
  const std::string without = line(false, false);
  return CutToColumns(Columns(without) + 8 <= columns ? line(false, true) : without, columns);
}

}  // namespace waypost::service
