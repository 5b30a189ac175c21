#pragma once

#include <memory>
#include <string>

#include "http/tls/tls.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::http {

// A self-signed certificate for localhost with its key, in files of a temporary folder.
class TestCertificate {
 public:
  TestCertificate();
  const std::string& certificate_file() const { return certificate_file_; }
  const std::string& key_file() const { return key_file_; }
  // Another key and certificate in the same files.
  void Renew();
  std::shared_ptr<const TlsServer> Server() const;

 private:
  base::TempDir dir_;
  const std::string certificate_file_ = dir_ / "certificate.pem";
  const std::string key_file_ = dir_ / "key.pem";
};

}  // namespace waypost::http
