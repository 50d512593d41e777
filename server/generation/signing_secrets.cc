#include "server/generation/signing_secrets.h"

#include <sys/random.h>

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr char kPurpose[] = "urls";
constexpr absl::Duration kLife = absl::Hours(24);
constexpr size_t kBytes = 32;

}  // namespace

absl::Status SigningSecrets::TakeUp() {
  absl::StatusOr<std::vector<StoredSecret>> secrets = state_.store.Secrets(kPurpose);
  if (!secrets.ok()) return secrets.status();
  secrets_ = *std::move(secrets);
  return absl::OkStatus();
}

void SigningSecrets::Give(Generation::Answer<std::vector<std::string>> answer) {
  const absl::Time now = state_.Now();
  if (secrets_.empty() || now - secrets_.front().made >= kLife) {
    char bytes[kBytes];
    if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
      return answer(MakeError(absl::StatusCode::kInternal, "the system gives no random bytes", "NO_RANDOM"));
    }
    secrets_.insert(secrets_.begin(), {.secret = std::string(bytes, sizeof bytes), .made = now});
    if (secrets_.size() > kSecretsKept) secrets_.resize(kSecretsKept);
    state_.ledger.Write(AddSecret{kPurpose, secrets_.front()});
  }
  state_.ledger.Answer([this, answer = std::move(answer)](const absl::Status& written) {
    if (!written.ok()) return answer(written);
    std::vector<std::string> secrets;
    for (const StoredSecret& one : secrets_) secrets.push_back(one.secret);
    answer(std::move(secrets));
  });
}

}  // namespace mind::server
