#include <optional>
#include <string>
#include <utility>

#include "base/host_port.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"

// What the owner of the data folder and its command line ask of a service: to read its files again,
// and to show that it is the one whose token they hold before they send it.

namespace waypost::http {
namespace {

// Proofs are for programs that found endpoints.json, so they are on this machine and call what it
// says; nobody else gets anything that a token could be guessed with, nor through a proxy here.
bool OnThisMachine(const Request& request, const std::string& endpoint) {
  if (request.by_owner) return true;
  for (const char* forwarded : {"forwarded", "x-forwarded-for", "x-real-ip", "via"}) {
    if (request.Header(forwarded)) return false;
  }
  if (request.Header("host") != endpoint) return false;
  if (base::IsLoopback(request.remote_address)) return true;
  const auto own = base::ParseHostPort(endpoint);
  return own.ok() && own->host == request.remote_address;
}

}  // namespace

absl::StatusOr<Response> Reload(AppContext& context, Request& request) {
  // Also where a part of it was no good: the rest has been read.
  const absl::Status read = context.info.reload();
  context.Note(request, "config.reload", std::nullopt, std::string(read.message()));
  RETURN_IF_ERROR(read);
  return EmptyResponse();
}

absl::StatusOr<Response> GetProof(AppContext& context, Request& request) {
  const std::string endpoint = context.info.endpoint();
  if (!OnThisMachine(request, endpoint)) return absl::NotFoundError("asked from another machine");
  const ProofOf of{.nonce = std::string(request.Query("nonce").value_or("")), .address = endpoint};
  ASSIGN_OR_RETURN(std::string proof,
                   context.tokens.Prove(request.Query("token").value_or("api"), of));
  return JsonResponse({{"proof", std::move(proof)}});
}

}  // namespace waypost::http
