// `mind usage`: what tenants have used, for who bills them.
#ifndef MIND_CLIENT_CLI_USAGE_H_
#define MIND_CLIENT_CLI_USAGE_H_

#include <string>

#include "client/cli/commands.h"
#include "proto/support/command_line.h"

namespace mind::cli {

void AddUsageFlags(CLI::App& app, v1::ListUsageRequest& request);

// A line of CSV, as RFC 4180 has it, without its end.
std::string CsvOf(const v1::Usage& usage);

// Prints CSV, or with --json an object a line. Gives the exit status.
int Usage(client::Client& client, const Common& common, const v1::ListUsageRequest& request);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_USAGE_H_
