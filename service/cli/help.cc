#include "service/cli/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

// Help texts that belong to many commands, the examples, and what is said about a wrong word: what
// exists that is spelled like it.

namespace waypost::service {
namespace {

using base::Abs;

constexpr std::size_t kNearestMax = 3;

// Of words that mean the same wherever they stand.
const std::map<std::string, std::string>& TextsOfWords() {
  static const auto* const texts = new std::map<std::string, std::string>{
      {"GROUP", "a group's id, or its name where no other here has it"},
      {"--group", "a group's id, or its name where no other here has it"},
      {"KEY", "of a reference: a path such as 2026/a.jpg"},
      {"ID", "a blob's id, at least the first 8 digits of it; or GROUP and KEY of a reference"},
      {"NAME", "of a token: letters, digits, dots, dashes"},
      {"INVITE", "as \"group invite\" printed it"},
      {"DIR", "a folder; it is made where it is not there"},
      {"AUTHORITY", "admin, writer or reader"},
      {"--authority", "admin, writer or reader (default writer)"},
      {"--prefix", "only keys that begin so (default: all)"},
      {"--name", "what people call the group"},
      {"--description", "a sentence about the group"},
      {"--public", "who knows the group's id may read (default: members only)"},
      {"--uses", "how many may join with it (default 1)"},
      {"--servers", "how many servers must have it (default 1)"},
      {"--state", "only those: due, waiting, fetching, parked or stopped (default: all)"},
      {"--all", "all that is wanted"}};
  return *texts;
}

struct Example {
  const char* command;
  const char* first;
  const char* second;
};

// Two of each command, after "waypost ".
constexpr Example kExamples[] = {
    {"init", "init --name nas", "init --data /srv/waypost --listen 127.0.0.1:7440"},
    {"serve", "serve --data /srv/waypost", "serve --http.listen=127.0.0.1:0 --log.level=debug"},
    {"reload", "reload", "reload --data /srv/waypost"},
    {"version", "version", "version --json"},
    {"help", "help put", "help group invite"},
    {"identity show", "identity show", "identity show --json"},
    {"identity backup", "identity backup key.backup",
     "identity backup - --passphrase-file phrase > key.backup"},
    {"identity restore", "identity restore key.backup --data /srv/waypost",
     "identity restore - --passphrase-file phrase < key.backup"},
    {"token rotate", "token rotate", "token rotate read"},
    {"put", "put -r ~/photos --group photos --exclude '*.tmp'",
     "put - --group notes --key today < note.txt"},
    {"get", "get photos 2026/a.jpg -o a.jpg", "get 9f86d081 > a.jpg"},
    {"fetch", "fetch 9f86d081", "fetch photos 2026/a.jpg --json"},
    {"ls", "ls --long", "ls --group photos --json"},
    {"export", "export photos ~/copy", "export photos ~/copy --prefix 2026/ --force"},
    {"ref set", "ref set photos best.jpg 9f86d081", "ref set photos best.jpg 9f86d081 --json"},
    {"ref get", "ref get photos best.jpg", "ref get photos best.jpg --json"},
    {"ref del", "ref del photos best.jpg", "ref rm photos 2026/a.jpg"},
    {"ref ls", "ref ls photos", "ref ls photos --prefix 2026/ --json"},
    {"group create", "group create photos --role normal", "group create news --public"},
    {"group list", "group list", "group ls --json"},
    {"group show", "group show photos", "group show photos --json"},
    {"group set", "group set photos --name pictures", "group set photos --inviters writer"},
    {"group members", "group members photos", "group members photos --json"},
    {"group leave", "group leave photos", "group leave photos --json"},
    {"group invite", "group invite photos --role server",
     "group invite photos --uses 3 --expires 24h"},
    {"group invites", "group invites photos", "group invites photos --json"},
    {"group revoke", "group revoke photos 3f2a91c0", "group revoke photos 3f2a91c0 --json"},
    {"join", "join INVITE", "join INVITE --role server"},
    {"status", "status", "status --long"},
    {"wanted", "wanted --group photos", "wanted --state stopped --json"},
    {"why", "why 9f86d081", "why photos 2026/a.jpg --json"},
    {"signpost", "signpost 9f86d081", "signpost photos 2026/a.jpg --json"},
    {"retry", "retry photos 2026/a.jpg", "retry --all"},
    {"stop", "stop 9f86d081", "stop photos 2026/a.jpg"},
    {"scan", "scan", "scan --wait"},
    {"pause", "pause --for 1h", "pause scan"},
    {"resume", "resume", "resume scan"},
    {"events", "events --kind ref.set --group photos", "events --follow --json"},
    {"health", "health", "health --json"},
    {"metrics", "metrics", "metrics --json"},
    {"openapi", "openapi > waypost.yaml", "openapi --json"},
    {"link create", "link create photos 2026/a.jpg --expires 1h", "link create 9f86d081"},
    {"link ls", "link ls", "link ls --json"},
    {"link revoke", "link revoke 3f2a91c0", "link revoke 3f2a91c0 --json"},
    {"peers", "peers", "peers --json"},
    {"wait-complete", "wait-complete --group photos", "wait-complete --heard all --timeout 10m"},
    {"wait-held", "wait-held photos", "wait-held photos --servers 2 --timeout 10m"},
    {"config show", "config show", "config show --json"},
    {"config get", "config get fetcher.concurrency", "config get store.max_blob --json"},
    {"config set", "config set fetcher.concurrency 8", "config set scan.extra_delay 10m"},
    {"config unset", "config unset fetcher.concurrency", "config unset scan.extra_delay"},
    {"config check", "config check", "config check waypost.toml"},
};

const Example* ExampleOf(std::string_view command) {
  const auto* const found =
      std::find_if(std::begin(kExamples), std::end(kExamples),
                   [&](const Example& each) { return each.command == command; });
  return found == std::end(kExamples) ? nullptr : found;
}

std::vector<CLI::App*> CommandsOf(CLI::App& app) { return app.get_subcommands(nullptr); }

std::vector<std::string> NamesOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    names.push_back(command->get_name());
    for (const std::string& alias : command->get_aliases()) names.push_back(alias);
  }
  return names;
}

