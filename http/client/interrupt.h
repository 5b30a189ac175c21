#pragma once

#include <optional>
#include <stop_token>

namespace waypost::http {

// Makes waits of one thread end when a stop is requested. Made once a call.
class Interrupt {
 public:
  explicit Interrupt(const std::stop_token& stop);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  int fd() const { return fd_; }  // readable once stopped; -1: never stops
  bool stopped() const { return stop_.stop_requested(); }

 private:
  struct Poke {
    int fd;
    void operator()() const;
  };
  const std::stop_token stop_;
  const int fd_;
  std::optional<std::stop_callback<Poke>> callback_;
};

}  // namespace waypost::http
