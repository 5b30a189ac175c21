#include "http/tls/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status.h"
#include "http/tls/tls_session.h"

// OpenSSL as the engine and the clients need it: sessions on sockets that do not block,
// certificates of a file for the app listener. Each call leaves OpenSSL's error queue empty, since
// what one call left there would be read as the failure of the next.

namespace waypost::http {
namespace {

// A passphrase is never asked for: the service has no terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

// Whoever offers protocols must offer ours: HTTP/2 bytes would be refused anyway, less clearly.
int SelectHttp11(SSL*, const unsigned char** out, unsigned char* out_size,
                 const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof(kHttp11) - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string FingerprintOf(const X509* certificate) {
  if (certificate == nullptr) return "";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  return base::ToHex(std::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

int IntSize(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

// KeyUpdates are the other side's right, but each costs a key derivation: more than this is abuse.
constexpr int kKeyUpdatesMax = 16;

void CountKeyUpdates(int is_ours, int, int content_type, const void* bytes, size_t size, SSL*,
                     void* counter) {
  if (is_ours == 0 && content_type == SSL3_RT_HANDSHAKE && size > 0 &&
      *static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) {
    ++*static_cast<int*>(counter);
  }
}

}  // namespace

std::string TakeTlsError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return "the connection ended";
  const char* const reason = ERR_reason_error_string(error);
  return reason == nullptr ? absl::StrCat("error ", error) : reason;
}

void SetCommonTlsOptions(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // With TLS 1.2: forward secrecy and authenticated ciphers only. TLS 1.3 has no others.
  CHECK(SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
  // No sessions to be resumed: a certificate that was replaced is gone. Idle connections give their
  // buffers back.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // One record a call: a flood of records without data cannot keep a thread inside SSL_read.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
}

std::optional<base::PeerId> PeerKeyOf(const SSL& ssl) {
  const X509* const certificate = SSL_get0_peer_certificate(&ssl);
  const EVP_PKEY* const key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) return std::nullopt;
  std::array<unsigned char, base::PeerId::kBytes> raw;
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key, raw.data(), &size) != 1 || size != raw.size()) {
    return std::nullopt;
  }
  return base::PeerId::FromBytes(std::string_view(reinterpret_cast<const char*>(raw.data()), size));
}

std::unique_ptr<TlsSession> BeginTls(SSL_CTX* context, int fd, bool accepted,
                                     std::function<std::string(const SSL& ssl)> judge) {
  auto state = std::make_unique<TlsSession::Ssl>();
  state->ssl.reset(SSL_new(context));
  state->judge = std::move(judge);
  SSL* const ssl = state->ssl.get();
  if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) return nullptr;
  SSL_set_msg_callback(ssl, CountKeyUpdates);
  SSL_set_msg_callback_arg(ssl, &state->key_updates);
  if (accepted) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return std::make_unique<TlsSession>(std::move(state));
}

// ---- sessions ----

TlsSession::TlsSession(std::unique_ptr<Ssl> ssl) : ssl_(std::move(ssl)) {}
TlsSession::~TlsSession() = default;

TlsSession::Step TlsSession::Handshake() {
  ERR_clear_error();
  blocked_on_ = 0;
  const int result = SSL_do_handshake(ssl_->ssl.get());
  if (result == 1) {
    if (ssl_->judge) failure_ = ssl_->judge(*ssl_->ssl);
    if (failure_.empty()) return Step::kDone;
    broken_ = true;
    return Step::kFailed;
  }
  const int error = SSL_get_error(ssl_->ssl.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    blocked_on_ = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return Step::kBlocked;
  }
  broken_ = true;
  plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  failure_ = TakeTlsError();
  return Step::kFailed;
}

ssize_t TlsSession::Result(int result) {
  if (result > 0) return result;
  if (ssl_->key_updates > kKeyUpdatesMax) {
    broken_ = true;
    ERR_clear_error();
    errno = ECONNRESET;
    return -1;
  }
  switch (SSL_get_error(ssl_->ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      blocked_on_ = POLLIN;
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_WANT_WRITE:
      blocked_on_ = POLLOUT;
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      // After an error of its own a session may not even say goodbye.
      broken_ = true;
      ERR_clear_error();
      errno = ECONNRESET;
      return -1;
  }
}

ssize_t TlsSession::Receive(char* buffer, std::size_t size) {
  ERR_clear_error();
  blocked_on_ = 0;
  return Result(SSL_read(ssl_->ssl.get(), buffer, IntSize(size)));
}

ssize_t TlsSession::Send(const char* bytes, std::size_t size) {
  ERR_clear_error();
  blocked_on_ = 0;
  const ssize_t sent = Result(SSL_write(ssl_->ssl.get(), bytes, IntSize(size)));
  if (sent != 0) return sent;
  errno = EPIPE;  // the other side has said that this is the end
  return -1;
}

bool TlsSession::HasBuffered() const { return SSL_has_pending(ssl_->ssl.get()) == 1; }

void TlsSession::SayEnd() {
  if (broken_ || SSL_is_init_finished(ssl_->ssl.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_->ssl.get());
  ERR_clear_error();
  broken_ = true;  // once is enough
}

std::string TlsSession::PeerFingerprint() const {
  return FingerprintOf(SSL_get0_peer_certificate(ssl_->ssl.get()));
}

std::optional<base::PeerId> TlsSession::PeerKey() const { return PeerKeyOf(*ssl_->ssl); }

// ---- the listener's side ----

struct TlsServer::Context {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, SSL_CTX_free};
};

TlsServer::TlsServer(Files files) : files_(std::move(files)) {}
TlsServer::~TlsServer() = default;

absl::StatusOr<std::unique_ptr<TlsServer>> TlsServer::Load(Files files) {
  std::unique_ptr<TlsServer> server(new TlsServer(std::move(files)));
  RETURN_IF_ERROR(server->Reload());
  return server;
}

absl::StatusOr<std::shared_ptr<TlsServer::Context>> TlsServer::ReadFiles() const {
  struct stat info;
  if (::stat(files_.key.c_str(), &info) != 0) {
    return base::Annotate(base::ErrnoStatus(errno, files_.key), files_.key_setting);
  }
  if ((info.st_mode & S_IROTH) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(files_.key_setting, ": everybody may read ", files_.key, ": chmod 600 it"));
  }
  auto loaded = std::make_shared<Context>();
  loaded->context.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = loaded->context.get();
  if (context == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  SetCommonTlsOptions(context);
  SSL_CTX_set_default_passwd_cb(context, NoPassphrase);
  SSL_CTX_set_alpn_select_cb(context, SelectHttp11, nullptr);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, files_.certificate.c_str()) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(files_.certificate_setting, ": ", files_.certificate,
                     " is not a PEM certificate chain: ", TakeTlsError()));
  }
  if (SSL_CTX_use_PrivateKey_file(context, files_.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(files_.key_setting, ": ", files_.key,
                                                   " is not the unencrypted PEM key of ",
                                                   files_.certificate, ": ", TakeTlsError()));
  }
  return loaded;
}

