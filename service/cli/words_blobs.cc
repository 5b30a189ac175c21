#include "base/status.h"
#include "service/cli/words.h"

// Words of commands about blobs and references. `ID` is one word, or two: GROUP and KEY of a
// reference.

namespace waypost::service {

void CommandLine::AddBlobs() {
  PutArgs& put = words_.put;
  CLI::App* command =
      Command(app_, "put", "store files as blobs; - is standard input",
              [&put](const Common& common, Client& client) { return Put(common, client, put); });
  command->add_option("PATH", put.paths, "files, folders with -r, or -")->required();
  command->add_flag("-r", put.recursive, "whole folders; keys are paths below them");
  command
      ->add_option("--exclude", put.excludes,
                   "leave out of folders what has this name or, with a slash, this path below the "
                   "folder; * ? [] stand for others; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--no-default-excludes", put.no_default_excludes,
                    "put .DS_Store, Thumbs.db, desktop.ini and ~$* too");
  command->add_flag("--follow", put.follow,
                    "what links in folders lead to, not only what is there");
  command->add_flag("-q", put.quiet, "print errors only");
  command->add_flag("-n,--dry-run", put.dry_run,
                    "say what would be put; send and reference nothing");
  command->add_option("--group", put.group, "also reference them in this group");
  command->add_option("--key", put.key, "the key of the one file")
      ->excludes(command->add_option("--prefix", put.prefix, "before each key"));

  GetArgs& get = words_.get;
  command = Command(app_, "get", "write a blob to standard output",
                    [this, &get](const Common& common, Client& client) -> Exit {
                      get.what = words_.id;
                      ASSIGN_OR_RETURN(get.timeout, ReadTimeout());
                      return Get(common, client, get);
                    });
  Blob(command)->required();
  command->add_option("-o", get.output,
                      "a file, written whole or not at all, or a folder for it; - is standard "
                      "output");
  command->add_flag("--force", get.force, "overwrite a file that has other bytes");
  Timeout(command,
          "how long to wait for a blob that is not here (default: on a terminal until it is, "
          "elsewhere 30s)");

  command = Command(
      app_, "fetch", "get a blob here, and say how it goes",
      [this](const Common& common, Client& client) { return Fetch(common, client, words_.id); });
  Blob(command)->required();

  command = Command(
      app_, "ls", "blobs that are here: their ids, one a line",
      [this](const Common& common, Client& client) { return Ls(common, client, words_.group); });
  command->add_option("--group", words_.group);
  Long(command, "with sizes");

  ExportArgs& to = words_.export_to;
  command =
      Command(app_, "export", "write a group's files below a folder by their keys",
              [&to](const Common& common, Client& client) { return Export(common, client, to); });
  command->add_option("GROUP", to.group)->required();
  command->add_option("DIR", to.dir)->required();
  command->add_option("--prefix", to.prefix, "only keys that begin so");
  command->add_flag("--force", to.force, "overwrite files that have other bytes");
}

void CommandLine::AddRefs() {
  CLI::App& ref = *app_.add_subcommand("ref", "references: key to blob in a group");
  ref.require_subcommand(1);
  Words& w = words_;
  CLI::App* command =
      Command(ref, "set", "let a key stand for a blob", [&w](const Common& common, Client& client) {
        return RefSet(common, client, w.group, w.key, w.id);
      });
  command->add_option("GROUP", w.group)->required();
  command->add_option("KEY", w.key)->required();
  Blob(command)->required();
  command = Command(ref, "get", "the blob that a key stands for",
                    [&w](const Common& common, Client& client) {
                      return RefGet(common, client, w.group, w.key);
                    });
  command->add_option("GROUP", w.group)->required();
  command->add_option("KEY", w.key)->required();
  command = Command(ref, "del", "take a key away; the blob stays",
                    [&w](const Common& common, Client& client) {
                      return RefDel(common, client, w.group, w.key);
                    });
  command->add_option("GROUP", w.group)->required();
  command->add_option("KEY", w.key)->required();
  command = Command(ref, "ls", "keys and what they stand for",
                    [&w](const Common& common, Client& client) {
                      return RefLs(common, client, w.group, w.prefix);
                    });
  command->add_option("GROUP", w.group)->required();
  command->add_option("--prefix", w.prefix);
  Long(command, "whole keys and ids");
}

void CommandLine::AddLinks() {
  CLI::App& link = *app_.add_subcommand("link", "addresses that open one thing without a token");
  link.require_subcommand(1);
  LinkArgs& args = words_.link;
  CLI::App* command =
      Command(link, "create", "for a reference, whatever it stands for by then, or for a blob",
              [this, &args](const Common& common, Client& client) {
                args.what = words_.id;
                return LinkCreate(common, client, args);
              });
  Blob(command)->required();
  command->add_option("--expires", args.expires, "as 12h or 7d; at most 90d (default 7d)");
  Long(Command(link, "ls", "those that can still be used, without their secrets",
               [](const Common& common, Client& client) { return LinkList(common, client); }));
  command =
      Command(link, "revoke", "end a link, at once", [&args](const Common& common, Client& client) {
        return LinkRevoke(common, client, args.id);
      });
  command->add_option("LINK-ID", args.id, "as \"link ls\" shows it")->required();
}

}  // namespace waypost::service
