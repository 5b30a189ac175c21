#include "tests/text_rules.h"

#include <algorithm>
#include <iterator>
#include <regex>
#include <sstream>
#include <string_view>

// A word counts as a path if it begins with a folder of the tree or ends as our sources and
// documents do. So names of files in a data folder, and C++ names, are left alone.

namespace waypost::tidy {
namespace {

// Headers of others that comments speak of.
constexpr std::string_view kThirdPartyHeaders[] = {"httplib.h", "lmdb.h"};

constexpr std::size_t kBannerLinesMin = 2;
constexpr std::size_t kBannerLinesMax = 7;  // of a program with what it is called by

std::string At(const SourceFile& file, std::size_t line) {
  return file.path + ":" + std::to_string(line) + ": ";
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

bool HasOurEnding(const std::string& word) {
  for (const std::string_view ending : {".h", ".cc", ".proto", ".md", ".cmake", ".yaml"}) {
    if (word.size() > ending.size() && word.ends_with(ending)) return true;
  }
  return false;
}

// Is there a file or folder of this name, where a `*` stands for a part of one name?
bool Exists(const std::string& name, const Paths& tree) {
  if (name.find('*') == std::string::npos) return tree.contains(name);
  std::string pattern;
  for (const char c : name) {
    if (c == '*') {
      pattern += "[^/]*";
    } else {
      if (c == '.') pattern += '\\';
      pattern += c;
    }
  }
  const std::regex regex(pattern);
  return std::any_of(tree.begin(), tree.end(),
                     [&](const std::string& path) { return std::regex_match(path, regex); });
}

// From the root, from the folder of who names it, or from any other folder of the tree.
bool LeadsSomewhere(std::string word, const std::string& from, const Paths& tree) {
  while (word.ends_with('/')) word.pop_back();
  if (Exists(word, tree) || Exists(FolderOf(from) + word, tree)) return true;
  const std::string below = "/" + word;
  return std::any_of(tree.begin(), tree.end(),
                     [&](const std::string& path) { return path.ends_with(below); });
}

bool LooksLikePath(const std::string& word, const Paths& tree) {
  static const std::regex kWord("[A-Za-z0-9_.*/-]+");
  if (!std::regex_match(word, kWord)) return false;
  const std::size_t slash = word.find('/');
  if (slash != std::string::npos && tree.contains(word.substr(0, slash))) return true;
  return HasOurEnding(word);
}

std::string CommentOf(const std::string& line) {
  const std::size_t start = line.find("//");
  return start == std::string::npos ? "" : line.substr(start + 2);
}

template <class Visit>
void EachLine(const SourceFile& file, Visit&& visit) {
  std::istringstream lines(file.content);
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) visit(number, line);
}

template <class Visit>
void EachMatch(const std::string& text, const std::regex& regex, Visit&& visit) {
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) visit(*it);
}

}  // namespace

std::vector<std::string> CheckDocument(const SourceFile& file, const Paths& tree) {
  static const std::regex kCode("`([^`]+)`"), kLink("\\]\\(([^)#]+)[^)]*\\)");
  std::vector<std::string> found;
  bool in_block = false;
  EachLine(file, [&](std::size_t number, const std::string& line) {
    if (line.starts_with("```")) in_block = !in_block;
    if (in_block) return;
    EachMatch(line, kCode, [&](const std::smatch& match) {
      if (LooksLikePath(match[1], tree) && !LeadsSomewhere(match[1], file.path, tree)) {
        found.push_back(At(file, number) + "there is no " + match[1].str());
      }
    });
    EachMatch(line, kLink, [&](const std::smatch& match) {
      const std::string target = match[1];
      if (target.find("://") != std::string::npos) return;
      if (!tree.contains(FolderOf(file.path) + target)) {
        found.push_back(At(file, number) + "a link to " + target + ", which is not there");
      }
    });
  });
  return found;
}

std::vector<std::string> CheckComments(const SourceFile& file, const Paths& tree) {
  static const std::regex kFile("[A-Za-z0-9_*/][A-Za-z0-9_.*/-]*\\.(h|cc|proto|md|yaml)\\b");
  std::vector<std::string> found;
  EachLine(file, [&](std::size_t number, const std::string& line) {
    EachMatch(CommentOf(line), kFile, [&](const std::smatch& match) {
      const std::string name = match[0];
      if (std::find(std::begin(kThirdPartyHeaders), std::end(kThirdPartyHeaders), name) !=
              std::end(kThirdPartyHeaders) ||
          LeadsSomewhere(name, file.path, tree)) {
        return;
      }
      found.push_back(At(file, number) + "there is no " + name +
                      ": name what is there, or say it here");
    });
  });
  return found;
}

std::vector<std::string> CheckNamesOutside(const SourceFile& file) {
  // In pieces, so that this file does not name them.
  static const std::regex kNames(
      "\\b(DE"
      "SIGN|HO"
      "USE|PIT"
      "FALLS|AP"
      "I\\.md|STY"
      "LE\\.md)\\b|\\b[Ii]ss"
      "ue #?[0-9]+");
  const bool document = file.path.ends_with(".md") || file.path.ends_with(".yaml");
  std::vector<std::string> found;
  EachLine(file, [&](std::size_t number, const std::string& line) {
    EachMatch(document ? line : CommentOf(line), kNames, [&](const std::smatch& match) {
      found.push_back(At(file, number) + "\"" + match[0].str() +
                      "\" is no page of this project: say here what it says, or name one of docs/");
    });
  });
  return found;
}

std::vector<std::string> CheckBanner(const SourceFile& file) {
  std::size_t lines = 0;
  std::size_t before = 0;  // lines of comment before the includes
  bool included = false, ended = false;
  EachLine(file, [&](std::size_t, const std::string& line) {
    if (ended) return;
    if (line.starts_with("//")) {
      ++(included ? lines : before);
    } else if (line.starts_with("#include")) {
      included = true;
      lines = 0;  // the block that counts comes after the last of them
    } else if (lines > 0 || (!line.empty() && !line.starts_with('#'))) {
      ended = true;
    }
  });
  if (before > 0) {
    return {At(file, 1) + "what the file does is said after its includes, not before"};
  }
  if (lines < kBannerLinesMin || lines > kBannerLinesMax) {
    return {At(file, 1) + "after its includes, in " + std::to_string(kBannerLinesMin) + " to " +
            std::to_string(kBannerLinesMax) +
            " lines: what does this file do, and what must hold?"};
  }
  return {};
}

}  // namespace waypost::tidy
