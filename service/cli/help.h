#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/cli/client.h"

namespace CLI {
class App;
}

// What the command line says about itself. One thread.
namespace waypost::service {

// Those of `words` that somebody who wrote `word` may have meant, the nearest first, three at most.
std::vector<std::string> NearestWords(std::string_view word, std::vector<std::string> words);

// Two lines of use of the command, such as "config set", without the program's name; none for one
// that is not known.
std::vector<std::string> ExamplesOf(const std::string& command);

// Gives each command its two examples, and each word without a help text the one of its name.
void FillHelp(CLI::App& app);
// What was wrong with a line, for people: an unknown command or option with the nearest right ones;
// "" where CLI11 says it as well.
std::string WhatWasUnknown(const CLI::App& app);
// Of the command that `words` lead to, or an error that names the nearest.
absl::StatusOr<std::string> HelpOf(CLI::App& app, const std::vector<std::string>& words);
// Every command: {"command", "help", "examples", "words": [{"word", "help"}]}
Json AllHelp(CLI::App& app);

}  // namespace waypost::service
