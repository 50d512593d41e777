// What the subcommands of `mind` do. Each returns the exit status.
#ifndef MIND_CLIENT_CLI_COMMANDS_H_
#define MIND_CLIENT_CLI_COMMANDS_H_

#include <optional>
#include <string>

#include "client/cpp/client.h"

namespace mind::cli {

struct Common {
  std::string server = "127.0.0.1:8080";
  std::string tenant;
  std::string key;
  bool json = false;  // machine-readable output: one JSON object a line on standard output
};

struct GenerateOptions {
  v1::JobRequest request;
  // File name; empty: <job id>.<extension>; several pictures get -0, -1 … "-": standard output, for one.
  std::string out;
  bool tiling = false;   // pictures without seams
  bool metadata = true;  // the request is written into the pictures
  bool detach = false;   // only create the job and print its id
  bool dry_run = false;  // only say what it would cost
};

int Generate(client::Client& client, const Common& common, const GenerateOptions& options);
int Jobs(client::Client& client, const Common& common, const v1::ListJobsRequest& request);
int Watch(client::Client& client, const Common& common, const std::string& id, uint64_t after);
int Get(client::Client& client, const Common& common, const std::string& id, const std::string& out);
// One picture that is done, without waiting.
int Image(client::Client& client, const Common& common, const std::string& id, uint32_t index,
          const std::string& out);
int Cancel(client::Client& client, const Common& common, const std::string& id);
int Delete(client::Client& client, const Common& common, const std::string& id);
int Models(client::Client& client, const Common& common);
int Samplers(client::Client& client, const Common& common, const std::string& model);
int Workers(client::Client& client, const Common& common);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_COMMANDS_H_
