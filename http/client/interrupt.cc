#include "http/client/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

// A stop becomes a descriptor that polls wake up for. Without one, because there are none left, it
// is noticed when the wait ends.

namespace waypost::http {

void Interrupt::Poke::operator()() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof(one));
}

Interrupt::Interrupt(const std::stop_token& stop)
    : stop_(stop), fd_(stop.stop_possible() ? ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1) {
  // Without a descriptor a stop is noticed at the next deadline.
  if (fd_ >= 0) callback_.emplace(stop_, Poke{fd_});
}

Interrupt::~Interrupt() {
  callback_.reset();
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace waypost::http
