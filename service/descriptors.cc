#include "service/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"

// The soft limit that shells and systemd give is 1024, for programs that use select; what a process
// may raise it to is far more. Nothing here uses select.

namespace waypost::service {
namespace {

// Index, log, epoll, signals, libraries; blob files kept open; connections that are turned away;
// the command line's; those that wait at other peers for later calls.
constexpr uint64_t kAlways = 1024;
// A socket and two files of a fetch.
constexpr uint64_t kOfFetch = 3;

}  // namespace

uint64_t DescriptorsNeeded(const Config& config) {
  const uint64_t connections =
      uint64_t{config.http.max_connections} + uint64_t{config.peer.max_connections};
  return kAlways + 2 * connections + kOfFetch * config.fetcher.concurrency +
         config.sync_concurrency;
}

void RaiseDescriptorLimit(uint64_t needed) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed) return;
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed) {
    base::LogWarning("this process may have ", limit.rlim_max,
                     " descriptors open (ulimit -Hn, LimitNOFILE of systemd), and its settings may "
                     "need ",
                     needed,
                     ": beyond that, connections wait and reads are answered 503; raise the limit, "
                     "or lower http.max_connections and peer.max_connections");
  }
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY
                       ? static_cast<rlim_t>(needed)
                       : std::min(limit.rlim_max, static_cast<rlim_t>(needed));
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    base::LogWarning("the limit of descriptors stays at what it was: it cannot be raised");
  }
}

}  // namespace waypost::service
