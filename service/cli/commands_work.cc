#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/cli/progress.h"

// Commands that change what the service does of its own accord: trying again, giving up, scanning,
// pausing. What is paused stays so over a restart.

namespace waypost::service {
namespace {

// Between two looks at a scan that runs.
constexpr base::Millis kScanLook{100};

std::string WantedPath(const std::string& id, const char* rest) {
  return absl::StrCat("/v1/wanted/", http::EscapeSegment(id), rest);
}

}  // namespace

Exit Retry(const Common& common, Client& client, const std::vector<std::string>& what) {
  std::string target = "/v1/wanted:retry";
  if (!what.empty()) {
    std::string id;
    ASSIGN_OR_RETURN(id, client.ResolveBlob(what));
    target = WantedPath(id, "/retry");
  }
  Json moved;
  ASSIGN_OR_RETURN(moved, client.Send("POST", target, nullptr));
  if (common.json) {
    PrintJson(moved);
  } else {
    PrintLine(absl::StrCat(NumberOf(moved, "moved"), " moved"));
  }
  return kExitOk;
}

Exit Stop(const Common& common, Client& client, const std::vector<std::string>& what) {
  std::string id;
  ASSIGN_OR_RETURN(id, client.ResolveBlob(what));
  RETURN_IF_ERROR(client.Send("DELETE", WantedPath(id, ""), nullptr).status());
  if (common.json) PrintJson({{"blob", id}, {"stopped", true}});
  return kExitOk;
}

Exit Scan(const Common& common, Client& client, bool wait) {
  const base::WallTime asked = base::SystemClock().WallNow();
  Json begun;
  ASSIGN_OR_RETURN(begun, client.Send("POST", "/v1/scan", nullptr));
  if (!wait) {
    if (common.json) PrintJson(begun);
    return kExitOk;
  }
  Progress progress("scan");
  while (true) {
    Json scan;
    ASSIGN_OR_RETURN(scan, client.Get("/v1/scan"));
    const Json last = scan.contains("last") ? scan["last"] : Json();
    const auto started = base::ParseTime(TextOf(last, "started"));
    if (started && *started >= asked) {
      progress.Finish();
      PrintObject(common.json, last);
      return kExitOk;
    }
    if (TextOf(scan, "paused") == "true") {
      return absl::FailedPreconditionError(
          "scans are paused, so none begins: waypost resume scan; it was asked for and comes then");
    }
    progress.Show(
        0, 0,
        "rows so far " + TextOf(scan.contains("running") ? scan["running"] : Json(), "rows", "0"));
    base::WaitUntil(base::SteadyNow() + kScanLook);
  }
}

Exit Pause(const Common& common, Client& client, const std::string& kind,
           const std::string& how_long) {
  Json body = {{"kind", kind}};
  if (!how_long.empty()) body["for"] = how_long;
  RETURN_IF_ERROR(client.Send("POST", "/v1/pause", body).status());
  if (common.json) {
    body["paused"] = true;
    PrintJson(body);
  }
  return kExitOk;
}

Exit Resume(const Common& common, Client& client, const std::string& kind) {
  RETURN_IF_ERROR(client.Send("POST", "/v1/resume", {{"kind", kind}}).status());
  if (common.json) PrintJson({{"kind", kind}, {"paused", false}});
  return kExitOk;
}

}  // namespace waypost::service
