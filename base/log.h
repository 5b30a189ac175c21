#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace waypost::base {

// Error: the service cannot go on. Warning: the operator should act. Info: rare and unconditional.
// Debug: the rest. Nothing that a stranger can flood goes above debug.
enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// Lines go to standard error, one a message; control characters are escaped. Thread-safe. Before
// the first call the level is info and the format text.
void ConfigureLog(LogLevel level, LogFormat format);
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);
void Log(LogLevel level, std::string_view message);

template <class... Args>
void LogDebug(const Args&... args) {
  if (LogEnabled(LogLevel::kDebug)) Log(LogLevel::kDebug, absl::StrCat(args...));
}
template <class... Args>
void LogInfo(const Args&... args) {
  Log(LogLevel::kInfo, absl::StrCat(args...));
}
template <class... Args>
void LogWarning(const Args&... args) {
  Log(LogLevel::kWarning, absl::StrCat(args...));
}
template <class... Args>
void LogError(const Args&... args) {
  Log(LogLevel::kError, absl::StrCat(args...));
}

// True for the counts at which a repeated error is worth another line: 1, 2, 4, 8, ...
inline bool IsPowerOfTwo(unsigned long long n) { return n != 0 && (n & (n - 1)) == 0; }

}  // namespace waypost::base
