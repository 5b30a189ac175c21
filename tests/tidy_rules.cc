#include "tests/tidy_rules.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

// What may stand where, as tables and as functions over the text of files. Nothing here parses C++:
// a rule looks at includes, or at words outside of comments and literals.

namespace waypost::tidy {
namespace {

// ---- the tables ----

// A chamber is a folder of the product with its sources: a room, or a part of one. `sees` are the
// chambers that it may include, besides itself; arrows point down only.
struct Chamber {
  std::vector<std::string_view> sees;
  // Policy alone: neither it nor anything that it includes knows an index, a lock, a thread, a
  // socket, or reads a clock.
  bool pure = false;
};
using Chambers = std::map<std::string_view, Chamber>;

// In the order in which they stand on each other.
const Chambers& ChamberTable() {
  static const Chambers table = [] {
    Chambers chambers;
    // Those that may see all that stands below them, each with what it sees.
    std::vector<std::string_view> below;
    const auto stands_on_all = [&](std::string_view name) {
      chambers[name] = {.sees = below};
      below.push_back(name);
    };
    stands_on_all("base");
    chambers["blobstore"] = chambers["signpost"] = {.sees = {"base"}};
    chambers["syncgroup/protocol"] = {.sees = {"base", "signpost"}};
    chambers["syncgroup/membership"] = {.sees = {"base", "syncgroup/protocol"}, .pure = true};
    chambers["syncgroup/log"] = {.sees = {"base", "syncgroup/protocol", "syncgroup/membership"}};
    below.insert(below.end(), {"blobstore", "signpost", "syncgroup/protocol",
                               "syncgroup/membership", "syncgroup/log"});
    stands_on_all("syncgroup/ledger");
    stands_on_all("syncgroup/group");
    stands_on_all("syncgroup/sync");
    stands_on_all("upkeep");
    chambers["fetcher/policy"] = {.sees = {"base", "signpost"}, .pure = true};
    // Fetching knows nothing of upkeep, but for its report: complete needs the last scan.
    std::erase(below, "upkeep");
    below.push_back("fetcher/policy");
    stands_on_all("fetcher/attempt");
    stands_on_all("fetcher/work");
    below.push_back("upkeep");
    stands_on_all("fetcher/report");

    chambers["http/message"] = {.sees = {"base"}};
    chambers["http/tls"] = {.sees = {"base", "http/message"}};
    chambers["http/engine"] =
        chambers["http/client"] = {.sees = {"base", "http/message", "http/tls"}};
    const std::vector<std::string_view> below_http = below;
    below.push_back("http/message");
    chambers["http/app"] = {.sees = below};
    chambers["http/peer"] = {.sees = below};
    chambers["http/peer"].sees.insert(chambers["http/peer"].sees.end(),
                                      {"http/tls", "http/client"});
    below.insert(below.end(), {"http/tls", "http/engine", "http/client", "http/app", "http/peer"});
    chambers["service/parts"] = {.sees = below_http};
    below.push_back("service/parts");
    stands_on_all("service");
    chambers["service/cli"] = {.sees = {"base", "http/message", "http/client", "service"}};
    return chambers;
  }();
  return table;
}

// What a pure chamber does not reach, by include.
constexpr std::string_view kImpureHeaders[] = {"base/index.h",  "base/mutex.h",
                                               "base/thread.h", "base/environment.h",
                                               "mutex",         "thread",
                                               "shared_mutex",  "condition_variable",
                                               "semaphore",     "sys/socket.h",
                                               "unistd.h",      "netinet/in.h",
                                               "lmdb.h",        "base/file_system.h",
                                               "base/clock.h"};

// The folders that may include every chamber, and those that are black boxes from outside: base
// and, of the other rooms, the codecs only; of tests what all of them share (tests/support).
bool SeesAll(std::string_view room) { return room == "tests"; }
bool IsBlackBox(std::string_view room) { return room == "integration"; }
// The client for those outside sees nothing of ours but its own headers, below waypost/.
bool IsOutside(std::string_view room) { return room == "client"; }

// The headers that integration/ may include from rooms it otherwise knows nothing of.
constexpr std::string_view kCodecHeaders[] = {"codec.h", "wire_codec.h"};

// Where a library's headers may be included. A place that ends in a slash is a folder, else it is
// how a path begins. tests/ may include GoogleTest and Benchmark; everything else goes through our
// headers.
struct ThirdParty {
  std::string_view begins;  // of what stands in the include
  std::string_view ends;
  std::vector<std::string_view> places;
};
const std::vector<ThirdParty>& ThirdParties() {
  static const std::vector<ThirdParty> rules = {
      {"lmdb.h", "", {"base/", "tests/base/"}},
      {"seccomp.h", "", {"service/sandbox.cc"}},
      {"sodium", "", {"base/crypto.cc", "base/secret_box.cc"}},
      {"openssl/",
       "",
       {"base/sha256.cc", "client/waypost/detail/", "http/tls/", "http/engine/", "tests/http/"}},
      {"spdlog/", "", {"base/log.cc"}},
      {"prometheus/", "", {"base/metrics.cc"}},
      {"nlohmann/", "", {"client/", "http/", "service/", "integration/", "tests/"}},
      // The service's own HTTP is ours; why stands in docs/architecture.md.
      {"httplib.h", "", {"client/waypost/detail/"}},
      // The public client, which brings httplib.h along: in few files.
      {"waypost/", "", {"client/", "integration/calls.cc", "tests/client/"}},
      {"toml++/", "", {"service/"}},
      {"CLI/", "", {"service/"}},
      {"gtest/", "", {"tests/", "integration/"}},
      {"gmock/", "", {"tests/", "integration/"}},
      {"benchmark/", "", {"tests/"}},
      // Our own: what the parts of the fetcher share. All others see it through work_view.h.
      {"fetcher/work/board.h", "", {"fetcher/work/", "tests/fetcher/"}},
      // Generated code: only where it is turned into our own types.
      {"", ".pb.h", {}},
  };
  return rules;
}
constexpr std::string_view kProtoUsers[] = {"codec.cc",          "entry_codec.cc", "log_codec.cc",
                                            "log_wire_codec.cc", "log_fields.h",   "op_fields.h",
                                            "wire_codec.cc",     "wire_fields.h"};

// Time and chance come from these files alone, so that a build that simulates a world replaces them
// and nothing else. integration/ and client/ are outside of the product and may read what they
// like.
constexpr std::string_view kSourcesOfTimeAndChance[] = {"base/clock.cc", "base/entropy.cc",
                                                        "base/sim_"};
struct Source {
  std::string_view word;  // with no letter, digit or underscore right before it
  std::string_view what;
};
constexpr Source kTimeAndChance[] = {
    {"system_clock::now", "a clock"},
    {"steady_clock::now", "a clock"},
    {"high_resolution_clock::now", "a clock"},
    {"clock_gettime", "a clock"},
    {"gettimeofday", "a clock"},
    {"time(nullptr)", "a clock"},
    {"time(NULL)", "a clock"},
    {"time(0)", "a clock"},
    {"random_device", "randomness"},
    {"randombytes", "randomness"},
    {"getrandom", "randomness"},
    {"rand()", "randomness"},
    {"/dev/urandom", "randomness"},
    {"/dev/random", "randomness"},
};

// Where the command line prints: there all of it is made harmless and what is lost is noticed.
constexpr std::string_view kCommandLine = "service/cli/";
constexpr std::string_view kPrinter = "service/cli/print.cc";
// How C++ prints; not what formats into memory, or writes to a file.
constexpr std::string_view kPrints[] = {
    "cout",    "cerr",  "clog",     "stdout",   "stderr",   "STDOUT_FILENO", "STDERR_FILENO",
    "printf(", "puts(", "putchar(", "fprintf(", "vprintf(", "dprintf("};

// Blob rows and the holdings in them begin and end here, whatever the way in which bytes came or
// went; the codec of the rows reads and writes them.
constexpr std::string_view kKeepersOfHoldings[] = {"syncgroup/ledger/holdings.cc",
                                                   "blobstore/codec.cc"};
// How C++ changes a map of holdings, or the row that has it.
constexpr const char* kHoldingsChanged =
    R"(\bholdings\s*(\[|=[^=]|(\.|->)\s*(try_emplace|emplace|emplace_hint|insert|insert_or_assign)"
    R"(|erase|clear|swap|extract|merge)\b)|\brecord\.row\s*(=[^=]|\.\s*(emplace|reset|swap)\b))";

// What writes the rows of blobs, and of those that were lost, past Ledger::Change.
constexpr std::string_view kRowWriters[] = {"StoreBlobRow(", "DeleteBlobRow(", "StoreLostRow(",
                                            "DeleteLostRow("};
constexpr std::string_view kCallersOfRowWriters[] = {"syncgroup/ledger/", "blobstore/blob_row."};

constexpr std::size_t kProductLinesMax = 600;
// A codec holds every message of its room, because nobody else may see the generated code.
constexpr std::size_t kCodecLinesMax = 1000;

// ---- reading a file ----

std::string RoomOf(std::string_view path) { return std::string(path.substr(0, path.find('/'))); }
std::string_view BaseName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}
// The chamber in whose folder a file stands; empty when its folder is none.
std::string_view ChamberOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return "";
  const auto found = ChamberTable().find(path.substr(0, slash));
  return found == ChamberTable().end() ? "" : found->first;
}
bool IsProduct(std::string_view room) {
  return std::any_of(ChamberTable().begin(), ChamberTable().end(),
                     [&](const auto& item) { return RoomOf(item.first) == room; });
}

