// One statement with its parameters, and the rows that come back.
#ifndef MIND_SERVER_STORE_POSTGRES_CALL_H_
#define MIND_SERVER_STORE_POSTGRES_CALL_H_

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace mind::server {

// Parameters in order, $1 first. The bytes of texts and bytes are not copied: they must live until it has
// run.
class PostgresCall {
 public:
  // A literal: a connection prepares it once and knows it again by its address.
  explicit PostgresCall(const char* sql) : sql_(sql) {}

  PostgresCall& Text(std::string_view value) & { return Add({.bytes = value}); }
  PostgresCall& Bytes(std::string_view value) & { return Add({.bytes = value}); }
  PostgresCall& Int(int64_t value) & { return Add({.written = std::to_string(value), .is_written = true}); }
  // An array of integers.
  PostgresCall& Ints(const std::vector<int>& values) &;
  // An array of texts.
  PostgresCall& Texts(const std::vector<std::string>& values) &;
  PostgresCall& Null() & { return Add({.is_null = true}); }
  PostgresCall&& Text(std::string_view value) && { return std::move(Text(value)); }
  PostgresCall&& Bytes(std::string_view value) && { return std::move(Bytes(value)); }
  PostgresCall&& Int(int64_t value) && { return std::move(Int(value)); }
  PostgresCall&& Ints(const std::vector<int>& values) && { return std::move(Ints(values)); }
  PostgresCall&& Texts(const std::vector<std::string>& values) && { return std::move(Texts(values)); }

  const char* sql() const { return sql_; }
  // Puts it into the pipeline as the prepared statement of this name. False: see PQerrorMessage.
  bool Send(PGconn* connection, const char* statement) const;

 private:
  struct Parameter {
    std::string_view bytes;
    std::string written;  // as SQL writes it
    bool is_written = false, is_null = false;
  };

  PostgresCall& Add(Parameter parameter) {
    parameters_.push_back(std::move(parameter));
    return *this;
  }

  const char* sql_;
  std::vector<Parameter> parameters_;
};

// What one call has given.
class PostgresRows {
 public:
  explicit PostgresRows(PGresult* result) : result_(result) {}

  // PostgresError.
  absl::Status status() const;
  int size() const { return PQntuples(result_.get()); }
  // How many rows it has changed.
  int64_t changed() const;
  // A smallint, integer, bigint or boolean; 0 for NULL.
  int64_t Integer(int row, int column) const;
  std::string_view Bytes(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::string Text(int row, int column) const { return std::string(Bytes(row, column)); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_CALL_H_
