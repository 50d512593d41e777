// A job store in memory that fails where a test says so.
#ifndef MIND_TESTS_UNIT_SERVER_FAKE_STORE_H_
#define MIND_TESTS_UNIT_SERVER_FAKE_STORE_H_

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/store/job_store.h"

namespace mind::server {

class FakeStore : public JobStore {
 public:
  struct Failures {
    bool insert = false, update = false, end = false, image = false, models = false, probe = false;
    bool read_images = false;
    void SetWrites(bool failing) { insert = update = end = image = models = probe = failing; }
  };
  Failures fail;
  int model_writes = 0;

  // What a restart of the server does to it.
  void Reopen() { ++epoch_; }

  absl::Status Insert(const v1::Job& job, const RequestKey& key, bool tied) override {
    if (fail.insert) return Full();
    if (!key.replaces.empty()) keys_.erase({key.tenant, key.request_id});
    if (!key.request_id.empty()) keys_[{key.tenant, key.request_id}] = {job.id(), key.fingerprint};
    jobs_[job.id()] = {.job = job, .number = ++last_number_, .tied = tied};
    return absl::OkStatus();
  }
  absl::Status Update(const v1::Job& job) override {
    if (fail.update) return Full();
    jobs_.at(job.id()).job = job;
    return absl::OkStatus();
  }
  absl::Status End(const v1::Job& job, uint64_t sequence) override {
    if (fail.end) return Full();
    jobs_.at(job.id()).job = job;
    jobs_.at(job.id()).end_sequence = sequence;
    return absl::OkStatus();
  }
  absl::Status Untie(const std::string& id) override {
    jobs_.at(id).tied = false;
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<StoredJob>> Find(const std::string& id) override {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? std::nullopt : std::optional(found->second);
  }
  absl::StatusOr<std::optional<Earlier>> FindRequest(const std::string& tenant,
                                                     const std::string& request_id) override {
    const auto found = keys_.find({tenant, request_id});
    return found == keys_.end() ? std::nullopt : std::optional(found->second);
  }
  absl::StatusOr<std::vector<StoredJob>> List(const std::string& tenant,
                                              const std::vector<v1::JobState>& states, uint64_t before,
                                              int limit) override {
    std::vector<StoredJob> jobs = Select([&](const StoredJob& stored) {
      return stored.job.tenant() == tenant && stored.number < before &&
             (states.empty() || std::find(states.begin(), states.end(), stored.job.state()) != states.end());
    });
    std::reverse(jobs.begin(), jobs.end());
    jobs.resize(std::min(jobs.size(), static_cast<size_t>(limit)));
    return jobs;
  }
  absl::StatusOr<std::vector<StoredJob>> Unfinished() override {
    return Select([](const StoredJob& stored) { return !stored.job.has_end_time(); });
  }
  absl::Status InsertImage(const std::string& job_id, const StoredImage& image) override {
    if (fail.image) return Full();
    images_[job_id].emplace(image.index, image);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<ImageMark>> Images(const std::string& job_id) override {
    std::vector<ImageMark> marks;
    for (const auto& [index, image] : images_[job_id]) marks.push_back({index, image.sequence});
    return marks;
  }
  absl::StatusOr<std::optional<StoredImage>> FindImage(const std::string& job_id, uint32_t index) override {
    if (fail.read_images) return MakeError(absl::StatusCode::kUnavailable, "I/O error", "STORE_UNAVAILABLE");
    const auto found = images_[job_id].find(index);
    return found == images_[job_id].end() ? std::nullopt : std::optional(found->second);
  }
  absl::Status SaveModels(const std::vector<v1::Model>& models) override {
    if (fail.models) return Full();
    ++model_writes;
    for (const v1::Model& model : models) models_[model.name()] = model;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<v1::Model>> Models() override {
    std::vector<v1::Model> models;
    for (const auto& [name, model] : models_) models.push_back(model);
    return models;
  }
  absl::Status Probe() override { return fail.probe ? Full() : absl::OkStatus(); }
  uint64_t epoch() const override { return epoch_; }
  absl::StatusOr<int> Purge(absl::Time ended_before) override {
    return static_cast<int>(std::erase_if(jobs_, [&](const auto& entry) {
      const v1::Job& job = entry.second.job;
      return job.has_end_time() && FromTimestamp(job.end_time()) < ended_before;
    }));
  }

  void ForgetImages(const std::string& job_id) { images_.erase(job_id); }

 private:
  static absl::Status Full() {
    return WithRetry(
        MakeError(absl::StatusCode::kUnavailable, "job store: database or disk is full", "STORE_FULL"),
        absl::Seconds(5));
  }
  template <typename Predicate>
  std::vector<StoredJob> Select(const Predicate& predicate) const {
    std::vector<StoredJob> jobs;
    for (const auto& [id, stored] : jobs_) {
      if (predicate(stored)) jobs.push_back(stored);
    }
    std::sort(jobs.begin(), jobs.end(),
              [](const StoredJob& one, const StoredJob& other) { return one.number < other.number; });
    return jobs;
  }

  uint64_t epoch_ = 1;
  uint64_t last_number_ = 0;
  std::map<std::string, StoredJob> jobs_;
  std::map<std::pair<std::string, std::string>, Earlier> keys_;
  std::map<std::string, std::map<uint32_t, StoredImage>> images_;
  std::map<std::string, v1::Model> models_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_FAKE_STORE_H_