std::vector<std::string> OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    }
  }
  return names;
}

// How many letters are to be added, left out, replaced or swapped with their neighbour.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min(
          {d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

// "group invite" of the command.
std::string PathOf(const CLI::App& app) {
  if (app.get_parent() == nullptr) return "";
  const std::string above = PathOf(*app.get_parent());
  return above.empty() ? app.get_name() : absl::StrCat(above, " ", app.get_name());
}

std::string WordOf(const CLI::Option& option) {
  if (!option.get_lnames().empty()) return "--" + option.get_lnames().front();
  if (!option.get_snames().empty()) return "-" + option.get_snames().front();
  return option.get_name(/*positional=*/true);
}

std::string NoSuch(const char* what, const std::string& path, const std::string& word,
                   const std::vector<std::string>& words) {
  const std::vector<std::string> near = NearestWords(word, words);
  return absl::StrCat("there is no ", what, " \"", path, path.empty() ? "" : " ", word, "\"; ",
                      near.empty() ? "see: waypost help" : "did you mean: ",
                      near.empty() ? (path.empty() ? "" : " " + path) : absl::StrJoin(near, ", "));
}

}  // namespace

std::vector<std::string> NearestWords(std::string_view word, std::vector<std::string> words) {
  // What somebody pastes is not held against every word.
  if (word.empty() || word.size() > 64) return {};
  std::vector<std::pair<std::size_t, std::string>> near;
  for (std::string& each : words) {
    const bool begins = word.size() > 1 && absl::StartsWith(each, Abs(word));
    const std::size_t distance = begins ? 1 : Distance(word, each);
    // A third of the letters may be wrong: one of three, two of a few more; never all of a word.
    const std::size_t wrong = word.size() <= 3 ? 1 : std::max<std::size_t>(2, word.size() / 3);
    const std::size_t allowed = std::min(wrong, each.size() - 1);
    if (distance <= allowed) near.emplace_back(distance, std::move(each));
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> nearest;
  for (auto& each : near) {
    if (nearest.size() < kNearestMax) nearest.push_back(std::move(each.second));
  }
  return nearest;
}

std::vector<std::string> ExamplesOf(const std::string& command) {
  const Example* const found = ExampleOf(command);
  if (found == nullptr) return {};
  return {found->first, found->second};
}

void FillHelp(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const auto text = TextsOfWords().find(WordOf(*option));
    if (option->get_description().empty() && text != TextsOfWords().end()) {
      option->description(text->second);
    }
  }
  const Example* const examples = ExampleOf(PathOf(app));
  if (app.get_footer().empty() && examples != nullptr) {
    app.footer(
        absl::StrCat("Examples:\n  waypost ", examples->first, "\n  waypost ", examples->second));
  }
  for (CLI::App* command : CommandsOf(app)) FillHelp(*command);
}

std::string WhatWasUnknown(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  for (const std::string& word : app.remaining(/*recurse=*/true)) {
    if (word.size() > 1 && word[0] == '-') {
      const std::string name = word.substr(0, word.find('='));
      return NoSuch("option", "", name, OptionsOf(*at));
    }
    if (!NamesOf(*at).empty()) return NoSuch("command", PathOf(*at), word, NamesOf(*at));
  }
  return "";
}

absl::StatusOr<std::string> HelpOf(CLI::App& app, const std::vector<std::string>& words) {
  CLI::App* at = &app;
  for (const std::string& word : words) {
    CLI::App* next = nullptr;
    for (CLI::App* command : CommandsOf(*at)) {
      if (command->check_name(word)) next = command;
    }
    if (next == nullptr) return UsageError(NoSuch("command", PathOf(*at), word, NamesOf(*at)));
    at = next;
  }
  // Not help(): that of an app tells of the command that was parsed, which is "help".
  const std::string path = PathOf(*at);
  const std::string name = path.empty() ? "waypost" : absl::StrCat("waypost ", path);
  return at->get_formatter()->make_help(at, name, CLI::AppFormatMode::Normal);
}

Json AllHelp(CLI::App& app) {
  Json all = Json::array();
  for (CLI::App* command : CommandsOf(app)) {
    Json words = Json::array();
    for (const CLI::Option* option : command->get_options()) {
      words.push_back({{"word", WordOf(*option)}, {"help", option->get_description()}});
    }
    all.push_back({{"command", PathOf(*command)},
                   {"help", command->get_description()},
                   {"examples", command->get_footer()},
                   {"words", std::move(words)}});
    for (Json& below : AllHelp(*command)) all.push_back(std::move(below));
  }
  return all;
}

}  // namespace waypost::service
