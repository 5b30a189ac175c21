#include "http/app/app_api.h"

#include <utility>

#include "http/app/app_context.h"
#include "http/app/auth.h"

// Puts the app API together: the topics add their routes to one router, and every request passes
// the token, Host and Origin before it reaches one. Only /healthz and /readyz need no token.

namespace waypost::http {

struct AppApi::Impl {
  Impl(AppParts parts, AppInfo info)
      : context{.parts = parts, .info = std::move(info)},
        auth({.tokens = context.info.tokens,
              .allowed_hosts = context.info.allowed_hosts,
              .bound_hosts = context.info.bound_hosts}) {
    AddBlobRoutes(router, context);
    AddFetchRoutes(router, context);
    AddGroupRoutes(router, context);
    AddRefRoutes(router, context);
    AddWantedRoutes(router, context);
    AddAdminRoutes(router, context);
    AddEventRoutes(router, context);
  }
  AppContext context;
  Auth auth;
  Router router;
};

AppApi::AppApi(AppParts parts, AppInfo info)
    : impl_(std::make_unique<Impl>(parts, std::move(info))) {}
AppApi::~AppApi() = default;

Response AppApi::Handle(Request& request) {
  const bool open = request.path == "/healthz" || request.path == "/readyz";
  auto refused = open ? impl_->auth.CheckOrigin(request) : impl_->auth.Check(request);
  if (refused) return *std::move(refused);
  return impl_->router.Route(request);
}

void AppApi::SetTokens(Tokens tokens) { impl_->auth.SetTokens(std::move(tokens)); }

std::string AppApi::RouteName(const Request& request) const {
  return impl_->router.RouteName(request);
}

std::vector<std::string> AppApi::Routes() const { return impl_->router.Routes(); }

}  // namespace waypost::http
