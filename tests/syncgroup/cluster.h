#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "syncgroup/protocol/peer_client.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/sync/peer_service.h"
#include "syncgroup/sync/syncer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/support/eventually.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {

// The time of the world, on a wall clock that somebody has set.
class ShiftedClock final : public base::Clock {
 public:
  explicit ShiftedClock(const base::Clock& world) : world_(world) {}
  base::WallTime WallNow() const override {
    return world_.WallNow() + base::Millis(shift_ms_.load());
  }
  base::SteadyTime SteadyNow() const override { return world_.SteadyNow(); }
  bool WaitUntil(base::CondVar& changed, base::Mutex& mutex,
                 base::SteadyTime deadline) const override EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return world_.WaitUntil(changed, mutex, deadline);
  }
  void Shift(base::Millis by) { shift_ms_ += by.count(); }

 private:
  const base::Clock& world_;
  std::atomic<int64_t> shift_ms_{0};
};

// The time that all nodes share, and who answers at which address. Calls go through the codecs, as
// they would over a socket.
class Wire {
 public:
  // Comes about by what the threads do, without any time passing.
  bool AtOnce(absl::FunctionRef<bool()> condition) { return support::Eventually(condition); }
  // Comes about as time goes on; ten minutes are a generous limit: rounds come every two seconds.
  bool InTime(absl::FunctionRef<bool()> condition) { return clock.AdvanceUntil(condition); }

  void Attach(const std::string& address, PeerService* service) {
    base::MutexLock lock(mutex_);
    services_[address] = service;
  }
  // Waits until nobody is inside.
  void Detach(const std::string& address) {
    base::MutexLock lock(mutex_);
    services_.erase(address);
    while (inside_[address] > 0) left_.Wait(mutex_);
  }

  template <class Result, class Call>
  absl::StatusOr<Result> At(const Endpoint& to, Call call) {
    for (const std::string& address : to.addresses) {
      PeerService* service = nullptr;
      {
        base::MutexLock lock(mutex_);
        const auto it = services_.find(address);
        if (it == services_.end()) continue;
        service = it->second;
        ++inside_[address];
      }
      absl::StatusOr<Result> result = call(*service);
      base::MutexLock lock(mutex_);
      --inside_[address];
      left_.NotifyAll();
      return result;
    }
    return absl::UnavailableError("nobody answers");
  }

  base::FakeClock clock;

 private:
  base::Mutex mutex_;
  base::CondVar left_;
  std::map<std::string, PeerService*> services_ GUARDED_BY(mutex_);
  std::map<std::string, int> inside_ GUARDED_BY(mutex_);
};

class WireClient final : public PeerClient {
 public:
  WireClient(const base::PeerId& self, Wire& wire) : self_(self), wire_(wire) {}

  absl::StatusOr<HelloReply> Hello(const Endpoint& to, const HelloRequest& request,
                                   std::stop_token) override {
    return wire_.At<HelloReply>(to, [&](PeerService& at) -> absl::StatusOr<HelloReply> {
      ASSIGN_OR_RETURN(const auto sent, DecodeHelloRequest(*EncodeHelloRequest(request)));
      ASSIGN_OR_RETURN(const auto reply, at.Hello(self_, sent));
      return DecodeHelloReply(*EncodeHelloReply(reply));
    });
  }
  absl::StatusOr<SyncReply> Sync(const Endpoint& to, const SyncRequest& request,
                                 std::stop_token) override {
    return wire_.At<SyncReply>(to, [&](PeerService& at) -> absl::StatusOr<SyncReply> {
      ASSIGN_OR_RETURN(const auto sent, DecodeSyncRequest(*EncodeSyncRequest(request)));
      ASSIGN_OR_RETURN(const auto reply, at.Sync(self_, sent));
      return DecodeSyncReply(*EncodeSyncReply(reply));
    });
  }
  absl::Status Poke(const Endpoint& to, const PokeRequest& request, std::stop_token) override {
    const auto result = wire_.At<bool>(to, [&](PeerService& at) -> absl::StatusOr<bool> {
      ASSIGN_OR_RETURN(const auto sent, DecodePokeRequest(EncodePokeRequest(request)));
      RETURN_IF_ERROR(at.Poke(self_, sent));
      return true;
    });
    return result.status();
  }
  absl::StatusOr<JoinReply> Join(const Endpoint& to, const JoinRequest& request,
                                 std::stop_token) override {
    return wire_.At<JoinReply>(to, [&](PeerService& at) -> absl::StatusOr<JoinReply> {
      ASSIGN_OR_RETURN(const auto sent, DecodeJoinRequest(EncodeJoinRequest(request)));
      ASSIGN_OR_RETURN(const auto reply, at.Join(self_, sent));
      return DecodeJoinReply(*EncodeJoinReply(reply));
    });
  }
  absl::StatusOr<HeldReply> Held(const Endpoint& to, const HeldRequest& request,
                                 std::stop_token) override {
    return wire_.At<HeldReply>(to, [&](PeerService& at) -> absl::StatusOr<HeldReply> {
      ASSIGN_OR_RETURN(const auto sent, DecodeHeldRequest(EncodeHeldRequest(request)));
      ASSIGN_OR_RETURN(const auto reply, at.Held(self_, sent));
      return DecodeHeldReply(EncodeHeldReply(reply));
    });
  }

