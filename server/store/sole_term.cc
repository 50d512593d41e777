#include "server/store/sole_term.h"

#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

// What an asynchronous question is answered.
template <typename T>
absl::StatusOr<T> Wait(const std::function<void(TermStore::Done<T>)>& ask) {
  absl::StatusOr<T> given = absl::UnknownError("not answered");
  absl::Notification answered;
  ask([&](absl::StatusOr<T> answer) {
    given = std::move(answer);
    answered.Notify();
  });
  answered.WaitForNotification();
  return given;
}

std::string NewHolder() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random), absl::Uniform<uint64_t>(random));
}

}  // namespace

SoleTerm::SoleTerm(TermStore& terms, Options options)
    : terms_(terms), options_(std::move(options)), holder_(NewHolder()) {}

absl::StatusOr<std::unique_ptr<SoleTerm>> SoleTerm::Take(TermStore& terms, Options options) {
  std::unique_ptr<SoleTerm> term(new SoleTerm(terms, std::move(options)));
  if (absl::Status status = term->TakeWhenFree(); !status.ok()) return status;
  term->renewing_ = std::thread([&one = *term] { one.Renew(); });
  return term;
}

absl::Status SoleTerm::TakeWhenFree() {
  std::optional<TermRow> first;
  for (absl::Duration waited;; waited += options_.beat) {
    const absl::StatusOr<TermRow> row = Wait<TermRow>([&](auto done) { terms_.Read(std::move(done)); });
    if (!row.ok()) return row.status();
    if (!first.has_value()) first = *row;
    const bool free = row->holder.empty();
    if (!free && *row != *first) break;
    if (free || waited >= options_.patience) {
      const auto taken =
          Wait<std::optional<uint64_t>>([&](auto done) { terms_.Take(*row, holder_, "", std::move(done)); });
      if (!taken.ok()) return taken.status();
      if (!taken->has_value()) break;
      number_ = **taken;
      return absl::OkStatus();
    }
    absl::SleepFor(options_.beat);
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "another mind-server uses this store, and lives",
                   "STORE_IN_USE");
}

void SoleTerm::Renew() {
  while (!closing_.WaitForNotificationWithTimeout(options_.beat)) {
    const absl::StatusOr<bool> renewed =
        Wait<bool>([&](auto done) { terms_.Renew(number_, holder_, std::move(done)); });
    if (renewed.ok() && !*renewed) return options_.lost();
  }
}

SoleTerm::~SoleTerm() {
  if (!renewing_.joinable()) return;
  closing_.Notify();
  renewing_.join();
  Wait<bool>([&](auto done) { terms_.Resign(number_, holder_, std::move(done)); }).IgnoreError();
}

}  // namespace mind::server