struct Include {
  std::string name;
};
std::optional<Include> IncludeOf(std::string_view line) {
  const std::size_t hash = line.find_first_not_of(" \t");
  if (hash == std::string_view::npos || line[hash] != '#') return std::nullopt;
  const std::size_t word = line.find_first_not_of(" \t", hash + 1);
  if (word == std::string_view::npos || line.substr(word, 7) != "include") return std::nullopt;
  const std::size_t open = line.find_first_of("\"<", word + 7);
  if (open == std::string_view::npos) return std::nullopt;
  const std::size_t close = line.find(line[open] == '"' ? '"' : '>', open + 1);
  if (close == std::string_view::npos) return std::nullopt;
  return Include{std::string(line.substr(open + 1, close - open - 1))};
}

// A reason that can be acted on is at least a few words.
bool HasReason(std::string_view line, std::size_t todo) {
  std::istringstream words{std::string(line.substr(todo + 4))};
  return std::distance(std::istream_iterator<std::string>(words), {}) >= 3;
}

enum class Literals { kDropped, kKept };

// The line without its comment and, as a rule, without what stands in string literals, so that
// words in them do not count. Block comments and raw strings are rare here and not looked for.
std::string CodeOf(std::string_view line, Literals literals = Literals::kDropped) {
  std::string code;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (literals == Literals::kKept) code.push_back(c);
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
      continue;
    }
    if (c == '/' && i + 1 < line.size() && line[i + 1] == '/') break;
    // A quote between digits separates thousands.
    const bool separator =
        c == '\'' && i > 0 && std::isdigit(static_cast<unsigned char>(line[i - 1]));
    if (c == '"' || (c == '\'' && !separator)) {
      quote = c;
      continue;
    }
    code.push_back(c);
  }
  return code;
}

