#include "integration/peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "integration/eventually.h"

// One peer as the operator has it: its command line, its process, its files and its API. Whatever
// it says is held against its secrets, and it is ended with the object, however the test went.

namespace waypost::integration {
namespace {

// What every test needs: any free port, peers on loopback, a disk as full as it likes.
const char* const kSettingsOfTests[] = {"--http.listen=127.0.0.1:0", "--peer.listen=127.0.0.1:0",
                                        "--peer.allow_cidr=127.0.0.0/8", "--store.min_free=0"};

// What is longer is a blob.
constexpr std::size_t kTextBytes = std::size_t{1} << 20;

Json Parsed(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

Peer::Peer(std::string program, std::string dir, std::string name)
    : program_(std::move(program)), dir_(std::move(dir)), name_(std::move(name)) {}

Peer::~Peer() {
  process_.Kill();
  secrets_->LearnFolder(dir_);
  secrets_->ExpectNoneIn(Log(), "the log of " + name_);
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(dir_, error)) {
    EXPECT_NE(file.path().filename().string().rfind("core", 0), 0u) << file.path();
  }
}

std::string Peer::Log() const { return ReadWholeFile(dir_ + ".log"); }

absl::Status Peer::Init() {
  const CommandResult result = RunCommand({program_, "init", "--data", dir_, "--name", name_});
  if (result.exit_status != 0) return absl::InternalError("waypost init: " + result.err);
  return absl::OkStatus();
}

absl::Status Peer::Start(const StartOptions& options) {
  ProcessOptions process{.arguments = options.under,
                         .environment = options.environment,
                         .stdout_path = dir_ + ".log",
                         .stderr_path = dir_ + ".log",
                         .file_size_max_bytes = options.file_size_max_bytes,
                         .outlives_us = options.outlives_us,
                         .dir = options.may_dump_core ? dir_ : std::string(),
                         .may_dump_core = options.may_dump_core};
  for (const std::string& word : {program_, std::string("serve"), std::string("--data"), dir_}) {
    process.arguments.push_back(word);
  }
  for (const char* setting : kSettingsOfTests) process.arguments.emplace_back(setting);
  // What the test says comes in place of what every test says.
  const std::vector<std::string>* const both[] = {&settings_, &options.settings};
  for (const std::vector<std::string>* more : both) {
    for (const std::string& setting : *more) {
      const std::string key = setting.substr(0, setting.find('=') + 1);
      std::erase_if(process.arguments, [&](const std::string& given) {
        return given.compare(0, key.size(), key) == 0;
      });
    }
    process.arguments.insert(process.arguments.end(), more->begin(), more->end());
  }
  ASSIGN_OR_RETURN(process_, Process::Spawn(process));
  Json endpoints;
  Eventually(
      [&] {
        endpoints = Parsed(ReadWholeFile(dir_ + "/endpoints.json"));
        const bool ready = endpoints.is_object() && endpoints.value("pid", 0) == process_.pid();
        return ready || !process_.running();
      },
      options.timeout);
  if (!process_.running()) {
    return absl::InternalError(absl::StrCat(name_, " ended with ", *process_.Wait(base::Millis(0)),
                                            " before it was ready: ", LastOf(Log(), 2000)));
  }
  if (!endpoints.is_object() || endpoints.value("pid", 0) != process_.pid()) {
    return absl::DeadlineExceededError(name_ + " is not ready: " + LastOf(Log(), 2000));
  }
  id_ = endpoints.value("peer_id", "");
  peer_address_ = endpoints.value("peer", "");
  std::string token = ReadWholeFile(dir_ + "/api.token");
  while (!token.empty() && token.back() == '\n') token.pop_back();
  http_ = HttpClient(endpoints.value("http", ""), token,
                     [this](const std::string& method, const std::string& target, int status,
                            const std::string& body) {
                       HoldAgainstSecrets(body, absl::StrCat(method, " ", target));
                       // Said this once.
                       if (method == "POST" && status == 201 && target.ends_with("/invites")) {
                         secrets_->LearnInvite(Parsed(body).value("invite", ""));
                       }
                     });
  secrets_->LearnFolder(dir_);
  return absl::OkStatus();
}

std::optional<int> Peer::Stop(base::Millis timeout) {
  process_.Signal(SIGTERM);
  const std::optional<int> status = process_.Wait(timeout);
  if (!status) process_.Kill();
  return status;
}

CommandResult Peer::Run(std::vector<std::string> arguments, const std::string& input) const {
  arguments.insert(arguments.begin(), program_);
  const std::string command = arguments[1];
  CommandResult result = RunCommand(std::move(arguments), {{"WAYPOST_DATA", dir_}}, input);
  secrets_->ExpectNoneIn(result.out, name_ + ": waypost " + command);
  secrets_->ExpectNoneIn(result.err, name_ + ": waypost " + command);
  return result;
}

void Peer::HoldAgainstSecrets(const std::string& said, const std::string& where) const {
  if (said.size() <= kTextBytes) secrets_->ExpectNoneIn(said, name_ + ": " + where);
}

HttpReply Peer::Call(const std::string& method, const std::string& target, const std::string& body,
                     const Headers& headers) const {
  auto reply = http_.Send({.method = method, .target = target, .body = body, .headers = headers});
  if (reply.ok()) return *std::move(reply);
  HttpReply none;
  none.body = reply.status().ToString();
  return none;
}

Json Peer::Get(const std::string& target, int want) const {
  const HttpReply reply = Call("GET", target);
  if (reply.status == want) return Parsed(reply.body);
  std::cerr << name_ << ": GET " << target << ": " << reply.status << " " << LastOf(reply.body, 500)
            << "\n";
  return Json::object();
}

Json Peer::Post(const std::string& target, const Json& body, int want) const {
  const HttpReply reply = Call("POST", target, body.is_null() ? "" : body.dump(),
                               {{"Content-Type", "application/json"}});
  if (reply.status == want) return reply.body.empty() ? Json::object() : Parsed(reply.body);
  std::cerr << name_ << ": POST " << target << ": " << reply.status << " "
            << LastOf(reply.body, 500) << "\n";
  return Json();
}

double Peer::Metric(const std::string& name) const {
  const std::string text = "\n" + Call("GET", "/metrics").body;
  const std::size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  return std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}

std::string WaypostProgram() {
  // Not WAYPOST_...: the program takes such a one for a setting.
  const char* given = std::getenv("TEST_WAYPOST");
  return given != nullptr ? given : WAYPOST_BINARY_BUILT;
}

std::string LastOf(const std::string& text, std::size_t bytes) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

std::string SomeBytes(std::size_t count, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; i += 8) {
    const uint64_t word = engine();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, count - i));
  }
  return bytes;
}

std::string HexOfSha256(std::string_view bytes) { return base::Sha256::Of(bytes).ToHex(); }

}  // namespace waypost::integration
