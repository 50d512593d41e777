// Many streams of server-sent events: memory, how long a preview takes to all, and what they cost others.
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <cstdio>
#include <stdexcept>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mind/v1/generation.grpc.pb.h"
#include "tests/bench/server/connection.h"
#include "tests/bench/server/event_readers.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/previews.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/statistics.h"
#include "tests/support/loopback.h"
#include "tests/support/temporary_folder.h"

namespace mind::bench {
namespace {

constexpr size_t kRounds = 15;
constexpr int kTurns = 2;  // of each server, in turns: the machine may change
constexpr size_t kSubmitted = 300;
constexpr double kKibibytes = 1024;

struct Measured {
  std::vector<double> seconds;  // of a preview, to all
  double kibibytes = 0;         // of the server, a stream
  double cpu_seconds = 0;       // of the server, for all those previews
};

int PortOf(const std::string& address) {
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port))
    throw std::runtime_error(address + " is no address");
  return port;
}

std::string EventsOf(const std::string& job) {
  return absl::StrCat("/v1/jobs/", job, "/events");
}

// All jobs' events, the newest job first.
std::vector<std::string> AllEvents(const std::string& server) {
  const auto stub = v1::GenerationService::NewStub(NewConnection(server));
  std::vector<std::string> targets;
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  do {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    if (!stub->ListJobs(&context, request, &response).ok()) throw std::runtime_error("cannot list the jobs");
    for (const v1::Job& job : response.jobs()) targets.push_back(EventsOf(job.id()));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return targets;
}

double CreateJobMilliseconds(const std::string& server) {
  return Median(Submit({.server = server, .jobs = kSubmitted, .steps = 1000}).each_seconds) * 1e3;
}

// `send` sends preview number n, of 1 and up. The first warms up.
template <typename Send>
void Reach(const ServerProcess& server, EventReaders& readers, const Send& send, Measured& measured) {
  double cpu = 0;
  for (size_t round = 1; round <= kRounds; ++round) {
    if (round == 2) cpu = server.CpuSeconds();
    const double begun = EventReaders::Now();
    send(round);
    const double ended = readers.AwaitPreviews(round);
    if (round > 1) measured.seconds.push_back(ended - begun);
  }
  measured.cpu_seconds += server.CpuSeconds() - cpu;
}

void ReachThroughBare(const Setting& setting, size_t count, Measured& measured) {
  const support::TemporaryFolder folder(setting.folder);
  const ServerProcess server({setting.program, "bare-http"}, (folder / "bare").string());
  const int port = PortOf(server.address());
  const double before = server.ResidentMebibytes();
  EventReaders readers(setting.program, folder.path().string(), port, count, {"/"});
  measured.kibibytes = (server.ResidentMebibytes() - before) * kKibibytes / static_cast<double>(count);
  // What the others read too: a picture's base64.
  const std::string event = absl::StrCat(
      "id: 1\nevent: preview\ndata: ", absl::Base64Escape(std::string(kPreviewBytes, 'x')), "\n\n");
  const auto send = [&](size_t) {
    support::Ask(support::Connect(port),
                 absl::StrCat("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", event.size(),
                              "\r\n\r\n", event));
  };
  Reach(server, readers, send, measured);
}

struct WithStreams {
  Measured one_job;
  double create_before = 0, create_beside = 0;  // ms
};

void ReachThroughMind(const Setting& setting, size_t count, WithStreams& measured) {
  const support::TemporaryFolder folder(setting.folder);
  const MindServer server(setting.server, setting.folder, {"--max-queue=1100000", "--http=127.0.0.1:0"});
  NullWorker worker({.server = server.address()});
  Submit({.server = server.address(), .jobs = 1, .steps = 1000});
  worker.Ping();
  if (worker.held().empty()) throw std::runtime_error("the job was not given to the worker");
  const v1::ImageRef image = worker.held().front().image;
  v1::ConnectRequest started;
  *started.mutable_image_started()->mutable_image() = image;
  worker.Send(std::move(started));
  worker.Ping();
  measured.create_before = CreateJobMilliseconds(server.address());
  const double before = server.process().ResidentMebibytes();
  EventReaders readers(setting.program, folder.path().string(), server.http_port(), count,
                       {EventsOf(image.job_id())});
  measured.one_job.kibibytes =
      (server.process().ResidentMebibytes() - before) * kKibibytes / static_cast<double>(count);
  measured.create_beside = CreateJobMilliseconds(server.address());
  Reach(
      server.process(), readers,
      [&](size_t round) { worker.Send(PreviewOf(image, static_cast<uint32_t>(round))); }, measured.one_job);
}

// A stream for every job, all of them waiting.
WithStreams StreamsOfManyJobs(const Setting& setting, size_t count) {
  const support::TemporaryFolder folder(setting.folder);
  const MindServer server(setting.server, setting.folder, {"--max-queue=1100000", "--http=127.0.0.1:0"});
  const NullWorker worker({.server = server.address()});
  Submit({.server = server.address(), .jobs = count, .at_once = 32, .steps = 1000});
  WithStreams measured;
  measured.create_before = CreateJobMilliseconds(server.address());
  std::vector<std::string> targets = AllEvents(server.address());
  targets.resize(count);
  const double before = server.process().ResidentMebibytes();
  const EventReaders readers(setting.program, folder.path().string(), server.http_port(), count, targets);
  measured.one_job.kibibytes =
      (server.process().ResidentMebibytes() - before) * kKibibytes / static_cast<double>(count);
  measured.create_beside = CreateJobMilliseconds(server.address());
  return measured;
}

}  // namespace

