#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "waypost/result.h"

namespace waypost::client {

// Where a service is and how it is known.
struct Endpoint {
  std::string address;  // "127.0.0.1:7440", "[::1]:7440" or a name and a port
  std::string token;    // what is in api.token, or in read.token for calls that only read
  // Not empty: the Unix socket of a service on this machine, called instead of `address`, which is
  // then its name in requests alone. Refused where a user other than `owner`, and not root,
  // listens.
  std::string socket_path;
  uid_t owner = 0;
  // Where `address` is called: of the certificate, SHA-256 as 64 lower-case digits; empty: plain
  // HTTP.
  std::string tls_sha256;
};

namespace detail {

inline std::optional<std::string> ReadSmallFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace detail

// The endpoint of the service whose data folder is `data`, as the command line finds it: its
// control.sock, and the file `token` there. A port would not do: after a crash another program may
// listen there, and would be sent the token. kConnection: no service runs there now. kFile: there
// is no token, or it may not be read; or the file system of the folder holds no sockets, and where
// the service is must be said by hand.
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
  std::error_code failed;
  endpoint.socket_path = (std::filesystem::absolute(data, failed) / "control.sock").string();
  struct stat folder {
  }, socket{};
  if (failed || stat(data.c_str(), &folder) != 0 ||
      lstat(endpoint.socket_path.c_str(), &socket) != 0) {
    return Error{.kind = ErrorKind::kFile,
                 .message = endpoint.socket_path + ": " + std::strerror(errno) +
                            "; say address and token by hand"};
  }
  endpoint.owner = folder.st_uid;
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
