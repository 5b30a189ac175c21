#include "http/app/app_handlers.h"
#include "http/app/openapi_text.h"

// The description of this API, docs/openapi.yaml, which the build puts into the program
// (cmake/embed.cmake): what is served is what this program does.

namespace waypost::http {

absl::StatusOr<Response> GetDescription(AppContext&, Request&) {
  Response response;
  response.Set("Content-Type", "application/yaml");
  response.body = std::string(kOpenApiText, sizeof(kOpenApiText));
  return response;
}

}  // namespace waypost::http