// Whether `word` stands in `code` and is not the end of a longer name.
bool HasWord(std::string_view code, std::string_view word) {
  for (std::size_t at = code.find(word); at != std::string_view::npos;
       at = code.find(word, at + 1)) {
    const unsigned char before = at == 0 ? ' ' : static_cast<unsigned char>(code[at - 1]);
    if (std::isalnum(before) == 0 && before != '_') return true;
  }
  return false;
}

// ---- the rules ----

class Checker {
 public:
  explicit Checker(const SourceFile& file) : file_(file), room_(RoomOf(file.path)) {}

  std::vector<std::string> Run() {
    CheckPlace();
    std::istringstream lines(file_.content);
    std::string line;
    while (std::getline(lines, line)) {
      ++number_;
      if (const auto include = IncludeOf(line)) {
        CheckArrow(*include);
        CheckThirdParty(*include);
      } else {
        CheckWords(line);
      }
    }
    const std::size_t lines_max = IsCodec() ? kCodecLinesMax : kProductLinesMax;
    if (IsProduct(room_) && number_ > lines_max) {
      Found("has more than " + std::to_string(lines_max) + " lines: split it by what it does");
    }
    CheckMain();
    return found_;
  }

 private:
  bool IsCodec() const {
    return std::find(std::begin(kProtoUsers), std::end(kProtoUsers), BaseName(file_.path)) !=
           std::end(kProtoUsers);
  }

