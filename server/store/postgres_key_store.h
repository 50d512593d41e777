// Keys in PostgreSQL, beside the jobs.
#ifndef MIND_SERVER_STORE_POSTGRES_KEY_STORE_H_
#define MIND_SERVER_STORE_POSTGRES_KEY_STORE_H_

#include <string>

#include "server/store/postgres_connection.h"
#include "server/store/task_thread.h"
#include "server/trust/key_store.h"

namespace mind::server {

// It has a thread and a connection of its own. What it writes is not fenced: keys are no decisions of a term,
// and any front may be told to change them. Until the first leader has made the tables nothing can be read.
class PostgresKeyStore : public KeyStore {
 public:
  explicit PostgresKeyStore(const std::string& url) : connection_(url, "mind-server keys") {}

  void Read(Done<KeyTable> done) override;
  void Add(const internal::v1::StoredKey& key, Done<bool> done) override;
  void Replace(const internal::v1::StoredKey& key, Done<bool> done) override;
  void SetLimits(const std::string& tenant, const v1::TenantLimits& limits, Done<bool> done) override;

 private:
  PostgresConnection connection_;  // thread_'s
  TaskThread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_KEY_STORE_H_
