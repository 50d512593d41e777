// A database in memory that several fronts share, each with a view of its own that a test can cut off.
#ifndef MIND_TESTS_UNIT_SERVER_FAKE_DATABASE_H_
#define MIND_TESTS_UNIT_SERVER_FAKE_DATABASE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/store/term_store.h"
#include "tests/unit/server/fake_store.h"

namespace mind::server {

// Thread-safe.
class FakeDatabase {
 public:
  // What one front sees of it. Thread-safe.
  class View : public TermStore, public virtual JobReader {
   public:
    template <typename T>
    using Done = StoreDone<T>;

    explicit View(FakeDatabase& database) : database_(database) {}

    void Cut(bool away) {
      const absl::MutexLock lock(&database_.mutex_);
      away_ = away;
    }
    std::unique_ptr<JobStore> Open(uint64_t term) { return std::make_unique<Session>(*this, term); }

    void Read(Done<TermRow> done) override {
      Ask(done, [&](FakeDatabase& all) { done(all.row_); });
    }
    void Take(const TermRow& seen, const std::string& holder, const std::string& address,
              Done<std::optional<uint64_t>> done) override {
      Ask(done, [&](FakeDatabase& all) {
        if (all.row_ != seen) return done(std::nullopt);
        all.row_ = {seen.term + 1, holder, address, 0};
        done(all.row_.term);
      });
    }
    void Renew(uint64_t term, const std::string& holder, Done<bool> done) override {
      Ask(done, [&](FakeDatabase& all) {
        const bool ours = all.row_.term == term && all.row_.holder == holder;
        if (ours) ++all.row_.beat;
        done(ours);
      });
    }
    void Resign(uint64_t term, const std::string& holder, Done<bool> done) override {
      Ask(done, [&](FakeDatabase& all) {
        const bool ours = all.row_.term == term && all.row_.holder == holder;
        if (ours) all.row_.holder.clear();
        done(ours);
      });
    }

    void Find(const std::string& tenant, const std::string& id,
              Done<std::optional<StoredJob>> done) override {
      Ask(done, [&](FakeDatabase& all) { all.content_.Find(tenant, id, done); });
    }
    void FindRequest(const std::string& tenant, const std::string& request_id,
                     Done<std::optional<EarlierRequest>> done) override {
      Ask(done, [&](FakeDatabase& all) { all.content_.FindRequest(tenant, request_id, done); });
    }
    void List(const JobQuery& query, Done<std::vector<StoredJob>> done) override {
      Ask(done, [&](FakeDatabase& all) { all.content_.List(query, done); });
    }
    void FindImage(const std::string& job_id, uint32_t index,
                   Done<std::optional<StoredImage>> done) override {
      Ask(done, [&](FakeDatabase& all) { all.content_.FindImage(job_id, index, done); });
    }
    void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) override {
      Ask(done, [&](FakeDatabase& all) { all.content_.ListUsage(query, done); });
    }
    void Models(Done<std::vector<v1::Model>> done) override {
      Ask(done, [&](FakeDatabase& all) { all.content_.Models(done); });
    }

   private:
    friend class FakeDatabase;

    template <typename Done, typename Work>
    void Ask(const Done& done, const Work& work) {
      const absl::MutexLock lock(&database_.mutex_);
      away_ ? done(Away()) : work(database_);
    }

    FakeDatabase& database_;
    bool away_ = false;  // guarded by the database's mutex
  };

  TermRow row() {
    const absl::MutexLock lock(&mutex_);
    return row_;
  }

 private:
  // The store of one term.
  class Session : public JobStore {
   public:
    Session(View& view, uint64_t term) : view_(view), term_(term) {}

    void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override {
      view_.Ask(done, [&](FakeDatabase& all) {
        if (all.row_.term != term_) {
          return done(MakeError(absl::StatusCode::kAborted, "the term is over", kTermOver));
        }
        all.content_.Commit(batch, done);
      });
    }
    void Purge(const PurgeQuery& query, int limit, Done<int> done) override {
      view_.Ask(done, [&](FakeDatabase& all) { all.content_.Purge(query, limit, done); });
    }
    void FindSources(const std::string& job_id, Done<PictureBytes> done) override {
      view_.Ask(done, [&](FakeDatabase& all) { all.content_.FindSources(job_id, done); });
    }
    absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) override {
      const absl::MutexLock lock(&view_.database_.mutex_);
      return view_.away_ ? Away() : view_.database_.content_.ForEachUnfinished(take);
    }
    absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) override {
      const absl::MutexLock lock(&view_.database_.mutex_);
      return view_.away_ ? Away() : view_.database_.content_.ForEachUnsettledWebhook(take);
    }
    absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) override {
      const absl::MutexLock lock(&view_.database_.mutex_);
      if (view_.away_) return Away();
      return view_.database_.content_.Secrets(purpose);
    }
    StoreDurability durability() const override { return {.disk = true}; }
    uint64_t epoch() const override { return term_; }

    void Find(const std::string& tenant, const std::string& id,
              Done<std::optional<StoredJob>> done) override {
      view_.Find(tenant, id, done);
    }
    void FindRequest(const std::string& tenant, const std::string& request_id,
                     Done<std::optional<EarlierRequest>> done) override {
      view_.FindRequest(tenant, request_id, done);
    }
    void List(const JobQuery& query, Done<std::vector<StoredJob>> done) override { view_.List(query, done); }
    void FindImage(const std::string& job_id, uint32_t index,
                   Done<std::optional<StoredImage>> done) override {
      view_.FindImage(job_id, index, done);
    }
    void Models(Done<std::vector<v1::Model>> done) override { view_.Models(done); }
    void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) override {
      view_.ListUsage(query, done);
    }

   private:
    View& view_;
    const uint64_t term_;
  };

  static absl::Status Away() {
    return MakeError(absl::StatusCode::kUnavailable, "the database does not answer", "STORE_UNAVAILABLE");
  }

  absl::Mutex mutex_;
  TermRow row_ ABSL_GUARDED_BY(mutex_);
  FakeStore content_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_FAKE_DATABASE_H_
