#include "server/generation/disk_budget.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/labelled_metric.h"
#include "proto/support/logging.h"

namespace mind::server {
namespace {

constexpr absl::Duration kLookInterval = absl::Seconds(1);
// Jobs are forgotten once a minute.
constexpr absl::Duration kRetryWhenFull = absl::Minutes(1);

}  // namespace

DiskBudget::DiskBudget(Options options, JobStore& store, prometheus::Registry& registry)
    : options_(std::move(options)), store_(store), registry_(registry) {
  if (options_.max_bytes == 0) return;
  GaugeFamily(registry, "mind_store_bytes_allowed", "What the job store may take up on the server's disk")
      .Add({})
      .Set(static_cast<double>(options_.max_bytes));
}

void DiskBudget::OnTick() {
  if (asking_ || elsewhere_ || options_.steady_clock() < next_) return;
  next_ = options_.steady_clock() + kLookInterval;
  asking_ = true;
  store_.BytesUsed([this, post = options_.post](const absl::StatusOr<uint64_t>& used) {
    post([this, used] { OnMeasured(used); });
  });
}

void DiskBudget::OnMeasured(const absl::StatusOr<uint64_t>& used) {
  asking_ = false;
  if (absl::IsUnimplemented(used.status())) {
    elsewhere_ = true;
    return;
  }
  if (!used.ok()) return;  // it says so where it is written to
  const bool was_full = !Check().ok();
  used_ = *used;
  if (used_gauge_ == nullptr) {
    used_gauge_ =
        &GaugeFamily(registry_, "mind_store_bytes", "What the job store takes up on the server's disk")
             .Add({});
  }
  used_gauge_->Set(static_cast<double>(used_));
  if (was_full == !Check().ok()) return;
  const LogFields fields = {{"bytes", used_}, {"allowed", options_.max_bytes}};
  was_full ? LogInfo("the job store has room again", fields)
           : LogWarning("the job store takes as much of the disk as it may: new jobs are refused", fields);
}

absl::Status DiskBudget::Check() const {
  if (options_.max_bytes == 0 || used_ < options_.max_bytes) return absl::OkStatus();
  return WithRetry(
      MakeError(
          absl::StatusCode::kResourceExhausted,
          absl::StrCat("the server's disk budget is used up: jobs and their pictures take ", used_, " of ",
                       options_.max_bytes, " bytes"),
          "DISK_LIMIT",
          {{"storeBytes", absl::StrCat(used_)}, {"storeBytesAllowed", absl::StrCat(options_.max_bytes)}}),
      kRetryWhenFull);
}

}  // namespace mind::server
