#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/process_metrics.h"

namespace waypost::base {
namespace {

class LogTest : public testing::Test {
 protected:
  void TearDown() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }
  // What `message` looks like, without its time.
  static std::string Line(LogLevel level, const std::string& message) {
    testing::internal::CaptureStderr();
    Log(level, message);
    return testing::internal::GetCapturedStderr();
  }
  static std::string WithoutTime(const std::string& line) {
    return line.substr(std::min(line.size(), std::string("2026-01-02T03:04:05.678Z ").size()));
  }
};

TEST_F(LogTest, ALineHasTimeLevelAndMessage) {
  const std::string line = Line(LogLevel::kWarning, "the disk is full");
  EXPECT_EQ(WithoutTime(line), "warning the disk is full\n");
  EXPECT_EQ(line[10], 'T');
  EXPECT_EQ(line[23], 'Z');
}

TEST_F(LogTest, AMessageCannotBeginALineOrDriveATerminal) {
  EXPECT_EQ(WithoutTime(Line(LogLevel::kInfo, "a\nb\r\x1b[31mc\x7f\t")),
            "info a\\nb\\x0d\\x1b[31mc\\x7f\\x09\n");
  EXPECT_EQ(WithoutTime(Line(LogLevel::kInfo, std::string("a\0b", 3))), "info a\\x00b\n");
  EXPECT_EQ(WithoutTime(Line(LogLevel::kInfo,
                             "\xc2\x9b"
                             "31m")),
            "info \\x9b31m\n")
      << "a C1 control";
  EXPECT_EQ(WithoutTime(Line(LogLevel::kInfo, "gr\xc3\xbc\xc3\x9f \xff")),
            "info gr\xc3\xbc\xc3\x9f \\xff\n");
  EXPECT_EQ(WithoutTime(Line(LogLevel::kInfo, "{} %v %n")), "info {} %v %n\n")
      << "no format strings";
}

TEST_F(LogTest, JsonIsOneObjectALine) {
  ConfigureLog(LogLevel::kInfo, LogFormat::kJson);
  const std::string line = Line(LogLevel::kError, "say \"hi\" \\ \n \xff \x01");
  EXPECT_EQ(line.substr(0, 9), "{\"time\":\"");
  EXPECT_EQ(line.substr(line.find(",\"level\"")),
            ",\"level\":\"error\",\"message\":\"say \\\"hi\\\" \\\\ \\n \\ufffd \\u0001\"}\n");
}

TEST_F(LogTest, WhatIsBelowTheLevelIsNotWritten) {
  EXPECT_FALSE(LogEnabled(LogLevel::kDebug));
  EXPECT_EQ(Line(LogLevel::kDebug, "x"), "");
  SetLogLevel(LogLevel::kDebug);
  EXPECT_TRUE(LogEnabled(LogLevel::kDebug));
  EXPECT_EQ(WithoutTime(Line(LogLevel::kDebug, "x")), "debug x\n");
  SetLogLevel(LogLevel::kError);
  EXPECT_EQ(Line(LogLevel::kWarning, "x"), "");
  EXPECT_NE(Line(LogLevel::kError, "x"), "");
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) LogInfo("thread ", t, " ", std::string(200, 'x'));
    });
  }
  for (auto& thread : threads) thread.join();
  const std::string text = testing::internal::GetCapturedStderr();
  int lines = 0;
  for (std::size_t at = 0; at < text.size(); ++lines) {
    const std::size_t end = text.find('\n', at);
    ASSERT_EQ(end - at, std::string("2026-01-02T03:04:05.678Z info thread 0 ").size() + 200);
    at = end + 1;
  }
  EXPECT_EQ(lines, 200);
}

TEST(IsPowerOfTwo, IsTrueForTheCountsWorthALine) {
  std::string seen;
  for (unsigned i = 0; i < 20; ++i) seen += IsPowerOfTwo(i) ? std::to_string(i) + " " : "";
  EXPECT_EQ(seen, "1 2 4 8 16 ");
}

