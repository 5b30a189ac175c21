#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/short_id.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/data_dir.h"
#include "service/service.h"
#include "service/unusable.h"
#include "service/version.h"

// Commands that make a data folder, run the service and check a configuration. Signals are blocked
// before any thread starts, so that the main thread alone takes them; a second one ends the process
// at once, which loses nothing that was acknowledged.

extern char** environ;

namespace waypost::service {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// A second signal does not wait for a clean end.
extern "C" void EndAtOnce(int number) { _exit(128 + number); }

void EndAtOnceOnStopSignals() {
  struct sigaction action {};
  action.sa_handler = EndAtOnce;
  for (const int number : {SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// Before any thread starts: all inherit the mask, so that only the main thread takes signals.
void PrepareSignals() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  // A write beyond a limit or to a closed connection is an error where it happens, no end of the
  // process.
  for (const int number : {SIGPIPE, SIGXFSZ}) sigaction(number, &ignore, nullptr);
  sigset_t set = StopSignals();
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

absl::StatusOr<ServiceOptions> OptionsOf(const Common& common, const ServeArgs& args) {
  ServiceOptions options{.data_dir = common.data,
                         .config_file = args.config_file,
                         .new_index = args.new_index,
                         .may_enter_sandbox = true};
  ASSIGN_OR_RETURN(options.environment, Unusable(LayerFromEnvironment(environ)));
  ASSIGN_OR_RETURN(options.command_line, Unusable(LayerFromCommandLine(args.settings)));
  return options;
}

// Only where nothing of a waypost is: a folder that has lost its key or its index is refused.
absl::Status InitWhereThereIsNone(const Common& common) {
  const auto fs = base::NewPosixFileSystem();
  ASSIGN_OR_RETURN(const auto key, fs->Stat(common.data + "/identity.key"));
  if (key) return absl::OkStatus();
  RETURN_IF_ERROR(DataDir::Init(*fs, common.data, TemplateToml({})));
  base::LogInfo("a new data folder was made: ", common.data);
  return absl::OkStatus();
}

}  // namespace

Exit Init(const Common& common, const InitArgs& args) {
  if (!base::InitCrypto()) return absl::InternalError("the crypto library does not start");
  Layer values;
  const auto add = [&](const char* key, const char* flag, const std::vector<std::string>& items) {
    if (!items.empty() && !items[0].empty()) values[key] = RawValue{.items = items, .where = flag};
  };
  add("node.name", "--name", {args.name});
  add("http.listen", "--listen", {args.listen});
  add("peer.listen", "--peer-listen", {args.peer_listen});
  add("peer.advertise", "--advertise", args.advertise);
  const auto checked = Resolve({.command_line = values});
  if (!checked.ok()) return UsageError(std::string(checked.status().message()));
  const auto fs = base::NewPosixFileSystem();
  RETURN_IF_ERROR(DataDir::Init(*fs, common.data, TemplateToml(values)));
  std::unique_ptr<base::Identity> identity;
  ASSIGN_OR_RETURN(identity, base::Identity::Load(common.data + "/identity.key"));
  const std::string peer = identity->peer_id().ToHex();
  if (common.json) {
    PrintJson(
        {{"data", common.data}, {"peer", peer}, {"short", base::ShortId(identity->peer_id())}});
  } else {
    PrintLine(absl::StrCat("peer ", peer));
    PrintLine(absl::StrCat("short ", base::ShortId(identity->peer_id())));
    PrintLine(absl::StrCat("settings ", common.data, "/waypost.toml"));
    PrintLine(absl::StrCat("start it with: waypost serve --data ", common.data));
  }
  return kExitOk;
}

Exit Serve(const Common& common, const ServeArgs& args) {
  PrepareSignals();
  // What is in memory, the identity among it, is for nobody else of this user, and no core file.
  prctl(PR_SET_DUMPABLE, 0);
  if (!base::InitCrypto()) return absl::InternalError("the crypto library does not start");
  if (const char* setting = std::getenv("WAYPOST_FAULT_POINT");
      setting != nullptr && *setting != '\0') {
    RETURN_IF_ERROR(Unusable(base::EnableFaultPoints(setting)));
    base::LogWarning("this process will end itself on purpose: WAYPOST_FAULT_POINT=", setting);
  }
  ServiceOptions options;
  ASSIGN_OR_RETURN(options, OptionsOf(common, args));
  if (args.init) RETURN_IF_ERROR(InitWhereThereIsNone(common));
  std::unique_ptr<Service> service;
  ASSIGN_OR_RETURN(service, Service::Create(options));
  RETURN_IF_ERROR(service->Start());
  sigset_t set = StopSignals();
  sigaddset(&set, SIGHUP);
  int number = 0;
  do {
    if (sigwait(&set, &number) != 0) number = SIGTERM;
    // What was no good is in the log.
    if (number == SIGHUP) service->Reload().IgnoreError();
  } while (number == SIGHUP);
  base::LogInfo("stopping: ", strsignal(number), "; a second signal ends at once");
  EndAtOnceOnStopSignals();
  service->Shutdown();
  return kExitOk;
}

Exit Version(const Common& common) {
  if (common.json) {
    PrintJson({{"version", kVersion}});
  } else {
    PrintLine(absl::StrCat("waypost ", kVersion));
  }
  return kExitOk;
}

}  // namespace waypost::service
