#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <string>

#include "http/app/json_render.h"
#include "http/engine/engine.h"
#include "service/cli/commands.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

// One that waits for nothing, whatever it was asked to.
TEST(WaitComplete, AsksAServiceThatAnswersAtOnceAFewTimesASecond) {
  const base::TempDir folder;
  std::ofstream(folder / "endpoints.json")
      << R"({"http": "127.0.0.1:1", "peer": "127.0.0.1:1", "peer_id": "x", "version": "x", "pid": 1})";
  std::atomic<int> calls{0};
  http::Engine service(
      {.listener = "control", .address = folder / "control.sock", .workers = 2, .owner_only = true},
      [&](http::Request&) {
        ++calls;
        return http::JsonResponse({{"complete", false}, {"because", "wanted"}});
      },
      [](const http::Request&) { return std::string("complete"); });
  ASSERT_TRUE(service.Start().ok());
  const auto client = Client::Connect(folder.path());
  ASSERT_TRUE(client.ok()) << client.status();
  testing::internal::CaptureStdout();
  const Exit exit = WaitComplete({.data = folder.path(), .json = true}, **client,
                                 {.timeout = base::Millis(1'000)});
  testing::internal::GetCapturedStdout();
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_EQ(*exit, kExitNotComplete);
  EXPECT_GE(calls, 2);
  EXPECT_LE(calls, 15);
}

}  // namespace
}  // namespace waypost::service
