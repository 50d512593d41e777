// Keys in jobs.db, beside the jobs.
#ifndef MIND_SERVER_STORE_SQLITE_KEY_STORE_H_
#define MIND_SERVER_STORE_SQLITE_KEY_STORE_H_

#include <functional>
#include <optional>
#include <string>

#include "server/store/sqlite_connection.h"
#include "server/store/task_thread.h"
#include "server/trust/key_store.h"

namespace mind::server {

// It has a thread and a connection of its own, opened when it is first asked: jobs.db must have been brought
// up to date by then (SqliteJobStore).
class SqliteKeyStore : public KeyStore {
 public:
  explicit SqliteKeyStore(const std::string& directory) : path_(directory + "/jobs.db") {}

  void Read(Done<KeyTable> done) override;
  void Add(const internal::v1::StoredKey& key, Done<bool> done) override;
  void Replace(const internal::v1::StoredKey& key, Done<bool> done) override;
  void SetLimits(const std::string& tenant, const v1::TenantLimits& limits, Done<bool> done) override;

 private:
  // On the thread: with a connection, or tells why there is none.
  template <typename T>
  void With(Done<T> done, std::function<absl::StatusOr<T>(sqlite3*)> work);

  const std::string path_;
  std::optional<SqliteConnection> connection_;  // thread_'s
  TaskThread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_KEY_STORE_H_
