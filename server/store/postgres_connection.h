// One connection to a PostgreSQL database, made when it is needed and made again when it is lost.
#ifndef MIND_SERVER_STORE_POSTGRES_CONNECTION_H_
#define MIND_SERVER_STORE_POSTGRES_CONNECTION_H_

#include <libpq-fe.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/postgres_call.h"

namespace mind::server {

// Belongs to one thread at a time.
//
// What is sent together goes in one round trip. Answers are waited for as long as bytes go to and fro; when
// nothing has moved for a while the connection is given up. A connection that cannot be made is not tried
// again at once, but with growing pauses: until then calls fail without a try.
class PostgresConnection {
 public:
  // Run on each new connection before anything else.
  using OnConnected = std::function<absl::Status(PostgresConnection&)>;

  // `url`: as libpq takes it, a URL or key=value. `name` is what the database shows of it.
  PostgresConnection(
      std::string url, std::string name,
      OnConnected on_connected = [](PostgresConnection&) { return absl::OkStatus(); });
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;
  ~PostgresConnection();

  // Runs these one after the other: what each has given, or the first error, after which the others were not
  // run. Errors: PostgresError, PostgresLost.
  absl::StatusOr<std::vector<PostgresRows>> Run(const std::vector<PostgresCall>& calls);
  // The same for what only reads: if a connection that stood turns out to be lost, once more over a new one.
  absl::StatusOr<std::vector<PostgresRows>> Ask(const std::vector<PostgresCall>& calls);
  // Runs SQL that gives no rows, any number of statements: all of them or none.
  absl::Status Execute(const std::string& sql);

  // Until it has stood once, a database that is there and does not let us in is no UNAVAILABLE
  // (PostgresRefused): it is asked twice, as only a long answer says why.
  void ExplainRefusals() { explains_ = true; }

  // Nothing is waited for any more, nor asked again: what is under way ends with UNAVAILABLE, though the
  // database may still do it. From any thread.
  void GiveUp();

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  // Sees to it that there is a connection, as far as can be known.
  absl::Status Connect();
  absl::Status Open();
  // Asks once more, for the reason.
  absl::Status Explain();
  static void OnNotice(void* self, const PGresult* notice);
  // Whether the database has closed it meanwhile.
  bool Closed();
  absl::StatusOr<std::vector<PostgresRows>> Exchange(const std::vector<PostgresCall>& calls);
  // Puts a call into the pipeline, and before it, where that is to be, its preparation.
  bool Send(const PostgresCall& call, std::vector<const char*>& prepares);
  // Waits until PQgetResult has something to tell.
  absl::Status Wait();
  // Leaves a transaction that has failed.
  void RollBack();
  // Gives the connection up; PostgresLost.
  absl::Status Lose(const std::string& message);

  const std::string url_, name_;
  const OnConnected on_connected_;
  std::atomic<bool> given_up_ = false;
  const int wake_up_;  // an eventfd: readable once it is given up
  bool explains_ = false;
  std::unique_ptr<PGconn, Finish> connection_;
  std::map<const char*, std::string> prepared_;  // on this connection: names by SQL
  int next_name_ = 0;
  bool unreplicated_ = false;  // in this exchange: a commit did not wait for its standby
  absl::Status failure_;       // of the last try to connect
  absl::Duration pause_;
  absl::Duration next_try_;  // on the steady clock
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_CONNECTION_H_
