#include "service/app_listeners.h"

#include <gtest/gtest.h>

namespace waypost::service {
namespace {

// A player that is paused, a shell whose user reads: their connection is not cut for that.
TEST(AppListeners, AReaderMayStopForAMinuteElsewhereAndTenHere) {
  const http::EngineOptions options = WithWhatAppsNeed({.listener = "app", .writers = 3});
  EXPECT_EQ(options.reader_window, base::Millis(60'000));
  EXPECT_EQ(options.local_reader_window, base::Millis(600'000));
  // What the caller says stays.
  EXPECT_EQ(options.listener, "app");
  EXPECT_EQ(options.writers, 3u);
}

TEST(AppListeners, WhatMayWaitForTheDiskLongHoldsNoWorkerOfThoseThatRead) {
  const http::EngineOptions options = WithWhatAppsNeed({});
  for (const char* method : {"PUT", "POST", "DELETE", "PATCH"}) {
    EXPECT_TRUE(options.changes(method, "/v1/blobs:have")) << method;
  }
  for (const char* method : {"GET", "HEAD"}) {
    EXPECT_FALSE(options.changes(method, "/v1/blobs")) << method;
  }
  EXPECT_TRUE(options.chunked_bodies);
  EXPECT_TRUE(options.request_ids);
}

}  // namespace
}  // namespace waypost::service
