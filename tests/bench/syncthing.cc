#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "integration/calls.h"
#include "integration/eventually.h"
#include "integration/peer.h"
#include "tests/bench/copiers.h"
#include "tests/bench/meter.h"
#include "tests/bench/web_servers.h"

// Two instances of syncthing on loopback, set up through its files and its API, which know each
// other and nobody else. They are connected before the clock starts.

namespace waypost::bench {
namespace {

using integration::HttpClient;
using integration::Json;
using integration::Process;

constexpr const char* kProgram = "/usr/bin/syncthing";
constexpr const char* kApiKey = "bench";
constexpr base::Millis kReady{60'000};
constexpr base::Millis kCopied{900'000};

// One syncthing on loopback that knows one other and nobody else.
class Instance {
 public:
  explicit Instance(std::string home) : home_(std::move(home)) {}
  ~Instance() { End(); }

  absl::Status Generate() {
    const auto made =
        integration::RunCommand({kProgram, "generate", "--home=" + home_, "--no-default-folder"});
    if (made.exit_status != 0) return absl::InternalError("syncthing generate: " + made.err);
    const auto id = integration::RunCommand({kProgram, "--device-id", "--home=" + home_});
    id_ = id.out.substr(0, id.out.find('\n'));
    listen_ = absl::StrCat("127.0.0.1:", FreePort());
    gui_ = absl::StrCat("127.0.0.1:", FreePort());
    return absl::OkStatus();
  }
  // `folder` is offered (`sends`) or filled; paused until Unpause.
  absl::Status Start(const Instance& other, const std::string& folder, bool sends) {
    const auto device = [](const Instance& one, const std::string& address) {
      return absl::StrCat("<device id=\"", one.id_, "\" compression=\"never\"><address>", address,
                          "</address></device>\n");
    };
    integration::WriteWholeFile(
        home_ + "/config.xml",
        absl::StrCat(
            "<configuration version=\"35\">\n<folder id=\"f\" label=\"f\" path=\"", folder,
            "\" type=\"", sends ? "sendonly" : "receiveonly",
            "\" rescanIntervalS=\"3600\" fsWatcherEnabled=\"false\" autoNormalize=\"false\">",
            "<device id=\"", id_, "\"/><device id=\"", other.id_, "\"/><paused>",
            sends ? "false" : "true", "</paused></folder>\n", device(*this, "dynamic"),
            device(other, "tcp://" + other.listen_),
            "<gui enabled=\"true\" tls=\"false\"><address>", gui_, "</address><apikey>", kApiKey,
            "</apikey></gui>\n<options><listenAddress>tcp://", listen_,
            "</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>"
            "<localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled>"
            "<natEnabled>false</natEnabled><reconnectionIntervalS>1</reconnectionIntervalS>"
            "<urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH>"
            "<crashReportingEnabled>false</crashReportingEnabled>"
            "<startBrowser>false</startBrowser></options>\n</configuration>\n"));
    ASSIGN_OR_RETURN(
        process_,
        Process::Spawn(
            {.arguments = {kProgram, "serve", "--home=" + home_, "--no-browser", "--no-restart",
                           "--no-upgrade"},
             .environment = {{"STNOUPGRADE", "1"}, {"STMONITORED", "yes"}, {"HOME", home_}},
             .stdout_path = home_ + "/log",
             .stderr_path = home_ + "/log"}));
    const bool up = integration::Eventually(
        [&] { return Get("/rest/system/ping").is_object() || !process_.running(); }, kReady);
    if (up && process_.running()) return absl::OkStatus();
    return absl::InternalError(
        "syncthing: " + integration::LastOf(integration::ReadWholeFile(home_ + "/log"), 500));
  }
  void End() {
    process_.Signal(SIGTERM);
    process_.Wait(base::Millis(20'000));
  }

  bool Connected(const Instance& other) const {
    const Json all = Get("/rest/system/connections").value("connections", Json::object());
    return all.contains(other.id_) && all[other.id_].value("connected", false);
  }
  bool Unpause() const {
    const auto reply = HttpClient(gui_, "").Send({.method = "PATCH",
                                                  .target = "/rest/config/folders/f",
                                                  .body = "{\"paused\":false}",
                                                  .headers = {{"X-API-Key", kApiKey}}});
    return reply.ok() && reply->status == 200;
  }
  // All of it is here.
  bool Holds(std::size_t files) const {
    const Json status = Get("/rest/db/status?folder=f");
    return status.value("state", "") == "idle" && status.value("localFiles", 0u) == files &&
           status.value("needFiles", 1u) == 0;
  }
  int pid() const { return process_.pid(); }

 private:
  Json Get(const std::string& target) const {
    const auto reply =
        HttpClient(gui_, "").Send({.target = target, .headers = {{"X-API-Key", kApiKey}}});
    if (!reply.ok() || reply->status != 200) return Json();
    return Json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
  }

  const std::string home_;
  std::string id_, listen_, gui_;
  Process process_;
};

class Syncthing final : public Copier {
 public:
  explicit Syncthing(std::string work) : work_(std::move(work)) {}
  std::string name() const override { return "syncthing"; }
  absl::Status Offer(const std::string& folder) override {
    folder_ = folder;
    files_ = FilesOf(folder).size();
    return absl::OkStatus();
  }
  // Both begin anew, because the sender must know whom it sends to. From the moment when the
  // receiver, connected, is let go.
  absl::StatusOr<Cost> Copy(const std::string& to) override {
    std::filesystem::create_directories(to);
    std::filesystem::create_directories(folder_ + "/.stfolder");
    std::filesystem::create_directories(to + "/.stfolder");
    Instance sender(absl::StrCat(work_, "/syncthing-", ++copies_, "-from"));
    Instance receiver(absl::StrCat(work_, "/syncthing-", copies_, "-to"));
    for (Instance* one : {&sender, &receiver}) RETURN_IF_ERROR(one->Generate());
    RETURN_IF_ERROR(sender.Start(receiver, folder_, /*sends=*/true));
    RETURN_IF_ERROR(receiver.Start(sender, to, /*sends=*/false));
    if (!integration::Eventually([&] { return sender.Holds(files_) && receiver.Connected(sender); },
                                 kReady)) {
      return absl::InternalError("the two syncthings did not meet");
    }
    const Meter meter({sender.pid(), receiver.pid()});
    if (!receiver.Unpause()) return absl::InternalError("syncthing did not go on");
    if (!integration::Eventually([&] { return receiver.Holds(files_); }, kCopied)) {
      return absl::DeadlineExceededError("syncthing");
    }
    RETURN_IF_ERROR(SyncFileSystem(to));
    Cost cost = meter.End();
    cost.peak_bytes = PeakBytes(receiver.pid());
    return cost;
  }

 private:
  const std::string work_;
  int copies_ = 0;
  std::string folder_;
  std::size_t files_ = 0;
};

}  // namespace

std::unique_ptr<Copier> NewSyncthing(const std::string& work) {
  return std::make_unique<Syncthing>(work);
}

}  // namespace waypost::bench
