#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/tidy_rules.h"

// What people read in the tree, held against the tree: comments and documents name only what is
// there, and every file of code says what it does. Pure.
namespace waypost::tidy {

// Every file and folder of the tree, relative to its root, with forward slashes.
using Paths = std::set<std::string>;

// In a document (.md): paths in backticks, and links, must lead somewhere.
std::vector<std::string> CheckDocument(const SourceFile& file, const Paths& tree);

// In a source: the files that comments name must be there.
std::vector<std::string> CheckComments(const SourceFile& file, const Paths& tree);

// In both: documents and numbers that only those know who wrote the code.
std::vector<std::string> CheckNamesOutside(const SourceFile& file);

// A .cc says after its includes, in two to seven lines, what it does and what must hold.
std::vector<std::string> CheckBanner(const SourceFile& file);

}  // namespace waypost::tidy
