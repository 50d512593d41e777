// A job store in memory that fails, is slow, or loses count of what it has done where a test says so.
#ifndef MIND_TESTS_UNIT_SERVER_FAKE_STORE_H_
#define MIND_TESTS_UNIT_SERVER_FAKE_STORE_H_

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/store/job_store.h"

namespace mind::server {

// States of pictures in memory. Writes wait, fail or are lost where a test says so.
class FakeCheckpoints : public CheckpointStore {
 public:
  bool slow = false;     // Save waits for Release
  bool failing = false;  // Save does nothing and says so
  int saves = 0;
  std::map<std::pair<std::string, uint32_t>, StoredCheckpoint> kept;  // by job and picture

  // What a crash of the database does.
  void Lose() { kept.clear(); }
  void Release() {
    slow = false;
    for (const auto& one : std::exchange(waiting_, {})) one();
  }

  void Save(std::vector<StoredCheckpoint> checkpoints, std::function<void(absl::Status)> done) override {
    ++saves;
    const auto save = [this, checkpoints = std::move(checkpoints), done = std::move(done)] {
      if (failing) return done(MakeError(absl::StatusCode::kUnavailable, "away", "STORE_UNAVAILABLE"));
      for (const StoredCheckpoint& one : checkpoints) kept[{one.job_id, one.image_index}] = one;
      done(absl::OkStatus());
    };
    if (!slow) return save();
    waiting_.push_back(save);
  }
  void Forget(std::vector<std::string> job_ids) override {
    for (const std::string& id : job_ids) {
      std::erase_if(kept, [&](const auto& entry) { return entry.first.first == id; });
    }
  }
  absl::Status ForEach(const std::function<void(StoredCheckpoint)>& take) override {
    for (const auto& [picture, one] : kept) take(one);
    return absl::OkStatus();
  }

 private:
  std::vector<std::function<void()>> waiting_;
};

class FakeStore : public JobStore {
 public:
  FakeCheckpoints states;
  // Commits are refused, and always will be.
  bool refuses = false;
  // Commits do nothing and say so.
  bool full = false;
  // Commits are done and said to have failed: nobody knows.
  bool forgetful = false;
  // Commits wait for Release.
  bool slow = false;
  std::vector<PurgeQuery> purges;      // that it was asked for
  std::optional<uint64_t> bytes_used;  // unset: it says that it lies elsewhere
  bool cannot_read_images = false;
  void LoseSources() { sources_.clear(); }
  // Batches asked for, and of them those committed.
  int commits = 0, committed = 0;
  int model_writes = 0, price_writes = 0;

  // What a restart of the server does to it: what was not committed is lost.
  void Reopen() {
    ++epoch_;
    waiting_.clear();
  }
  // Does what has been waiting, and goes on at once from then on.
  void Release() {
    slow = false;
    for (const auto& one : std::exchange(waiting_, {})) one();
  }