  void CheckArrow(const Include& include) {
    const std::string target_room = RoomOf(include.name);
    const bool known = IsProduct(target_room) || SeesAll(target_room) || IsBlackBox(target_room);
    if (!known || SeesAll(room_)) return;
    const std::string_view target = ChamberOf(include.name);
    if (IsOutside(room_))
      return Found(room_ + "/ may not include " + include.name + ": it is for those outside");
    if (IsBlackBox(room_)) {
      const bool codec = std::find(std::begin(kCodecHeaders), std::end(kCodecHeaders),
                                   BaseName(include.name)) != std::end(kCodecHeaders);
      if (target_room == room_ || target == "base" || (IsProduct(target_room) && codec)) return;
      if (include.name.starts_with("tests/support/")) return;
      return Found(room_ + "/ may not include " + include.name +
                   ": it is a black box from outside");
    }
    const std::string_view chamber = ChamberOf(file_.path);
    if (chamber.empty()) return;
    const std::vector<std::string_view>& sees = ChamberTable().at(chamber).sees;
    if (target == chamber || std::find(sees.begin(), sees.end(), target) != sees.end()) return;
    Found(std::string(chamber) + "/ may not include " + include.name +
          ": arrows point down only; let the lower chamber own an interface that the higher one "
          "implements");
  }

  // Product code stands in a chamber, so that a rule holds for it.
  void CheckPlace() {
    if (IsProduct(room_) && ChamberOf(file_.path).empty()) {
      Found(
          "stands in no chamber: move it, or give its folder a line in the table of"
          " tests/tidy_rules.cc");
    }
  }

  void CheckThirdParty(const Include& include) {
    const std::string_view name = include.name;
    for (const ThirdParty& rule : ThirdParties()) {
      if (!name.starts_with(rule.begins) || !name.ends_with(rule.ends)) continue;
      bool allowed = false;
      for (const std::string_view place : rule.places) {
        allowed = allowed || std::string_view(file_.path).starts_with(place);
      }
      if (rule.ends == ".pb.h") {
        allowed = IsCodec();
      }
      if (allowed) continue;
      Found("may not include " + include.name +
            ": use the room that wraps it, or move this code there" +
            " (the table is in tests/tidy_rules.cc)");
    }
  }

  void CheckWords(const std::string& line) {
    const std::size_t todo = line.find("TODO");
    if (todo != std::string::npos && room_ != "tests" && !HasReason(line, todo)) {
      Found("TODO without a reason that can be acted on: say what is missing and when it matters");
    }
    const std::string code = CodeOf(line);
    if (code.find("using namespace std") != std::string::npos) {
      Found("`using namespace std`: name what you use");
    }
    if (HasWord(code, "int main(")) main_at_ = number_;
    fills_descriptors_ = fills_descriptors_ || HasWord(code, "FillStandardDescriptors(");
    if (!IsProduct(room_)) return;
    CheckTimeAndChance(line);
    CheckHoldings(code);
    CheckRowWriters(code);
    CheckPrints(code);
    for (const std::string_view sleep : {"sleep_for", "sleep_until", "usleep(", "nanosleep("}) {
      if (code.find(sleep) != std::string::npos) {
        Found(std::string(sleep) + " in product code: wait on a CondVar with a deadline, so that" +
              " shutdown can end it");
      }
    }
  }

