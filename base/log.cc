#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdio>
#include <memory>

#include "base/harmless.h"

// One line a message on standard error. What strangers say ends up in messages, so everything that
// could begin a line, move a terminal's cursor, or break out of a JSON string is escaped before the
// library sees it.

namespace waypost::base {
namespace {

spdlog::level::level_enum SpdLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

// A message as it stands in a line of the format.
std::string Escape(std::string_view message, LogFormat format) {
  if (format == LogFormat::kText) return Harmless(message);
  std::string text;
  text.reserve(message.size() + 8);
  for (const char c : message) {
    if (c == '"' || c == '\\') text += '\\';
    text += c == '\n' ? "\\n" : std::string(1, c);
  }
  return HarmlessJson(text);
}

void SetPattern(spdlog::logger& logger, LogFormat format) {
  // The message has been escaped when it comes here.
  logger.set_pattern(format == LogFormat::kJson
                         ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%v"})"
                         : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                     spdlog::pattern_time_type::utc);
}

// The one logger of the process: standard error is one too.
struct Sink {
  Sink() : logger("waypost", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    SetPattern(logger, LogFormat::kText);
    logger.set_level(spdlog::level::info);
  }
  spdlog::logger logger;
  std::atomic<LogFormat> format{LogFormat::kText};
};

Sink& TheSink() {
  // Never destroyed: threads may log until the very end.
  static Sink* const sink = new Sink;
  return *sink;
}

}  // namespace

void ConfigureLog(LogLevel level, LogFormat format) {
  Sink& sink = TheSink();
  sink.format = format;
  SetPattern(sink.logger, format);
  SetLogLevel(level);
}

void SetLogLevel(LogLevel level) { TheSink().logger.set_level(SpdLevel(level)); }

bool LogEnabled(LogLevel level) { return TheSink().logger.should_log(SpdLevel(level)); }

void Log(LogLevel level, std::string_view message) {
  Sink& sink = TheSink();
  if (!sink.logger.should_log(SpdLevel(level))) return;
  sink.logger.log(SpdLevel(level), Escape(message, sink.format));
}

}  // namespace waypost::base