  void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override {
    ++commits;
    const auto commit = [this, batch = std::move(batch), done = std::move(done)] {
      if (full) return done(Full());
      if (refuses) return done(MakeError(absl::StatusCode::kInternal, "no such column", "STORE"));
      ++committed;
      for (const StoreWrite& write : *batch) std::visit([this](const auto& one) { Do(one); }, write);
      done(forgetful ? Full() : absl::OkStatus());
    };
    if (!slow) return commit();
    waiting_.push_back(commit);
  }
  void Purge(const PurgeQuery& query, int limit, Done<int> done) override {
    purges.push_back(query);
    int purged = 0;
    std::erase_if(jobs_, [&](const auto& entry) {
      const v1::Job& job = entry.second.job;
      if (!job.has_end_time() || (!query.tenant.empty() && job.tenant() != query.tenant)) return false;
      if (std::count(query.except.begin(), query.except.end(), job.tenant()) > 0) return false;
      const absl::Time ended = FromTimestamp(job.end_time());
      return ended >= query.ended_since && ended < query.ended_before && purged++ < limit;
    });
    done(std::min(purged, limit));
  }
  void BytesUsed(Done<uint64_t> done) override {
    bytes_used ? done(*bytes_used) : done(absl::UnimplementedError("elsewhere"));
  }
  void Find(const std::string& tenant, const std::string& id, Done<std::optional<StoredJob>> done) override {
    const StoredJob* const found = Look(id);
    done(found != nullptr && found->job.tenant() == tenant ? std::optional(*found) : std::nullopt);
  }
  void FindRequest(const std::string& tenant, const std::string& request_id,
                   Done<std::optional<EarlierRequest>> done) override {
    const auto found = keys_.find({tenant, request_id});
    if (found == keys_.end()) return done(std::nullopt);
    done(EarlierRequest{jobs_.at(found->second.first), found->second.second});
  }
  void List(const JobQuery& query, Done<std::vector<StoredJob>> done) override {
    std::vector<StoredJob> jobs = Select([&](const StoredJob& stored) {
      return stored.job.tenant() == query.tenant && stored.number < query.before &&
             (query.states.empty() || std::find(query.states.begin(), query.states.end(),
                                                stored.job.state()) != query.states.end()) &&
             std::all_of(query.labels.begin(), query.labels.end(), [&](const auto& label) {
               const auto found = stored.job.labels().find(label.first);
               return found != stored.job.labels().end() && found->second == label.second;
             });
    });
    std::reverse(jobs.begin(), jobs.end());
    jobs.resize(std::min(jobs.size(), static_cast<size_t>(query.limit)));
    done(jobs);
  }
  void FindSources(const std::string& job_id, Done<PictureBytes> done) override {
    if (cannot_read_images) {
      return done(MakeError(absl::StatusCode::kUnavailable, "I/O error", "STORE_UNAVAILABLE"));
    }
    done(sources_[job_id]);
  }
  void FindImage(const std::string& job_id, uint32_t index, Done<std::optional<StoredImage>> done) override {
    if (cannot_read_images) {
      return done(MakeError(absl::StatusCode::kUnavailable, "I/O error", "STORE_UNAVAILABLE"));
    }
    const auto found = images_[job_id].find(index);
    done(found == images_[job_id].end() ? std::nullopt : std::optional(found->second));
  }
  absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) override {
    for (StoredJob& stored : Select([](const StoredJob& one) { return !one.job.has_end_time(); })) {
      take(std::move(stored));
    }
    return absl::OkStatus();
  }
  void Models(Done<std::vector<v1::Model>> done) override {
    std::vector<v1::Model> models;
    for (const auto& [name, model] : models_) models.push_back(model);
    done(models);
  }
  void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) override {
    std::map<std::tuple<int64_t, std::string, std::string, std::string>, v1::Usage> rows;
    for (const auto& [id, job] : used_) {
      const absl::Time ended = FromTimestamp(job.end_time());
      if (ended < query.from || ended >= query.to) continue;
      if (!query.tenant.empty() && job.tenant() != query.tenant) continue;
      const int64_t day = job.end_time().seconds() / 86'400;
      v1::Usage& row = rows[{day, job.tenant(), job.key_id(), job.spec().model()}];
      row.mutable_day()->set_seconds(day * 86'400);
      row.set_tenant(job.tenant());
      row.set_key_id(job.key_id());
      row.set_model(job.spec().model());
      row.set_jobs(row.jobs() + 1);
      row.set_images(row.images() + job.images_done());
      row.set_steps(row.steps() + StepsUsed(job));
      row.set_worker_seconds(row.worker_seconds() + job.worker_seconds());
    }
    std::vector<v1::Usage> usage;
    for (const auto& [key, row] : rows) usage.push_back(row);
    usage.resize(std::min(usage.size(), static_cast<size_t>(query.limit)));
    done(usage);
  }
  absl::StatusOr<std::vector<UsedTime>> UsedSince(absl::Time since) override {
    std::vector<UsedTime> used;
    for (const auto& [id, job] : used_) {
      const absl::Time ended = FromTimestamp(job.end_time());
      if (ended >= since) used.push_back({job.tenant(), ended, job.worker_seconds()});
    }
    std::sort(used.begin(), used.end(),
              [](const UsedTime& one, const UsedTime& other) { return one.ended < other.ended; });
    return used;
  }
  StoreDurability durability() const override { return {.disk = true}; }
  absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) override {
    for (const StoredJob& stored :
         Select([this](const StoredJob& one) { return untold_.count(one.job.id()) != 0; })) {
      take(stored.job);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) override {
    return secrets_[purpose];
  }
  absl::StatusOr<std::vector<StoredPrice>> Prices() override {
    std::vector<StoredPrice> prices;
    for (const auto& [model, price] : prices_) prices.push_back(price);
    return prices;
  }
  CheckpointStore* checkpoints() override { return &states; }
  uint64_t epoch() const override { return epoch_; }

  // The job as it has been committed.
  std::optional<StoredJob> Now(const std::string& id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? std::nullopt : std::optional(found->second);
  }
  // The same without a copy; null: there is none.
  const StoredJob* Look(const std::string& id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? nullptr : &found->second;
  }
  void ForEach(const std::function<void(const StoredJob&)>& take) const {
    for (const auto& [id, stored] : jobs_) take(stored);
  }
  size_t size() const { return jobs_.size(); }
  void ForgetImages(const std::string& job_id) { images_.erase(job_id); }
  void ForgetUsage() { used_.clear(); }

 private:
  static absl::Status Full() {
    return WithRetry(
        MakeError(absl::StatusCode::kUnavailable, "job store: database or disk is full", "STORE_FULL"),
        absl::Seconds(5));
  }

  void Do(const InsertJob& write) {
    if (!write.key.request_id.empty()) {
      keys_[{write.key.tenant, write.key.request_id}] = {write.job.id(), write.key.fingerprint};
    }
    for (const Blob& picture : write.pictures) sources_[write.job.id()][picture.hash] = *picture.data;
    jobs_.try_emplace(write.job.id(),
                      StoredJob{.job = write.job, .number = ++last_number_, .tied = write.tied});
  }
  // As an UPDATE does, these do nothing where there is no such job: a batch may come again after the job it
  // speaks of has been forgotten.
  void Do(const UpdateJob& write) {
    if (const auto found = jobs_.find(write.job.id()); found != jobs_.end()) found->second.job = write.job;
  }
  void Do(const EndJob& write) {
    used_.try_emplace(write.job.id(), write.job);
    const auto found = jobs_.find(write.job.id());
    if (found == jobs_.end()) return;
    found->second.job = write.job;
    found->second.end_sequence = write.sequence;
    if (!write.job.webhook_url().empty()) untold_.insert(write.job.id());
  }
  void Do(const UntieJob& write) {
    if (const auto found = jobs_.find(write.id); found != jobs_.end()) found->second.tied = false;
  }
  void Do(const ForgetJob& write) {
    jobs_.erase(write.id);
    std::erase_if(keys_, [&](const auto& entry) { return entry.second.first == write.id; });
  }
  void Do(const AddImage& write) {
    const auto found = jobs_.find(write.job_id);
    if (found == jobs_.end()) return;
    const bool added =
        images_[write.job_id]
            .try_emplace(write.index, StoredImage{write.seed, write.media_type,
                                                  write.data != nullptr ? *write.data : write.object->key})
            .second;
    if (added) found->second.images.push_back({write.index, write.sequence});
  }
  void Do(const SaveModel& write) {
    ++model_writes;
    models_[write.model.name()] = write.model;
  }

  void Do(const SettleWebhook& write) { untold_.erase(write.id); }
  void Do(const AddSecret& write) {
    std::vector<StoredSecret>& secrets = secrets_[write.purpose];
    secrets.insert(secrets.begin(), write.secret);
    secrets.resize(std::min(secrets.size(), kSecretsKept));
  }

  void Do(const SavePrice& write) {
    ++price_writes;
    prices_[write.price.model] = write.price;
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
  std::vector<std::function<void()>> waiting_;
  std::map<std::string, StoredJob> jobs_;
  std::map<std::string, v1::Job> used_;  // that have ended, for good
  std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> keys_;
  std::map<std::string, std::map<uint32_t, StoredImage>> images_;
  std::map<std::string, PictureBytes> sources_;
  std::map<std::string, v1::Model> models_;
  std::set<std::string> untold_;  // jobs whose webhook is not settled
  std::map<std::string, std::vector<StoredSecret>> secrets_;
  std::map<std::string, StoredPrice> prices_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_FAKE_STORE_H_
