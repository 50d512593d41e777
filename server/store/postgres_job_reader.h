// What a PostgreSQL store can be asked, by whoever does not decide about jobs.
#ifndef MIND_SERVER_STORE_POSTGRES_JOB_READER_H_
#define MIND_SERVER_STORE_POSTGRES_JOB_READER_H_

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/store/damaged_job.h"
#include "server/store/job_reader.h"
#include "server/store/object_store.h"
#include "server/store/postgres_reader.h"
#include "server/store/task_thread.h"

namespace mind::server {

// A few threads, each with a connection of its own, made when it is first needed. Before somebody has decided
// with the store for the first time there are no tables, and it is UNAVAILABLE. A job whose
// row cannot be read is answered as DATA_LOSS, but is not set aside; who decides does that.
class PostgresJobReader : public virtual JobReader {
 public:
  // `objects`: where large pictures lie; null: in the database, all of them.
  explicit PostgresJobReader(const std::string& url, std::shared_ptr<ObjectStore> objects = nullptr)
      : PostgresJobReader(url, std::move(objects), 0, [](const DamagedRow&) {}) {}
  // Whoever still waits for an answer is told that there is none.
  ~PostgresJobReader() override { GiveUpReading(); }

  void Find(const std::string& tenant, const std::string& id, Done<std::optional<StoredJob>> done) override;
  void FindRequest(const std::string& tenant, const std::string& request_id,
                   Done<std::optional<EarlierRequest>> done) override;
  void List(const JobQuery& query, Done<std::vector<StoredJob>> done) override;
  void FindImage(const std::string& job_id, uint32_t index, Done<std::optional<StoredImage>> done) override;
  void Models(Done<std::vector<v1::Model>> done) override;
  void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) override;

 protected:
  PostgresJobReader(const std::string& url, std::shared_ptr<ObjectStore> objects, uint64_t epoch,
                    const SetAside& set_aside);
  // Has one of the readers do it, in its turn.
  void Read(std::function<void(PostgresReader&)> work);
  // Does all it was asked for; after that it is asked nothing.
  void StopReading();
  // Answers nothing any more. Thread-safe.
  void GiveUpReading();

 protected:
  const std::shared_ptr<ObjectStore> objects_;

 private:
  static constexpr size_t kReaders = 2;
  struct Reading {
    std::unique_ptr<PostgresReader> reader;
    std::unique_ptr<TaskThread> thread;  // reader's
  };

  std::array<Reading, kReaders> readers_;
  size_t next_reader_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_JOB_READER_H_
