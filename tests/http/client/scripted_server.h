#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"

namespace waypost::http {

// A server that says exactly what a test wants, byte for byte: for each connection, in order of
// arrival, the next script is run (the last one again and again).
class ScriptedServer {
 public:
  // One accepted connection.
  class Talk {
   public:
    explicit Talk(int fd) : fd_(fd) {}
    // Up to and including the next empty line; empty at the end.
    std::string ReadHead();
    bool Say(const std::string& bytes);  // false when the other side has closed
    void Reset();                        // closes with an RST
    void WaitForTheOtherEnd();           // until it closes

   private:
    int fd_;
    std::string buffered_;
  };
  using Script = std::function<void(Talk&)>;

  explicit ScriptedServer(std::vector<Script> scripts);
  // One answer to every request on every connection.
  explicit ScriptedServer(const std::string& answer);
  ~ScriptedServer();
  const std::string& address() const { return address_; }
  int connections() const { return connections_; }
  std::vector<std::string> heads();  // of all requests, in order

 private:
  void Accept();
  void Serve(int fd, const Script& script);
  const std::vector<Script> scripts_;
  std::string address_;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  base::Mutex mutex_;
  std::vector<int> open_ GUARDED_BY(mutex_);
  std::vector<std::string> heads_ GUARDED_BY(mutex_);
  std::vector<base::Thread> threads_;
  base::Thread acceptor_;
};

}  // namespace waypost::http
