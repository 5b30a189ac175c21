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

// Of /v1/status, with the groups of /v1/groups, those without a server first: as many of them as 20
// lines have room for.
std::vector<std::string> StatusLines(const Json& status, const Json& groups, base::WallTime now);

// Why something wanted is not here, in a few words.
std::string ReasonOf(const Json& wanted);

// What a step of `why` says beside its verdict, with who, when and how often; `whole`: with whole
// ids and times.
std::string WhyDetail(const Json& step, base::WallTime now, bool whole = false);

// Rows whose lines fit, made harmless as they will be printed. Where a line is too wide, cells are
// cut to what `most` says of their column, the first one to what the others leave if that is more,
// and at last to what is left of the line.
std::vector<std::vector<std::string>> Fitted(std::vector<std::vector<std::string>> rows,
                                             const std::vector<std::size_t>& most);

// The text, made harmless, in lines of at most so many columns, broken between words where it can
// be. At least one.
std::vector<std::string> Wrapped(const std::string& text, std::size_t columns);

}  // namespace waypost::service
