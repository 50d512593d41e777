#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "absl/strings/str_join.h"

namespace mind::support {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeKey>;
struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using X509Ptr = std::unique_ptr<X509, FreeX509>;

template <typename Writer>
std::string Pem(Writer write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  write(bio);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string PemOf(X509* certificate) {
  return Pem([certificate](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

void Extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("bad extension: " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509Ptr NewCertificate(EVP_PKEY* key, const Authority::Request& request) {
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  unsigned char serial[8];
  RAND_bytes(serial, sizeof serial);
  serial[0] &= 0x7f;
  BIGNUM* const number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(request.not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(request.not_after));
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

struct Authority::Impl {
  KeyPtr key{EVP_EC_gen("P-256")};
  X509Ptr certificate;
  std::string pem;
  std::string above;  // PEM of those between it and its root
};

Authority::Authority(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->certificate = NewCertificate(impl_->key.get(), {.name = name});
  X509* const own = impl_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  Extend(own, own, NID_basic_constraints, "critical,CA:TRUE");
  Extend(own, own, NID_subject_key_identifier, "hash");
  X509_sign(own, impl_->key.get(), EVP_sha256());
  impl_->pem = PemOf(own);
}

Authority::Authority(const std::string& name, const Authority& above) : impl_(std::make_unique<Impl>()) {
  impl_->certificate = NewCertificate(impl_->key.get(), {.name = name});
  X509* const own = impl_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(above.impl_->certificate.get()));
  Extend(own, above.impl_->certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  Extend(own, above.impl_->certificate.get(), NID_subject_key_identifier, "hash");
  X509_sign(own, above.impl_->key.get(), EVP_sha256());
  impl_->pem = PemOf(own);
  impl_->above = impl_->pem + above.impl_->above;
}

Authority::~Authority() = default;

const std::string& Authority::certificate() const {
  return impl_->pem;
}

KeyAndCertificate Authority::Issue(const Request& request) const {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const X509Ptr certificate = NewCertificate(key.get(), request);
  X509* const issuer = impl_->certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  if (!request.hosts.empty())
    Extend(certificate.get(), issuer, NID_subject_alt_name, absl::StrJoin(request.hosts, ","));
  if (!request.use.empty()) Extend(certificate.get(), issuer, NID_ext_key_usage, request.use);
  X509_sign(certificate.get(), impl_->key.get(), EVP_sha256());
  return {.certificate = PemOf(certificate.get()) + impl_->above,
          .key = Pem([&key](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

void ReplaceFile(const std::string& path, const std::string& bytes) {
  const std::string fresh = path + ".new";
  std::ofstream(fresh, std::ios::binary) << bytes;
  if (std::rename(fresh.c_str(), path.c_str()) != 0) throw std::runtime_error("cannot replace " + path);
}

void KeyAndCertificate::Write(const std::string& stem) const {
  ReplaceFile(stem + ".key", key);
  ReplaceFile(stem + ".crt", certificate);
}

}  // namespace mind::support
