#include "http/engine/engine_output.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

// Sends what it can of an answer without blocking: head and small bodies in one call, files by
// sendfile or, encrypted, a record at a time. A turn is bounded, so that one large answer does not
// keep a thread from others.

namespace waypost::http {
namespace {

// The most that one TLS record carries.
constexpr std::size_t kRecordBytes = 16 * 1024;

// Half of what the kernel reads ahead at first.
constexpr uint64_t kProbeBytes = 64 * 1024;

// Memory of an answer that its connection keeps for the next one.
constexpr std::size_t kKeptBodyBytes = 64 * 1024;

// Result of one send or sendfile that moved `sent` bytes.
SendResult Failed() {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return SendResult::kBlocked;
  return SendResult::kFailed;
}

// A head and what follows it in one record where they fit.
ssize_t SendEncrypted(TlsSession& tls, std::string_view head, std::string_view tail) {
  if (head.empty()) return tls.Send(tail.data(), std::min(tail.size(), kRecordBytes));
  if (tail.empty()) return tls.Send(head.data(), std::min(head.size(), kRecordBytes));
  std::array<char, kRecordBytes> record;
  const std::size_t of_head = head.copy(record.data(), record.size());
  const std::size_t of_tail = tail.copy(record.data() + of_head, record.size() - of_head);
  return tls.Send(record.data(), of_head + of_tail);
}

// A piece of a file; 0 where it ends early.
ssize_t SendFileEncrypted(TlsSession& tls, int file, uint64_t offset, uint64_t size) {
  std::array<char, kRecordBytes> record;
  const ssize_t got = ::pread(file, record.data(), std::min<uint64_t>(record.size(), size),
                              static_cast<off_t>(offset));
  if (got <= 0) {
    if (got < 0) errno = EIO;  // whatever it was, it is not a socket that would block
    return got;
  }
  return tls.Send(record.data(), static_cast<std::size_t>(got));
}

// `out` and, for a source in memory, its bytes, in one call.
SendResult SendMemory(Connection& c, uint64_t& turn, uint64_t turn_bytes) {
  const bool has_inline = c.part && c.part->source->fd() < 0;
  const bool has_file = c.part && !has_inline;
  while (true) {
    std::string_view tail = c.body;
    if (has_inline) tail = c.part->source->in_memory().substr(c.part->offset, c.part->length);
    tail.remove_prefix(has_file ? tail.size() : static_cast<std::size_t>(c.body_sent));
    const std::string_view head = std::string_view(c.out).substr(c.out_sent);
    if (head.empty() && tail.empty()) return SendResult::kDone;
    if (turn > 0 && turn >= turn_bytes) return SendResult::kMore;
    iovec pieces[2] = {{const_cast<char*>(head.data()), head.size()},
                       {const_cast<char*>(tail.data()), tail.size()}};
    msghdr message{};
    message.msg_iov = head.empty() ? pieces + 1 : pieces;
    message.msg_iovlen = head.empty() || tail.empty() ? 1 : 2;
    const bool file_follows = has_file && c.body_sent < c.part->length;
    const ssize_t sent =
        c.tls != nullptr ? SendEncrypted(*c.tls, head, tail)
                         : ::sendmsg(c.fd, &message,
                                     MSG_NOSIGNAL | MSG_DONTWAIT | (file_follows ? MSG_MORE : 0));
    if (sent < 0) {
      if (errno == EINTR) continue;
      return Failed();
    }
    const auto count = static_cast<uint64_t>(sent);
    const uint64_t of_head = std::min<uint64_t>(count, head.size());
    c.out_sent += of_head;
    c.body_sent += count - of_head;
    c.total_sent += count;
    turn += count;
  }
}

SendResult SendFile(Connection& c, uint64_t& turn, uint64_t turn_bytes) {
  while (c.body_sent < c.part->length) {
    if (turn >= turn_bytes) return SendResult::kMore;
    off_t offset = static_cast<off_t>(c.part->offset + c.body_sent);
    const uint64_t want = std::min(c.part->length - c.body_sent, turn_bytes - turn);
    const int file = c.part->source->fd();
    const ssize_t sent = c.tls != nullptr
                             ? SendFileEncrypted(*c.tls, file, static_cast<uint64_t>(offset), want)
                             : ::sendfile(c.fd, file, &offset, want);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return Failed();
    }
    if (sent == 0) return SendResult::kFailed;  // the file is shorter than its row says
    c.body_sent += static_cast<uint64_t>(sent);
    c.total_sent += static_cast<uint64_t>(sent);
    turn += static_cast<uint64_t>(sent);
  }
  return SendResult::kDone;
}

}  // namespace

SendResult SendSome(Connection& connection, uint64_t turn_bytes) {
  uint64_t turn = 0;
  SendResult result = SendMemory(connection, turn, turn_bytes);
  if (result == SendResult::kDone && connection.part && connection.part->source->fd() >= 0) {
    result = SendFile(connection, turn, turn_bytes);
  }
  if (result == SendResult::kDone) {
    connection.out.clear();
    connection.out_sent = 0;
    // A large one goes with its memory: clear() would keep it, and its room is given back.
    if (connection.body.capacity() > kKeptBodyBytes) std::string().swap(connection.body);
    connection.body.clear();
    connection.part.reset();
    connection.room.reset();
    connection.body_sent = 0;
  }
  return result;
}

bool NextIsCached(const Connection& connection, uint64_t bytes) {
  if (!connection.part || connection.part->source->fd() < 0) return true;
  const uint64_t begin = connection.part->offset + connection.body_sent;
  const uint64_t end = std::min(begin + bytes, connection.part->offset + connection.part->length);
  char byte;
  iovec piece{&byte, 1};
  for (uint64_t at = begin; at < end; at += kProbeBytes) {
    if (::preadv2(connection.part->source->fd(), &piece, 1, static_cast<off_t>(at), RWF_NOWAIT) !=
        1) {
      return false;
    }
  }
  return true;
}

uint64_t DrainedBytes(const Connection& connection) {
  int queued = 0;
  if (::ioctl(connection.fd, SIOCOUTQ, &queued) != 0 || queued < 0) queued = 0;
  const auto waiting = static_cast<uint64_t>(queued);
  return connection.total_sent > waiting ? connection.total_sent - waiting : 0;
}

}  // namespace waypost::http
