// The flags of `mind keys`.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/keys.h"
#include "proto/support/errors.h"
#include "proto/support/flag_types.h"
#include "proto/support/time.h"

namespace mind::cli {
namespace {

constexpr absl::Duration kLongest = absl::Hours(24 * 36500);

std::string ReadScopes(const std::string& text, v1::ApiKey& key) {
  for (const absl::string_view name : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    v1::Scope scope = v1::SCOPE_UNSPECIFIED;
    if (!v1::Scope_Parse(absl::StrCat("SCOPE_", absl::AsciiStrToUpper(name)), &scope) ||
        scope == v1::SCOPE_UNSPECIFIED) {
      return absl::StrCat("\"", Printable({name.data(), name.size()}, 40),
                          "\" is no scope; generate, read, admin, worker, scale and proxy are");
    }
    key.add_scopes(scope);
  }
  return "";
}

std::string ReadPriority(const std::string& text, v1::ApiKey& key) {
  v1::Priority priority = v1::PRIORITY_UNSPECIFIED;
  if (!v1::Priority_Parse(absl::StrCat("PRIORITY_", absl::AsciiStrToUpper(text)), &priority) ||
      priority == v1::PRIORITY_UNSPECIFIED) {
    return absl::StrCat("\"", Printable(text, 40), "\" is no priority; low, normal and high are");
  }
  key.set_highest_priority(priority);
  return "";
}

void AddFileFlag(CLI::App& app, KeysOptions& options) {
  AddText(app, "--file", options.file, "FILE",
          "The file of keys of `mind-server --keys`, instead of a server that is asked");
}

void AddCreateFlags(CLI::App& app, KeysOptions& options) {
  AddFileFlag(app, options);
  AddFlag(
      app, "--tenant", "NAME",
      [&options](const std::string& name) {
        options.key.set_tenant(name);
        return std::string();
      },
      "Whose requests it makes")
      ->required();
  AddFlag(
      app, "--scopes", "SCOPES",
      [&options](const std::string& text) { return ReadScopes(text, options.key); },
      "What it is good for, with commas between: generate (make pictures), read (see jobs and models), admin "
      "(keys and workers), worker (be one), scale, proxy (speak for any tenant)")
      ->required();
  AddFlag(
      app, "--models", "MODELS",
      [&options](const std::string& text) {
        for (const absl::string_view model : absl::StrSplit(text, ',', absl::SkipEmpty())) {
          options.key.add_models(std::string(model));
        }
        return std::string();
      },
      "Models that it may ask for, with commas between; if left out, all");
  AddFlag(
      app, "--priority", "PRIORITY",
      [&options](const std::string& text) { return ReadPriority(text, options.key); },
      "The highest that its jobs get, whatever they ask for: low, normal or high; below high a deadline does "
      "not put its jobs "
      "forward")
      ->default_str("normal");
  AddFlag(app, "--expires", "DURATION",
          DurationReader([&options](absl::Duration given) { options.expires = given; }, absl::Seconds(1),
                         kLongest),
          "How long from now on it is good; if left out, until it is revoked");
  AddFlag(
      app, "--name", "TEXT",
      [&options](const std::string& name) {
        options.key.set_name(name);
        return std::string();
      },
      "For people");
}

void AddLimitFlags(CLI::App& app, KeysOptions& options) {
  AddText(app, "TENANT", options.tenant, "NAME", "Whom it is about")->required();
  AddFileFlag(app, options);
  v1::TenantLimits& limits = options.limits;
  const auto number = [&app]<typename T>(const char* name, std::function<void(T)> take, const char* help) {
    AddFlag(app, name, "N", Number<T>(std::move(take), T{0}), help);
  };
  AddFlag(app, "--weight", "N", Number<double>([&limits](double n) { limits.set_weight(n); }, 0, 1000),
          "Its share of the workers' time against others'; if left out, 1");
  number.operator()<uint32_t>(
      "--max-jobs", [&limits](uint32_t n) { limits.set_max_jobs(n); },
      "Jobs that may wait or run at the same time");
  number.operator()<uint64_t>(
      "--max-bytes", [&limits](uint64_t n) { limits.set_max_bytes(n); }, "Bytes that those may have brought");
  number.operator()<uint32_t>(
      "--requests-per-minute", [&limits](uint32_t n) { limits.set_requests_per_minute(n); },
      "Calls a minute, at each server");
  number.operator()<double>(
      "--worker-seconds-per-minute", [&limits](double n) { limits.set_worker_seconds_per_minute(n); },
      "Seconds of one worker within a minute");
  number.operator()<double>(
      "--worker-seconds-per-day", [&limits](double n) { limits.set_worker_seconds_per_day(n); },
      "Seconds of one worker within a day");
  number.operator()<uint32_t>(
      "--max-running-images", [&limits](uint32_t n) { limits.set_max_running_images(n); },
      "Pictures that workers may be making at the same time; the others wait");
  AddFlag(app, "--keep", "DURATION",
          DurationReader([&limits](absl::Duration given) { *limits.mutable_keep() = ToDuration(given); },
                         absl::Seconds(1), kLongest),
          "How long its ended jobs and their pictures are kept; if left out, as long as the server's");
}

}  // namespace

void AddKeysCommands(CLI::App& keys, Common& common, KeysOptions& options,
                     const std::function<void(std::function<int(client::Client&)>)>& choose) {
  using Run = int (*)(client::Client&, const Common&, const KeysOptions&);
  const auto add = [&](const char* name, const char* help, Run run) {
    CLI::App* const command = keys.add_subcommand(name, help);
    command->callback([choose, run, &common, &options] {
      choose([run, &common, &options](client::Client& client) { return run(client, common, options); });
    });
    return command;
  };
  keys.require_subcommand(1);
  AddCreateFlags(*add("create", "Make a key, and print it: it cannot be had again", CreateKey), options);
  CLI::App* command = add("list", "List keys, without their secrets", ListKeys);
  AddFileFlag(*command, options);
  AddText(*command, "--tenant", options.tenant, "NAME", "Only this tenant's");
  command = add("rotate", "Make a key in another's place, and print it", RotateKey);
  AddText(*command, "ID", options.id, "ID", "The key's id, as `mind keys list` has it")->required();
  AddFileFlag(*command, options);
  AddDuration(*command, "--overlap", options.overlap, absl::ZeroDuration(), kLongest,
              "How long the other is still good");
  command = add("revoke", "End a key, for good", RevokeKey);
  AddText(*command, "ID", options.id, "ID", "The key's id, as `mind keys list` has it")->required();
  AddFileFlag(*command, options);
  AddLimitFlags(*add("limit", "Say what a tenant may take, instead of all that was said before", LimitTenant),
                options);
}

}  // namespace mind::cli
