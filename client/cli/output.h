// Where pictures go.
#ifndef MIND_CLIENT_CLI_OUTPUT_H_
#define MIND_CLIENT_CLI_OUTPUT_H_

#include <cstdint>
#include <string>

#include "client/cpp/client.h"

namespace mind::cli {

class Output {
 public:
  // What --out says: a file; "-": standard output; empty: the job's id in the current directory.
  explicit Output(std::string out) : out_(std::move(out)) {}

  bool is_stdout() const { return out_ == "-"; }
  // Empty, or why so many pictures cannot go there, as far as that can be known before there are any.
  std::string WhyNot(uint32_t pictures) const;
  // Of one of `count` pictures. The server has no say in the directory: of the job's id only what is plainly
  // a name is taken.
  std::string FileName(const std::string& job, const client::Picture& picture, uint32_t count) const;
  // False if it could not be written.
  bool Save(const std::string& name, const std::string& data) const;

 private:
  const std::string out_;
};

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_OUTPUT_H_
