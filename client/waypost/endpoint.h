#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "waypost/result.h"

namespace waypost::client {

// Where a service is and how it is known.
struct Endpoint {
  std::string address;  // "127.0.0.1:7440", "[::1]:7440" or a name and a port
  std::string token;    // what is in api.token, or in read.token for calls that only read
  // Of the certificate, SHA-256 as 64 lower-case digits; empty: plain HTTP.
  std::string tls_sha256;
};

namespace detail {

inline std::optional<std::string> ReadSmallFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace detail

// The endpoint of the service whose data folder is `data`, as the command line finds it: from
// endpoints.json and the file `token` there. kConnection: no service runs there now (the file is
// there only while one does). kFile: there is no token, or it may not be read.
inline Result<Endpoint> ReadDataFolder(const std::filesystem::path& data,
                                       const std::string& token = "api.token") {
  const auto endpoints = detail::ReadSmallFile(data / "endpoints.json");
  if (!endpoints) {
    return Error{.kind = ErrorKind::kConnection,
                 .message = "no service runs on " + data.string() + ": no endpoints.json there"};
  }
  const auto json = nlohmann::json::parse(*endpoints, nullptr, /*allow_exceptions=*/false);
  const auto text = [&json](const char* key) {
    const bool there = json.is_object() && json.contains(key) && json[key].is_string();
    return there ? json[key].get<std::string>() : std::string();
  };
  Endpoint endpoint{.address = text("http"), .tls_sha256 = text("http_tls_sha256")};
  if (endpoint.address.empty()) {
    return Error{.kind = ErrorKind::kFile,
                 .message = (data / "endpoints.json").string() + " says no address"};
  }
  const auto written = detail::ReadSmallFile(data / token);
  if (!written) {
    return Error{.kind = ErrorKind::kFile,
                 .message = (data / token).string() + ": " + std::strerror(errno)};
  }
  endpoint.token = *written;
  while (!endpoint.token.empty() && std::strchr(" \r\n", endpoint.token.back()) != nullptr) {
    endpoint.token.pop_back();
  }
  return endpoint;
}

}  // namespace waypost::client
