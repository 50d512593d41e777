// `mind keys`: who may call a server. On a file of keys, or at a server that is running.
#ifndef MIND_CLIENT_CLI_KEYS_H_
#define MIND_CLIENT_CLI_KEYS_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/cli/commands.h"
#include "proto/support/command_line.h"

namespace mind::cli {

struct KeysOptions {
  std::string file;  // empty: the server is asked
  v1::ApiKey key;    // to be made
  std::optional<absl::Duration> expires;
  std::string id, tenant;
  absl::Duration overlap;
  v1::TenantLimits limits;
};

// Adds the subcommands; `choose` gets what the one that is named does. `options` are filled in while the
// command line is read.
void AddKeysCommands(CLI::App& keys, Common& common, KeysOptions& options,
                     const std::function<void(std::function<int(client::Client&)>)>& choose);

// Each returns the exit status. A new key is printed once, as the last line of standard output.
int CreateKey(client::Client& client, const Common& common, const KeysOptions& options);
int ListKeys(client::Client& client, const Common& common, const KeysOptions& options);
int RotateKey(client::Client& client, const Common& common, const KeysOptions& options);
int RevokeKey(client::Client& client, const Common& common, const KeysOptions& options);
int LimitTenant(client::Client& client, const Common& common, const KeysOptions& options);

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_KEYS_H_
