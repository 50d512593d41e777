// mind: the command line of Mind-Diffusion.
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>

#include "client/cli/commands.h"
#include "client/cli/doctor.h"
#include "client/cli/generate_flags.h"
#include "client/cli/keys.h"
#include "client/cli/outcome.h"
#include "client/cli/usage.h"
#include "proto/support/channel_tls.h"
#include "proto/support/command_line.h"

namespace {

using namespace mind;
using namespace mind::cli;

constexpr char kExitCodes[] =
    "Exit status: 0 done; 1 the job failed; 2 wrong use or a field the server does not accept; 3 no server "
    "or worker;\n4 no such job or model; 5 queue full or a limit reached; 6 deadline passed; 7 cancelled; 8 "
    "the "
    "key is not\naccepted, or does not allow this.";

// Ctrl-C and SIGTERM end the call, which cancels the job of a running `generate`; again, the program.
void StopOnSignals(client::Client& client) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([set, &client] {
    int signal = 0;
    sigwait(&set, &signal);
    client.Stop();
    sigwait(&set, &signal);
    _exit(128 + signal);
  }).detach();
}

// What a subcommand does once the command line is read.
using Command = std::function<int(client::Client&)>;

struct Arguments {
  Common common;
  GenerateOptions generate;
  std::string id, out, model;
  uint64_t after = 0;
  uint32_t index = 0;
  v1::ListJobsRequest jobs;
  v1::ListUsageRequest usage;
  KeysOptions keys;
  DoctorOptions doctor;
};

void AddCommands(CLI::App& app, Arguments& a, Command& chosen) {
  const auto add = [&app, &chosen](const char* name, const char* help, Command command) {
    CLI::App* const c = app.add_subcommand(name, help);
    c->callback([&chosen, command = std::move(command)] { chosen = command; });
    return c;
  };
  const auto job_id = [&a](CLI::App* c) { AddText(*c, "ID", a.id, "ID", "The job's id")->required(); };

  CLI::App* c = add("generate", "Make pictures from a prompt",
                    [&a](client::Client& client) { return Generate(client, a.common, a.generate); });
  AddGenerateFlags(*c, a.generate);
  c = add("jobs", "List jobs, newest first",
          [&a](client::Client& client) { return Jobs(client, a.common, a.jobs); });
  AddJobsFlags(*c, a.jobs);
  c = add("watch", "Follow a job to its end",
          [&a](client::Client& client) { return Watch(client, a.common, a.id, a.after); });
  job_id(c);
  AddNumber<uint64_t>(*c, "--after", a.after, 0, std::numeric_limits<uint64_t>::max(),
                      "Only events after this sequence number");
  c = add("get", "Fetch a job's pictures, waiting for them if need be",
          [&a](client::Client& client) { return Get(client, a.common, a.id, a.out); });
  job_id(c);
  AddText(*c, "-o,--out", a.out, "FILE", "As for `mind generate`");
  c = add("image", "Fetch one picture of a job that is done, without waiting",
          [&a](client::Client& client) { return Image(client, a.common, a.id, a.index, a.out); });
  job_id(c);
  AddNumber(*c, "INDEX", a.index, 0U, std::numeric_limits<uint32_t>::max(), "Which, from 0");
  AddText(*c, "-o,--out", a.out, "FILE", "As for `mind generate`");
  job_id(add("delete", "Forget a job and its pictures, ending it if need be",
             [&a](client::Client& client) { return Delete(client, a.common, a.id); }));
  job_id(add("cancel", "End a job", [&a](client::Client& client) { return Cancel(client, a.common, a.id); }));
  add("models", "List models and what may be asked of them",
      [&a](client::Client& client) { return Models(client, a.common); });
  c = add("samplers", "List the samplers of a model and what each can be told",
          [&a](client::Client& client) { return Samplers(client, a.common, a.model); });
  AddText(*c, "MODEL", a.model, "NAME", "May be left out if there is only one");
  add("workers", "List connected workers",
      [&a](client::Client& client) { return Workers(client, a.common); });
  c = add("doctor", "Look at an installation, and say what is wrong with it and what to do",
          [&a](client::Client& client) { return Doctor(client, a.common, a.doctor); });
  AddTexts(
      *c, "--metrics", a.doctor.metrics, "HOST:PORT",
      "Where a server tells its metrics, for what it does not tell clients: version, store, disk, clock; "
      "may be given again, for each server");
  c = add("usage", "Say what tenants have used, as CSV",
          [&a](client::Client& client) { return Usage(client, a.common, a.usage); });
  AddUsageFlags(*c, a.usage);
  AddKeysCommands(*app.add_subcommand("keys", "Say who may call a server"), a.common, a.keys,
                  [&chosen](Command command) { chosen = std::move(command); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Mind-Diffusion: pictures from prompts. `mind COMMAND --help` says more.");
  SetUpCommandLine(app);
  app.footer(kExitCodes);
  app.require_subcommand(1);
  app.fallthrough();
  Arguments arguments;
  Common& common = arguments.common;
  GiveTwin(AddText(app, "--server", common.server, "HOST:PORT", "The server to ask"));
  GiveTwin(AddText(app, "--tenant", common.tenant, "NAME", "Whose request it is"));
  ChannelTls tls;
  AddChannelTlsFlags(app, tls);
  GiveTwin(AddText(app, "--key", common.key, "KEY",
                   "What the server asks for; better given as MIND_KEY, which other users of the machine "
                   "cannot read"));
  AddSwitch(app, "--json", common.json, "Print JSON, one object a line");
  Command command;
  AddCommands(app, arguments, command);
  ParseCommandLine(app, argc, argv);

  const auto credentials = MakeChannelCredentials(tls);
  if (!credentials.ok()) {
    std::fprintf(stderr, "mind: %s; see --help\n", std::string(credentials.status().message()).c_str());
    return kUsage;
  }
  arguments.doctor.encrypted = tls.on;
  arguments.doctor.credentials = *credentials;
  client::Client client(
      {.server = common.server, .tenant = common.tenant, .key = common.key, .credentials = *credentials});
  StopOnSignals(client);
  return command(client);
}
