#include "server/store/postgres_connection.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/dispatch/moment.h"
#include "server/store/postgres_error.h"

namespace mind::server {
namespace {

// Longer than a statement may take at the database.
constexpr absl::Duration kSilence = absl::Seconds(15);
constexpr char kGivenUp[] = "it is not waited for any more";
constexpr absl::Duration kFirstPause = absl::Milliseconds(50), kLongestPause = absl::Seconds(1);

// Which the URL may set otherwise. A database that does not answer is noticed within seconds; several hosts
// are asked for the one that can be written to.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"connect_timeout", "3"},     {"tcp_user_timeout", "5000"}, {"keepalives_idle", "5"},
    {"keepalives_interval", "2"}, {"keepalives_count", "3"},    {"target_session_attrs", "read-write"},
};
// What no session of ours goes without: none holds its locks for long while it is asleep, and a commit that
// is said to be one is on the disk.
constexpr char kSessionOptions[] =
    "-c idle_in_transaction_session_timeout=5000 -c lock_timeout=2000 -c statement_timeout=10000 "
    "-c synchronous_commit=on";

}  // namespace

PostgresConnection::PostgresConnection(std::string url, std::string name, OnConnected on_connected)
    : url_(std::move(url)),
      name_(std::move(name)),
      on_connected_(std::move(on_connected)),
      wake_up_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

PostgresConnection::~PostgresConnection() {
  close(wake_up_);
}

void PostgresConnection::GiveUp() {
  given_up_ = true;
  eventfd_write(wake_up_, 1);
}

// --- Connecting.

absl::Status PostgresConnection::Connect() {
  if (given_up_) return Lose(kGivenUp);
  if (connection_ != nullptr && !Closed()) return absl::OkStatus();
  connection_.reset();
  if (!failure_.ok() && SteadyNow() < next_try_) return failure_;
  failure_ = Open();
  if (failure_.ok()) failure_ = on_connected_(*this);
  if (failure_.ok()) {
    pause_ = absl::ZeroDuration();
  } else {
    connection_.reset();
    pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
    next_try_ = SteadyNow() + pause_;
  }
  return failure_;
}

absl::Status PostgresConnection::Open() {
  char* problem = nullptr;
  const absl::Cleanup free_problem = [&] { PQfreemem(problem); };
  PQconninfoOption* const given = PQconninfoParse(url_.c_str(), &problem);
  if (given == nullptr) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("not an address of a PostgreSQL database: ", problem != nullptr ? problem : "no memory"),
        "STORE");
  }
  const absl::Cleanup free_given = [&] { PQconninfoFree(given); };
  std::map<std::string, std::string> settings(std::begin(kDefaults), std::end(kDefaults));
  for (const PQconninfoOption* option = given; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings[option->keyword] = option->val;
  }
  settings["options"] = absl::StrCat(kSessionOptions, " ", settings["options"]);
  settings["application_name"] = name_;
  settings["client_encoding"] = "UTF8";
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : settings) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  prepared_.clear();
  connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 0));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    const absl::Status lost = explains_ ? Explain() : PostgresLost(PQerrorMessage(connection_.get()));
    if (!lost.ok()) return lost;
  }
  explains_ = false;
  PQsetNoticeReceiver(connection_.get(), &PostgresConnection::OnNotice, this);
  if (PQsetnonblocking(connection_.get(), 1) != 0 || PQenterPipelineMode(connection_.get()) != 1) {
    return PostgresLost(PQerrorMessage(connection_.get()));
  }
  return absl::OkStatus();
}

absl::Status PostgresConnection::Explain() {
  PGconn* const connection = connection_.get();
  const std::string message = PQerrorMessage(connection);
  if (PQconnectionNeedsPassword(connection) != 0) return PostgresRefused(message);
  // The code of an error is told only at length while there is no connection.
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
  PQreset(connection);
  if (PQstatus(connection) != CONNECTION_OK) {
    return IsRefusal(PQerrorMessage(connection)) ? PostgresRefused(message) : PostgresLost(message);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  return absl::OkStatus();
}

// Somebody may cancel a commit that waits for its standby: the database then says that it has committed, and
// only warns that the standby may not have it.
void PostgresConnection::OnNotice(void* self, const PGresult* notice) {
  const char* const function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
  if (function != nullptr && std::string_view(function) == "SyncRepWaitForLSN") {
    static_cast<PostgresConnection*>(self)->unreplicated_ = true;
  }
  const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::string_view(severity) != "WARNING") return;
  LogWarning("the database warns", {{"warning", std::string(PQresultErrorMessage(notice))}});
}

bool PostgresConnection::Closed() {
  PGconn* const connection = connection_.get();
  pollfd socket{.fd = PQsocket(connection), .events = POLLIN};
  // What it sends to a connection that waits is its farewell, or a setting that has changed.
  while (PQstatus(connection) == CONNECTION_OK && poll(&socket, 1, 0) == 1) {
    if (PQconsumeInput(connection) != 1) return true;
  }
  return PQstatus(connection) != CONNECTION_OK;
}