 private:
  const base::PeerId self_;
  Wire& wire_;
};

// A node that can be started and stopped, on a data folder of its own.
class ClusterNode {
 public:
  struct Options {
    uint64_t number = 0;          // the peer
    std::string address;          // empty: from the number
    base::Millis interval{2000};  // of rounds
  };
  ClusterNode(Wire& wire, Options options)
      : clock(wire.clock),
        wire_(wire),
        options_(options),
        address_(options.address.empty() ? "at:" + std::to_string(options.number)
                                         : options.address) {
    Start();
  }
  ~ClusterNode() { Stop(); }

  void Start() {
    client_ = std::make_unique<WireClient>(PeerNumber(options_.number), wire_);
    node_ = std::make_unique<TestNode>(PeerNumber(options_.number), dir_.path(), clock,
                                       client_.get(), SyncerOptions{.interval = options_.interval});
    node_->addresses = {address_};
    syncer().Start();
    wire_.Attach(address_, node_->parts.peer_service.get());
  }
  void Stop() {
    if (node_ == nullptr) return;
    wire_.Detach(address_);
    node_.reset();
    client_.reset();
  }
  // The data folder as it is now, or as it was then: the node must be stopped.
  void CopyTo(const std::string& folder) const {
    std::filesystem::remove_all(folder);
    std::filesystem::copy(dir_.path(), folder, std::filesystem::copy_options::recursive);
  }
  void RestoreFrom(const std::string& folder) {
    std::filesystem::remove_all(dir_.path());
    std::filesystem::copy(folder, dir_.path(), std::filesystem::copy_options::recursive);
  }
  void Wipe() {
    std::filesystem::remove_all(dir_.path());
    std::filesystem::create_directories(dir_.path());
  }

  TestNode& node() { return *node_; }
  syncgroup::Groups& groups() { return *node_->groups; }
  syncgroup::Refs& refs() { return *node_->refs; }
  syncgroup::Invites& invites() { return *node_->invites; }
  Syncer& syncer() { return *node_->parts.syncer; }
  const base::PeerId& self() const { return node_->self; }

  base::GroupId Create(const std::string& name, Role role = Role::kNormal) {
    auto info = groups().Create({.name = name, .role = role, .duplicate = true});
    CHECK(info.ok());
    return info->id;
  }
  absl::Status JoinAt(ClusterNode& inviter, const base::GroupId& group, Role role = Role::kNormal,
                      Authority authority = Authority::kWriter) {
    ASSIGN_OR_RETURN(const Invite invite,
                     inviter.invites().Create(group, {.authority = authority}));
    return JoinWith(invite, role).status();
  }
  absl::StatusOr<GroupInfo> JoinWith(const Invite& invite, std::optional<Role> role) {
    base::Mutex mutex;
    base::CondVar told;
    std::optional<absl::StatusOr<GroupInfo>> result;
    syncer().Join(invite, role, [&](absl::StatusOr<GroupInfo> info) {
      base::MutexLock lock(mutex);
      result = std::move(info);
      told.NotifyAll();
    });
    base::MutexLock lock(mutex);
    while (!result) told.Wait(mutex);
    return *std::move(result);
  }
  absl::Status Set(const base::GroupId& group, const std::string& key, const std::string& content) {
    return refs().Change(group, {{key, BlobOf(content)}});
  }
  // "key=<first digits of the blob> ..." of all references.
  std::string RefsOf(const base::GroupId& group) {
    const auto found = refs().List(group, "", "", 100000);
    if (!found.ok()) return found.status().ToString();
    std::string all;
    for (const Ref& ref : *found) all += ref.key + "=" + ref.blob.ToHex().substr(0, 8) + " ";
    return all;
  }
  bool Has(const base::GroupId& group, const std::string& key, const std::string& content) {
    const auto ref = refs().Get(group, key);
    return ref.ok() && ref->blob == BlobOf(content);
  }

  ShiftedClock clock;

 private:
  Wire& wire_;
  const Options options_;
  const std::string address_;
  TempDir dir_;
  std::unique_ptr<WireClient> client_;
  std::unique_ptr<TestNode> node_;
};

}  // namespace waypost::syncgroup
