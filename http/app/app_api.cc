#include "http/app/app_api.h"

#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "http/app/app_handlers.h"
#include "http/app/auth.h"

// Puts the app API together: the table of routes on one router, guarded by tokens, Host and Origin.
// Nothing is answered before the guard was asked.

namespace waypost::http {

struct AppApi::Impl {
  Impl(AppParts parts, AppInfo info)
      : context{.parts = parts, .info = std::move(info)},
        auth({.tokens = context.tokens,
              .clock = context.parts.clock,
              .metrics = context.parts.metrics,
              .sites = context.parts.sites,
              .bound_hosts = context.info.bound_hosts}) {
    const absl::Status loaded = context.tokens.Load();
    if (!loaded.ok()) base::LogError("named tokens are no good: ", loaded.ToString());
    SetLimits(context.info.limits);
    const absl::Status links = context.links.Load();
    if (!links.ok()) base::LogError("links are no good: ", links.ToString());
    context.tokens.SetFiles(context.info.tokens);
    for (Route& route : AppRoutes(context)) router.Add(std::move(route));
  }
  void SetLimits(const AppLimits& now) {
    context.tokens.SetMax(now.tokens);
    context.audit.SetLimits(now);
    base::MutexLock lock(mutex);
    limits = now;
  }
  AppContext context;
  Auth auth;
  Router router{[this](Request& request, Right right) { return auth.Check(request, right); }};
  base::Mutex mutex;
  AppLimits limits GUARDED_BY(mutex);
};

AppApi::AppApi(AppParts parts, AppInfo info)
    : impl_(std::make_unique<Impl>(parts, std::move(info))) {}
AppApi::~AppApi() = default;

Response AppApi::Handle(Request& request) {
  auto preflight = impl_->auth.Preflight(request);
  Response response = preflight ? *std::move(preflight) : impl_->router.Answer(request);
  impl_->auth.LetRead(request, response);
  return response;
}

void AppApi::SetTokens(Tokens tokens) {
  Tokens& known = impl_->context.info.tokens;
  // Of those that were there the owner of the data folder has made new ones.
  if (tokens.api != known.api) impl_->context.audit.Note({.act = "token.rotate", .what = "api"});
  if (tokens.read != known.read) impl_->context.audit.Note({.act = "token.rotate", .what = "read"});
  known = std::move(tokens);
  impl_->context.tokens.SetFiles(known);
}

void AppApi::NoteReload(const absl::Status& read) {
  impl_->context.audit.Note({.act = "config.reload", .what = std::string(read.message())});
}

void AppApi::SetLimits(const AppLimits& limits) { impl_->SetLimits(limits); }

AppLimits AppApi::limits() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->limits;
}

std::string AppApi::RouteName(const Request& request) const {
  return impl_->router.RouteName(request);
}

std::vector<const Route*> AppApi::Routes() const { return impl_->router.Routes(); }

}  // namespace waypost::http
