// The term's row in PostgreSQL.
#ifndef MIND_SERVER_STORE_POSTGRES_TERM_STORE_H_
#define MIND_SERVER_STORE_POSTGRES_TERM_STORE_H_

#include <functional>
#include <memory>
#include <string>

#include "server/store/postgres_connection.h"
#include "server/store/task_thread.h"
#include "server/store/term_store.h"

namespace mind::server {

// It has a thread and a connection of its own, so that it does not wait for what is being committed.
class PostgresTermStore : public TermStore {
 public:
  // Makes the row where there is none. A database that is away is asked again with each question, and they
  // are UNAVAILABLE until it is there. What it says when it is there and cannot be used, now or then, is no
  // UNAVAILABLE: FAILED_PRECONDITION for tables of a newer version, or an address, a name or a password that
  // leads to no database.
  static absl::StatusOr<std::unique_ptr<PostgresTermStore>> Open(const std::string& url);
  // What it was asked for and has not done, it does not do.
  ~PostgresTermStore() override { connection_.GiveUp(); }

  void Read(Done<TermRow> done) override;
  // The earlier holder may be asleep in the middle of a commit: its session is ended.
  void Take(const TermRow& seen, const std::string& holder, const std::string& address,
            Done<std::optional<uint64_t>> done) override;
  void Renew(uint64_t term, const std::string& holder, Done<bool> done) override;
  void Resign(uint64_t term, const std::string& holder, Done<bool> done) override;

 private:
  explicit PostgresTermStore(const std::string& url);
  // An UPDATE of the row; whether there was one to change.
  void Change(const char* sql, uint64_t term, const std::string& holder, Done<bool> done);

  bool prepared_ = false;          // the row is there, of a version that this one knows
  PostgresConnection connection_;  // thread_'s, once opened
  TaskThread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_TERM_STORE_H_
