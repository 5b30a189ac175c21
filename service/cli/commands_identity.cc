#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/secret_box.h"
#include "base/sha256.h"
#include "base/short_id.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/output_file.h"
#include "service/cli/print.h"
#include "service/config.h"
#include "service/data_dir.h"

// Who this peer is and who may use it, without a running service: identity and tokens. Secrets are
// never printed, and the terminal's echo comes back however the prompt ends.

namespace waypost::service {
namespace {

constexpr std::string_view kBackupHeader = "waypost-identity-backup-1";
constexpr std::size_t kPassphraseMin = 12;
constexpr std::size_t kPassphraseMax = 1024;
constexpr std::size_t kBackupMax = 4096;

// Gives the terminal its settings back at its end, and at any signal that would end the process:
// whoever answers a prompt with Ctrl-C wants to see what is typed next. One at a time.
class EchoGuard {
 public:
  EchoGuard(int terminal, const termios& before) {
    terminal_ = terminal;
    before_ = before;
    struct sigaction restore {};
    restore.sa_handler = RestoreAndEnd;
    for (std::size_t i = 0; i < kEnds.size(); ++i) sigaction(kEnds[i], &restore, &handlers_[i]);
  }
  ~EchoGuard() {
    tcsetattr(terminal_, TCSAFLUSH, &before_);
    static_cast<void>(!write(terminal_, "\n", 1));
    for (std::size_t i = 0; i < kEnds.size(); ++i) sigaction(kEnds[i], &handlers_[i], nullptr);
  }
  EchoGuard(const EchoGuard&) = delete;
  EchoGuard& operator=(const EchoGuard&) = delete;

 private:
  static constexpr std::array kEnds = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

  // Calls only what a handler may.
  static void RestoreAndEnd(int number) {
    tcsetattr(terminal_, TCSANOW, &before_);
    static_cast<void>(!write(terminal_, "\n", 1));
    signal(number, SIG_DFL);
    raise(number);
  }

  static inline int terminal_ = -1;
  static inline termios before_{};
  std::array<struct sigaction, kEnds.size()> handlers_{};
};

// A line typed on the terminal without being shown.
absl::StatusOr<std::string> AskPassphrase(const char* prompt) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) {
    return UsageError("there is no terminal to ask for the passphrase: use --passphrase-file");
  }
  const absl::Cleanup closer = [terminal] { close(terminal); };
  termios before{};
  if (tcgetattr(terminal, &before) != 0) return absl::InternalError("the terminal does not answer");
  const EchoGuard guard(terminal, before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  // A stop would leave the terminal silent for whoever has it then.
  silent.c_cc[VSUSP] = _POSIX_VDISABLE;
  tcsetattr(terminal, TCSAFLUSH, &silent);
  static_cast<void>(!write(terminal, prompt, std::char_traits<char>::length(prompt)));
  std::string line;
  for (char c = 0; read(terminal, &c, 1) == 1 && c != '\n';) {
    if (line.size() == kPassphraseMax) return UsageError("the passphrase is too long");
    line.push_back(c);
  }
  return line;
}

absl::StatusOr<std::string> Passphrase(base::FileSystem& fs, const std::string& file, bool fresh) {
  std::string phrase;
  if (!file.empty()) {
    ASSIGN_OR_RETURN(phrase, base::ReadSmallFile(fs, file, kPassphraseMax));
    while (!phrase.empty() && (phrase.back() == '\n' || phrase.back() == '\r')) phrase.pop_back();
  } else {
    ASSIGN_OR_RETURN(phrase, AskPassphrase("passphrase: "));
    if (fresh) {
      std::string again;
      ASSIGN_OR_RETURN(again, AskPassphrase("the same again: "));
      if (again != phrase) return UsageError("the two passphrases differ");
    }
  }
  if (fresh && phrase.size() < kPassphraseMin) {
    return UsageError(absl::StrCat("a passphrase of at least ", kPassphraseMin,
                                   " characters is wanted: the backup is all that stands between "
                                   "its finder and this peer's groups"));
  }
  return phrase;
}

std::string KeyPath(const Common& common) { return common.data + "/identity.key"; }

void PrintIdentity(const Common& common, const base::PeerId& peer) {
  if (common.json) {
    PrintJson({{"peer", peer.ToHex()}, {"short", base::ShortId(peer)}});
  } else {
    PrintLine(absl::StrCat("peer  ", peer.ToHex()));
    PrintLine(absl::StrCat("short ", base::ShortId(peer)));
  }
}

}  // namespace

