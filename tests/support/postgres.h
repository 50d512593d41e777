// A real PostgreSQL server of a test's own, on a Unix socket in a temporary folder.
#ifndef MIND_TESTS_SUPPORT_POSTGRES_H_
#define MIND_TESTS_SUPPORT_POSTGRES_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace mind::support {

// It ends with the thread that has started it, however that ends. Where root runs the tests, it runs as the
// user postgres, since it refuses to be root. It does not sync: it survives its own death, not the machine's.
//
// Belongs to one thread. Throws std::runtime_error where something does not work.
class PostgresServer {
 public:
  // `settings`: more lines of its configuration.
  explicit PostgresServer(std::vector<std::string> settings = {});
  ~PostgresServer();

  // Again, on the same data; it answers when this returns.
  void Start();
  // As in a crash.
  void Stop();

  // None of its processes does anything, until what this gives is destroyed.
  std::shared_ptr<void> Hang();

  // Where its sockets are; the user is postgres.
  std::string UrlOf(const std::string& database, const std::string& schema = "") const;
  // A new schema, and the URL of it.
  std::string NewSchema();
  std::string NewDatabase();
  // Runs SQL as the superuser over a connection of its own; the first column of the first row, if any.
  std::string Sql(const std::string& sql, const std::string& url = "") const;
  const std::string& directory() const { return directory_; }

 private:
  std::vector<std::string> AsPostgres(std::vector<std::string> command) const;

  const TemporaryFolder folder_;
  const std::string directory_;
  std::unique_ptr<Process> process_;
  int names_ = 0;
};

// The same for all tests of this program.
PostgresServer& SharedPostgres();

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_POSTGRES_H_
