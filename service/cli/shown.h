#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "service/cli/client.h"

// Answers of the service as people read them: names before ids, times as how long ago, 80 columns.
// Pure.
namespace waypost::service {

inline constexpr std::size_t kShownColumns = 80;

// The first digits of a peer's id: enough to tell it from others here, and to be typed.
std::string BriefPeer(const std::string& id);

// "3 min ago", "in 2 h", "now"; "never" for what is no time.
std::string Ago(const std::string& time, base::WallTime now);

// Of /v1/status, with the groups of /v1/groups: some twenty lines.
std::vector<std::string> StatusLines(const Json& status, const Json& groups, base::WallTime now);

// Why something wanted is not here, in a few words.
std::string ReasonOf(const Json& wanted);

// What a step of `why` says beside its verdict, with who, when and how often.
std::string WhyDetail(const Json& step, base::WallTime now);

// Rows whose lines fit: `first` columns at most for the first cell, the rest of each line is cut.
std::vector<std::vector<std::string>> Fitted(std::vector<std::vector<std::string>> rows,
                                             std::size_t first);

}  // namespace waypost::service
