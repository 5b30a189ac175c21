#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"

// Bytes as a test wants them on the wire, for what no HTTP client would send or read.
namespace waypost::integration {

struct ConnectFrom {
  std::string address;           // of ours on loopback, "127.0.0.2"; empty: any
  int receive_buffer_bytes = 0;  // 0: the system's
};
// A connected socket; -1 if there is none. The caller closes it.
int Connect(const std::string& address, const ConnectFrom& from = {});

bool SendAll(int fd, std::string_view bytes);

// Sends bytes and reads whatever comes until the other side closes or `timeout`; empty if nothing
// came. `end_early` closes our sending side at once.
std::string SendRaw(const std::string& address, std::string_view bytes, bool end_early,
                    base::Millis timeout);

// Listens at an address of loopback, answers whoever comes with an empty JSON object, and keeps
// what they said. Ends, and its thread with it, when it is destroyed.
class PortListener {
 public:
  explicit PortListener(const std::string& address);
  ~PortListener();
  std::string heard() const;

 private:
  void Run();
  int fd_ = -1;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::string heard_;
};

}  // namespace waypost::integration
