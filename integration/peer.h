#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "integration/calls.h"
#include "integration/process.h"
#include "integration/secrets.h"

namespace waypost::integration {

using Json = nlohmann::json;

// What a command printed with --json; discarded if that is no JSON.
inline Json Parsed(const CommandResult& result) {
  return Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

struct StartOptions {
  std::vector<std::string> settings;               // "--scan.initial_delay=1s"
  std::map<std::string, std::string> environment;  // WAYPOST_FAULT_POINT
  // Runs the service: a program and its arguments, before ours. It must keep the process's id.
  std::vector<std::string> under;
  uint64_t file_size_max_bytes = 0;
  base::Millis timeout{90'000};
  bool outlives_us = false;
  bool may_dump_core = false;
};

// One waypost as a black box: a data folder, a process, its HTTP API. Ports are picked at the first
// start and kept. A Get that fails answers an empty
// object, a Post null; both say on standard error what came instead.
// One thread, but for the const methods.
class Peer {
 public:
  // `dir` is made by Init.
  Peer(std::string program, std::string dir, std::string name);
  // Holds its log against its secrets, and looks for core files.
  ~Peer();

  const std::string& name() const { return name_; }
  const std::string& dir() const { return dir_; }
  const std::string& id() const { return id_; }
  const std::string& peer_address() const { return peer_address_; }
  const HttpClient& http() const { return http_; }
  Process& process() { return process_; }
  const Secrets& secrets() const { return *secrets_; }
  // What it has logged so far.
  std::string Log() const;

  // waypost init.
  absl::Status Init();
  // waypost serve with the settings of every test, those of `SetSettings`, and `options`; waits
  // until it is ready. An exit before that is an error that holds its last words.
  absl::Status Start(const StartOptions& options = {});
  void SetSettings(std::vector<std::string> settings) { settings_ = std::move(settings); }
  // SIGTERM; its exit status, nullopt if it did not end in time (then it is killed).
  std::optional<int> Stop(base::Millis timeout = base::Millis(60'000));
  void Kill() { process_.Kill(); }
  // A command line with --data; the arguments after the program.
  CommandResult Run(std::vector<std::string> arguments, const std::string& input = {}) const;

  // ---- the app API; `want` is the expected status ----
  HttpReply Call(const std::string& method, const std::string& target, const std::string& body = {},
                 const Headers& headers = {}) const;
  Json Get(const std::string& target, int want = 200) const;
  Json Post(const std::string& target, const Json& body, int want = 200) const;
  // The id; empty when it failed. With a group also referenced there, under the key.
  std::string PutBlob(std::string_view bytes, const std::string& group = {},
                      const std::string& key = {}) const;
  std::string PutFile(const std::string& path, const std::string& group,
                      const std::string& key) const;
  // The status of PUT and DELETE refs/{key}; 0: no answer.
  int SetRef(const std::string& group, const std::string& key, const std::string& blob) const;
  int DeleteRef(const std::string& group, const std::string& key) const;
  std::string CreateGroup(const std::string& name, const std::string& role) const;
  std::string Invite(const std::string& group, int uses = 1) const;
  // The group's id; empty when it failed.
  std::string Join(const std::string& invite, const std::string& role) const;
  bool Has(const std::string& blob) const;
  // The bytes with ?fetch=never; nullopt unless 200.
  std::optional<std::string> Bytes(const std::string& blob) const;
  Json Status() const { return Get("/v1/status"); }
  // The value of a metric by its whole name with labels; -1 when there is none.
  double Metric(const std::string& name) const;

 private:
  // What is longer than a text is not looked through.
  void HoldAgainstSecrets(const std::string& said, const std::string& where) const;

  const std::string program_, dir_, name_;
  std::vector<std::string> settings_;
  std::string id_, peer_address_;
  Process process_;
  HttpClient http_;
  // Of every Call and Run, which are const, and from several threads.
  const std::unique_ptr<Secrets> secrets_ = std::make_unique<Secrets>();
};

// Where the test's program is: TEST_WAYPOST from the environment, else the one built beside it.
std::string WaypostProgram();

// `count` bytes that differ from seed to seed.
std::string SomeBytes(std::size_t count, uint64_t seed);
std::string HexOfSha256(std::string_view bytes);
// The end of a long text.
std::string LastOf(const std::string& text, std::size_t bytes);

}  // namespace waypost::integration
