#pragma once

#include <string>
#include <string_view>

namespace waypost::http {

// The Content-Type of a file by the ending of its name, whatever its case;
// "application/octet-stream" where that says nothing. Pure.
std::string_view MediaTypeOf(std::string_view name);

// Content-Disposition with the last segment of `key` as the file's name: shown in place, or saved.
// Any bytes of the key are safe in it. Pure.
std::string DispositionOf(std::string_view key, bool save);

}  // namespace waypost::http