absl::Status PostgresConnection::Lose(const std::string& message) {
  connection_.reset();
  return PostgresLost(message);
}

// --- Asking.

absl::StatusOr<std::vector<PostgresRows>> PostgresConnection::Run(const std::vector<PostgresCall>& calls) {
  if (absl::Status status = Connect(); !status.ok()) return status;
  return Exchange(calls);
}

absl::StatusOr<std::vector<PostgresRows>> PostgresConnection::Ask(const std::vector<PostgresCall>& calls) {
  const bool stood = connection_ != nullptr;
  absl::StatusOr<std::vector<PostgresRows>> rows = Run(calls);
  if (rows.ok() || !stood || connection_ != nullptr) return rows;
  return Run(calls);
}

absl::Status PostgresConnection::Execute(const std::string& sql) {
  if (absl::Status status = Connect(); !status.ok()) return status;
  PGconn* const connection = connection_.get();
  if (PQexitPipelineMode(connection) != 1) return Lose(PQerrorMessage(connection));
  const PostgresRows result(PQexec(connection, sql.c_str()));
  absl::Status status = result.status();
  if (PQenterPipelineMode(connection) != 1) return Lose(PQerrorMessage(connection));
  if (!status.ok()) RollBack();
  return status;
}

bool PostgresConnection::Send(const PostgresCall& call, std::vector<const char*>& prepares) {
  std::string& name = prepared_[call.sql()];
  if (name.empty()) {
    name = absl::StrCat("s", ++next_name_);
    if (PQsendPrepare(connection_.get(), name.c_str(), call.sql(), 0, nullptr) != 1) return false;
    prepares.push_back(call.sql());
  }
  prepares.push_back(nullptr);
  return call.Send(connection_.get(), name.c_str());
}

absl::StatusOr<std::vector<PostgresRows>> PostgresConnection::Exchange(
    const std::vector<PostgresCall>& calls) {
  unreplicated_ = false;
  std::vector<const char*> prepares;  // in the order of results; null: a call
  for (const PostgresCall& call : calls) {
    if (!Send(call, prepares)) return Lose(PQerrorMessage(connection_.get()));
  }
  if (PQpipelineSync(connection_.get()) != 1) return Lose(PQerrorMessage(connection_.get()));

  std::vector<PostgresRows> given;
  absl::Status failure;
  auto next = prepares.begin();
  for (bool after_result = false;;) {
    if (absl::Status status = Wait(); !status.ok()) return status;
    PGresult* const result = PQgetResult(connection_.get());
    if (result == nullptr) {
      // One ends each result; a second one would be the last of all.
      if (!std::exchange(after_result, false)) return Lose(PQerrorMessage(connection_.get()));
      continue;
    }
    after_result = true;
    PostgresRows rows(result);
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) break;
    if (PQstatus(connection_.get()) != CONNECTION_OK || next == prepares.end()) {
      return Lose(PQresultErrorMessage(result));
    }
    const char* const prepared = *next++;
    if (rows.status().ok()) {
      if (prepared == nullptr) given.push_back(std::move(rows));
      continue;
    }
    if (prepared != nullptr) prepared_.erase(prepared);
    if (failure.ok()) failure = rows.status();
  }
  if (failure.ok() && unreplicated_) {
    failure = PostgresError("57014", "the commit did not wait for its standby");
  }
  if (failure.ok()) return given;
  RollBack();
  // Where a database goes down or cannot be written to, another may be there in its place.
  if (failure.code() == absl::StatusCode::kUnavailable) connection_.reset();
  return failure;
}

absl::Status PostgresConnection::Wait() {
  PGconn* const connection = connection_.get();
  while (PQisBusy(connection) != 0) {
    const bool more_to_send = PQflush(connection) == 1;
    pollfd watched[] = {
        {.fd = PQsocket(connection), .events = static_cast<int16_t>(POLLIN | (more_to_send ? POLLOUT : 0))},
        {.fd = wake_up_, .events = POLLIN}};
    const pollfd& socket = watched[0];
    const int ready =
        poll(watched, std::size(watched), static_cast<int>(absl::ToInt64Milliseconds(kSilence)));
    if (ready == 0) return Lose(absl::StrCat("silent for ", absl::FormatDuration(kSilence)));
    if (given_up_) return Lose(kGivenUp);
    if (ready > 0 && (socket.revents & ~POLLOUT) != 0 && PQconsumeInput(connection) != 1) {
      return Lose(PQerrorMessage(connection));
    }
  }
  return absl::OkStatus();
}

void PostgresConnection::RollBack() {
  if (PQtransactionStatus(connection_.get()) != PQTRANS_INERROR) return;
  if (!Exchange({PostgresCall("ROLLBACK")}).ok()) connection_.reset();
}

}  // namespace mind::server
