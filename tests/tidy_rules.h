#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace waypost::tidy {

// One file of the tree; `path` relative to its root, with forward slashes.
struct SourceFile {
  std::string path;
  std::string content;
};

// What is wrong in one C++ file, each as "path:line: what, and what to do". Pure.
std::vector<std::string> CheckFile(const SourceFile& file);

// The files of pure chambers that reach, by whatever they include, an index, a lock, a thread, a
// socket or a clock. Pure.
std::vector<std::string> CheckPure(const std::vector<SourceFile>& files);

// The .cc files that no CMakeLists.txt among `files` names. A CMakeLists.txt names files of its own
// folder and, by a relative path, below or beside it.
std::vector<std::string> CheckBuilt(const std::vector<SourceFile>& files);

// What stands under DEPENDS of a chamber's waypost_room, held against the includes of its sources:
// what is used of other chambers and of Abseil is named, and nothing else of them. Pure.
std::vector<std::string> CheckDepends(const std::vector<SourceFile>& files);

// The messages of `wire` (a .proto) and the tables of `tables` (the enumerators of its header) that
// the part "## Limits" of the document `security` does not name between backquotes: what others
// make us handle has a line that says what bounds it. Pure.
std::vector<std::string> CheckLimits(const SourceFile& wire, const SourceFile& tables,
                                     const SourceFile& security);

// The tests that a document names between backquotes, as `Suite.Name` or with stars for the rest of
// a name, and that no file among `files` defines. Pure.
std::vector<std::string> CheckNamedTests(const std::vector<SourceFile>& files,
                                         const SourceFile& document);

}  // namespace waypost::tidy
