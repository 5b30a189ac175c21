#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/mutex.h"

// TLS on sockets that somebody else owns and waits on. Nothing here waits, prompts or writes a log.
// The process ignores SIGPIPE.
namespace waypost::http {

// One connection's TLS, either side of it, on a non-blocking socket. One thread at a time.
class TlsSession {
 public:
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  enum class Step { kDone, kBlocked, kFailed };
  // Goes on with the handshake. Before it is done nothing else may be called.
  Step Handshake();
  // As recv and send without waiting: bytes moved, 0 at the end of the stream, or -1 with errno,
  // EAGAIN when the socket must become ready first: see blocked_on. A Send that was blocked is
  // repeated with bytes that begin with the same ones.
  ssize_t Receive(char* buffer, std::size_t size);
  ssize_t Send(const char* bytes, std::size_t size);
  // What the call that was blocked last waits for: POLLIN or POLLOUT; 0 when none was. Not always
  // the obvious one: TLS has messages of its own.
  short blocked_on() const { return blocked_on_; }
  // Received and decrypted already: the socket need not become readable for it.
  bool HasBuffered() const;
  // Tells the other side that this is the end, if that can be sent at once.
  void SayEnd();
  // Why the handshake failed, for people.
  const std::string& failure() const { return failure_; }
  // The other side spoke plain HTTP.
  bool plain_http() const { return plain_http_; }
  // SHA-256 of the other side's certificate, in hex; empty when it showed none.
  std::string PeerFingerprint() const;
  // The key that the other side proved to have, between peers.
  std::optional<base::PeerId> PeerKey() const;

  struct Ssl;
  explicit TlsSession(std::unique_ptr<Ssl> ssl);

 private:
  ssize_t Result(int result);

  const std::unique_ptr<Ssl> ssl_;
  short blocked_on_ = 0;
  bool broken_ = false;
  bool plain_http_ = false;
  std::string failure_;
};

// Makes sessions for sockets that a listener accepted. Thread-safe.
class TlsAcceptor {
 public:
  virtual ~TlsAcceptor() = default;
  // Nullptr when there is no memory for one.
  virtual std::unique_ptr<TlsSession> Begin(int fd) const = 0;
};

// What a listener shows: TLS 1.2 and 1.3, one certificate chain with its key, HTTP/1.1.
// Thread-safe.
class TlsServer final : public TlsAcceptor {
 public:
  // PEM files, and what people call them where they set them.
  struct Files {
    std::string certificate;
    std::string key;
    std::string certificate_setting = "the certificate";
    std::string key_setting = "the key";
  };
  // kFailedPrecondition and kInvalidArgument name setting and file, and what to change: not there,
  // no certificate, a key that is not its own, is encrypted, or that everybody may read.
  static absl::StatusOr<std::unique_ptr<TlsServer>> Load(Files files);
  ~TlsServer() override;
  // Reads the files again, for connections that begin from now on. An error changes nothing.
  absl::Status Reload();
  std::unique_ptr<TlsSession> Begin(int fd) const override;
  // SHA-256 of the certificate in use, in hex.
  std::string Fingerprint() const;

 private:
  struct Context;
  explicit TlsServer(Files files);
  absl::StatusOr<std::shared_ptr<Context>> ReadFiles() const;

  const Files files_;
  mutable base::Mutex mutex_;
  std::shared_ptr<Context> context_ GUARDED_BY(mutex_);
};

// The dialling side. It trusts no authority: who uses it compares TlsSession::PeerFingerprint with
// the one it expects, before it sends a byte. Thread-safe.
class TlsClient {
 public:
  TlsClient();
  ~TlsClient();
  std::unique_ptr<TlsSession> Begin(int fd) const;

 private:
  struct Context;
  const std::unique_ptr<Context> context_;
};

}  // namespace waypost::http
