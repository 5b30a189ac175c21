#include <algorithm>

#include "base/status.h"
#include "http/message/router.h"
#include "http/message/text.h"
#include "tests/fuzz/fuzz_target.h"

// Methods and paths against routes like those of the app API: what answers is the route that is
// named, and no parameter has a control character or is longer than the path.

namespace waypost::fuzz {
namespace {

const http::Router& TheRouter() {
  static const http::Router router = [] {
    http::Router built;
    for (const char* route :
         {"GET /healthz", "GET /v1/blobs", "POST /v1/blobs", "GET /v1/blobs/{id}",
          "PUT /v1/blobs/{id}", "POST /v1/blobs/{id}/fetch", "GET /v1/groups/{g}/refs",
          "POST /v1/groups/{g}/refs:batch", "GET /v1/groups/{g}/refs/{key...}",
          "DELETE /v1/groups/{g}/refs/{key...}", "PATCH /v1/groups/{g}/members/self",
          "DELETE /v1/groups/{g}/members/{p}"}) {
      const std::string text = route;
      const std::size_t space = text.find(' ');
      built.Add({.method = std::string_view(route).substr(0, space),
                 .pattern = std::string_view(route).substr(space + 1),
                 .handler = [text](http::Request&) {
                   http::Response response;
                   response.body = text;
                   return response;
                 }});
    }
    return built;
  }();
  return router;
}

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F;
  });
}

void RunRouter(std::string_view input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  http::Request request;
  request.method = std::string(input.substr(0, line));
  request.path = std::string(input.substr(std::min(line + 1, input.size())));
  const std::string name = TheRouter().RouteName(request);
  const http::Response response = TheRouter().Answer(request);
  switch (response.status) {
    case 200: {
      const std::string& route = std::get<std::string>(response.body);
      CHECK(route.ends_with(" " + name));
      for (const auto& [parameter, value] : request.params) {
        CHECK(!HasControlCharacter(value));
        // Decoded once, and only from what was there.
        CHECK(value.size() <= request.path.size());
      }
      break;
    }
    case 404:
      CHECK(name == "none");
      break;
    case 405:
    case 400:
      break;
    default:
      CHECK(false);
  }
  const auto decoded = http::PercentDecode(request.path);
  if (decoded) {
    CHECK(!HasControlCharacter(*decoded) && decoded->size() <= request.path.size());
    if (request.path.find('%') == std::string::npos) CHECK(*decoded == request.path);
  }
}

std::vector<std::string> RouterSeeds() {
  return {"GET\n/v1/blobs",
          "HEAD\n/v1/blobs/0123",
          "POST\n/v1/blobs/a%2fb/fetch",
          "DELETE\n/v1/groups/g/refs/a/b%20c//%C3%A9",
          "POST\n/v1/groups/g/refs:batch",
          "PATCH\n/v1/groups/%67/members/self",
          "PUT\n/v1/groups/g/members/%00",
          "GET\n//v1/../%2e%2e/%zz"};
}

}  // namespace

const Target kRouter = {"router", RunRouter, RouterSeeds};

}  // namespace waypost::fuzz
