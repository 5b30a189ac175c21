#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "service/cli/client.h"

// What commands write to standard output and standard error.
namespace waypost::service {

// One line, whatever stands in it: see base/harmless.h, as for all below.
void PrintLine(std::string_view text);
void PrintJson(const Json& json);
// Lines of our own, as they are.
void PrintText(const std::string& text);
// Bytes as they are: of a blob, or a file that was asked for on standard output. An error, with
// exit status 5, as soon as some of them are lost.
absl::Status PrintBytes(std::string_view bytes);
// Everything printed is where it should go; else an error with exit status 5. `get` writes to
// standard output as well.
absl::Status FlushOutput();
// Columns aligned by spaces; the first row is the head, left out when it is empty. A row of one
// cell is a line of its own.
void PrintTable(std::vector<std::vector<std::string>> rows);
// To standard error: something that somebody should know, while the command goes on. With
// NotesAsJson each is {"note": text} on a line.
void PrintError(std::string_view text);
void NotesAsJson();
// To standard error, with what a command ends.
void PrintErrorJson(const Json& error);
// Whether somebody may be looking: standard error is a terminal; and how wide it is.
bool OnTerminal();
std::size_t ColumnsOfTerminal();
// Of our own, as it is, to standard error: what draws on a terminal.
void DrawText(const std::string& text);
// As JSON, or for people.
void PrintList(bool json, const Json& list, const std::vector<std::vector<std::string>>& rows);

// An answer: as JSON, or each value on a line with its path.
void PrintObject(bool json, const Json& object);

// The first 12 digits: enough for people.
std::string Abbreviated(const std::string& id);

}  // namespace waypost::service
