#include "tests/support/postgres.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mind::support {
namespace {

constexpr char kUser[] = "postgres";
constexpr absl::Duration kPatience = absl::Seconds(60), kPoll = absl::Milliseconds(20);

// The newest that Debian's packages have brought.
std::string Program(const std::string& name) {
  std::vector<std::filesystem::path> found;
  const std::filesystem::path versions = "/usr/lib/postgresql";
  if (std::filesystem::exists(versions)) {
    for (const auto& version : std::filesystem::directory_iterator(versions)) {
      if (std::filesystem::exists(version.path() / "bin" / name))
        found.push_back(version.path() / "bin" / name);
    }
  }
  if (found.empty()) throw std::runtime_error("no " + name + ": install the package postgresql");
  return std::max_element(found.begin(), found.end())->string();
}

}  // namespace

PostgresServer::PostgresServer(std::vector<std::string> settings) : directory_(folder_.string()) {
  const std::string data = directory_ + "/data";
  if (geteuid() == 0) {
    const passwd* const user = getpwnam(kUser);
    if (user == nullptr) throw std::runtime_error("no user postgres: install the package postgresql");
    if (chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0) throw std::runtime_error("chown");
  }
  Process initdb(AsPostgres({Program("initdb"), "-D", data, "-U", kUser, "-A", "trust", "-E", "UTF8",
                             "--locale=C.UTF-8", "--no-sync", "--no-instructions"}),
                 directory_ + "/initdb");
  if (initdb.Wait() != 0) throw std::runtime_error("initdb: " + initdb.Output() + initdb.Errors());
  std::ofstream configuration(data + "/postgresql.conf", std::ios::app);
  configuration << "listen_addresses = ''\nunix_socket_directories = '" << directory_
                << "'\nshared_buffers = 16MB\nmax_connections = 60\nfsync = off\n";
  for (const std::string& setting : settings) configuration << setting << "\n";
  configuration.close();
  Start();
}

PostgresServer::~PostgresServer() {
  Stop();
}

std::vector<std::string> PostgresServer::AsPostgres(std::vector<std::string> command) const {
  std::vector<std::string> whole = {"/usr/bin/setpriv"};
  if (geteuid() == 0) {
    const passwd* const user = getpwnam(kUser);
    whole.insert(whole.end(), {absl::StrCat("--reuid=", user->pw_uid), absl::StrCat("--regid=", user->pw_gid),
                               "--clear-groups"});
  }
  whole.push_back("--pdeathsig=QUIT");
  whole.insert(whole.end(), command.begin(), command.end());
  return whole;
}

void PostgresServer::Start() {
  process_ = std::make_unique<Process>(AsPostgres({Program("postgres"), "-D", directory_ + "/data"}),
                                       directory_ + "/postgres");
  const absl::Time give_up = absl::Now() + kPatience;
  while (PQping(UrlOf("postgres").c_str()) != PQPING_OK) {
    if (!process_->running() || absl::Now() > give_up) {
      throw std::runtime_error("postgres: " + process_->Errors());
    }
    absl::SleepFor(kPoll);
  }
}

void PostgresServer::Stop() {
  if (process_ == nullptr) return;
  process_->Kill(SIGQUIT);
  process_->Wait();
  process_.reset();
}

std::shared_ptr<void> PostgresServer::Hang() {
  // The first is the one that starts others, so that none is missed.
  std::vector<pid_t> stopped = {process_->pid()};
  process_->Kill(SIGSTOP);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    // pid (name) state parent
    std::istringstream rest(line.substr(line.rfind(')') + 1));
    std::string state;
    pid_t parent = 0;
    rest >> state >> parent;
    if (parent != process_->pid()) continue;
    stopped.push_back(std::stoi(entry.path().filename()));
    kill(stopped.back(), SIGSTOP);
  }
  return {nullptr, [stopped](void*) {
            for (const pid_t pid : stopped) kill(pid, SIGCONT);
          }};
}

std::string PostgresServer::UrlOf(const std::string& database, const std::string& schema) const {
  std::string url = absl::StrCat("postgresql:///", database, "?host=", directory_, "&user=", kUser);
  if (!schema.empty()) absl::StrAppend(&url, "&options=-csearch_path%3D", schema);
  return url;
}

std::string PostgresServer::NewSchema() {
  const std::string name = absl::StrCat("schema_", ++names_);
  Sql("CREATE SCHEMA " + name);
  return UrlOf("postgres", name);
}

std::string PostgresServer::NewDatabase() {
  const std::string name = absl::StrCat("database_", ++names_);
  Sql("CREATE DATABASE " + name);
  return UrlOf(name);
}

std::string PostgresServer::Sql(const std::string& sql, const std::string& url) const {
  PGconn* const connection = PQconnectdb((url.empty() ? UrlOf("postgres") : url).c_str());
  const absl::Cleanup finish = [&] { PQfinish(connection); };
  PGresult* const result = PQexec(connection, sql.c_str());
  const absl::Cleanup clear = [&] { PQclear(result); };
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(sql + ": " + PQerrorMessage(connection));
  }
  return PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
}

PostgresServer& SharedPostgres() {
  static PostgresServer server;
  return server;
}

}  // namespace mind::support
