#include "tests/http/client/scripted_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/status.h"
#include "http/engine/listen.h"

// One thread accepts, one for each connection runs its script. The object's end cuts what a script
// still waits for, and joins them all.

namespace waypost::http {

std::string ScriptedServer::Talk::ReadHead() {
  std::size_t end;
  while ((end = buffered_.find("\r\n\r\n")) == std::string::npos) {
    char buffer[4096];
    const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (got <= 0) return "";
    buffered_.append(buffer, static_cast<std::size_t>(got));
  }
  const std::string head = buffered_.substr(0, end + 4);
  buffered_.erase(0, end + 4);
  return head;
}

bool ScriptedServer::Talk::Say(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

void ScriptedServer::Talk::Reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void ScriptedServer::Talk::WaitForTheOtherEnd() {
  char buffer[4096];
  while (::recv(fd_, buffer, sizeof(buffer), 0) > 0) {
  }
}

ScriptedServer::ScriptedServer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
  auto listening = Listen("127.0.0.1:0", "test");
  CHECK(listening.ok());
  listener_ = listening->fd;
  address_ = listening->bound_address;
  acceptor_ = base::Thread("acceptor", [this] { Accept(); });
}

ScriptedServer::ScriptedServer(const std::string& answer)
    : ScriptedServer(std::vector<Script>{[this, answer](Talk& talk) {
        while (true) {
          const std::string head = talk.ReadHead();
          if (head.empty()) return;
          {
            base::MutexLock lock(mutex_);
            heads_.push_back(head);
          }
          talk.Say(answer);
        }
      }}) {}

ScriptedServer::~ScriptedServer() {
  stop_ = true;
  acceptor_.Join();
  {
    base::MutexLock lock(mutex_);
    for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  threads_.clear();
  ::close(listener_);
}

std::vector<std::string> ScriptedServer::heads() {
  base::MutexLock lock(mutex_);
  return heads_;
}

void ScriptedServer::Accept() {
  while (!stop_) {
    pollfd poller{listener_, POLLIN, 0};
    if (::poll(&poller, 1, 20) <= 0) continue;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const auto index =
        std::min<std::size_t>(static_cast<std::size_t>(connections_++), scripts_.size() - 1);
    {
      base::MutexLock lock(mutex_);
      open_.push_back(fd);
    }
    threads_.emplace_back("talk", [this, fd, index] { Serve(fd, scripts_[index]); });
  }
}

void ScriptedServer::Serve(int fd, const Script& script) {
  Talk talk(fd);
  script(talk);
  base::MutexLock lock(mutex_);
  std::erase(open_, fd);
  ::close(fd);
}

}  // namespace waypost::http