  void CheckTimeAndChance(std::string_view line) {
    for (const std::string_view place : kSourcesOfTimeAndChance) {
      if (std::string_view(file_.path).starts_with(place)) return;
    }
    // With literals: a path is one.
    const std::string code = CodeOf(line, Literals::kKept);
    for (const Source& source : kTimeAndChance) {
      if (!HasWord(code, source.word)) continue;
      Found(std::string(source.word) + " reads " + std::string(source.what) +
            ": take it from the base::Clock or base::Random that was handed in, or from" +
            " base::SteadyNow() and base::RandomBytes(), so that it can be simulated");
    }
  }

  void CheckPrints(const std::string& code) {
    const std::string_view path = file_.path;
    if (!path.starts_with(kCommandLine) || path == kPrinter) return;
    for (const std::string_view prints : kPrints) {
      if (!HasWord(code, prints)) continue;
      Found(std::string(prints) + " prints past service/cli/print.h: use what is there");
      return;
    }
  }

  void CheckHoldings(const std::string& code) {
    static const std::regex changed(kHoldingsChanged);
    if (std::find(std::begin(kKeepersOfHoldings), std::end(kKeepersOfHoldings), file_.path) !=
        std::end(kKeepersOfHoldings)) {
      return;
    }
    // A regex on every line would take seconds.
    if (code.find("holdings") == std::string::npos && code.find(".row") == std::string::npos) {
      return;
    }
    if (!std::regex_search(code, changed)) return;
    Found(
        "a holding or a blob row begins or ends here: let Ledger::Arrive, Grant, Release or Lose "
        "do it"
        " (syncgroup/ledger/ledger.h)");
  }

  void CheckRowWriters(const std::string& code) {
    for (const std::string_view place : kCallersOfRowWriters) {
      if (std::string_view(file_.path).starts_with(place)) return;
    }
    for (const std::string_view writer : kRowWriters) {
      if (!HasWord(code, writer)) continue;
      Found(std::string(writer) + ") outside of syncgroup/ledger: change rows of blobs with" +
            " Ledger::Change, so that due rows and counts follow");
    }
  }

  // A program without the descriptors 0 to 2 writes its log into the first file that it opens.
  void CheckMain() {
    if (main_at_ == 0 || fills_descriptors_ || IsOutside(room_)) return;
    number_ = main_at_;
    Found("main() does not begin with base::FillStandardDescriptors()");
  }

  void Found(const std::string& what) {
    found_.push_back(file_.path + ":" + std::to_string(number_) + ": " + what);
  }

  const SourceFile& file_;
  const std::string room_;
  std::size_t number_ = 0;
  std::size_t main_at_ = 0;
  bool fills_descriptors_ = false;
  std::vector<std::string> found_;
};

// ---- purity ----

struct Reach {
  const std::map<std::string_view, std::vector<std::string>>& includes;
  std::set<std::string_view> seen;

  // How `from` comes to a header that pure code does not reach: "a.h -> b.h"; empty when it does
  // not.
  std::string Impure(const std::string& from) {
    if (std::find(std::begin(kImpureHeaders), std::end(kImpureHeaders), from) !=
        std::end(kImpureHeaders)) {
      return from;
    }
    const auto found = includes.find(from);
    if (found == includes.end() || !seen.insert(found->first).second) return "";
    for (const std::string& next : found->second) {
      if (const std::string way = Impure(next); !way.empty()) return from + " -> " + way;
    }
    return "";
  }
};

// ---- what is linked ----