TEST(Metrics, AreRenderedInThePrometheusTextFormat) {
  Metrics metrics;
  const Counter hits = metrics.AddCounter("test_hits_total", "Hits.", {{"code", "200"}});
  const Counter misses = metrics.AddCounter("test_hits_total", "Hits.", {{"code", "404"}});
  const Gauge level = metrics.AddGauge("test_level", "Level.");
  const Histogram seconds = metrics.AddHistogram("test_seconds", "Seconds.", {0.1, 1});
  hits.Add();
  hits.Add(2);
  level.Set(5);
  level.Add(-1.5);
  seconds.Observe(0.5);
  const std::string text = metrics.Render();
  EXPECT_NE(text.find("# HELP test_hits_total Hits.\n# TYPE test_hits_total counter\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("test_hits_total{code=\"200\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("test_hits_total{code=\"404\"} 0\n"), std::string::npos)
      << "there from the start";
  EXPECT_NE(text.find("test_level 3.5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("test_seconds_bucket{le=\"0.1\"} 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("test_seconds_bucket{le=\"1\"} 1\n"), std::string::npos) << text;
  EXPECT_EQ(hits.value(), 3);
  EXPECT_EQ(misses.value(), 0);
  EXPECT_EQ(level.value(), 3.5);
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  metrics.AddCounter("test_total", "Help.").Add();
  const Counter again = metrics.AddCounter("test_total", "Help.");
  again.Add();
  EXPECT_EQ(again.value(), 2);
}

TEST(Metrics, RefreshersRunBeforeEachRendering) {
  Metrics metrics;
  const Gauge gauge = metrics.AddGauge("test_level", "Level.");
  int runs = 0;
  metrics.AddRefresher([&] { gauge.Set(++runs); });
  EXPECT_NE(metrics.Render().find("test_level 1\n"), std::string::npos);
  EXPECT_NE(metrics.Render().find("test_level 2\n"), std::string::npos);
}

TEST(Metrics, AFamilyShowsThoseOfNow) {
  Metrics metrics;
  const GaugeFamily family = metrics.AddGaugeFamily("test_of", "Of each.");
  family.Set({{{{"name", "a"}}, 1}, {{{"name", "b"}}, 2}});
  std::string text = metrics.Render();
  EXPECT_NE(text.find("test_of{name=\"a\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("test_of{name=\"b\"} 2\n"), std::string::npos) << text;
  family.Set({{{{"name", "b"}}, 3}});
  text = metrics.Render();
  EXPECT_EQ(text.find("name=\"a\""), std::string::npos) << text;
  EXPECT_NE(text.find("test_of{name=\"b\"} 3\n"), std::string::npos) << text;
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  Metrics metrics;
  AddProcessMetrics(metrics);
  const auto value = [&](const std::string& name) {
    const std::string text = metrics.Render();
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 100'000);
  EXPECT_GT(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_max_fds"), 10);
  EXPECT_GE(value("process_threads"), 1);
  const double now = static_cast<double>(ToMs(SystemClock().WallNow())) / 1000;
  EXPECT_NEAR(value("process_start_time_seconds"), now, 3600);
  const double open = value("process_open_fds");
  EXPECT_GE(open, 3);
  const int more = dup(0);
  EXPECT_EQ(value("process_open_fds"), open + 1);
  close(more);
}

TEST(Metrics, ADefaultHandleDoesNothing) {
  Counter().Add();
  Gauge().Set(1);
  Histogram().Observe(1);
  EXPECT_EQ(Counter().value(), 0);
  EXPECT_EQ(Gauge().value(), 0);
}

TEST(MetricsDeathTest, ANameThatPrometheusRefusesIsABugOfOurs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Metrics().AddCounter("not a name", ""), "broken invariant");
}

}  // namespace
}  // namespace waypost::base