void MeasureStreams(const Setting& setting, Report& report) {
  std::vector<size_t> counts = {1000};
  if (setting.large) counts.push_back(10'000);
  AllowFiles(counts.back());
  std::vector<Row> reach, cost;
  for (const size_t count : counts) {
    Measured bare;
    WithStreams mind;
    for (int turn = 0; turn < kTurns; ++turn) {
      ReachThroughBare(setting, count, bare);
      ReachThroughMind(setting, count, mind);
    }
    const double mind_seconds = Median(mind.one_job.seconds), bare_seconds = Median(bare.seconds);
    const auto cpu = [count](const Measured& measured) {
      return measured.cpu_seconds * 1e6 / static_cast<double>(measured.seconds.size() * count);
    };
    reach.push_back({absl::StrCat(count),
                     {mind_seconds * 1e3, bare_seconds * 1e3, mind_seconds / bare_seconds, cpu(mind.one_job),
                      cpu(bare), mind.one_job.kibibytes, bare.kibibytes}});
    const WithStreams many = StreamsOfManyJobs(setting, count);
    cost.push_back({absl::StrCat(count, " of one job"),
                    {mind.one_job.kibibytes, mind.create_before, mind.create_beside,
                     mind.create_beside / mind.create_before}});
    cost.push_back({absl::StrCat(count, " of as many jobs"),
                    {many.one_job.kibibytes, many.create_before, many.create_beside,
                     many.create_beside / many.create_before}});
  }
  report.Add(
      {.title = "Many who read events over HTTP",
       .what = absl::StrCat("A preview of 4 KiB, from the worker to all who read one job's events: beside "
                            "a bare Boost.Beast server that does nothing else, in turns, median of ",
                            kTurns * (kRounds - 1), " previews; the readers are a process of their own."),
       .columns = {"streams", "mind-server, ms", "bare, ms", "ratio", "server CPU a stream, µs", "bare, µs",
                   "KiB a stream", "bare, KiB"},
       .rows = reach});
  report.Add({.title = "What idle streams cost",
              .what = "Resident memory a stream, and CreateJob before them and beside them.",
              .columns = {"streams", "KiB a stream", "CreateJob before, ms", "beside, ms", "ratio"},
              .rows = cost});
}

}  // namespace mind::bench