// The words of what is between the brackets of `command`, comments apart; empty: it has none.
std::vector<std::string> WordsOf(const SourceFile& cmake, std::string_view command) {
  std::string text;
  std::istringstream lines(cmake.content);
  for (std::string line; std::getline(lines, line);) {
    text += line.substr(0, line.find('#')) + "\n";
  }
  const std::size_t begin = text.find(std::string(command) + "(");
  if (begin == std::string::npos) return {};
  const std::size_t open = begin + command.size() + 1;
  std::istringstream words(text.substr(open, text.find(')', open) - open));
  return {std::istream_iterator<std::string>(words), {}};
}

// The library whose header `include` is, of those that DEPENDS is held against: our chambers and
// Abseil's. Empty for all others.
std::string LibraryOf(std::string_view include) {
  if (const std::string_view chamber = ChamberOf(include); !chamber.empty()) {
    std::string name = "waypost_" + std::string(chamber);
    std::replace(name.begin(), name.end(), '/', '_');
    return name;
  }
  if (!include.starts_with("absl/")) return "";
  const std::string_view header = BaseName(include);
  const std::string name(header.substr(0, header.rfind('.')));
  if (include.starts_with("absl/base/")) return "absl::core_headers";
  if (include.starts_with("absl/time/")) return "absl::time";
  const bool own = name == "cord" || name == "str_format";
  return include.starts_with("absl/strings/") && !own ? "absl::strings" : "absl::" + name;
}

// What is wrong with the DEPENDS of one chamber.
std::vector<std::string> CheckDependsOf(const SourceFile& cmake,
                                        const std::vector<SourceFile>& files) {
  const std::vector<std::string> words = WordsOf(cmake, "waypost_room");
  const auto depends = std::find(words.begin(), words.end(), "DEPENDS");
  const std::set<std::string> sources(words.begin(), depends), named(depends, words.end());
  const std::string_view chamber = ChamberOf(cmake.path);
  std::map<std::string, std::string> used;  // by whom
  for (const SourceFile& file : files) {
    if (ChamberOf(file.path) != chamber) continue;
    const std::string name(BaseName(file.path));
    // What is built in some presets only has a line of its own.
    if (!name.ends_with(".h") && !sources.contains(name)) continue;
    std::istringstream lines(file.content);
    for (std::string line; std::getline(lines, line);) {
      const auto include = IncludeOf(line);
      if (!include || ChamberOf(include->name) == chamber) continue;
      if (const std::string library = LibraryOf(include->name); !library.empty()) {
        used.try_emplace(library, name + " includes " + include->name);
      }
    }
  }
  std::vector<std::string> found;
  for (const auto& [library, why] : used) {
    if (!named.contains(library)) {
      found.push_back(cmake.path + ":1: " + why + ": name " + library + " under DEPENDS");
    }
  }
  for (const std::string& library : named) {
    const bool held = library.starts_with("waypost_") || library.starts_with("absl::");
    if (!held || used.contains(library)) continue;
    found.push_back(cmake.path + ":1: nothing here includes what is in " + library +
                    ": take it out of DEPENDS");
  }
  return found;
}

// What a CMakeLists.txt names, comments apart.
std::set<std::string> NamedIn(const SourceFile& cmake) {
  std::set<std::string> named;
  std::istringstream lines(cmake.content);
  std::string line;
  const std::filesystem::path dir = std::filesystem::path(cmake.path).parent_path();
  while (std::getline(lines, line)) {
    line.resize(std::min(line.size(), line.find('#')));
    for (char& c : line) {
      if (c == '(' || c == ')' || c == '"' || c == ';') c = ' ';
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (!word.ends_with(".cc")) continue;
      for (const std::string_view root : {"${PROJECT_SOURCE_DIR}/", "${CMAKE_SOURCE_DIR}/"}) {
        if (word.starts_with(root)) named.insert(word.substr(root.size()));
      }
      for (const std::string_view here : {"${CMAKE_CURRENT_SOURCE_DIR}/"}) {
        if (word.starts_with(here)) word = word.substr(here.size());
      }
      named.insert((dir / word).lexically_normal().generic_string());
    }
  }
  return named;
}

}  // namespace

