// Questions to a job store whose answers a test waits for, and what it is told in tests.
#ifndef MIND_TESTS_UNIT_SERVER_STORE_RIG_H_
#define MIND_TESTS_UNIT_SERVER_STORE_RIG_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "proto/support/time.h"
#include "server/store/job_store.h"

namespace mind::server {

inline v1::Job StoreJob(const std::string& id, v1::JobState state = v1::JOB_STATE_QUEUED,
                        const std::string& tenant = "t") {
  v1::Job job;
  job.set_id(id);
  job.set_tenant(tenant);
  job.set_state(state);
  job.mutable_spec()->set_prompt("提示 " + id);
  return job;
}
inline InsertJob Inserted(const std::string& id, const RequestKey& key = {}, bool tied = false) {
  return {StoreJob(id), key, tied};
}
inline EndJob Ended(const std::string& id, uint64_t sequence,
                    absl::Time when = absl::UnixEpoch() + absl::Hours(1)) {
  v1::Job job = StoreJob(id, v1::JOB_STATE_SUCCEEDED);
  *job.mutable_end_time() = ToTimestamp(when);
  return {job, sequence};
}
inline AddImage Image(const std::string& job, uint32_t index, const std::string& data, uint64_t sequence,
                      uint64_t seed = 1) {
  return {job, index, seed, "image/png", sequence, std::make_shared<const std::string>(data)};
}

// What an asynchronous question is answered.
template <typename Result>
Result Await(const std::function<void(std::function<void(Result)>)>& ask) {
  std::optional<Result> result;
  absl::Notification answered;
  ask([&](Result answer) {
    result = std::move(answer);
    answered.Notify();
  });
  answered.WaitForNotification();
  return *std::move(result);
}

inline absl::Status Commit(JobStore& store, StoreBatch batch) {
  return Await<absl::Status>(
      [&](const auto& done) { store.Commit(std::make_shared<const StoreBatch>(std::move(batch)), done); });
}
inline absl::StatusOr<std::optional<StoredJob>> Find(JobReader& store, const std::string& id,
                                                     const std::string& tenant = "t") {
  return Await<absl::StatusOr<std::optional<StoredJob>>>(
      [&](const auto& done) { store.Find(tenant, id, done); });
}
inline absl::StatusOr<std::optional<EarlierRequest>> FindRequest(JobReader& store, const std::string& tenant,
                                                                 const std::string& request_id) {
  return Await<absl::StatusOr<std::optional<EarlierRequest>>>(
      [&](const auto& done) { store.FindRequest(tenant, request_id, done); });
}
inline absl::StatusOr<std::optional<StoredImage>> FindImage(JobReader& store, const std::string& job,
                                                            uint32_t index) {
  return Await<absl::StatusOr<std::optional<StoredImage>>>(
      [&](const auto& done) { store.FindImage(job, index, done); });
}
inline absl::StatusOr<PictureBytes> FindSources(JobStore& store, const std::string& job) {
  return Await<absl::StatusOr<PictureBytes>>([&](const auto& done) { store.FindSources(job, done); });
}
inline absl::StatusOr<std::vector<v1::Model>> AllModels(JobReader& store) {
  return Await<absl::StatusOr<std::vector<v1::Model>>>([&](const auto& done) { store.Models(done); });
}
inline int Purge(JobStore& store, const PurgeQuery& query, int limit = 1000) {
  const auto purged = Await<absl::StatusOr<int>>([&](const auto& done) { store.Purge(query, limit, done); });
  EXPECT_TRUE(purged.ok()) << purged.status();
  return purged.value_or(-1);
}
inline int Purge(JobStore& store, absl::Time ended_before, int limit = 1000) {
  return Purge(store, PurgeQuery{.ended_before = ended_before}, limit);
}

// The ids one after the other, or what went wrong.
inline std::string List(JobReader& store, const std::string& tenant,
                        const std::vector<v1::JobState>& states = {}, uint64_t before = UINT64_MAX,
                        int limit = 10) {
  const auto jobs = Await<absl::StatusOr<std::vector<StoredJob>>>([&](const auto& done) {
    store.List({tenant, states, before, limit}, done);
  });
  if (!jobs.ok()) return jobs.status().ToString();
  std::string ids;
  for (const StoredJob& stored : *jobs) ids += stored.job.id();
  return ids;
}
inline std::vector<StoredJob> Unfinished(JobStore& store) {
  std::vector<StoredJob> jobs;
  const absl::Status status = store.ForEachUnfinished([&](StoredJob job) { jobs.push_back(std::move(job)); });
  EXPECT_TRUE(status.ok()) << status;
  return jobs;
}
inline std::string UnfinishedIds(JobStore& store) {
  std::string ids;
  for (const StoredJob& stored : Unfinished(store)) ids += stored.job.id();
  return ids;
}

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_STORE_RIG_H_
