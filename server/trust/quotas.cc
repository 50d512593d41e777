#include "server/trust/quotas.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr absl::Duration kMinute = absl::Minutes(1);
constexpr absl::Duration kDay = absl::Hours(24);
constexpr int kSweptAtOnce = 4;

absl::Status Exceeded(const std::string& tenant, const std::string& description, const char* reason,
                      absl::Duration delay) {
  return QuotaExceeded("tenant:" + tenant, description, reason, std::max(delay, absl::Seconds(1)));
}

}  // namespace

void Quotas::Tenant::Refill(const v1::TenantLimits& limits, absl::Duration now) {
  minute.Refill(limits.worker_seconds_per_minute(), kMinute, now);
  day.Refill(limits.worker_seconds_per_day(), kDay, now);
}

absl::Status Quotas::Check(const Charge& charge, const v1::TenantLimits& limits, absl::Duration soon,
                           absl::Duration now) {
  Sweep(now);
  if (bytes_ + charge.bytes > max_bytes_ && bytes_ > 0) {
    return WithRetry(MakeError(absl::StatusCode::kResourceExhausted,
                               absl::StrCat("the queue is full: what its jobs have brought takes ", bytes_,
                                            " of ", max_bytes_, " bytes, and this job brings ", charge.bytes),
                               "QUEUE_FULL", {{"queueBytes", absl::StrCat(max_bytes_)}}),
                     soon);
  }
  const auto found = tenants_.find(charge.tenant);
  Tenant nobody;
  Tenant& tenant = found == tenants_.end() ? nobody : found->second;
  tenant.Refill(limits, now);
  if (limits.max_jobs() > 0 && tenant.jobs >= limits.max_jobs()) {
    return Exceeded(
        charge.tenant,
        absl::StrCat("the tenant may have ", limits.max_jobs(), " jobs that wait or run, and has as many"),
        "JOB_LIMIT", soon);
  }
  if (limits.max_bytes() > 0 && tenant.bytes + charge.bytes > limits.max_bytes()) {
    const std::string description =
        absl::StrCat("the tenant's jobs may have brought ", limits.max_bytes(), " bytes; they have brought ",
                     tenant.bytes, ", and this one brings ", charge.bytes);
    if (charge.bytes <= limits.max_bytes()) return Exceeded(charge.tenant, description, "BYTE_LIMIT", soon);
    // It will never fit.
    return MakeError(absl::StatusCode::kResourceExhausted, description, "BYTE_LIMIT");
  }
  for (const auto& [bucket, name] : {std::pair(&tenant.minute, "minute"), std::pair(&tenant.day, "day")}) {
    if (bucket->Holds(charge.worker_seconds)) continue;
    return Exceeded(
        charge.tenant,
        absl::StrFormat("the tenant may take %g seconds of a worker a %s; this job takes about %.3g",
                        bucket->State().limit, name, charge.worker_seconds),
        "WORKER_SECONDS_LIMIT", bucket->Until(charge.worker_seconds));
  }
  return absl::OkStatus();
}

void Quotas::Add(const std::string& job, const Charge& charge) {
  Tenant& tenant = tenants_[charge.tenant];
  jobs_[job] = {&tenant, charge.bytes, charge.worker_seconds};
  ++tenant.jobs;
  tenant.bytes += charge.bytes;
  bytes_ += charge.bytes;
}

void Quotas::Begin(const std::string& job, const Charge& charge, const v1::TenantLimits& limits,
                   absl::Duration now) {
  Add(job, charge);
  Tenant& tenant = tenants_[charge.tenant];
  tenant.Refill(limits, now);
  tenant.minute.Take(charge.worker_seconds);
  tenant.day.Take(charge.worker_seconds);
}

void Quotas::TakeUp(const std::string& name, double worker_seconds, const v1::TenantLimits& limits,
                    absl::Duration then) {
  Tenant& tenant = tenants_[name];
  tenant.Refill(limits, then);
  tenant.minute.Take(worker_seconds);
  tenant.day.Take(worker_seconds);
}

double Quotas::End(const std::string& job, double done) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return 0;
  const Taken ended = found->second;
  jobs_.erase(found);
  Tenant& tenant = *ended.tenant;
  --tenant.jobs;
  tenant.bytes -= ended.bytes;
  bytes_ -= ended.bytes;
  const double used = ended.worker_seconds * std::clamp(done, 0.0, 1.0);
  tenant.minute.GiveBack(ended.worker_seconds - used);
  tenant.day.GiveBack(ended.worker_seconds - used);
  return used;
}

std::optional<Rate> Quotas::WorkerSeconds(const std::string& name, const v1::TenantLimits& limits,
                                          absl::Duration now) const {
  const auto found = tenants_.find(name);
  Tenant tenant = found == tenants_.end() ? Tenant() : found->second;
  tenant.Refill(limits, now);
  std::optional<Rate> scarcer;
  for (const Bucket& bucket : {tenant.minute, tenant.day}) {
    const Rate rate = bucket.State();
    if (rate.limit > 0 && (!scarcer || rate.remaining < scarcer->remaining)) scarcer = rate;
  }
  return scarcer;
}

void Quotas::Sweep(absl::Duration now) {
  for (int i = 0; i < kSweptAtOnce && !tenants_.empty(); ++i) {
    auto next = tenants_.upper_bound(swept_);
    if (next == tenants_.end()) next = tenants_.begin();
    swept_ = next->first;
    Tenant& tenant = next->second;
    tenant.minute.Refill(now);
    tenant.day.Refill(now);
    if (tenant.jobs == 0 && tenant.minute.full() && tenant.day.full()) tenants_.erase(next);
  }
}

}  // namespace mind::server