absl::Status TlsServer::Reload() {
  ASSIGN_OR_RETURN(std::shared_ptr<Context> loaded, ReadFiles());
  base::MutexLock lock(mutex_);
  context_ = std::move(loaded);
  return absl::OkStatus();
}

std::unique_ptr<TlsSession> TlsServer::Begin(int fd) const {
  std::shared_ptr<Context> context;
  {
    base::MutexLock lock(mutex_);
    context = context_;
  }
  return BeginTls(context->context.get(), fd, /*accepted=*/true, nullptr);
}

std::string TlsServer::Fingerprint() const {
  base::MutexLock lock(mutex_);
  return FingerprintOf(SSL_CTX_get0_certificate(context_->context.get()));
}

// ---- the dialling side ----

struct TlsClient::Context {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, SSL_CTX_free};
};

TlsClient::TlsClient() : context_(std::make_unique<Context>()) {
  context_->context.reset(SSL_CTX_new(TLS_client_method()));
  CHECK(context_->context != nullptr);
  SetCommonTlsOptions(context_->context.get());
  SSL_CTX_set_verify(context_->context.get(), SSL_VERIFY_NONE, nullptr);  // see the class comment
}
TlsClient::~TlsClient() = default;

std::unique_ptr<TlsSession> TlsClient::Begin(int fd) const {
  return BeginTls(context_->context.get(), fd, /*accepted=*/false, nullptr);
}

}  // namespace waypost::http
