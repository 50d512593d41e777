#include "server/store/postgres_call.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/store/postgres_error.h"

namespace mind::server {
namespace {

constexpr int kText = 0, kBinary = 1;

}  // namespace

PostgresCall& PostgresCall::Ints(const std::vector<int>& values) & {
  return Add({.written = absl::StrCat("{", absl::StrJoin(values, ","), "}"), .is_written = true});
}

PostgresCall& PostgresCall::Texts(const std::vector<std::string>& values) & {
  const auto quoted = [](std::string* out, const std::string& value) {
    absl::StrAppend(out, "\"", absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
  };
  return Add({.written = absl::StrCat("{", absl::StrJoin(values, ",", quoted), "}"), .is_written = true});
}

bool PostgresCall::Send(PGconn* connection, const char* statement) const {
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const Parameter& parameter : parameters_) {
    if (parameter.is_null) {
      values.push_back(nullptr);
    } else if (parameter.is_written) {
      values.push_back(parameter.written.c_str());
    } else {
      // An empty one may have no address, which would be NULL.
      values.push_back(parameter.bytes.empty() ? "" : parameter.bytes.data());
    }
    lengths.push_back(static_cast<int>(parameter.bytes.size()));
    // Texts as well: they need not end with a zero.
    formats.push_back(parameter.is_written ? kText : kBinary);
  }
  return PQsendQueryPrepared(connection, statement, static_cast<int>(values.size()), values.data(),
                             lengths.data(), formats.data(), kBinary) == 1;
}

absl::Status PostgresRows::status() const {
  switch (PQresultStatus(result_.get())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      return absl::OkStatus();
    default:
      break;
  }
  const char* const state = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
  const char* const message = PQresultErrorField(result_.get(), PG_DIAG_MESSAGE_PRIMARY);
  // What the client library has to say has no code.
  if (state == nullptr) return PostgresLost(PQresultErrorMessage(result_.get()));
  return PostgresError(state, message != nullptr ? message : "");
}

int64_t PostgresRows::changed() const {
  return std::atoll(PQcmdTuples(result_.get()));
}

int64_t PostgresRows::Integer(int row, int column) const {
  const std::string_view bytes = Bytes(row, column);
  if (bytes.empty()) return 0;
  // Big-endian, of its own width; the first byte has the sign.
  int64_t value =
      bytes.size() > 1 ? static_cast<signed char>(bytes.front()) : static_cast<unsigned char>(bytes.front());
  for (const char byte : bytes.substr(1)) value = value * 256 + static_cast<unsigned char>(byte);
  return value;
}

}  // namespace mind::server
