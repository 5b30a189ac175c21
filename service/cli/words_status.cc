#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/cli/words.h"

// Words of commands that tell how things are, wait for them to be so, change what goes on, and of
// settings.

namespace waypost::service {

void CommandLine::AddStatus() {
  Words& w = words_;
  CLI::App* command =
      Command(app_, "status", "how this peer is doing",
              [](const Common& common, Client& client) { return ShowStatus(common, client); });
  Long(command, "all that there is, with whole ids");
  WantedArgs& wanted = w.wanted;
  command = Command(
      app_, "wanted", "what is wanted and not here, and why",
      [&wanted](const Common& common, Client& client) { return Wanted(common, client, wanted); });
  command->add_option("--state", wanted.state)
      ->check(CLI::IsMember({"due", "waiting", "fetching", "parked", "stopped"}));
  command->add_option("--group", wanted.group);
  Long(command);
  command =
      Command(app_, "why", "why a blob is not here yet",
              [&w](const Common& common, Client& client) { return Why(common, client, w.id); });
  Blob(command)->required();
  Long(command);
  command = Command(
      app_, "signpost", "all that is known of where a blob is",
      [&w](const Common& common, Client& client) { return ShowSignpost(common, client, w.id); });
  Blob(command)->required();
  Long(Command(app_, "peers", "other peers",
               [](const Common& common, Client& client) { return Peers(common, client); }));
  Command(app_, "health", "whether the service can work, and if not why; exit status 1 then",
          [](const Common& common, Client& client) { return Health(common, client); });
  Command(app_, "metrics", "counters and gauges, as Prometheus reads them",
          [](const Common& common, Client& client) { return Metrics(common, client); });
  Command(app_, "openapi", "the description of the HTTP API",
          [](const Common& common, Client& client) { return OpenApi(common, client); });
  EventsArgs& events = w.events;
  command = Command(
      app_, "events", "what happened: the last 1,000 events since the start",
      [&events](const Common& common, Client& client) { return Events(common, client, events); });
  command->add_flag("--follow", events.follow, "what happens from now on, until it is stopped");
  command
      ->add_option("--kind", events.kinds, "only these, such as ref.set; repeatable (default: all)")
      ->allow_extra_args(false);
  command->add_option("--group", events.group);
  Long(command);
}

void CommandLine::AddWaits() {
  Words& w = words_;
  CLI::App* command = Command(app_, "wait-complete", "wait until everything wanted is here",
                              [this](const Common& common, Client& client) -> Exit {
                                ASSIGN_OR_RETURN(words_.wait.timeout, ReadTimeout());
                                return WaitComplete(common, client, words_.wait);
                              });
  command->add_option("--group", w.wait.group, "of this group alone; its id or name");
  command
      ->add_option("--heard", w.wait.heard,
                   "who must have been heard: servers (the default), reachable, all, any, or how "
                   "many members")
      ->check([](const std::string& text) {
        const bool number = !text.empty() && text[0] != '0' && text.size() < 10 &&
                            text.find_first_not_of("0123456789") == std::string::npos;
        for (const char* word : {"servers", "reachable", "all", "any"}) {
          if (text == word) return std::string();
        }
        return number ? std::string() : "servers, reachable, all, any, or a number from 1";
      });
  Timeout(command, "how long to wait (default 60s)");
  command = Command(app_, "wait-held", "wait until everything of a group is on servers",
                    [this](const Common& common, Client& client) -> Exit {
                      ASSIGN_OR_RETURN(words_.wait.timeout, ReadTimeout());
                      return WaitHeld(common, client, words_.wait);
                    });
  command->add_option("GROUP", w.wait.group)->required();
  command->add_option("--servers", w.wait.servers);
  Timeout(command, "how long to wait (default 60s)");
}

void CommandLine::AddWork() {
  Words& w = words_;
  CLI::App* command =
      Command(app_, "retry", "try again now", [&w](const Common& common, Client& client) -> Exit {
        if (w.id.empty() == !w.flag) return UsageError("retry takes an ID or --all");
        return Retry(common, client, w.id);
      });
  Blob(command);
  command->add_flag("--all", w.flag);
  command =
      Command(app_, "stop", "do not fetch a blob until it is mentioned anew or asked for",
              [&w](const Common& common, Client& client) { return Stop(common, client, w.id); });
  Blob(command)->required();
  command =
      Command(app_, "scan", "look for what events missed",
              [&w](const Common& common, Client& client) { return Scan(common, client, w.flag); });
  command->add_flag("--wait", w.flag, "until a scan begun now has ended");
  const auto kind = [&w](CLI::App* to) {
    to->add_option("KIND", w.kind, "fetch (the default) or scan")
        ->check(CLI::IsMember({"fetch", "scan"}));
  };
  command = Command(app_, "pause", "begin no more fetches, or hold scans",
                    [&w](const Common& common, Client& client) {
                      return Pause(common, client, w.kind, w.lasts);
                    });
  kind(command);
  command->add_option("--for", w.lasts, "as 30m or 1h; without it: until it is resumed");
  command = Command(
      app_, "resume", "go on with what was paused",
      [&w](const Common& common, Client& client) { return Resume(common, client, w.kind); });
  kind(command);
}

void CommandLine::AddConfig() {
  CLI::App& config = *app_.add_subcommand("config", "settings");
  config.require_subcommand(1);
  Words& w = words_;
  Command(config, "show", "what counts now, and where each value comes from",
          [](const Common& common, Client& client) { return ConfigShow(common, client); });
  CLI::App* command = Command(
      config, "get", "one value",
      [&w](const Common& common, Client& client) { return ConfigGet(common, client, w.key); });
  command->add_option("KEY", w.key, "as \"config show\" has it")->required();
  command = Command(config, "set", "change one while the service runs, for good",
                    [&w](const Common& common, Client& client) {
                      return ConfigSet(common, client, w.key, w.value);
                    });
  command->add_option("KEY", w.key, "as \"config show\" has it")->required();
  command->add_option("VALUE", w.value, "as in the file")->required();
  command = Alone(config, "unset", "undo \"config set\", with a running service or without",
                  [&w](const Common& common) { return ConfigUnset(common, w.key); });
  command->add_option("KEY", w.key, "as \"config show\" has it")->required();
  command =
      Alone(config, "check", "find mistakes in a file, or in all that the next start will use",
            [&w](const Common& common) { return ConfigCheck(common, w.value); });
  command->add_option("FILE", w.value, "without it: the data folder");
}

}  // namespace waypost::service
