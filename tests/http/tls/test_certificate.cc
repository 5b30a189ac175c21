#include "tests/http/tls/test_certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cstdio>

#include "base/status.h"

// Made anew for each test, with a key drawn now, and written as PEM files with the modes that the
// service asks for.

namespace waypost::http {

TestCertificate::TestCertificate() { Renew(); }

void TestCertificate::Renew() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  CHECK(key != nullptr && certificate != nullptr);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  std::FILE* file = std::fopen(certificate_file_.c_str(), "w");
  CHECK(file != nullptr && PEM_write_X509(file, certificate) == 1);
  std::fclose(file);
  file = std::fopen(key_file_.c_str(), "w");
  CHECK(file != nullptr &&
        PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  std::fclose(file);
  CHECK(::chmod(key_file_.c_str(), 0600) == 0);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

std::shared_ptr<const TlsServer> TestCertificate::Server() const {
  auto server = TlsServer::Load({.certificate = certificate_file_, .key = key_file_});
  CHECK(server.ok());
  return *std::move(server);
}

}  // namespace waypost::http
