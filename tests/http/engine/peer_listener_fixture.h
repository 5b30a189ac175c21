#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/metrics.h"
#include "base/status.h"
#include "http/engine/engine.h"
#include "http/tls/tls_peer.h"
#include "tests/fakes/gate.h"

namespace waypost::http {

// A listener for peers, with a handler that can hold who asks at a gate.
class PeerListenerTest : public testing::Test {
 protected:
  PeerListenerTest() {
    CHECK(base::InitCrypto());
    options_.listener = "peer";
    options_.address = "127.0.0.1:0";
    options_.tls = *PeerTls::Create(*identity_);
    options_.peers = true;
    options_.metrics = &metrics_;
  }
  // The engine asks the test that derives from this one, and ends before it does.
  void TearDown() override {
    gate_.Open();
    if (engine_ != nullptr) engine_->Shutdown(base::Millis(2000));
  }
  void Listen() {
    engine_ = std::make_unique<Engine>(
        options_, [this](Request& request) { return Handle(request); },
        [](const Request&) { return std::string("any"); });
    ASSERT_TRUE(engine_->Start().ok());
  }
  virtual Response Handle(Request& request) = 0;
  double Rejected(const std::string& reason) {
    return metrics_
        .AddCounter("waypost_http_rejected_total", "", {{"listener", "peer"}, {"reason", reason}})
        .value();
  }

  const std::unique_ptr<base::Identity> identity_ = base::Identity::Generate();
  base::Metrics metrics_;
  EngineOptions options_;
  base::Gate gate_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace waypost::http
