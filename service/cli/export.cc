#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/commands.h"
#include "service/cli/download.h"
#include "service/cli/print.h"
#include "service/cli/progress.h"
#include "service/cli/tree_writer.h"

// Writing a group's references as files. A file that already has the blob's bytes is left alone,
// one with others is only overwritten when asked; what fails is named and does not keep the others
// from being written.

namespace waypost::service {
namespace {

// For each blob that is not here.
constexpr base::Millis kWait{30'000};

struct Ref {
  std::string key;
  base::BlobId blob;
  uint64_t size = 0;
};

absl::StatusOr<std::vector<Ref>> RefsOf(Client& client, const std::string& group,
                                        const std::string& prefix) {
  std::vector<Ref> refs;
  RETURN_IF_ERROR(client.ForEach(
      GroupPath(group, "/refs?prefix=" + http::EscapeSegment(prefix)),
      [&](const Json& item) -> absl::Status {
        const auto blob = base::BlobId::FromHex(TextOf(item, "blob"));
        if (!blob) return absl::DataLossError("the service answered with a bad blob id");
        refs.push_back({.key = TextOf(item, "key"), .blob = *blob, .size = NumberOf(item, "size")});
        return absl::OkStatus();
      }));
  return refs;
}

}  // namespace

Exit Export(const Common& common, Client& client, const ExportArgs& args) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  std::vector<Ref> refs;
  ASSIGN_OR_RETURN(refs, RefsOf(client, group, args.prefix));
  std::unique_ptr<TreeWriter> tree;
  ASSIGN_OR_RETURN(tree, TreeWriter::Open(args.dir));

  uint64_t written = 0, skipped = 0, failed = 0, bytes = 0, total = 0;
  for (const Ref& ref : refs) total += ref.size;
  Progress progress("export");
  for (const Ref& ref : refs) {
    uint64_t told = 0;
    Download download({.blob = ref.blob, .wait = kWait},
                      {.ask = [&](const auto& call) { return client.Any(call); },
                       .show =
                           [&](uint64_t got, uint64_t, const std::string& state) {
                             bytes += got - told;
                             told = got;
                             progress.Show(
                                 bytes, total,
                                 absl::StrCat(written + skipped, " of ", refs.size(), " files",
                                              state.empty() ? "" : ", ", state));
                           }});
    const auto fill = [&](uint64_t from, Take take) {
      told = from;
      return download.Run(from, take);
    };
    auto holds = tree->Holds(ref.key, ref.blob);
    if (holds.ok() && *holds) {
      ++skipped;
      total -= std::min(total, ref.size);
      continue;
    }
    const absl::Status status =
        holds.ok() ? tree->Write(ref.key, ref.blob, {.force = args.force, .resume = true}, fill)
                   : holds.status();
    if (status.ok()) {
      ++written;
      continue;
    }
    ++failed;
    PrintError(absl::StrCat(ref.key, ": ", std::string(status.message())));
    if (ExitOf(status) == kExitNotReachable) return status;
  }
  progress.Finish();
  if (common.json) {
    PrintJson({{"written", written}, {"skipped", skipped}, {"failed", failed}, {"bytes", bytes}});
  } else {
    PrintLine(absl::StrCat(written, " written (", base::HumanSize(bytes), "), ", skipped,
                           " were equal, ", failed, " failed"));
  }
  return failed == 0 ? kExitOk : kExitError;
}

}  // namespace waypost::service