std::vector<std::string> CheckFile(const SourceFile& file) { return Checker(file).Run(); }

std::vector<std::string> CheckPure(const std::vector<SourceFile>& files) {
  std::map<std::string_view, std::vector<std::string>> includes;
  for (const SourceFile& file : files) {
    std::istringstream lines(file.content);
    for (std::string line; std::getline(lines, line);) {
      if (const auto include = IncludeOf(line)) includes[file.path].push_back(include->name);
    }
  }
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    const auto chamber = ChamberTable().find(ChamberOf(file.path));
    if (chamber == ChamberTable().end() || !chamber->second.pure) continue;
    const std::string way = Reach{.includes = includes, .seen = {}}.Impure(file.path);
    if (way.empty()) continue;
    found.push_back(file.path + ":1: " + std::string(chamber->first) + "/ is pure, but reaches " +
                    way + ": take what is needed as a value");
  }
  return found;
}

std::vector<std::string> CheckBuilt(const std::vector<SourceFile>& files) {
  std::set<std::string> named;
  for (const SourceFile& file : files) {
    if (BaseName(file.path) != "CMakeLists.txt") continue;
    named.merge(NamedIn(file));
  }
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    if (!file.path.ends_with(".cc") || named.contains(file.path)) continue;
    found.push_back(file.path +
                    ":1: no CMakeLists.txt names it, so nothing builds it: add it to a" +
                    " target or remove it");
  }
  return found;
}

std::vector<std::string> CheckDepends(const std::vector<SourceFile>& files) {
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    if (BaseName(file.path) != "CMakeLists.txt" || ChamberOf(file.path).empty()) continue;
    const auto of_one = CheckDependsOf(file, files);
    found.insert(found.end(), of_one.begin(), of_one.end());
  }
  return found;
}

std::vector<std::string> CheckLimits(const SourceFile& wire, const SourceFile& tables,
                                     const SourceFile& security) {
  std::string limits = security.content;
  const std::size_t begin = limits.find("\n## Limits\n");
  limits.erase(0, begin == std::string::npos ? limits.size() : begin + 4);
  limits.resize(std::min(limits.find("\n## "), limits.size()));
  std::vector<std::string> found;
  const auto check = [&](const SourceFile& file, const std::regex& declared) {
    std::istringstream lines(file.content);
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      std::smatch name;
      if (!std::regex_search(line, name, declared)) continue;
      if (limits.find("`" + name[1].str() + "`") != std::string::npos) continue;
      found.push_back(file.path + ":" + std::to_string(number) + ": " + security.path +
                      " does not say under Limits what bounds `" + name[1].str() + "`");
    }
  };
  check(wire, std::regex("^message ([A-Za-z]+)"));
  check(tables, std::regex("^  (k[A-Z][A-Za-z]+),"));
  return found;
}

std::vector<std::string> CheckNamedTests(const std::vector<SourceFile>& files,
                                         const SourceFile& document) {
  std::string defined;
  const std::regex definition(R"(TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\))");
  for (const SourceFile& file : files) {
    if (!file.path.ends_with("_test.cc")) continue;
    const std::string& text = file.content;
    for (std::sregex_iterator it(text.begin(), text.end(), definition), end; it != end; ++it) {
      defined += "\n" + (*it)[1].str() + "." + (*it)[2].str() + "\n";
    }
  }
  std::vector<std::string> found;
  const std::regex named(R"(`([A-Z]\w+)\.(\w*(?:\*\w*)*)`)");
  const std::string& text = document.content;
  for (std::sregex_iterator it(text.begin(), text.end(), named), end; it != end; ++it) {
    const std::string rest =
        std::regex_replace((*it)[2].str(), std::regex(R"(\*)"), std::string("[A-Za-z0-9_]*"));
    if (std::regex_search(defined, std::regex("\n" + (*it)[1].str() + "\\." + rest + "\n")))
      continue;
    found.push_back(document.path + ": there is no test " + (*it)[0].str());
  }
  return found;
}

}  // namespace waypost::tidy
