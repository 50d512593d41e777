#include "proto/support/tls_identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/logging.h"

namespace mind {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// A key that needs a password has none here: nobody is asked.
int NoPassword(char*, int, int, void*) {
  return 0;
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsIdentity>> TlsIdentity::Load(const std::string& certificate_file,
                                                               const std::string& key_file) {
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(certificate_file, key_file));
  const absl::MutexLock lock(&identity->mutex_);
  identity->stamps_ = identity->Stamps();
  absl::StatusOr<Pair> pair = identity->Read();
  if (!pair.ok()) return pair.status();
  identity->pair_ = std::make_shared<const Pair>(*std::move(pair));
  return identity;
}

absl::StatusOr<TlsIdentity::Pair> TlsIdentity::Read() const {
  absl::StatusOr<std::string> chain = ReadWholeFile(certificate_file_);
  if (!chain.ok()) return chain.status();
  absl::StatusOr<std::string> key = ReadWholeFile(key_file_);
  if (!key.ok()) return key.status();
  const absl::StatusOr<std::vector<X509Ptr>> certificates = ReadCertificates(*chain);
  if (!certificates.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot use ", certificate_file_, ": ", certificates.status().message()));
  }
  const BioPtr bio(BIO_new_mem_buf(key->data(), static_cast<int>(key->size())));
  const std::unique_ptr<EVP_PKEY, FreeKey> private_key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  const bool fits =
      private_key != nullptr && X509_check_private_key(certificates->front().get(), private_key.get()) == 1;
  ERR_clear_error();
  if (private_key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot use ", key_file_, ": it holds no private key in PEM, or one with a password"));
  }
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key in ", key_file_, " is not that of the certificate in ", certificate_file_));
  }
  Certificate certificate = Describe(*certificates->front());
  return Pair{*std::move(chain), *std::move(key), std::move(certificate)};
}

std::shared_ptr<const TlsIdentity::Pair> TlsIdentity::pair() const {
  const absl::MutexLock lock(&mutex_);
  return pair_;
}

bool TlsIdentity::ReadAgain() {
  const absl::MutexLock lock(&mutex_);
  const std::pair<FileStamp, FileStamp> now = Stamps();
  if (now == stamps_) return false;
  stamps_ = now;
  absl::StatusOr<Pair> pair = Read();
  if (!pair.ok()) {
    LogError("certificate cannot be read again; the one before stays",
             {{"file", certificate_file_}, {"error", std::string(pair.status().message())}});
    return false;
  }
  pair_ = std::make_shared<const Pair>(*std::move(pair));
  LogInfo("certificate read again",
          {{"file", certificate_file_},
           {"subject", pair_->certificate.subject},
           {"expires", absl::FormatTime(pair_->certificate.not_after, absl::UTCTimeZone())}});
  return true;
}

}  // namespace mind