Exit IdentityShow(const Common& common) {
  std::unique_ptr<base::Identity> identity;
  ASSIGN_OR_RETURN(identity, base::Identity::Load(KeyPath(common)));
  PrintIdentity(common, identity->peer_id());
  return kExitOk;
}

Exit IdentityBackup(const Common& common, const IdentityArgs& args) {
  const auto fs = base::NewPosixFileSystem();
  std::unique_ptr<base::Identity> identity;
  ASSIGN_OR_RETURN(identity, base::Identity::Load(KeyPath(common)));
  std::string phrase;
  ASSIGN_OR_RETURN(phrase, Passphrase(*fs, args.passphrase_file, /*fresh=*/true));
  const std::string text =
      absl::StrCat(kBackupHeader.data(), "\n", base::ShortId(identity->peer_id()), "\n",
                   base::SealWithPassphrase(identity->seed(), phrase), "\n");
  if (args.file == "-") {
    RETURN_IF_ERROR(PrintBytes(text));
    return kExitOk;
  }
  const OutputOptions options{
      .force = args.force,
      .mode = 0600,
      .name = absl::StrCat("waypost-identity-", base::ShortId(identity->peer_id()))};
  RETURN_IF_ERROR(WriteOutput(args.file, base::Sha256::Of(text), options,
                              [&text](uint64_t, Take take) { return take(text); }));
  if (common.json) {
    PrintJson({{"file", args.file}, {"short", base::ShortId(identity->peer_id())}});
  } else {
    PrintLine(absl::StrCat("the key of this peer is in ", args.file));
  }
  return kExitOk;
}

Exit IdentityRestore(const Common& common, const IdentityArgs& args) {
  const auto fs = base::NewPosixFileSystem();
  std::string text;
  if (args.file == "-") {
    std::array<char, kBackupMax> buffer{};
    std::cin.read(buffer.data(), buffer.size());
    text.assign(buffer.data(), static_cast<std::size_t>(std::cin.gcount()));
  } else {
    ASSIGN_OR_RETURN(text, base::ReadSmallFile(*fs, args.file, kBackupMax));
  }
  const std::size_t first = text.find('\n');
  const std::size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
  if (second == std::string::npos || text.compare(0, first, kBackupHeader) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(args.file, " is no backup of an identity"));
  }
  std::string box = text.substr(second + 1);
  absl::StripAsciiWhitespace(&box);
  std::string phrase, secret;
  ASSIGN_OR_RETURN(phrase, Passphrase(*fs, args.passphrase_file, /*fresh=*/false));
  ASSIGN_OR_RETURN(secret, base::OpenWithPassphrase(box, phrase));
  std::array<uint8_t, 32> seed{};
  if (secret.size() != seed.size()) {
    return absl::InvalidArgumentError(absl::StrCat(args.file, " holds no identity"));
  }
  std::copy(secret.begin(), secret.end(), seed.begin());
  const auto identity = base::Identity::FromSeed(seed);
  base::WipeSecret(secret.data(), secret.size());
  base::WipeSecret(seed.data(), seed.size());
  RETURN_IF_ERROR(DataDir::Init(*fs, common.data, TemplateToml({}), identity.get()));
  PrintIdentity(common, identity->peer_id());
  return kExitOk;
}

Exit TokenRotate(const Common& common, const std::string& which) {
  const auto fs = base::NewPosixFileSystem();
  // Before, for over the app API it is proved with the tokens of before that this is the service.
  const auto running = Client::Connect(common.data);
  Json made = Json::array();
  for (const char* name : {"api", "read"}) {
    if (!which.empty() && which != name) continue;
    RETURN_IF_ERROR(DataDir::RotateToken(*fs, common.data, absl::StrCat(name, ".token")));
    made.push_back(absl::StrCat(common.data, "/", name, ".token"));
  }
  // A service that runs reads it again; one that does not will find it.
  absl::Status reloaded = running.status();
  if (running.ok()) reloaded = (*running)->Send("POST", "/v1/reload", Json()).status();
  const bool told = reloaded.ok();
  if (!told && ExitOf(reloaded) != kExitNotReachable) {
    return base::Annotate(reloaded, "the new token is written, but the service was not told");
  }
  if (common.json) {
    PrintJson({{"rotated", made}, {"told", told}});
  } else {
    for (const Json& path : made) PrintLine("a new token is in " + path.get<std::string>());
  }
  return kExitOk;
}

}  // namespace waypost::service
