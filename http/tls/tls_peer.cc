#include "http/tls/tls_peer.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/tls/tls_session.h"

// TLS between peers: 1.3 alone, one certificate made of the identity key, the same each time. Only
// the key in the other's certificate counts, and it is judged when the handshake is done: names,
// dates and issuers are not looked at.

namespace waypost::http {
namespace {

// A certificate with nothing but a key has 206 bytes.
constexpr long kCertificateBytesMax = 4096;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Deleter<X509_free>>;

// Self-signed, always valid, without names.
CertificatePtr MakeCertificate(EVP_PKEY* key) {
  CertificatePtr certificate(X509_new());
  X509* const made = certificate.get();
  const bool good = made != nullptr && X509_set_version(made, X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set(X509_get_serialNumber(made), 1) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notBefore(made), "19700101000000Z") == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notAfter(made), "99991231235959Z") == 1 &&
                    X509_set_pubkey(made, key) == 1 && X509_sign(made, key, nullptr) > 0;
  return good ? std::move(certificate) : nullptr;
}

// OpenSSL asks while the handshake runs; the key is judged once it is done, with the same result.
int TakeOneCertificate(X509_STORE_CTX* store, void*) {
  const bool one = sk_X509_num(X509_STORE_CTX_get0_untrusted(store)) == 1;
  X509_STORE_CTX_set_error(store, one ? X509_V_OK : X509_V_ERR_CERT_CHAIN_TOO_LONG);
  return one ? 1 : 0;
}

}  // namespace

struct PeerTls::Context {
  base::PeerId self;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, SSL_CTX_free};
};

PeerTls::PeerTls(std::unique_ptr<Context> context) : context_(std::move(context)) {}
PeerTls::~PeerTls() = default;

absl::StatusOr<std::unique_ptr<PeerTls>> PeerTls::Create(const base::Identity& identity) {
  auto made = std::make_unique<Context>();
  made->self = identity.peer_id();
  made->context.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* const context = made->context.get();
  if (context == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  SetCommonTlsOptions(context);
  const std::string_view seed = identity.seed();
  const KeyPtr key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()), seed.size()));
  const CertificatePtr certificate = key == nullptr ? nullptr : MakeCertificate(key.get());
  if (certificate == nullptr || SSL_CTX_use_certificate(context, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set1_groups_list(context, "X25519") != 1 ||
      SSL_CTX_set1_sigalgs_list(context, "ed25519") != 1 ||
      SSL_CTX_set1_client_sigalgs_list(context, "ed25519") != 1) {
    return absl::InternalError(absl::StrCat("TLS cannot be set up: ", TakeTlsError()));
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, TakeOneCertificate, nullptr);
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  return std::unique_ptr<PeerTls>(new PeerTls(std::move(made)));
}

std::unique_ptr<TlsSession> PeerTls::Begin(int fd) const {
  return BeginTls(context_->context.get(), fd, /*accepted=*/true,
                  [self = context_->self](const SSL& ssl) -> std::string {
                    const auto key = PeerKeyOf(ssl);
                    if (!key) return "it shows no Ed25519 key";
                    if (*key == self) return "it shows our own key";
                    return "";
                  });
}

std::unique_ptr<TlsSession> PeerTls::Dial(int fd, const base::PeerId& expected) const {
  return BeginTls(context_->context.get(), fd, /*accepted=*/false,
                  [expected, self = context_->self](const SSL& ssl) -> std::string {
                    const auto key = PeerKeyOf(ssl);
                    if (key && *key == expected && expected != self) return "";
                    return absl::StrCat("it shows ", key ? "the key " + key->ToHex() : "no key",
                                        ", not ", expected.ToHex());
                  });
}

}  // namespace waypost::http
