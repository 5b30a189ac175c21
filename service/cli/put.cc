#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/cli/put_counts.h"
#include "service/cli/put_run.h"
#include "service/cli/put_sources.h"

// The command `put`: what it is called with, and what it says of what came of it. A line for each
// file goes to standard output, and for whole folders a closing line.

namespace waypost::service {
namespace {

absl::Status CheckArgs(const PutArgs& args) {
  if (args.group.empty() && (!args.key.empty() || !args.prefix.empty())) {
    return UsageError("--key and --prefix need --group");
  }
  if (!args.key.empty() && (args.paths.size() != 1 || args.recursive)) {
    return UsageError("--key is for one file; use --prefix for several");
  }
  if (!args.recursive && (!args.excludes.empty() || args.no_default_excludes || args.follow)) {
    return UsageError("--exclude, --no-default-excludes and --follow are for folders: use -r");
  }
  return absl::OkStatus();
}

// Two files under one key would silently keep the later one.
absl::Status CheckKeys(const std::vector<PutItem>& items) {
  std::map<std::string, std::string> by_key;
  for (const PutItem& item : items) {
    if (item.key.empty()) continue;
    const auto added = by_key.emplace(item.key, item.path);
    if (!added.second) {
      return absl::InvalidArgumentError(absl::StrCat("the key \"", item.key, "\" is of both ",
                                                     added.first->second, " and ", item.path));
    }
  }
  return absl::OkStatus();
}

Json ResultJson(const PutItem& item, const PutResult& result) {
  Json json = {{"path", item.path},
               {"id", result.blob.ToHex()},
               {"size", result.size},
               {"created", result.created},
               {"sent", result.sent}};
  if (!item.key.empty()) json["key"] = item.key;
  return json;
}

void Add(const PutResult& result, PutCounts& counts) {
  ++counts.put;
  counts.bytes += result.size;
  if (!result.sent) return;
  ++counts.sent;
  counts.bytes_sent += result.size;
}

}  // namespace

std::string ClosingLine(const PutCounts& counts, bool dry_run) {
  std::string line = absl::StrCat(
      counts.put, counts.put == 1 ? " file" : " files", dry_run ? " would be put (" : " put (",
      base::HumanSize(counts.bytes), "): ", counts.sent, dry_run ? " to be sent (" : " sent (",
      base::HumanSize(counts.bytes_sent), "), ", counts.put - counts.sent, " already here, ",
      counts.excluded, " excluded, ", counts.failed, " failed");
  if (counts.others_left_out != 0) {
    absl::StrAppend(&line, ", ", counts.others_left_out, " left out");
  }
  return line;
}

Exit Put(const Common& common, Client& client, const PutArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  std::string group;
  if (!args.group.empty()) {
    ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  }
  PutSources found;
  ASSIGN_OR_RETURN(found, CollectSources(args, common.data));
  RETURN_IF_ERROR(CheckKeys(found.items));
  PutRun run(std::move(found.items), group, args.dry_run, args.quiet);
  run.Run(client);

  PutCounts counts{.excluded = found.excluded, .others_left_out = found.others};
  absl::Status first_error;
  uint64_t failed = 0;
  Json list = Json::array();
  for (std::size_t i = 0; i < run.items().size(); ++i) {
    const auto& result = run.results()[i];
    const std::string& path = run.items()[i].path;
    if (!result.ok()) {
      ++failed;
      if (absl::IsCancelled(result.status())) continue;
      if (first_error.ok()) first_error = result.status();
      PrintError(absl::StrCat(path, ": ", std::string(result.status().message())));
      continue;
    }
    Add(*result, counts);
    if (common.json) {
      list.push_back(ResultJson(run.items()[i], *result));
    } else if (!args.quiet) {
      PrintLine(absl::StrCat(result->blob.ToHex(), "  ", path));
    }
  }
  if (common.json) PrintJson(list);
  counts.failed = failed + found.unreadable;
  if (!common.json && !args.quiet && (args.recursive || args.dry_run)) {
    PrintLine(ClosingLine(counts, args.dry_run));
  }
  if (!group.empty()) {
    if (const auto info = client.Get(GroupPath(group)); info.ok()) SayWithoutServer(*info);
  }
  if (ExitOf(first_error) == kExitNotReachable) return first_error;
  if (counts.failed == 0) return kExitOk;
  return absl::AbortedError(absl::StrCat(failed, " of ", run.items().size(), " were not put, ",
                                         found.unreadable, " left out, for they cannot be read"));
}

}  // namespace waypost::service
