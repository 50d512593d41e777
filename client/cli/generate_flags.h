// The flags of `mind generate` and `mind jobs`.
#ifndef MIND_CLIENT_CLI_GENERATE_FLAGS_H_
#define MIND_CLIENT_CLI_GENERATE_FLAGS_H_

#include "client/cli/commands.h"
#include "proto/support/command_line.h"

namespace mind::cli {

// `options` are filled in while the command line is read.
void AddGenerateFlags(CLI::App& generate, GenerateOptions& options);
// Those of `mind jobs`.
void AddJobsFlags(CLI::App& jobs, v1::ListJobsRequest& request);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_GENERATE_FLAGS_H_
